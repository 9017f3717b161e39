//! The two things that need `unsafe`: what a child does between fork and exec, and namespaces for
//! one thread. Nothing else may be added here.
#![allow(unsafe_code)]

use crate::room::{Network, Room};
use crate::{Error, Limits};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{FdFlags, fcntl_setfd, write};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

/// Gives `command` the descriptors `kept` under their numbers, and the resource limits. The
/// descriptors stay close-on-exec in this process, so that no other child gets them. It moves
/// itself into the control groups that `doors` lead to (see `cgroup.rs`).
pub(crate) fn confine(
    command: &mut Command,
    kept: Arc<[OwnedFd]>,
    doors: Vec<OwnedFd>,
    limits: Limits,
) {
    let bounds = [
        (Resource::Core, 0),
        (Resource::Fsize, limits.file),
        (Resource::Nofile, limits.descriptors),
        // Nothing in a scriptlet needs locked memory or realtime priority.
        (Resource::Memlock, 1 << 20),
        (Resource::Rtprio, 0),
    ];
    let prepare = move || -> io::Result<()> {
        for door in &doors {
            write(door, b"0")?;
        }
        be_killed_first();
        for (resource, value) in bounds {
            setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?;
        }
        close_others_at_exec()?;
        for fd in kept.iter() {
            fcntl_setfd(fd.as_fd(), FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure only makes system calls (write, open, prlimit,
    // close_range, fcntl) on values that it owns; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(prepare);
    }
}

/// Where the machine's memory is short, a script goes before the daemon, whose protection
/// (`OOMScoreAdjust=`) it would inherit. Not having it is no reason to run nothing.
fn be_killed_first() {
    let file = open(c"/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
    let _unprotected = file.and_then(|file| write(file, b"500"));
}

/// Marks every descriptor above standard error as close-on-exec. Our own all are; what a service
/// manager or a C library left open is not.
fn close_others_at_exec() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: close_range with CLOEXEC closes nothing in this process and takes no pointer.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, FIRST, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Runs `work` on a thread with a mount namespace of its own, from which no mount reaches the
/// rest of the system. The mounts vanish with the thread, however it or the process ends; the
/// processes that it starts live in the same namespace.
///
/// The thread also has what programs that it runs share and need not make anew: a network
/// without interfaces, and control groups where they can be had. None of it can be changed from
/// inside a sandbox, so nothing passes from one program to the next.
///
/// # Errors
/// When the namespace is denied. What `work` returns is passed on as it is.
pub fn in_private_mounts<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Error> {
    let isolate = || -> io::Result<()> {
        // SAFETY: FILES is not among the flags, so descriptors stay those of the process; FS and
        // NEWNS change only this thread, which ends with this function.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS)? };
        let flags = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
        Ok(mount_change("/", flags)?)
    };
    let isolated = || {
        isolate()?;
        // SAFETY: as above; sockets that are open stay in the network that they were made in.
        let network = match unsafe { unshare_unsafe(UnshareFlags::NEWNET) } {
            Ok(()) => Network::OfTheRoom,
            Err(_) => Network::OfTheProgram,
        };
        let room = Room::enter(network);
        let result = work();
        drop(room);
        Ok(result)
    };
    let result: io::Result<T> = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("private-mounts".to_owned());
        let spawned = thread.spawn_scoped(scope, isolated)?;
        // A panic goes on in the caller, where it is one failed transaction.
        spawned.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    result.map_err(Error::Namespace)
}
