//! What dnf and rpm say about a layered deployment.
//!
//! Nothing of ours decides here. `harness::oracle` asks ostree and rpm on any host; here is what
//! needs a real distribution: dnf's own resolution of the same request, and `rpm -Va` with the
//! differences that an image-based system always has.

use super::bases::section;
use crate::harness::oracle;
use crate::run::{output, run};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Prints what dnf would install into and remove from a root, a NEVRA on each line, removed ones
/// with a minus.
const DNF: &str = "\
import sys, dnf
work, repos, packages = sys.argv[1], sys.argv[2], sys.argv[3:]
base = dnf.Base()
conf = base.conf
conf.installroot, conf.reposdir, conf.pluginpath = work + '/root', [repos], []
conf.cachedir, conf.persistdir, conf.logdir = work + '/cache', work + '/persist', work
conf.substitutions['releasever'] = '12'
# dnf's own habit, above libdnf: what the image's packages recommend in vain stays out for all.
conf.exclude_from_weak_autodetect = False
base.read_all_repos()
base.fill_sack(load_system_repo=True)
# The image's packages stay as they are.
query = base.sack.query()
image = sorted(package.name for package in query.installed())
base.sack.add_excludes(query.available().filter(name=image))
for package in packages:
    base.install(package)
base.resolve()
for package in base.transaction.install_set:
    print(package)
for package in base.transaction.remove_set:
    print('-' + str(package))
";

/// What dnf would install onto the root for a request, and remove (with a minus), sorted.
///
/// # Errors
/// When dnf finds no solution or cannot be run.
pub fn dnf(
    root: &Path,
    repositories: &[(&str, &Path)],
    wanted: &[&str],
) -> Result<BTreeSet<String>> {
    let work = tempfile::tempdir()?;
    let database = work.path().join("root/usr/share/rpm");
    let repos = work.path().join("repos");
    for directory in [&database, &repos] {
        fs::create_dir_all(directory)?;
    }
    fs::copy(root.join("usr/share/rpm/rpmdb.sqlite"), database.join("rpmdb.sqlite"))
        .with_context(|| format!("no rpmdb in {}", root.display()))?;
    let text: String = repositories.iter().map(|(name, path)| section(name, path)).collect();
    fs::write(repos.join("all.repo"), text)?;
    // Where the database is differs between the machine's rpm and the tree's.
    fs::write(work.path().join(".rpmmacros"), "%_dbpath /usr/share/rpm\n")?;
    // dnf's modules are those of the distribution's Python, whichever is first on PATH.
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", DNF]).arg(work.path()).arg(repos).args(wanted);
    let list = output(command.env("HOME", work.path()))?;
    Ok(list.lines().map(str::to_owned).collect())
}

/// The packages of a root, as [`oracle::packages`], in a set.
///
/// # Errors
/// As there.
pub fn packages(root: &Path) -> Result<BTreeSet<String>> {
    Ok(oracle::packages(root)?.into_iter().collect())
}

/// The name in a NEVRA.
#[must_use]
pub fn name_of(nevra: &str) -> &str {
    nevra.rsplitn(3, '-').last().unwrap_or(nevra)
}

/// Checks that each name is that of one of the packages.
///
/// # Errors
/// When it is not, with those that are missing.
pub fn has_all(packages: &BTreeSet<String>, names: &[&str]) -> Result<()> {
    let known: BTreeSet<&str> = packages.iter().map(|nevra| name_of(nevra)).collect();
    let missing: Vec<_> = names.iter().filter(|name| !known.contains(**name)).collect();
    if !missing.is_empty() {
        bail!("not installed: {missing:?}");
    }
    Ok(())
}

/// Checks that two sets are equal.
///
/// # Errors
/// When they are not, with what only one of them has.
pub fn same(ours: &BTreeSet<String>, theirs: &BTreeSet<String>) -> Result<()> {
    let (more, less): (Vec<_>, Vec<_>) =
        (ours.difference(theirs).collect(), theirs.difference(ours).collect());
    if !more.is_empty() || !less.is_empty() {
        bail!("only here: {more:?}; only there: {less:?}");
    }
    Ok(())
}

/// `rpm -Va` of a deployment: what differs and should not.
///
/// # Errors
/// When rpm cannot look.
pub fn verify_all(root: &Path) -> Result<Vec<String>> {
    let lines = oracle::verify(root, &["-a"])?;
    Ok(lines.into_iter().filter(|line| !expected(line)).collect())
}

/// Differences that every image-based system has: no modification times, /var and /boot of the
/// host instead of the package's, local configuration, the image's version in os-release.
fn expected(line: &str) -> bool {
    let Some((flags, rest)) = line.split_once(' ') else { return line.is_empty() };
    let rest = rest.trim_start();
    let (attribute, path) = match rest.split_once(' ') {
        Some((attribute, path)) if attribute.len() == 1 => (attribute, path.trim_start()),
        _ => ("", rest),
    };
    let elsewhere =
        ["/var", "/run", "/boot", "/usr/local", "/home", "/root", "/srv", "/opt", "/mnt"]
            .iter()
            .chain(&["/media", "/tmp", "/dev", "/proc", "/sys"])
            .any(|place| {
                path.strip_prefix(place)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
    let only_time = flags.len() == 9 && flags.chars().all(|flag| flag == '.' || flag == 'T');
    let mutated = path == "/usr/lib/os-release";
    elsewhere || mutated || only_time || attribute == "c" || attribute == "g"
}

/// Runs a program of a deployment in a copy-on-write view of its root, as it would run booted.
///
/// # Errors
/// When it fails; then with what it said.
pub fn run_in(root: &Path, script: &str) -> Result<()> {
    const ENTER: &str = "\
        set -e; mount -t tmpfs tmpfs $2; mkdir $2/upper $2/work $2/all; \
        mount -t overlay overlay -o lowerdir=$1,upperdir=$2/upper,workdir=$2/work $2/all; \
        mount -t proc proc $2/all/proc; mount --bind /dev $2/all/dev; mkdir $2/all/sysroot/tmp; \
        exec chroot $2/all /usr/bin/env -i PATH=/usr/sbin:/usr/bin HOME=/ LANG=C.UTF-8 /bin/bash -c \"$3\"";
    let work = tempfile::tempdir()?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", ENTER, "run"]).arg(root).arg(work.path()).arg(script);
    run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, is_expected: bool) {
        assert_eq!(expected(line), is_expected, "{line}");
    }

    #[test]
    fn what_an_image_always_changes_is_told_from_damage() {
        check("missing     /var/lib/dpkg/info", true);
        check("missing   c /etc/shadow", true);
        check(".......T.    /usr/bin/bash", true);
        check("S.5....T.    /usr/bin/bash", false);
        check("S.5....T.  c /etc/passwd", true);
        check("missing     /usr/bin/bash", false);
        check("missing     /variable", false);
        check("Unsatisfied dependencies for a-1-1.x86_64:", false);
    }

    #[test]
    fn names_are_cut_out_of_nevras() {
        assert_eq!(name_of("libc6-dev-0:2.36-9+deb12u4.x86_64"), "libc6-dev");
        let packages = BTreeSet::from(["a-b-1-1.noarch".to_owned()]);
        assert!(has_all(&packages, &["a-b"]).is_ok() && has_all(&packages, &["a"]).is_err());
        assert!(same(&packages, &BTreeSet::new()).is_err() && same(&packages, &packages).is_ok());
    }
}
