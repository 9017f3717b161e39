//! `cambium compose tree` on the fixture's real packages, held against what rpm itself installs.

#![allow(clippy::unwrap_used, reason = "a test")]

use cambium_integration::fixture::base::{Edition, Flavour};
use cambium_integration::fixture::package::DATE;
use cambium_integration::fixture::{Base, REF, compose, programs, rpmroot};
use cambium_integration::harness::Answer;
use cambium_integration::run::{line, ostree, output, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The RPM files of a repository.
fn rpms(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension() == Some("rpm".as_ref())).collect();
    files.sort();
    files
}

fn bare(directory: &Path) -> PathBuf {
    let repository = directory.join("repo");
    run(ostree(&repository, "init").arg("--mode=bare")).unwrap();
    repository
}

#[test]
fn a_composed_tree_is_what_rpm_installs() {
    let base = Base::get(Flavour::Tiny).unwrap();
    let ours = base.commit(Edition::First).unwrap();
    let work = tempfile::tempdir().unwrap();
    let repository = bare(work.path());
    run(ostree(&repository, "pull-local").arg(base.repository()).arg(&ours)).unwrap();
    let packages = rpms(&base.packages(Edition::First));
    let tree = rpmroot::Tree {
        packages: &packages,
        refspec: "rpm",
        version: "1.0",
        repository: &repository,
    };
    let theirs = rpmroot::commit(&tree, work.path()).unwrap();

    let differences = output(ostree(&repository, "diff").args([theirs.trim(), &ours])).unwrap();
    // What a compose does beyond installing files: scripts and sysusers run, the kernel's modules
    // are indexed, /var and accounts are laid out, and what it was made from is noted.
    let expected = [
        "/usr/etc/group",
        "/usr/etc/gshadow",
        "/usr/etc/passwd",
        "/usr/etc/shadow",
        "/usr/lib/modules/",
        "/usr/lib/rpm-ostree",
        "/usr/lib/sysimage",
        "/usr/lib/tmpfiles.d",
        "/usr/share/rpm",
    ];
    let unexpected: Vec<_> = differences
        .lines()
        .filter(|line| {
            let path = line.split_whitespace().last().unwrap_or_default();
            !expected.iter().any(|prefix| path.starts_with(prefix))
        })
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");

    let list = |commit: &str| {
        let root = work.path().join(commit);
        run(ostree(&repository, "checkout")
            .args(["-H", "--subpath=/usr/share/rpm", commit])
            .arg(&root))
        .unwrap();
        let copy = work.path().join(format!("{commit}-copy"));
        // rpm writes beside a database that it opens, and a checkout's files are the objects.
        run(Command::new("cp").arg("-r").arg(&root).arg(&copy)).unwrap();
        let format = "%{NEVRA} %{SIGMD5} %{INSTALLTIME}\n";
        let mut command = Command::new("rpm");
        command.arg("--dbpath").arg(&copy).args(["-qa", "--qf", format]);
        let mut lines: Vec<_> = output(&mut command).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let (ours, theirs) = (list(&ours), list(theirs.trim()));
    let without_time = |list: &[String]| -> Vec<String> {
        list.iter().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
    };
    assert_eq!(without_time(&ours), without_time(&theirs));
    assert_eq!(ours.len(), packages.len());
    assert!(ours.iter().all(|line| line.ends_with(&format!(" {DATE}"))), "{ours:#?}");
}

#[test]
fn composing_again_changes_nothing_and_composing_anew_gives_the_same_commit() {
    let base = Base::get(Flavour::Tiny).unwrap();
    let first = base.commit(Edition::First).unwrap();
    let work = tempfile::tempdir().unwrap();
    let repository = bare(work.path());
    let names = base.names(Edition::First).unwrap();
    let tree = compose::Tree {
        packages: &base.packages(Edition::First),
        names: &names.iter().map(String::as_str).collect::<Vec<_>>(),
        refspec: REF,
        version: "1.0",
        repository: &repository,
    };
    let changed = work.path().join("changed");
    let with = |options: &[&str]| {
        let mut command = tree.command(work.path()).unwrap();
        command.arg("--touch-if-changed").arg(&changed).args(options);
        let output = command.output().unwrap();
        Answer::new(line(&command), &output).ok()
    };
    with(&[]);
    assert_eq!(output(ostree(&repository, "rev-parse").arg(REF)).unwrap(), first);
    fs::remove_file(&changed).unwrap();
    let again = with(&[]);
    assert!(again.out.contains("No apparent changes since previous commit"), "{again}");
    assert!(!changed.exists());
    fs::remove_dir_all(work.path().join("compose-cache")).unwrap();
    let id = work.path().join("id");
    let option = format!("--write-commitid-to={}", id.display());
    with(&["--force-nocache", "--no-parent", &option]);
    assert_eq!(fs::read_to_string(&id).unwrap(), first, "another cache, the same commit");
    assert!(changed.exists());
}

#[test]
fn a_treefile_that_is_wrong_is_refused_with_file_and_line() {
    let work = tempfile::tempdir().unwrap();
    let treefile = work.path().join("os.yaml");
    fs::write(&treefile, "ref: os/1\nrepos: [fixture]\npakages: [bash]\n").unwrap();
    let repository = bare(work.path());
    let mut command = Command::new(programs::cambium().unwrap());
    command.args(["compose", "tree", "--repo"]).arg(&repository).arg(&treefile);
    let output = command.output().unwrap();
    let expected = format!("{}:3: unknown key 'pakages'", treefile.display());
    Answer::new(line(&command), &output).fails_with(&[&expected, "did you mean 'packages'?"]);
}
