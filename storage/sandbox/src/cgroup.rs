//! A control group for the programs of one room: bounds on processes and memory that root, whom
//! `RLIMIT_NPROC` exempts, cannot pass.
//!
//! Version 1 hierarchies take single threads, so the room's thread is moved once and all that it
//! starts is born inside. Version 2 does not for memory: there each program moves itself before
//! its exec. A version 2 group is made only below one that systemd has delegated (`Delegate=`).
//! Deliberately absent: what is done where no group can be had (`bounds.rs`).

use rustix::fs::getxattr;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where hierarchies are mounted, by convention of systemd.
const MOUNT: &str = "/sys/fs/cgroup";

/// How our groups are called: this, the process and a number.
const PREFIX: &str = "cambium-scripts-";

/// bubblewrap's two processes and the room's thread, which count as the program's.
const OURS: u64 = 3;

/// Made groups, gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    members: Vec<Member>,
}

/// The group in one hierarchy.
#[derive(Debug)]
struct Member {
    path: PathBuf,
    version: Version,
    processes: bool,
    memory: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// Takes threads.
    One,
    /// Takes processes.
    Two,
}

/// How often the bounds were met so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Met {
    /// Refused forks.
    pub(crate) processes: u64,
    /// Processes killed for want of memory.
    pub(crate) memory: u64,
}

impl Group {
    /// Makes a group below this process's own, in each hierarchy that can, and moves this thread
    /// there where that is how it is used. `None` where there is no such hierarchy.
    pub(crate) fn make() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mut group = Self { members: Vec::new() };
        for (parent, version, processes, memory) in parents(&own) {
            match Member::make(&parent, version, processes, memory) {
                Ok(member) => group.members.push(member),
                Err(error) => {
                    tracing::debug!(parent = %parent.display(), %error, "no control group");
                }
            }
        }
        if group.members.is_empty() { None } else { Some(group) }
    }

    /// Sets the bounds of the program that runs next.
    pub(crate) fn limit(&self, processes: u64, memory: u64) -> io::Result<()> {
        for member in &self.members {
            if member.processes {
                member.write("pids.max", &(processes + OURS).to_string())?;
            }
            if member.memory {
                member.write(member.version.memory_limit(), &memory.to_string())?;
            }
        }
        Ok(())
    }

    /// Whether it bounds processes and memory.
    pub(crate) fn covers(&self) -> (bool, bool) {
        let any = |what: fn(&Member) -> bool| self.members.iter().any(what);
        (any(|member| member.processes), any(|member| member.memory))
    }

    /// Where a program writes `0` to move itself inside, for those that are not born there.
    pub(crate) fn doors(&self) -> io::Result<Vec<OwnedFd>> {
        let later = self.members.iter().filter(|member| member.version == Version::Two);
        later
            .map(|member| {
                let door = OpenOptions::new().write(true).open(member.path.join("cgroup.procs"))?;
                Ok(door.into())
            })
            .collect()
    }

    /// The counts of both bounds. What cannot be read counts as never met.
    pub(crate) fn met(&self) -> Met {
        let mut met = Met::default();
        for member in &self.members {
            if member.processes {
                met.processes += member.count("pids.events", "max");
            }
            if member.memory {
                met.memory += member.count(member.version.memory_events(), "oom_kill");
            }
        }
        met
    }

    /// Kills every process inside but this one.
    pub(crate) fn kill(&self) {
        let own = std::process::id();
        for member in &self.members {
            let Ok(list) = fs::read_to_string(member.path.join("cgroup.procs")) else { continue };
            for id in list.lines().filter_map(|line| line.parse::<u32>().ok()) {
                let Some(pid) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw)
                else {
                    continue;
                };
                if id != own
                    && let Err(error) =
                        rustix::process::kill_process(pid, rustix::process::Signal::KILL)
                    && error != rustix::io::Errno::SRCH
                {
                    tracing::warn!(id, %error, "cannot kill what a script left");
                }
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for member in &self.members {
            if let Err(error) = member.remove() {
                tracing::warn!(group = %member.path.display(), %error, "a control group stays");
            }
        }
    }
}

impl Member {
    fn make(parent: &Path, version: Version, processes: bool, memory: bool) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        sweep(parent);
        if version == Version::Two {
            enable(parent)?;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&path)?;
        let member = Self { path, version, processes, memory };
        if version == Version::One
            && let Err(error) = member.write("tasks", "0")
        {
            member.remove()?;
            return Err(error);
        }
        Ok(member)
    }

    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        fs::write(self.path.join(file), text)
    }

    /// The number behind `key` in a file of lines `key number`.
    fn count(&self, file: &str, key: &str) -> u64 {
        let text = fs::read_to_string(self.path.join(file)).unwrap_or_default();
        let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
        pairs.find(|(name, _)| *name == key).and_then(|(_, n)| n.trim().parse().ok()).unwrap_or(0)
    }

    /// Leaves and removes the group.
    fn remove(&self) -> io::Result<()> {
        if self.version == Version::One
            && let Some(parent) = self.path.parent()
        {
            // Threads that were started from the room's (a pool's, say) were born inside.
            for thread in fs::read_to_string(self.path.join("tasks"))?.lines() {
                fs::write(parent.join("tasks"), thread)?;
            }
        }
        fs::remove_dir(&self.path)
    }
}

impl Version {
    fn memory_limit(self) -> &'static str {
        match self {
            Self::One => "memory.limit_in_bytes",
            Self::Two => "memory.max",
        }
    }

    fn memory_events(self) -> &'static str {
        match self {
            Self::One => "memory.oom_control",
            Self::Two => "memory.events",
        }
    }
}

/// The groups to make ours in, by the text of /proc/self/cgroup: path, version, and whether it
/// bounds processes and memory there.
fn parents(own: &str) -> Vec<(PathBuf, Version, bool, bool)> {
    let mut parents = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let path = path.trim_start_matches('/');
        let mut names = controllers.split(',');
        let below = |mount: &str| Path::new(MOUNT).join(mount).join(path);
        if controllers.is_empty() {
            // Pure version 2 is mounted at the top.
            let there = below("");
            // We may be in the group beside (see `enable`), or in systemd's DelegateSubgroup=.
            let beside = there.parent().filter(|_| !delegated(&there)).map(Path::to_owned);
            let there = beside.unwrap_or(there);
            let available = fs::read_to_string(there.join("cgroup.controllers"));
            let has =
                |what| available.as_ref().is_ok_and(|a| a.split_whitespace().any(|c| c == what));
            if delegated(&there) && (has("pids") || has("memory")) {
                parents.push((there, Version::Two, has("pids"), has("memory")));
            }
        } else if let Some(name) = names.find(|name| matches!(*name, "pids" | "memory")) {
            parents.push((below(controllers), Version::One, name == "pids", name == "memory"));
        }
    }
    parents
}

/// Whether systemd has left this group to us.
fn delegated(group: &Path) -> bool {
    let mut value = [0; 1];
    ["trusted.delegate", "user.delegate"]
        .iter()
        .any(|name| getxattr(group, *name, &mut value[..]).is_ok() && value == *b"1")
}

/// Lets groups below `parent` bound processes and memory. A group with processes of its own
/// cannot, so this one moves into a group beside ours first.
fn enable(parent: &Path) -> io::Result<()> {
    let control = parent.join("cgroup.subtree_control");
    if fs::write(&control, "+pids +memory").is_ok() {
        return Ok(());
    }
    let aside = parent.join("daemon");
    if let Err(error) = fs::create_dir(&aside)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    fs::write(aside.join("cgroup.procs"), "0")?;
    fs::write(control, "+pids +memory")
}

/// Removes the groups of processes that were killed. One in use cannot be removed.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let Some((id, _)) = owner.and_then(|rest| rest.split_once('-')) else { continue };
        if !Path::new("/proc").join(id).exists()
            && let Err(error) = fs::remove_dir(entry.path())
        {
            tracing::debug!(path = %entry.path().display(), %error, "an old control group stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_one_hierarchies_are_found_by_their_controllers() {
        let own = "8:pids:/\n7:blkio:/a\n4:cpu,memory:/b/c\n1:name=systemd:/\n";
        let found: Vec<_> = parents(own).into_iter().map(|p| (p.0, p.2, p.3)).collect();
        let at = |path: &str| Path::new(MOUNT).join(path);
        assert_eq!(found, [(at("pids/"), true, false), (at("cpu,memory/b/c"), false, true)]);
    }

    #[test]
    fn groups_of_the_dead_go_and_ours_goes_with_its_room() {
        let Some(group) = Group::make() else { return };
        let paths: Vec<_> = group.members.iter().map(|member| member.path.clone()).collect();
        let parent = paths[0].parent().unwrap();
        let left = parent.join(format!("{PREFIX}999999999-0"));
        fs::create_dir(&left).unwrap();
        sweep(parent);
        assert!(!left.exists());
        assert!(paths.iter().all(|path| path.exists()));
        group.limit(64, 1 << 28).unwrap();
        drop(group);
        assert!(paths.iter().all(|path| !path.exists()), "{paths:?}");
    }
}
