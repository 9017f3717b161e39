//! What an operation left behind: a picture of the host before, compared with one after.
//!
//! A failed, cancelled or interrupted transaction must leave the same refs, deployments, boot
//! loader entries, temporary files, mounts and processes as it found.

use super::host::Host;
use super::oracle;
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// Between two looks at a host that is not yet as it should be: tidying up is not announced.
const LOOK: Duration = Duration::from_millis(20);
/// Looks before it is given up: ten seconds.
const LOOKS: usize = 500;
/// Equal pictures in a row that make a host quiet.
const QUIET: usize = 15;

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
        let name = |path: &Path| path.display().to_string();
        Ok(Self {
            // Imported packages are a cache: they stay for the next attempt, or go with a prune.
            refs: refs(&host.repo())
                .into_iter()
                .filter(|name| !name.starts_with("heads/rpmostree/pkg/"))
                .collect(),
            deployments: oracle::deployment_directories(sysroot)?.iter().map(|p| name(p)).collect(),
            boot: tree(&sysroot.join("boot")),
            temporary: &temporary(&host.repo().join("tmp")) | &in_memory(host),
            mounts: mounts(host),
            children: host.daemon().map(|daemon| children(daemon.pid())).unwrap_or_default(),
        })
    }

    /// The host once the daemon has done what it does after it has answered (pruning, making the
    /// next spare checkout): the same picture several times in a row, with no work going on.
    ///
    /// # Errors
    /// When the sysroot cannot be read, or the daemon does not come to rest.
    pub fn settled(host: &Host) -> Result<Self> {
        let mut last = Self::of(host)?;
        let mut same = 0;
        for _ in 0..LOOKS {
            sleep(LOOK);
            let next = Self::of(host)?;
            let at_work =
                !next.children.is_empty() || next.refs.iter().any(|r| r.contains("/tmp/"));
            same = if next == last && !at_work { same + 1 } else { 0 };
            last = next;
            if same == QUIET {
                return Ok(last);
            }
        }
        bail!("the daemon does not come to rest: {last:#?}")
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

    /// What no host at rest has: temporary refs and files, mounts, processes.
    #[must_use]
    pub fn left_behind(&self) -> Vec<String> {
        let refs = self.refs.iter().filter(|name| name.contains("/tmp/"));
        let rest = self.temporary.iter().chain(&self.mounts).chain(&self.children);
        refs.chain(rest).cloned().collect()
    }

    /// Checks that nothing changed on the host since this picture, once the daemon has tidied up.
    ///
    /// # Panics
    /// When something did, naming it.
    #[track_caller]
    #[expect(clippy::expect_used, reason = "a test's own check")]
    pub fn assert_unchanged(&self, host: &Host) {
        let mut changes = vec![String::from("never looked")];
        for _ in 0..LOOKS {
            changes = self.changes(&Self::of(host).expect("the host can be read"));
            if changes.is_empty() {
                break;
            }
            sleep(LOOK);
        }
        assert!(changes.is_empty(), "left behind: {changes:#?}");
        oracle::fsck(&host.repo()).expect("the repository is whole");
    }
}

/// The files below the repository's refs, but for those that libostree is about to rename
/// (`ostree refs` itself fails when one goes while it looks).
fn refs(repository: &Path) -> BTreeSet<String> {
    let directory = repository.join("refs");
    let walk = walkdir::WalkDir::new(&directory).into_iter().filter_map(Result::ok);
    walk.filter(|entry| !entry.file_type().is_dir())
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with("tmp."))
        .filter_map(|entry| entry.path().strip_prefix(&directory).ok().map(Path::to_owned))
        .map(|path| path.display().to_string())
        .collect()
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
    names.filter(|name| name != "cache" && !name.starts_with("staging-")).collect()
}

/// Directories in shared memory that belong to this host: their names hold the inode of where its
/// assemblies work.
fn in_memory(host: &Host) -> BTreeSet<String> {
    let private = host.repo().join("extensions/rpmostree/private");
    let Ok(private) = fs::metadata(private) else { return BTreeSet::new() };
    let prefix = format!("cambium-{:x}-{:x}-", private.dev(), private.ino());
    let Ok(entries) = fs::read_dir("/dev/shm") else { return BTreeSet::new() };
    let names = entries.filter_map(Result::ok);
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&prefix)).collect()
}

/// The mounts below the host's directory that we or its daemon see.
fn mounts(host: &Host) -> BTreeSet<String> {
    let below = host.directory().display().to_string();
    let mut found = BTreeSet::new();
    let mut processes = vec!["self".to_owned()];
    processes.extend(host.daemon().map(|daemon| daemon.pid().to_string()));
    for process in processes {
        let text = fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap_or_default();
        // A disk that the test itself put under the host is none of its traces.
        let whole_disk =
            |line: &str| line.contains(" /dev/loop") && line.split(' ').nth(3) == Some("/");
        let lines = text.lines().filter(|line| !whole_disk(line));
        let points = lines.filter_map(|line| line.split(' ').nth(4));
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
                // `pid (name) state …`: a dead one is only waiting to be counted by its parent.
                let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
                if let Some((name, rest)) = stat.rsplit_once(") ")
                    && !rest.starts_with('Z')
                {
                    found.insert(name.to_owned());
                }
                open.push(child);
            }
        }
    }
    found
}
