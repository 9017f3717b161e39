//! Where an assembly's time went.

use std::time::{Duration, Instant};

/// A part of an assembly, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The rpmdb's copy.
    Prepare,
    /// Packages merged with the base in memory.
    Merge,
    /// The scripts' root: the packages' files, and the base's where no checkout was there.
    Checkout,
    /// Scripts.
    Scripts,
    /// What the scripts wrote, or owners where there were none.
    ReadBack,
    /// The rpmdb changed, hashed and written.
    Rpmdb,
    /// Directories and the commit, made durable.
    Commit,
}

/// Times of the steps that ran.
#[derive(Debug, Clone)]
pub struct Stats {
    steps: Vec<(Step, Duration)>,
    since: Instant,
}

impl Default for Stats {
    fn default() -> Self {
        Self { steps: Vec::new(), since: Instant::now() }
    }
}

impl Stats {
    pub(crate) fn finish(&mut self, step: Step) {
        let now = Instant::now();
        self.steps.push((step, now - self.since));
        self.since = now;
    }

    /// The steps with their times.
    #[must_use]
    pub fn steps(&self) -> &[(Step, Duration)] {
        &self.steps
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.steps.iter().map(|(_, time)| *time).sum()
    }
}
