//! The process beside a program that runs without a pid namespace: it sees to it that nothing
//! of the program is left.
//!
//! It is a child of ours and the parent of the program. Every process that loses its parent below
//! it becomes its child (PR_SET_CHILD_SUBREAPER), so that it can find and kill all of them, also
//! those that left the session and the process group. It ends when it has no child left, or was
//! killed itself; our own death reaches it as the end of a pipe.
//!
//! All of this runs between fork and exec of a process that had several threads: system calls and
//! memory that is there, no allocation.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, kill_process, kill_process_group, pidfd_open,
    wait, waitpid,
};
use std::io::Write;
use std::os::fd::BorrowedFd;

/// How often processes that the program abandoned are reaped while it still runs.
const REAPING: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// The supervisor's children as numbers, one space after each. Needs CONFIG_PROC_CHILDREN, which
/// the choice of a backend makes sure of.
pub(crate) const CHILDREN: &std::ffi::CStr = c"/proc/thread-self/children";

/// Waits for `program`, reports its end to `status`, and kills whatever it left. Does so at once
/// when `lifeline` hangs up.
pub(crate) fn stay(program: Pid, lifeline: BorrowedFd<'_>, status: BorrowedFd<'_>) {
    if let Ok(end) = pidfd_open(program, PidfdFlags::empty()) {
        loop {
            let mut fds = [
                PollFd::new(&end, PollFlags::IN),
                PollFd::from_borrowed_fd(lifeline, PollFlags::IN),
            ];
            match poll(&mut fds, Some(&REAPING)) {
                Ok(0) => {}
                Err(Errno::INTR) => continue,
                Err(_) => break,
                Ok(_) => {
                    // It is not reaped yet, so its number still names its own group.
                    kill_process_group(program, Signal::KILL).ok();
                    break;
                }
            }
            if reap_the_abandoned(program, status) {
                break;
            }
        }
    }
    if let Ok(Some((_, ended))) = waitpid(Some(program), WaitOptions::NOHANG) {
        tell(status, ended);
    }
    end_all(status, program);
}

/// Reaps what has ended; says whether the program itself was among it.
fn reap_the_abandoned(program: Pid, status: BorrowedFd<'_>) -> bool {
    let mut over = false;
    while let Ok(Some((pid, ended))) = wait(WaitOptions::NOHANG) {
        if pid == program {
            tell(status, ended);
            over = true;
        }
    }
    over
}

/// Kills children until there are none: those of a dead child are ours by the time it is reaped.
fn end_all(status: BorrowedFd<'_>, program: Pid) {
    loop {
        // Who is killed will be reaped, so waiting ends; who was missed is seen in the next turn.
        let options = if kill_children() { WaitOptions::empty() } else { WaitOptions::NOHANG };
        match wait(options) {
            Ok(Some((pid, ended))) if pid == program => tell(status, ended),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => rustix::thread::sched_yield(),
            Err(_) => return,
        }
    }
}

/// Kills every child that is listed, and says whether there was one.
fn kill_children() -> bool {
    let Ok(list) = open(CHILDREN, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else {
        return false;
    };
    let mut bytes = [0; 4096];
    let mut any = false;
    let mut number = 0_i32;
    while let Ok(count @ 1..) = read(&list, &mut bytes) {
        for byte in bytes.iter().take(count) {
            if byte.is_ascii_digit() {
                number = number.saturating_mul(10).saturating_add(i32::from(byte - b'0'));
                continue;
            }
            if let Some(pid) = Pid::from_raw(number) {
                any |= kill_process(pid, Signal::KILL).is_ok();
            }
            number = 0;
        }
    }
    any
}

/// Reports an end as bubblewrap does: a death by signal N is the status 128+N.
fn tell(status: BorrowedFd<'_>, ended: WaitStatus) {
    let signal = ended.terminating_signal().map(|signal| 128 + signal);
    let Some(code) = ended.exit_status().or(signal) else { return };
    let mut line = [0_u8; 64];
    let mut rest = &mut line[..];
    if writeln!(rest, "{{ \"exit-code\": {code} }}").is_ok() {
        let length = 64 - rest.len();
        // Nobody may be there to read it any more.
        write(status, &line[..length]).ok();
    }
}
