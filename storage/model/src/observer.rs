//! How an engine reports progress and learns that it should stop.

use crate::Progress;

/// Given to every engine call that takes time. Calls come from any thread.
pub trait Observer: Send + Sync {
    /// Takes one step of progress; must not block.
    fn progress(&self, progress: Progress);

    /// Whether the work should stop at the next safe point and answer that it was cancelled.
    fn cancelled(&self) -> bool;

    /// A line for people.
    fn message(&self, text: String) {
        self.progress(Progress::Message { text });
    }

    /// A line for people that should worry them.
    fn warning(&self, text: String) {
        self.progress(Progress::Warning { text });
    }
}

/// Nobody watches and nobody cancels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        false
    }
}
