//! Repositories, trees and sysroots in temporary directories, and the `ostree` command.

use cambium_model::{Checksum, DeploymentId, Origin, Stateroot, Unobserved};
use cambium_ostree::{
    Attributes, CommitSpec, DeployRequest, Metadata, Repo, RepoMode, Retention, Swap, Sysroot, Tree,
};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a command and returns what it printed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {text}{errors}");
    text
}

/// `ostree --repo=… ARGUMENTS`, whose words hold no spaces.
pub(crate) fn ostree(repo: &Path, arguments: &str) -> String {
    let repo = format!("--repo={}", repo.display());
    let mut words = vec![repo.as_str()];
    words.extend(arguments.split_whitespace());
    run("ostree", &words)
}

/// A bare repository in a directory that goes with the test.
pub(crate) fn repo(mode: RepoMode) -> (tempfile::TempDir, Repo) {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repo::create(dir.path().join("repo"), mode).unwrap();
    (dir, repo)
}

pub(crate) fn root(mode: u32) -> Attributes {
    Attributes::root(mode)
}

/// Commits regular files (path, content) under a ref, with a version and a fixed time.
pub(crate) fn commit(
    repo: &Repo,
    name: &str,
    parent: Option<&Checksum>,
    version: &str,
    files: &[(&str, &str)],
) -> Checksum {
    let transaction = repo.transaction().unwrap();
    let mut tree = Tree::empty(repo);
    for (path, content) in files {
        tree.put_bytes(path, &root(0o644), content.as_bytes()).unwrap();
    }
    let commit = tree
        .commit(&CommitSpec {
            parent: parent.cloned(),
            subject: version.to_owned(),
            metadata: Metadata::new().string("version", version),
            timestamp: Some(1_700_000_000),
            ..CommitSpec::default()
        })
        .unwrap();
    transaction.set_ref(name, &commit);
    transaction.commit().unwrap();
    commit
}

/// Everything below a directory: path, type and mode, owner, time of directories, content or
/// target, extended attributes. Two equal trees are equal text.
pub(crate) fn describe(root: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    fn walk(root: &Path, at: &Path, lines: &mut Vec<String>) {
        let path = root.join(at);
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        let attributes = Attributes::of_path(&path).unwrap();
        let content = if metadata.is_symlink() {
            format!("-> {}", std::fs::read_link(&path).unwrap().display())
        } else if metadata.is_file() {
            format!(
                "{} {}",
                metadata.ino(),
                String::from_utf8_lossy(&std::fs::read(&path).unwrap())
            )
        } else {
            format!("dir {}", metadata.mtime())
        };
        lines.push(format!("{} {:o} {attributes:?} {content}", at.display(), metadata.mode()));
        if metadata.is_dir() {
            for entry in std::fs::read_dir(&path).unwrap() {
                walk(root, &at.join(entry.unwrap().file_name()), lines);
            }
        }
    }
    let mut lines = Vec::new();
    walk(root, Path::new(""), &mut lines);
    lines.sort();
    lines.join("\n")
}

/// The files of a tree that can be deployed, `extra` among them.
pub(crate) fn os<'a>(extra: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut files = vec![
        ("usr/lib/modules/6.1/vmlinuz", "kernel"),
        ("usr/lib/modules/6.1/initramfs.img", "initramfs"),
        ("usr/lib/os-release", "NAME=tiny\nID=tiny\nPRETTY_NAME=\"Tiny 1\"\n"),
        ("usr/etc/os-release", "NAME=tiny\nID=tiny\nPRETTY_NAME=\"Tiny 1\"\n"),
        ("usr/etc/a", "a as shipped"),
        ("usr/etc/b", "b as shipped"),
        ("usr/share/doc/readme", "read me"),
    ];
    files.extend_from_slice(extra);
    files
}

/// A sysroot with the stateroot `tiny` and two commits of the branch `tiny/1`.
pub(crate) struct Host {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) first: Checksum,
    pub(crate) second: Checksum,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::new_in(&std::env::temp_dir())
    }

    /// A host in a directory of `place`.
    pub(crate) fn new_in(place: &Path) -> Self {
        let dir = tempfile::tempdir_in(place).unwrap();
        let sysroot = Sysroot::create(dir.path().join("s")).unwrap();
        sysroot.init_stateroot(&stateroot()).unwrap();
        let repo = sysroot.repo().unwrap();
        let first = commit(&repo, "tiny/1", None, "1", &os(&[("usr/bin/one", "1")]));
        let with = [("usr/bin/two", "2"), ("usr/etc/c", "c as shipped")];
        let mut files = os(&with);
        files.retain(|(path, _)| *path != "usr/etc/b");
        files.push(("usr/etc/b", "b of version 2"));
        let second = commit(&repo, "tiny/1", Some(&first), "2", &files);
        Self { dir, first, second }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    pub(crate) fn sysroot(&self) -> Sysroot {
        Sysroot::open(self.path()).unwrap()
    }

    pub(crate) fn request(&self, commit: &Checksum, merge: Option<&DeploymentId>) -> DeployRequest {
        DeployRequest {
            stateroot: stateroot(),
            commit: commit.clone(),
            origin: Origin::following("tiny/1".parse().unwrap()),
            previous_origin: None,
            merge: merge.cloned(),
            kernel_arguments: merge
                .is_none()
                .then(|| vec!["root=LABEL=x".to_owned(), "quiet".to_owned()]),
        }
    }

    /// Deploys a commit over another deployment and collects the garbage.
    pub(crate) fn deploy(&self, commit: &Checksum, merge: Option<&DeploymentId>) -> DeploymentId {
        let sysroot = self.sysroot();
        let _lock = sysroot.try_lock().unwrap();
        let prepared = sysroot.prepare(&self.request(commit, merge), &Unobserved).unwrap();
        sysroot.swap(&swap(prepared.clone(), merge)).unwrap();
        sysroot
            .collect(
                &cambium_ostree::UsedPackages::new(),
                cambium_model::Sweep::Objects,
                &Unobserved,
            )
            .unwrap();
        prepared.id
    }

    /// What `ostree admin status` says.
    pub(crate) fn status(&self) -> String {
        run("ostree", &["admin", "status", &format!("--sysroot={}", self.path().display())])
    }

    pub(crate) fn fsck(&self) {
        ostree(&self.path().join("ostree/repo"), "fsck");
    }
}

impl Drop for Host {
    /// The immutable bit of deployments would keep the directory.
    fn drop(&mut self) {
        let script = "chattr -i \"$1\"/ostree/deploy/*/deploy/*.? 2>/dev/null; true";
        run("sh", &["-c", script, "sh", &self.path().display().to_string()]);
    }
}

pub(crate) fn swap(
    prepared: cambium_model::PreparedDeployment,
    merge: Option<&DeploymentId>,
) -> Swap {
    Swap {
        prepared,
        merge: merge.cloned(),
        retention: Retention::default(),
        finalization: cambium_ostree::Finalization::AtShutdown,
        overlay_initrds: Vec::new(),
    }
}

pub(crate) fn stateroot() -> Stateroot {
    "tiny".parse().unwrap()
}
