//! The C state of this process that its libraries share: one lock, one way to give memory back.
//!
//! librpm (≤ 4.18) keeps macros and configuration in globals without locks, and libdnf calls
//! librpm; two threads that use either at once fail to load the rpmdb now and then. Every public
//! function of cambium-dnf and cambium-rpm that calls C therefore runs under [`hold`].
//!
//! Deliberately absent: anything that knows what the libraries do.

use parking_lot::{ReentrantMutex, ReentrantMutexGuard};

static LIBRARIES: ReentrantMutex<()> = ReentrantMutex::new(());

/// Keeps other threads out of librpm and libdnf until it is dropped. May be taken again by the
/// thread that holds it.
#[must_use = "the libraries are free again as soon as this is dropped"]
pub fn hold() -> ReentrantMutexGuard<'static, ()> {
    LIBRARIES.lock()
}

/// Gives freed memory back to the kernel. libsolv's pools are freed in pieces that the allocator
/// would keep: without this a daemon stays as large as its largest transaction.
#[allow(unsafe_code)]
pub fn give_memory_back() {
    // SAFETY: malloc_trim takes no pointer and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_may_hold_again_and_others_may_not() {
        let outer = hold();
        let inner = hold();
        assert!(std::thread::spawn(|| LIBRARIES.try_lock().is_none()).join().unwrap());
        drop((inner, outer));
        assert!(std::thread::spawn(|| LIBRARIES.try_lock().is_some()).join().unwrap());
        give_memory_back();
    }
}
