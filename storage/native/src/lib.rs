//! The C state of this process that its libraries share: one lock, one way to give memory back.
//!
//! librpm (≤ 4.18) keeps macros and configuration in globals without locks, and libdnf calls
//! librpm; two threads that use either at once fail to load the rpmdb now and then. Every public
//! function of cambium-dnf and cambium-rpm that calls C therefore runs under [`hold`].
//!
//! Deliberately absent: anything that knows what the libraries do.

mod mappings;

use parking_lot::{ReentrantMutex, ReentrantMutexGuard};

static LIBRARIES: ReentrantMutex<()> = ReentrantMutex::new(());

/// Keeps other threads out of librpm and libdnf until it is dropped. May be taken again by the
/// thread that holds it.
#[must_use = "the libraries are free again as soon as this is dropped"]
pub fn hold() -> ReentrantMutexGuard<'static, ()> {
    LIBRARIES.lock()
}

/// Arenas of the allocator: one for each core of a small machine. By default there are eight for
/// each core, and every thread that worked once leaves the pages of its largest work in its own.
const ARENAS: libc::c_int = 2;

/// Blocks from this size on are mapped by themselves and go back when they are freed. The
/// allocator's default, but one that it does not raise on its own: it would keep blocks of up to
/// 32 MiB after the first of them.
const MAPPED: libc::c_int = 128 << 10;

/// Makes the allocator keep little for itself. To be called before there are threads.
#[allow(unsafe_code)]
pub fn keep_little_memory() {
    // SAFETY: mallopt takes no pointer. An option that is refused leaves things as they are.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED);
    }
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

/// The same at the end of work: pages of program files go too. Most of them were needed once, to
/// load some eighty libraries or for work that is over, and would be counted as ours for ever. The
/// kernel has them still and maps one again when it is touched, which is felt by nobody who was
/// not about to wait anyway.
pub fn rest() {
    give_memory_back();
    for mapping in mappings::untouched_files() {
        mapping.unmap();
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

    #[test]
    fn programs_run_on_after_a_rest_with_less_mapped() {
        let mapped = || mappings::untouched_files().iter().map(|file| file.resident).sum::<u64>();
        let before = mapped();
        rest();
        let after = mapped();
        assert!(after < before, "{after} of {before} bytes are mapped");
    }
}
