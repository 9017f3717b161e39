//! What is kept in memory: which records belong to which transaction, and where each stands.

use crate::error::Error;
use crate::record::{Decoded, LogEvent};
use cambium_model::{Event, Phase, TransactionId};
use std::collections::{BTreeMap, HashMap};

/// A transaction's place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Track {
    /// The numbers of its records, the first being its begin.
    pub(crate) records: Vec<u64>,
    pub(crate) phase: Phase,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    by_id: HashMap<TransactionId, Track>,
    /// By the number of the begin record: the order of history.
    by_begin: BTreeMap<u64, TransactionId>,
    notes: Vec<u64>,
}

impl Index {
    /// Takes record `number` in. Records of transactions whose begin was dropped say nothing.
    pub(crate) fn take(&mut self, number: u64, decoded: &Decoded) {
        match decoded {
            Decoded::Known(record) => match &record.event {
                LogEvent::Begin { id, .. } => self.begin(number, id),
                LogEvent::Enter { id, phase } => self.advance(number, id, *phase),
                LogEvent::Finish { id, .. } => self.advance(number, id, Phase::Finished),
                LogEvent::Note { .. } => self.notes.push(number),
            },
            Decoded::Foreign { kind: Some(kind), id: Some(id) } => match kind.as_str() {
                "begin" => self.begin(number, id),
                "finish" => self.advance(number, id, Phase::Finished),
                _ => {}
            },
            Decoded::Foreign { .. } => {}
        }
    }

    fn begin(&mut self, number: u64, id: &TransactionId) {
        let track = Track { records: vec![number], phase: Phase::Queued };
        self.by_id.insert(id.clone(), track);
        self.by_begin.insert(number, id.clone());
    }

    fn advance(&mut self, number: u64, id: &TransactionId, phase: Phase) {
        if let Some(track) = self.by_id.get_mut(id) {
            track.records.push(number);
            track.phase = phase;
        }
    }

    pub(crate) fn track(&self, id: &TransactionId) -> Result<&Track, Error> {
        self.by_id.get(id).ok_or_else(|| Error::Unknown(id.clone()))
    }

    /// Whether a transaction `id` may begin.
    pub(crate) fn check_begin(&self, id: &TransactionId) -> Result<(), Error> {
        if self.by_id.contains_key(id) { Err(Error::Duplicate(id.clone())) } else { Ok(()) }
    }

    /// Whether `event` may happen to `id`.
    pub(crate) fn check(&self, id: &TransactionId, event: Event) -> Result<(), Error> {
        let phase = self.track(id)?.phase;
        match phase.on(event) {
            Ok(_) => Ok(()),
            Err(source) => Err(Error::Illegal { id: id.clone(), source }),
        }
    }

    /// Transactions newest first, from the one before `before` on.
    pub(crate) fn newest(&self, before: u64) -> impl Iterator<Item = (&TransactionId, &Track)> {
        let ids = self.by_begin.range(..before).rev();
        ids.filter_map(|(_, id)| Some((id, self.by_id.get(id)?)))
    }

    /// Transactions that are not over, oldest first.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = (&TransactionId, &Track)> {
        let ids = self.by_begin.values().filter_map(|id| Some((id, self.by_id.get(id)?)));
        ids.filter(|(_, track)| track.phase != Phase::Finished)
    }

    pub(crate) fn notes(&self) -> &[u64] {
        &self.notes
    }

    pub(crate) fn transactions(&self) -> usize {
        self.by_begin.len()
    }

    /// The first record to keep, if the newest `keep` transactions and all unfinished ones are.
    pub(crate) fn cut(&self, keep: usize) -> Option<u64> {
        let oldest_kept = self.by_begin.keys().rev().nth(keep.checked_sub(1)?)?;
        let oldest_unfinished = self.unfinished().find_map(|(_, track)| track.records.first());
        Some(oldest_unfinished.map_or(*oldest_kept, |unfinished| *unfinished.min(oldest_kept)))
    }

    /// Forgets transactions and notes whose first record is before `cut`.
    pub(crate) fn drop_before(&mut self, cut: u64) {
        let kept = self.by_begin.split_off(&cut);
        for id in std::mem::replace(&mut self.by_begin, kept).into_values() {
            self.by_id.remove(&id);
        }
        self.notes.retain(|number| *number >= cut);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use cambium_model::Outcome;

    fn foreign(kind: &str, id: &str) -> Decoded {
        Decoded::Foreign { kind: Some(kind.into()), id: Some(TransactionId::new(id)) }
    }

    fn finish(id: &str) -> Decoded {
        let id = TransactionId::new(id);
        let deployments = crate::DeploymentChange::default();
        let event = LogEvent::Finish { id, outcome: Outcome::Cancelled, deployments };
        Decoded::Known(Record::new(0, event))
    }

    #[test]
    fn a_transaction_of_a_newer_version_is_unfinished_until_it_finishes() {
        let mut index = Index::default();
        index.take(1, &foreign("begin", "a"));
        index.take(2, &foreign("pause", "a"));
        assert_eq!(index.unfinished().count(), 1);
        index.take(3, &foreign("finish", "a"));
        assert_eq!(index.unfinished().count(), 0);
    }

    #[test]
    fn an_unfinished_transaction_holds_back_the_cut() {
        let mut index = Index::default();
        for (number, id) in [(1, "a"), (3, "b"), (5, "c")] {
            index.take(number, &foreign("begin", id));
            index.take(number + 1, &finish(id));
        }
        assert_eq!(index.cut(1), Some(5));
        assert_eq!(index.cut(2), Some(3));
        assert_eq!(index.cut(4), None, "nothing to drop");
        assert_eq!(index.cut(0), None);
        index.take(7, &foreign("begin", "d"));
        index.take(8, &foreign("begin", "e"));
        assert_eq!(index.cut(1), Some(7));
    }

    #[test]
    fn a_record_whose_begin_was_dropped_says_nothing() {
        let mut index = Index::default();
        index.take(9, &finish("gone"));
        assert_eq!(index.transactions(), 0);
        assert!(index.track(&TransactionId::new("gone")).is_err());
    }
}
