//! The two things that need `unsafe`: what a child does between fork and exec, and namespaces for
//! one thread. Nothing else may be added here.
#![allow(unsafe_code)]

use crate::room::{Network, Room};
use crate::{Error, Limits, supervisor};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{FdFlags, fcntl_setfd, write};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, chroot, fchdir, getpid, getppid, set_child_subreaper,
    set_parent_process_death_signal, setrlimit, setsid,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, unshare_unsafe,
};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
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

/// What it takes to run a program in a directory as its root, without a namespace.
pub(crate) struct Chroot {
    /// The directory.
    pub(crate) root: OwnedFd,
    /// What the program keeps of root's capabilities.
    pub(crate) capabilities: CapabilitySet,
    /// See `seccomp::programs`.
    pub(crate) filters: Vec<Vec<u8>>,
    /// Hangs up when nobody waits for the program any more.
    pub(crate) lifeline: OwnedFd,
    /// Where its supervisor reports.
    pub(crate) status: OwnedFd,
}

/// Makes `command` two processes: the one that [`Command::spawn`] knows becomes a supervisor,
/// which ends when its child, the program in the chroot, and all that this leaves have ended.
pub(crate) fn supervise_in_chroot(command: &mut Command, chroot: Chroot) {
    let prepare = move || -> io::Result<()> {
        // What loses its parent becomes the child of the supervisor, wherever it hides.
        set_child_subreaper(Pid::from_raw(1))?;
        let supervisor = getpid();
        let unblocked = change_signal_mask(libc::SIG_BLOCK, &all_signals())?;
        // SAFETY: this process has one thread, the copy of the one that called fork. Parent and
        // child go on with system calls only, up to exec and _exit.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                confine_to(&chroot, supervisor)?;
                change_signal_mask(libc::SIG_SETMASK, &unblocked).map(drop)
            }
            child => {
                close_all_but(chroot.lifeline.as_raw_fd(), chroot.status.as_raw_fd());
                if let Some(child) = Pid::from_raw(child) {
                    supervisor::stay(child, chroot.lifeline.as_fd(), chroot.status.as_fd());
                }
                // SAFETY: ends this process, which has nothing of its own to flush.
                unsafe { libc::_exit(0) }
            }
        }
    };
    // SAFETY: the closure and what it calls make system calls on values that exist before the
    // fork; nothing of it allocates or takes a lock.
    unsafe {
        command.pre_exec(prepare);
    }
}

/// From here on this process, the program to be, is confined for good.
fn confine_to(confinement: &Chroot, supervisor: Pid) -> io::Result<()> {
    setsid()?;
    fchdir(&confinement.root)?;
    chroot(c".")?;
    drop_capabilities(confinement.capabilities)?;
    set_no_new_privs(true)?;
    scope_signals();
    for filter in &confinement.filters {
        apply_filter(filter)?;
    }
    // The death signal comes last: a change of credentials takes it away.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() == Some(supervisor) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
}

fn drop_capabilities(kept: CapabilitySet) -> io::Result<()> {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        // An error ends the kernel's list, or means that the bounding set may not be changed:
        // then no_new_privs alone keeps capabilities from coming back.
        if !kept.contains(capability) && remove_capability_from_bounding_set(capability).is_err() {
            break;
        }
    }
    clear_ambient_capability_set()?;
    let sets =
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    Ok(set_capabilities(None, sets)?)
}

/// The kernel's `struct landlock_ruleset_attr`, as of its interface 6.
#[repr(C)]
struct LandlockRuleset {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

/// Lets this process and its children signal each other and nobody else, and keeps them from
/// abstract Unix sockets of others, where the kernel can (see [`can_scope_signals`]).
fn scope_signals() {
    const ABSTRACT_UNIX_SOCKET: u64 = 1 << 0;
    const SIGNAL: u64 = 1 << 1;
    let ruleset = LandlockRuleset {
        handled_access_fs: 0,
        handled_access_net: 0,
        scoped: ABSTRACT_UNIX_SOCKET | SIGNAL,
    };
    // SAFETY: the kernel reads as many bytes of the structure as it has; the descriptor that it
    // gives is closed here.
    unsafe {
        let size = size_of::<LandlockRuleset>();
        let fd = libc::syscall(libc::SYS_landlock_create_ruleset, &raw const ruleset, size, 0);
        if fd >= 0 {
            libc::syscall(libc::SYS_landlock_restrict_self, fd, 0);
            libc::close(fd as RawFd);
        }
    }
}

/// Whether the kernel keeps a process from signalling others (Landlock 6, Linux 6.12).
pub(crate) fn can_scope_signals() -> bool {
    const VERSION: libc::c_uint = 1 << 0;
    const SCOPES: libc::c_long = 6;
    // SAFETY: asked for its version, the kernel takes no structure.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION)
    };
    version >= SCOPES
}

/// Gives the kernel one filter, in its own layout.
fn apply_filter(filter: &[u8]) -> io::Result<()> {
    let step = size_of::<libc::sock_filter>();
    let program = libc::sock_fprog {
        len: (filter.len() / step) as libc::c_ushort,
        filter: filter.as_ptr().cast_mut().cast(),
    };
    // SAFETY: the kernel copies `len` steps from `filter`, which are there, at any alignment.
    let done = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn all_signals() -> libc::sigset_t {
    // SAFETY: sigfillset initialises the whole set.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        set
    }
}

/// Changes which signals wait, and gives the set from before.
fn change_signal_mask(how: libc::c_int, set: &libc::sigset_t) -> io::Result<libc::sigset_t> {
    // SAFETY: both sets are whole; pthread_sigmask is a system call around them.
    unsafe {
        let mut before = std::mem::zeroed();
        match libc::pthread_sigmask(how, set, &raw mut before) {
            0 => Ok(before),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Closes every descriptor but two: the supervisor must keep nobody's pipe open, and least of
/// all that by which spawn() learns of the exec.
fn close_all_but(one: RawFd, other: RawFd) {
    let (low, high) = (one.min(other) as libc::c_uint, one.max(other) as libc::c_uint);
    for (first, end) in [(0, low), (low + 1, high), (high + 1, u32::MAX)] {
        if first < end {
            // SAFETY: nothing in this process uses a descriptor but the two.
            unsafe { libc::syscall(libc::SYS_close_range, first, end - 1, 0) };
        }
    }
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
