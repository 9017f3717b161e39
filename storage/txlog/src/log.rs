//! The log as its users see it. Every method may be called from any thread.

use crate::entry::{
    DeploymentChange, DeploymentSummary, Entry, Note, NoteReason, PhaseEntered, Unfinished,
};
use crate::error::Error;
use crate::export;
use crate::frame::Frame;
use crate::index::{Index, Track};
use crate::open::{self, Opened, Parts};
use crate::record::{self, Decoded, LogEvent, Record};
use crate::store::Store;
use crate::verify::{BrokenAt, Chain, Defect, Verification};
use crate::witness::{Head, Witness};
use cambium_model::{Event, Outcome, Phase, Request, TransactionId};
use std::fs::File;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many finished transactions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The newest so many are always kept; up to an eighth more before old ones are dropped
    /// together. Unfinished ones are always kept, with all that came after them.
    pub transactions: usize,
}

impl Default for Retention {
    /// A thousand transactions: years of a host's life in a few MiB.
    fn default() -> Self {
        Self { transactions: 1000 }
    }
}

/// Where a page of history begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor<'a> {
    /// With the newest transaction.
    Newest,
    /// With the one that began before this one.
    Before(&'a TransactionId),
}

/// An open log. One process at a time has it.
#[derive(Debug)]
pub struct Log {
    state: Mutex<State>,
    retention: Retention,
    /// Held for as long as the log is open.
    _lock: File,
}

#[derive(Debug)]
struct State {
    store: Store,
    witness: Witness,
    index: Index,
    head: Head,
    writes: Writes,
}

/// Whether the log takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writes {
    Taken,
    /// One failed or panicked: what is on disk is unknown, and the kernel drops what it could not
    /// write, so another fsync proves nothing.
    Refused,
}

impl Log {
    /// Opens the log in `dir` (made where it is not there), with the default retention.
    ///
    /// # Errors
    /// When its files cannot be made or read, or another process has it. Damage is no error: see
    /// [`Opened::Rebuilt`].
    pub fn open(dir: &Path) -> Result<Opened, Error> {
        Self::open_with(dir, Retention::default())
    }

    /// The same with a chosen retention.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_with(dir: &Path, retention: Retention) -> Result<Opened, Error> {
        open::open(dir, retention)
    }

    pub(crate) fn new(parts: Parts, lock: File, retention: Retention) -> Self {
        let Parts { store, witness, index, head } = parts;
        let state = Mutex::new(State { store, witness, index, head, writes: Writes::Taken });
        Self { state, retention, _lock: lock }
    }

    /// Closes the log. sled syncs its file once more and panics where that fails; every record that
    /// was acknowledged is durable by then, so that nothing is lost by it.
    pub fn close(self) {
        if catch_unwind(AssertUnwindSafe(|| drop(self))).is_err() {
            tracing::warn!("the transaction log could not be synced when it was closed");
        }
    }

    /// A panic while the lock was held left `writes` refused, and reading is always safe.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs that `id` begins, queued. Durable on return.
    ///
    /// # Errors
    /// When the id is in the log already, the request is too large, or the write fails.
    pub fn begin(&self, id: &TransactionId, request: &Request, now: u64) -> Result<(), Error> {
        let mut state = self.state();
        state.index.check_begin(id)?;
        state.prune(self.retention)?;
        let request = Box::new(request.clone());
        state.append(now, LogEvent::Begin { id: id.clone(), request })
    }

    /// Logs that `id` is about to start `phase`. Durable on return: only then may it start.
    ///
    /// # Errors
    /// When the id is unknown, the phase may not follow, or the write fails.
    pub fn enter(&self, id: &TransactionId, phase: Phase, now: u64) -> Result<(), Error> {
        let mut state = self.state();
        state.index.check(id, Event::Enter(phase))?;
        state.append(now, LogEvent::Enter { id: id.clone(), phase })
    }

    /// Logs how `id` ended, and the deployments around it. Durable on return.
    ///
    /// # Errors
    /// When the id is unknown or over, was cancelled too late, or the write fails.
    pub fn finish(
        &self,
        id: &TransactionId,
        outcome: &Outcome,
        deployments: &DeploymentChange,
        now: u64,
    ) -> Result<(), Error> {
        let event = match outcome {
            Outcome::Succeeded { .. } | Outcome::Unchanged { .. } => Event::Succeed,
            Outcome::Failed(_) => Event::Fail,
            Outcome::Cancelled => Event::Cancel,
            Outcome::Interrupted { .. } => Event::Interrupt,
        };
        let mut state = self.state();
        state.index.check(id, event)?;
        let (id, outcome, deployments) = (id.clone(), outcome.clone(), deployments.clone());
        state.append(now, LogEvent::Finish { id, outcome, deployments })
    }

    /// Notes the deployments that are there without a transaction of this log. Durable on return.
    ///
    /// # Errors
    /// When the write fails.
    pub fn note(
        &self,
        reason: NoteReason,
        deployments: Vec<DeploymentSummary>,
        now: u64,
    ) -> Result<(), Error> {
        self.state().append(now, LogEvent::Note { reason, deployments })
    }

    /// The transactions that began and did not finish, oldest first.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, Error> {
        let state = self.state();
        let mut unfinished = Vec::new();
        for (id, track) in state.index.unfinished() {
            let request = state.entry(track)?.map(|entry| Box::new(entry.request));
            unfinished.push(Unfinished { id: id.clone(), request, phase: track.phase });
        }
        Ok(unfinished)
    }

    /// At most `limit` transactions from `cursor` on, newest first. Those that a newer Cambium
    /// wrote in a form unknown here are left out.
    ///
    /// # Errors
    /// When the cursor's transaction is unknown or a record cannot be read.
    pub fn history(&self, limit: usize, cursor: Cursor<'_>) -> Result<Vec<Entry>, Error> {
        let state = self.state();
        let before = match cursor {
            Cursor::Newest => u64::MAX,
            Cursor::Before(id) => state.index.track(id)?.records.first().copied().unwrap_or(0),
        };
        let entries = state.index.newest(before).map(|(_, track)| state.entry(track));
        entries.filter_map(Result::transpose).take(limit).collect()
    }

    /// One transaction.
    ///
    /// # Errors
    /// When it is unknown, was written in a form unknown here, or cannot be read.
    pub fn get(&self, id: &TransactionId) -> Result<Entry, Error> {
        let state = self.state();
        state.entry(state.index.track(id)?)?.ok_or_else(|| Error::Unknown(id.clone()))
    }

    /// The notes, oldest first.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn notes(&self) -> Result<Vec<Note>, Error> {
        let state = self.state();
        let mut notes = Vec::new();
        for number in state.index.notes() {
            if let Decoded::Known(Record {
                at,
                event: LogEvent::Note { reason, deployments },
                ..
            }) = state.record(*number)?
            {
                notes.push(Note { at, reason, deployments });
            }
        }
        Ok(notes)
    }

    /// How many records the log holds.
    ///
    /// # Errors
    /// When the place where the chain begins cannot be read.
    pub fn records(&self) -> Result<u64, Error> {
        let state = self.state();
        let anchor = state.store.anchor()?.map_err(Error::Broken)?;
        Ok(state.head.number.saturating_sub(anchor.number))
    }

    /// Reads every record again and checks the chain. (Pages that sled has cached are not read
    /// from the disk anew; opening the log does that, and checks the same.)
    ///
    /// # Errors
    /// When the database cannot be read at all. A broken chain is an answer.
    pub fn verify(&self) -> Result<Verification, Error> {
        let state = self.state();
        Ok(match state.follow(|_, _| Ok(()))? {
            Ok(chain) if chain.head() == state.head => Verification::Intact(chain.verified()),
            Ok(chain) if chain.head().number < state.head.number => {
                Verification::Broken(chain.broken(Defect::Missing { found: None }))
            }
            Ok(chain) => {
                Verification::Broken(BrokenAt { record: chain.head().number, defect: Defect::Head })
            }
            Err(broken) => Verification::Broken(broken),
        })
    }

    /// Writes all records as JSON lines with their chain; [`crate::verify_export`] reads them.
    ///
    /// # Errors
    /// When the chain is broken or `writer` fails.
    pub fn export(&self, writer: &mut dyn Write) -> Result<(), Error> {
        let state = self.state();
        let anchor = state.store.anchor()?.map_err(Error::Broken)?;
        export::header(writer, anchor)?;
        let mut failed = Ok(());
        let followed = state.follow(|chain, frame| {
            if failed.is_ok() {
                failed = export::line(writer, chain, frame);
            }
            Ok(())
        })?;
        failed?;
        export::trailer(writer, followed.map_err(Error::Broken)?.verified())
    }
}

impl State {
    /// Appends one record; after a failure no other is taken.
    fn append(&mut self, now: u64, event: LogEvent) -> Result<(), Error> {
        let record = Record::new(now, event);
        let payload = record.encode()?;
        if self.writes == Writes::Refused {
            return Err(Error::Stopped);
        }
        let number = self.head.number + 1;
        let frame = Frame { number, previous: self.head.hash, payload }.encode();
        self.writes = Writes::Refused;
        self.head = self.store.append(number, &frame, &self.witness)?;
        self.writes = Writes::Taken;
        self.index.take(number, &Decoded::Known(record));
        Ok(())
    }

    /// Drops the oldest transactions once there are an eighth more than are kept.
    fn prune(&mut self, retention: Retention) -> Result<(), Error> {
        let keep = retention.transactions.max(1);
        if self.index.transactions() <= keep + keep / 8 || self.writes == Writes::Refused {
            return Ok(());
        }
        let anchor = self.store.anchor()?.map_err(Error::Broken)?;
        match self.index.cut(keep) {
            Some(cut) if cut > anchor.number + 1 => {
                self.writes = Writes::Refused;
                self.store.drop_records(anchor, cut)?;
                self.writes = Writes::Taken;
                self.index.drop_before(cut);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Follows the whole chain on disk.
    fn follow(
        &self,
        mut each: impl FnMut(&Chain, &[u8]) -> Result<(), BrokenAt>,
    ) -> Result<Result<Chain, BrokenAt>, Error> {
        let mut chain = match self.store.anchor()? {
            Ok(anchor) => Chain::after(anchor),
            Err(broken) => return Ok(Err(broken)),
        };
        let followed = self.store.each(&mut chain, |chain, frame| {
            chain.follow(frame)?;
            each(chain, frame)
        })?;
        Ok(followed.map(|()| chain))
    }

    fn record(&self, number: u64) -> Result<Decoded, Error> {
        let broken = |defect| Error::Broken(BrokenAt { record: number, defect });
        let frame = Frame::decode(&self.store.read(number)?)
            .map_err(|why| broken(Defect::Frame(why.to_string())))?;
        record::decode(&frame.payload).map_err(|why| broken(Defect::Payload(why.to_string())))
    }

    /// The transaction of `track`; `None` where its begin is of a form unknown here.
    fn entry(&self, track: &Track) -> Result<Option<Entry>, Error> {
        let mut entry: Option<Entry> = None;
        for number in &track.records {
            let Decoded::Known(Record { at, event, .. }) = self.record(*number)? else { continue };
            match (event, &mut entry) {
                (LogEvent::Begin { id, request }, None) => {
                    entry = Some(Entry {
                        id,
                        initiator: request.initiator.clone(),
                        request: *request,
                        started: at,
                        finished: None,
                        phases: Vec::new(),
                        outcome: None,
                        deployments: DeploymentChange::default(),
                    });
                }
                (LogEvent::Enter { phase, .. }, Some(entry)) => {
                    entry.phases.push(PhaseEntered { phase, at });
                }
                (LogEvent::Finish { outcome, deployments, .. }, Some(entry)) => {
                    entry.finished = Some(at);
                    entry.outcome = Some(outcome);
                    entry.deployments = deployments;
                }
                _ => {}
            }
        }
        Ok(entry)
    }
}

#[cfg(test)]
mod tests;
