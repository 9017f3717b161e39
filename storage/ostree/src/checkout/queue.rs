//! Work that makes more work, shared by threads.
//!
//! Owns: who gets the next piece, and when all is done: when none is left and none is being done
//! that could make more. Knows nothing of directories.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Pieces of work that are not begun, and the count of those that are.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    /// The newest first: it keeps the list short where work is a tree.
    waiting: Vec<T>,
    begun: usize,
    stopped: bool,
}

impl<T> Queue<T> {
    /// A queue of one piece.
    pub(super) fn of(first: T) -> Self {
        let state = State { waiting: vec![first], begun: 0, stopped: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Does pieces until nobody has any: one thread's part. `work` returns what is to be done
    /// besides. An error or a panic ends the others' parts too.
    pub(super) fn run<E>(&self, mut work: impl FnMut(T) -> Result<Vec<T>, E>) -> Result<(), E> {
        let stop = StopUnlessDone(self);
        while let Some(piece) = self.next() {
            let more = work(piece)?;
            let mut state = self.lock();
            state.waiting.extend(more);
            state.begun -= 1;
            drop(state);
            self.changed.notify_all();
        }
        std::mem::forget(stop);
        Ok(())
    }

    /// The next piece, waited for while another's may come; `None` at the end.
    fn next(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(piece) = state.waiting.pop() {
                state.begun += 1;
                return Some(piece);
            }
            if state.begun == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing within can panic between two whole states.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the others that a thread left early: they would wait for its piece for ever.
struct StopUnlessDone<'q, T>(&'q Queue<T>);

impl<T> Drop for StopUnlessDone<'_, T> {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Two threads do a tree of work: each piece of depth `n` makes two of depth `n - 1`.
    fn done(
        work: impl Fn(u32) -> Result<Vec<u32>, &'static str> + Sync,
    ) -> [Result<(), &'static str>; 2] {
        let queue = Queue::of(10);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| queue.run(&work));
            let ours = queue.run(&work);
            [ours, other.join().unwrap_or(Err("panicked"))]
        })
    }

    #[test]
    fn every_piece_is_done_once_and_then_all_end() {
        let count = AtomicUsize::new(0);
        let results = done(|depth| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(if depth == 0 { vec![] } else { vec![depth - 1; 2] })
        });
        assert_eq!(results, [Ok(()), Ok(())]);
        assert_eq!(count.into_inner(), (1 << 11) - 1);
    }

    #[test]
    fn an_error_ends_the_others_too() {
        let results = done(|depth| if depth == 5 { Err("no") } else { Ok(vec![depth - 1; 2]) });
        assert!(results.contains(&Err("no")), "{results:?}");
    }

    #[test]
    fn a_panic_ends_the_others_too() {
        let queue = Queue::of(0);
        let results = std::thread::scope(|scope| {
            let panics = scope.spawn(|| queue.run(|_| -> Result<Vec<i32>, ()> { panic!("boom") }));
            let panicked = panics.join().is_err();
            (panicked, queue.run(|_: i32| Ok::<_, ()>(vec![])))
        });
        assert_eq!(results, (true, Ok(())));
    }
}
