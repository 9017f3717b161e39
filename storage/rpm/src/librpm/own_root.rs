//! A place to change the root directory in, as librpm does within a transaction, without another
//! thread of the daemon seeing it.
//!
//! A thread can leave the root that it shares, with `unshare(CLONE_FS)`. A container with Docker's
//! default permissions denies that call as a whole; there a process is made that shares all but
//! the root, and the thread waits for it.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// As much as a main thread gets; pages that are not used cost nothing.
const STACK: usize = 8 << 20;

/// Does `job` with a root and working directory of its own, on a thread that ends after it.
pub(crate) fn on_own_root<T: Send>(job: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("rpmdb".into());
        let thread = thread.spawn_scoped(scope, || match leave_shared_root() {
            Ok(()) => Ok(job()),
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => in_vm_of_caller(job),
            Err(error) => Err(error),
        })?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Gives the calling thread a root and working directory of its own.
fn leave_shared_root() -> io::Result<()> {
    // SAFETY: only the file system attributes (root, working directory, umask) are unshared; no
    // memory or descriptor is affected.
    let result = unsafe { libc::unshare(libc::CLONE_FS) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

struct Work<F, T> {
    job: Option<F>,
    done: Option<std::thread::Result<T>>,
}

/// Does `job` in a process that has this one's memory and descriptors and a root of its own. The
/// calling thread stands still meanwhile, so that the process can take its place: it has the
/// thread's local storage too, and to every lock it is this thread.
fn in_vm_of_caller<F: FnOnce() -> T, T>(job: F) -> io::Result<T> {
    extern "C" fn run<F: FnOnce() -> T, T>(work: *mut c_void) -> c_int {
        // SAFETY: it is the caller's work, which nobody else looks at until this process ends.
        let work = unsafe { &mut *work.cast::<Work<F, T>>() };
        if let Some(job) = work.job.take() {
            work.done = Some(catch_unwind(AssertUnwindSafe(job)));
        }
        0
    }
    let mut work = Work { job: Some(job), done: None };
    let mut stack = vec![0_u128; STACK / size_of::<u128>()];
    let flags = libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_VFORK;
    // SAFETY: the stack and the work outlive the process, for which this thread waits twice: until
    // it ends (CLONE_VFORK), then for its status. It unwinds nowhere, and ends with `run`.
    let status = unsafe {
        let top = stack.as_mut_ptr_range().end.cast();
        let pid = libc::clone(run::<F, T>, top, flags, (&raw mut work).cast());
        if pid < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut status = 0;
        while libc::waitpid(pid, &raw mut status, libc::__WALL) < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        status
    };
    match work.done {
        Some(done) => Ok(done.unwrap_or_else(|panic| resume_unwind(panic))),
        None => Err(io::Error::other(format!("the process of librpm died ({status:#x})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env::{current_dir, set_current_dir};

    #[test]
    fn what_the_job_does_to_its_directories_stays_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let before = current_dir().unwrap();
        let text = "a".repeat(3);
        let leave = || {
            set_current_dir(dir.path()).unwrap();
            std::fs::write("made", &text).unwrap();
            (current_dir().unwrap(), vec![text.clone(); 2])
        };
        for (inside, texts) in [on_own_root(leave).unwrap(), in_vm_of_caller(leave).unwrap()] {
            assert_eq!(inside, dir.path().canonicalize().unwrap());
            assert_eq!(texts, ["aaa", "aaa"]);
            assert_eq!(current_dir().unwrap(), before);
            assert_eq!(std::fs::read_to_string(dir.path().join("made")).unwrap(), "aaa");
        }
    }

    #[test]
    fn a_panic_reaches_the_caller() {
        let caught = catch_unwind(|| in_vm_of_caller(|| panic!("of the job")));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"of the job"));
    }
}
