//! A transaction's progress, numbered, kept for those who come late.
//!
//! Bounded: a step replaces the step before it, and beyond [`CAPACITY`] the oldest lines go, never
//! the last. A watcher that asks for numbers that are gone gets what is left and sees the gap in
//! the numbers.

use cambium_model::Progress;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Events kept per transaction: some ten times what installing 400 packages says, yet less than
/// 2 MiB at the longest lines seen.
const CAPACITY: usize = 8192;

/// An event with its place in the order, from 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered {
    /// Greater than that of every event before.
    pub sequence: u64,
    /// What happened.
    pub progress: Progress,
}

/// The record of one transaction. Shared between who works and who watches.
#[derive(Debug)]
pub struct Events {
    record: Mutex<Record>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Record {
    kept: VecDeque<Numbered>,
    newest: u64,
}

impl Default for Events {
    fn default() -> Self {
        Self { record: Mutex::default(), newest: watch::Sender::new(0) }
    }
}

impl Events {
    /// An empty record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event and wakes the watchers. Never blocks longer than another push.
    pub fn push(&self, progress: Progress) {
        let sequence = {
            let mut record = self.lock();
            record.newest += 1;
            let sequence = record.newest;
            let step = |p: &Progress| matches!(p, Progress::Step { .. });
            if step(&progress) && record.kept.back().is_some_and(|last| step(&last.progress)) {
                record.kept.pop_back();
            }
            if record.kept.len() == CAPACITY {
                record.kept.pop_front();
            }
            record.kept.push_back(Numbered { sequence, progress });
            sequence
        };
        self.newest.send_replace(sequence);
    }

    /// Everything that is kept with a number above `after`, in order.
    #[must_use]
    pub fn since(&self, after: u64) -> Vec<Numbered> {
        let record = self.lock();
        let start = record.kept.partition_point(|event| event.sequence <= after);
        record.kept.range(start..).cloned().collect()
    }

    /// Follows the record from the event after number `after`.
    #[must_use]
    pub fn watch(self: &std::sync::Arc<Self>, after: u64) -> Watcher {
        Watcher { newest: self.newest.subscribe(), events: self.clone(), after, over: false }
    }

    /// A poisoned lock only means that a pusher panicked between two whole states.
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One watcher's place in a record.
#[derive(Debug)]
pub struct Watcher {
    events: std::sync::Arc<Events>,
    newest: watch::Receiver<u64>,
    after: u64,
    over: bool,
}

impl Watcher {
    /// The next events, at least one; `None` after the one that finished the transaction.
    pub async fn next(&mut self) -> Option<Vec<Numbered>> {
        while !self.over {
            self.newest.borrow_and_update();
            let batch = self.events.since(self.after);
            if let Some(last) = batch.last() {
                self.after = last.sequence;
                self.over = matches!(last.progress, Progress::Finished { .. });
                return Some(batch);
            }
            if self.newest.changed().await.is_err() {
                self.over = true;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_model::{Outcome, ProgressUnit};
    use std::sync::Arc;

    fn line(text: &str) -> Progress {
        Progress::Message { text: text.into() }
    }

    fn step(done: u64) -> Progress {
        Progress::Step { done, total: 9, unit: ProgressUnit::Items, item: String::new() }
    }

    #[tokio::test]
    async fn late_joiners_see_everything_and_the_end() {
        let events = Arc::new(Events::new());
        events.push(line("one"));
        events.push(Progress::Finished { outcome: Outcome::Cancelled });
        for after in [0, 1] {
            let mut watcher = events.watch(after);
            let batch = watcher.next().await.unwrap();
            assert_eq!(batch.len(), 2 - usize::try_from(after).unwrap());
            assert_eq!(watcher.next().await, None);
        }
    }

    #[tokio::test]
    async fn a_watcher_waits_for_what_is_not_there_yet() {
        let events = Arc::new(Events::new());
        let mut watcher = events.watch(0);
        let waiting = tokio::spawn(async move { watcher.next().await });
        tokio::task::yield_now().await;
        events.push(line("late"));
        let batch = waiting.await.unwrap().unwrap();
        assert_eq!(batch, [Numbered { sequence: 1, progress: line("late") }]);
    }

    #[test]
    fn a_step_replaces_the_step_before_it() {
        let events = Events::new();
        [step(1), step(2), line("x"), step(3)].into_iter().for_each(|p| events.push(p));
        let numbers: Vec<_> = events.since(0).iter().map(|e| e.sequence).collect();
        assert_eq!(numbers, [2, 3, 4]);
    }

    #[test]
    fn the_record_is_bounded_and_keeps_the_newest() {
        let events = Events::new();
        for _ in 0..CAPACITY + 5 {
            events.push(line("x"));
        }
        let kept = events.since(0);
        assert_eq!(kept.len(), CAPACITY);
        assert_eq!(kept.last().unwrap().sequence, CAPACITY as u64 + 5);
    }
}
