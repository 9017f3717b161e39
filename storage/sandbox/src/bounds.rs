//! The bounds that no resource limit of the kernel holds for root: processes, memory, and the
//! disk as a whole. Looked at while a program runs and once after it.
//!
//! Processes and memory are the control group's where there is one. Without, processes are
//! counted in the sandbox's own /proc and memory is left to the kernel, which kills scripts first
//! (`process.rs`). The disk has no owner to ask: what the file system lost while the program ran
//! is the measure, and where that is too much, the directories that the program writes to are
//! added up, so that it does not answer for somebody else's files.

use crate::cgroup::Met;
use crate::room::Shared;
use crate::{Limits, Spec};
use rustix::fs::statvfs;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What a program had too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// More processes than this.
    Processes(u64),
    /// More memory than these bytes.
    Memory(u64),
    /// More bytes than these, over all of its files.
    Disk(u64),
    /// More files than this.
    Files(u64),
    /// It left less than these bytes free for all others.
    Reserve(u64),
}

impl std::fmt::Display for Excess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = |bytes: &u64| bytes >> 20;
        match self {
            Self::Processes(n) => write!(f, "started more than {n} processes"),
            Self::Memory(bytes) => write!(f, "used more than {} MiB of memory", mib(bytes)),
            Self::Disk(bytes) => write!(f, "wrote more than {} MiB", mib(bytes)),
            Self::Files(n) => write!(f, "made more than {n} files"),
            Self::Reserve(bytes) => {
                write!(f, "left less than {} MiB free on the disk", mib(bytes))
            }
        }
    }
}

/// Of a disk that was not nearly full before, this much stays free for everyone else: the log
/// and the failed transaction's undoing need some of it.
const RESERVE: u64 = 256 << 20;

/// Watches one program.
pub(crate) struct Bounds {
    limits: Limits,
    shared: Option<Rc<Shared>>,
    before: Met,
    counts_processes: bool,
    disks: Vec<Disk>,
}

impl Bounds {
    /// Takes the measures before the program of `spec` starts, and sets those that the kernel
    /// keeps.
    pub(crate) fn begin(spec: &Spec, shared: Option<Rc<Shared>>) -> io::Result<Self> {
        let limits = spec.limits;
        let group = shared.as_ref().and_then(|shared| shared.group.as_ref());
        if let Some(group) = group {
            group.limit(limits.processes, limits.memory)?;
        }
        let before = group.map(crate::cgroup::Group::met).unwrap_or_default();
        let counts_processes = !group.is_some_and(|group| group.covers().0);
        let root = &spec.root;
        let mut disks: Vec<Disk> = Vec::new();
        for path in [&root.usr, &root.etc, &root.var] {
            // What is not there fails where it is used, with a better message.
            let Ok(disk) = Disk::begin(path, &limits) else { continue };
            if !disks.iter().any(|known| known.id == disk.id) {
                disks.push(disk);
            }
        }
        disks.iter_mut().for_each(|disk| disk.written.clone_from(&root.written));
        Ok(Self { limits, shared, before, counts_processes, disks })
    }

    /// What is exceeded by now. `init` is the first process of the sandbox, where it is known.
    /// A long look at directories is given up when `go_on` says so.
    pub(crate) fn exceeded(
        &mut self,
        init: Option<i32>,
        go_on: &dyn Fn() -> bool,
    ) -> io::Result<Option<Excess>> {
        let group = self.shared.as_ref().and_then(|shared| shared.group.as_ref());
        if let Some(group) = group {
            let met = group.met();
            if met.processes > self.before.processes {
                return Ok(Some(Excess::Processes(self.limits.processes)));
            }
            if met.memory > self.before.memory {
                return Ok(Some(Excess::Memory(self.limits.memory)));
            }
        }
        if self.counts_processes
            && let Some(init) = init
            && more_processes_than(init, self.limits.processes)
        {
            return Ok(Some(Excess::Processes(self.limits.processes)));
        }
        for disk in &mut self.disks {
            if let Some(excess) = disk.exceeded(&self.limits, go_on)? {
                return Ok(Some(excess));
            }
        }
        Ok(None)
    }

    /// Kills what a control group still holds.
    pub(crate) fn kill(&self) {
        if let Some(group) = self.shared.as_ref().and_then(|shared| shared.group.as_ref()) {
            group.kill();
        }
    }
}

/// Counts in the /proc of the sandbox, which shows its pid namespace and nothing else.
fn more_processes_than(init: i32, limit: u64) -> bool {
    // Its end between two looks is nothing to report.
    let Ok(entries) = fs::read_dir(format!("/proc/{init}/root/proc")) else { return false };
    let numbers = entries.flatten().filter(|entry| {
        entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_digit()))
    });
    numbers.take(usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(2)).count() as u64
        > limit + 1
}

/// A file system that the program writes to.
struct Disk {
    path: PathBuf,
    id: u64,
    free: u64,
    inodes: u64,
    reserve: u64,
    /// Directories whose content is added up.
    written: Vec<PathBuf>,
    /// Bytes and files lost at which they are looked at.
    next: (u64, u64),
}

impl Disk {
    fn begin(path: &Path, limits: &Limits) -> io::Result<Self> {
        let now = statvfs(path)?;
        let free = now.f_bavail * now.f_frsize;
        Ok(Self {
            path: path.to_owned(),
            id: now.f_fsid,
            free,
            inodes: now.f_ffree,
            reserve: RESERVE.min(free / 10),
            written: Vec::new(),
            next: (limits.disk, limits.files),
        })
    }

    fn exceeded(
        &mut self,
        limits: &Limits,
        go_on: &dyn Fn() -> bool,
    ) -> io::Result<Option<Excess>> {
        let now = statvfs(&self.path)?;
        let free = now.f_bavail * now.f_frsize;
        let bytes = self.free.saturating_sub(free);
        let files = self.inodes.saturating_sub(now.f_ffree);
        if free < self.reserve {
            return Ok(Some(Excess::Reserve(self.reserve)));
        }
        if bytes <= self.next.0 && files <= self.next.1 {
            return Ok(None);
        }
        let own = if self.written.is_empty() {
            Usage { bytes, files }
        } else {
            Usage::of(&self.written, limits, go_on)
        };
        if own.bytes > limits.disk {
            return Ok(Some(Excess::Disk(limits.disk)));
        }
        if own.files > limits.files {
            return Ok(Some(Excess::Files(limits.files)));
        }
        // Somebody else's, or of files without a name: looked at again when it has grown by half.
        self.next = (bytes + limits.disk / 2, files + limits.files / 2);
        Ok(None)
    }
}

/// What directories hold.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Usage {
    bytes: u64,
    files: u64,
}

impl Usage {
    /// Adds up until it is more than `limits` allow or `go_on` says no. What vanishes meanwhile
    /// does not count.
    fn of(directories: &[PathBuf], limits: &Limits, go_on: &dyn Fn() -> bool) -> Self {
        let mut usage = Self::default();
        let mut open = directories.to_vec();
        while let Some(directory) = open.pop() {
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            for entry in entries.flatten() {
                let Ok(metadata) = entry.metadata() else { continue };
                usage.bytes += metadata.blocks() * 512;
                usage.files += 1;
                if metadata.is_dir() {
                    open.push(entry.path());
                }
                let over = usage.bytes > limits.disk || usage.files > limits.files;
                if over || (usage.files % 1024 == 0 && !go_on()) {
                    return usage;
                }
            }
        }
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_is_not_the_programs() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        fs::create_dir(&own).unwrap();
        let limits = Limits { disk: 1 << 20, ..Limits::default() };
        let mut disk = Disk::begin(dir.path(), &limits).unwrap();
        disk.written = vec![own.clone()];
        // Pretends that the file system had more free space before.
        disk.free += 4 << 30;
        assert_eq!(disk.exceeded(&limits, &|| true).unwrap(), None);
        disk.next = (limits.disk, limits.files);
        fs::write(own.join("big"), vec![1; 2 << 20]).unwrap();
        assert_eq!(disk.exceeded(&limits, &|| true).unwrap(), Some(Excess::Disk(1 << 20)));
        disk.written.clear();
        assert_eq!(disk.exceeded(&limits, &|| true).unwrap(), Some(Excess::Disk(1 << 20)));
    }

    #[test]
    fn a_disk_that_gets_full_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits::default();
        let mut disk = Disk::begin(dir.path(), &limits).unwrap();
        disk.reserve = u64::MAX;
        let found = disk.exceeded(&limits, &|| true).unwrap();
        assert!(matches!(found, Some(Excess::Reserve(_))), "{found:?}");
    }
}
