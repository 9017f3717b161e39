//! What ostree's and rpm's own programs say about a sysroot.
//!
//! Nothing of ours decides here: these are the judges.

use crate::run::{ostree, output, run};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The deployments' roots in the order in which they boot, as `ostree admin status` tells.
///
/// # Errors
/// When ostree cannot read the sysroot.
pub fn deployments(sysroot: &Path) -> Result<Vec<PathBuf>> {
    let mut option = std::ffi::OsString::from("--sysroot=");
    option.push(sysroot);
    let status = output(Command::new("ostree").args(["admin", "status"]).arg(option))?;
    Ok(status.lines().filter_map(|line| deployment(sysroot, line)).collect())
}

/// `* fixture 0123….0 (pending)`: the lines that start a deployment.
fn deployment(sysroot: &Path, line: &str) -> Option<PathBuf> {
    let line = line.get(2..)?;
    let mut words = line.split_whitespace();
    let (stateroot, name) = (words.next()?, words.next()?);
    let (checksum, serial) = name.split_once('.')?;
    let hex = checksum.len() == 64 && checksum.bytes().all(|b| b.is_ascii_hexdigit());
    let known = hex && serial.parse::<u32>().is_ok() && !line.starts_with(' ');
    known.then(|| sysroot.join("ostree/deploy").join(stateroot).join("deploy").join(name))
}

/// Every directory that looks like a deployment's root, listed or not.
///
/// # Errors
/// When the sysroot cannot be read.
pub fn deployment_directories(sysroot: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for stateroot in fs::read_dir(sysroot.join("ostree/deploy"))? {
        let deploy = stateroot?.path().join("deploy");
        if !deploy.is_dir() {
            continue;
        }
        for entry in fs::read_dir(deploy)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// `ostree fsck`: every object reachable from a ref is there and is what its name says.
///
/// # Errors
/// When it is not.
pub fn fsck(repository: &Path) -> Result<()> {
    let check = || run(ostree(repository, "fsck").arg("--quiet"));
    // The daemon tidies up after it has answered: an object may go between being listed and being
    // read. Real damage is still there at the second look.
    check().or_else(|_| check())
}

/// The names of all packages of a root, sorted, by `rpm -qa` on a copy of its database (rpm
/// would write beside a database that it opens).
///
/// # Errors
/// When rpm cannot read it.
pub fn packages(root: &Path) -> Result<Vec<String>> {
    let copy = database(root)?;
    let list = output(
        Command::new("rpm").arg("--dbpath").arg(copy.path()).args(["-qa", "--qf=%{NEVRA}\n"]),
    )?;
    let mut list: Vec<_> = list.lines().map(str::to_owned).collect();
    list.sort();
    Ok(list)
}

fn database(root: &Path) -> Result<tempfile::TempDir> {
    let copy = tempfile::tempdir()?;
    let from = root.join("usr/share/rpm");
    for entry in fs::read_dir(&from).with_context(|| format!("no rpmdb in {}", from.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), copy.path().join(entry.file_name()))?;
        }
    }
    Ok(copy)
}

/// `rpm -V` of packages in a deployment's root: what differs from what they were installed as.
/// Dates are left out: every file of a deployment is of 1970. The root is looked at through an overlay in a mount namespace of its own, so that rpm may
/// write beside the database.
///
/// # Errors
/// When the overlay cannot be mounted or a package is not installed.
pub fn verify(root: &Path, packages: &[&str]) -> Result<Vec<String>> {
    const SCRIPT: &str = "\
        set -e; root=$1; work=$2; shift 2; mkdir -p $work/upper $work/work $work/all; \
        mount -t tmpfs tmpfs $work; mkdir $work/upper $work/work $work/all; \
        mount -t overlay overlay -o lowerdir=$root,upperdir=$work/upper,workdir=$work/work $work/all; \
        rpm --root $work/all --define '_dbpath /usr/share/rpm' -V --nomtime \"$@\" || :";
    let work = tempfile::tempdir()?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", SCRIPT, "verify"]).arg(root).arg(work.path());
    let answer = output(command.args(packages))?;
    let lines: Vec<_> = answer.lines().map(str::to_owned).collect();
    if let Some(line) = lines.iter().find(|line| line.contains("is not installed")) {
        bail!("{line}");
    }
    Ok(lines)
}

/// `ostree diff` of two commits: what each line says, without documentation of the rpmdb, which
/// always differs.
///
/// # Errors
/// When a commit does not exist.
pub fn diff(repository: &Path, from: &str, to: &str) -> Result<Vec<String>> {
    let text = output(ostree(repository, "diff").args([from, to]))?;
    Ok(text.lines().filter(|line| !line.contains("/rpm")).map(str::to_owned).collect())
}

/// The paths that the boot loader entry which boots next names: each must exist.
///
/// # Errors
/// When there is no entry.
pub fn boot_files(sysroot: &Path) -> Result<Vec<PathBuf>> {
    let text = boot_entry(sysroot)?;
    let boot = sysroot.join("boot");
    let mut named = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("linux" | "initrd") => named.extend(words.next().map(|path| {
                let path = path.trim_start_matches("/boot").trim_start_matches('/');
                boot.join(path)
            })),
            Some("options") => {
                let link = words.find_map(|word| word.strip_prefix("ostree=/"));
                named.extend(link.map(|link| sysroot.join(link)));
            }
            _ => {}
        }
    }
    Ok(named)
}

/// The kernel arguments of the boot loader entry which boots next.
///
/// # Errors
/// When there is no entry, or it has none.
pub fn boot_options(sysroot: &Path) -> Result<String> {
    let text = boot_entry(sysroot)?;
    let options = text.lines().find_map(|line| line.strip_prefix("options "));
    options.map(str::to_owned).with_context(|| format!("no options in {text:?}"))
}

/// The text of the boot loader entry which boots next: the last by name.
fn boot_entry(sysroot: &Path) -> Result<String> {
    let entries = sysroot.join("boot/loader/entries");
    let mut files: Vec<_> = fs::read_dir(&entries)
        .with_context(|| format!("no {}", entries.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    let last = files.pop().context("there is no boot loader entry")?;
    Ok(fs::read_to_string(&last)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<&str>) {
        assert_eq!(deployment(Path::new("/s"), line).as_deref(), expected.map(Path::new), "{line}");
    }

    #[test]
    fn the_lines_of_admin_status_are_told_apart() {
        let hash = "a".repeat(64);
        let path = format!("/s/ostree/deploy/fixture/deploy/{hash}.1");
        check(&format!("* fixture {hash}.1"), Some(&path));
        check(&format!("  fixture {hash}.1 (pending)"), Some(&path));
        check("    Version: 1.0", None);
        check("    origin refspec: fixture:fixture/x86_64/base", None);
        check(&format!("    base {hash}.1"), None);
        check("No deployments.", None);
    }
}
