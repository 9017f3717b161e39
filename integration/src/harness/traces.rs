//! What an operation left behind: a picture of the host before, compared with one after.
//!
//! A failed, cancelled or interrupted transaction must leave the same refs, deployments, boot
//! loader entries, temporary files, mounts and processes as it found.

use super::host::Host;
use super::oracle;
use crate::run::{ostree, output};
use anyhow::Result;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A picture of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces {
    refs: BTreeSet<String>,
    deployments: BTreeSet<String>,
    boot: BTreeSet<String>,
    temporary: BTreeSet<String>,
    mounts: BTreeSet<String>,
    children: BTreeSet<String>,
}

impl Traces {
    /// The host as it is.
    ///
    /// # Errors
    /// When the sysroot cannot be read.
    pub fn of(host: &Host) -> Result<Self> {
        let sysroot = &host.places().sysroot;
        let refs = output(&mut ostree(&host.repo(), "refs"))?;
        let name = |path: &Path| path.display().to_string();
        Ok(Self {
            // Imported packages are a cache: they stay for the next attempt, or go with a prune.
            refs: refs
                .lines()
                .filter(|line| !line.starts_with("rpmostree/pkg/"))
                .map(str::to_owned)
                .collect(),
            deployments: oracle::deployment_directories(sysroot)?.iter().map(|p| name(p)).collect(),
            boot: tree(&sysroot.join("boot")),
            temporary: temporary(&host.repo().join("tmp")),
            mounts: mounts(host),
            children: host.daemon().map(|daemon| children(daemon.pid())).unwrap_or_default(),
        })
    }

    /// What is there now and was not before, and the other way round; empty for nothing.
    #[must_use]
    pub fn changes(&self, after: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        for (what, before, after) in [
            ("ref", &self.refs, &after.refs),
            ("deployment", &self.deployments, &after.deployments),
            ("below /boot", &self.boot, &after.boot),
            ("temporary", &self.temporary, &after.temporary),
            ("mount", &self.mounts, &after.mounts),
            ("process", &self.children, &after.children),
        ] {
            changes.extend(after.difference(before).map(|new| format!("new {what}: {new}")));
            changes.extend(before.difference(after).map(|gone| format!("{what} gone: {gone}")));
        }
        changes
    }

    /// Checks that nothing changed on the host since this picture.
    ///
    /// # Panics
    /// When something did, naming it.
    #[track_caller]
    #[expect(clippy::expect_used, reason = "a test's own check")]
    pub fn assert_unchanged(&self, host: &Host) {
        let after = Self::of(host).expect("the host can be read");
        let changes = self.changes(&after);
        assert!(changes.is_empty(), "left behind: {changes:#?}");
        oracle::fsck(&host.repo()).expect("the repository is whole");
    }
}

/// All paths below a directory, links with where they lead.
fn tree(directory: &Path) -> BTreeSet<String> {
    let walk = walkdir::WalkDir::new(directory).min_depth(1).into_iter().filter_map(Result::ok);
    walk.map(|entry| match fs::read_link(entry.path()) {
        Ok(to) => format!("{} -> {}", entry.path().display(), to.display()),
        Err(_) => entry.path().display().to_string(),
    })
    .collect()
}

/// What lies in the repository's tmp, but for libostree's own cache and its per-boot staging
/// directory, which it keeps for the next commit and removes after a reboot.
fn temporary(directory: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(directory) else { return BTreeSet::new() };
    let names = entries.filter_map(Result::ok);
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "cache" && !name.ends_with("-lock")).collect()
}

/// The mounts below the host's directory that we or its daemon see.
fn mounts(host: &Host) -> BTreeSet<String> {
    let below = host.directory().display().to_string();
    let mut found = BTreeSet::new();
    let mut processes = vec!["self".to_owned()];
    processes.extend(host.daemon().map(|daemon| daemon.pid().to_string()));
    for process in processes {
        let text = fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap_or_default();
        let points = text.lines().filter_map(|line| line.split(' ').nth(4));
        found.extend(points.filter(|point| point.starts_with(&below)).map(str::to_owned));
    }
    found
}

/// The names of a process's descendants.
fn children(process: u32) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![process];
    while let Some(process) = open.pop() {
        let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { continue };
        for task in tasks.filter_map(Result::ok) {
            let list = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in list.split_whitespace().filter_map(|word| word.parse().ok()) {
                let name = fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
                found.insert(name.trim().to_owned());
                open.push(child);
            }
        }
    }
    found
}
