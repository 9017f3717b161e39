//! The log actor: what was asked, how far it came, how it ended. Translates and decides nothing.
//!
//! The log opens with the first message, so that a status never waits for it, and is shared by
//! the incarnations of the actor: sled opens a directory once.

use actix::prelude::*;
use cambium_messages::Reply;
use cambium_messages::txlog::{
    Begin, CountRecords, Enter, Export, Finish, ListUnfinished, NoteHost, ReadHistory,
    TransactionRecord, UnfinishedTransaction, Verified, Verify,
};
use cambium_model::{Failure, FailureKind, HostState};
use cambium_runtime::{Call, Ping, Worker, guarded};
use cambium_txlog::{
    Cursor, DeploymentChange, DeploymentSummary, Entry, Error as LogError, Log, NoteReason, Opened,
    Retention, Verification,
};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the log is kept, and how much of it.
#[derive(Debug, Clone)]
pub struct LogPlace {
    /// Its directory.
    pub directory: PathBuf,
    /// Transactions that are kept.
    pub keep: usize,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Txlog {
    place: LogPlace,
    open: Arc<Mutex<Option<OpenLog>>>,
    worker: Arc<Worker>,
}

#[derive(Debug)]
struct OpenLog {
    log: Log,
    /// Why the deployments must be noted, until they are.
    unnoted: Option<NoteReason>,
}

impl Txlog {
    /// A log that opens at `place` when it is needed.
    #[must_use]
    pub fn new(place: LogPlace, worker: Arc<Worker>) -> Self {
        Self { place, open: Arc::default(), worker }
    }

    /// Serves one message with the open log.
    fn with<T>(
        &self,
        context: &mut SyncContext<Self>,
        call: &Call,
        what: &'static str,
        work: impl FnOnce(&mut OpenLog) -> Result<T, LogError>,
    ) -> Reply<T> {
        guarded(&self.worker, context, call, what, || {
            let mut slot = self.lock();
            if slot.is_none() {
                *slot = Some(open(&self.place)?);
            }
            let Some(open) = slot.as_mut() else {
                return Err(Failure::new(FailureKind::Internal, "the log is not open"));
            };
            let done = work(open);
            let stopped = |error: &_| {
                use LogError::{Database, Stopped, Sync};
                matches!(error, Stopped | Database { .. } | Sync { .. })
            };
            if done.as_ref().err().is_some_and(stopped)
                && let Some(open) = slot.take()
            {
                // After a failed write (a full disk) the log takes no more until it is read anew.
                open.log.close();
            }
            Ok(done?)
        })
    }

    /// A panic within leaves the log as its last durable record says, so a poisoned lock is fine.
    fn lock(&self) -> MutexGuard<'_, Option<OpenLog>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(place: &LogPlace) -> Result<OpenLog, LogError> {
    let retention = Retention { transactions: place.keep };
    Ok(match Log::open_with(&place.directory, retention)? {
        Opened::Intact(log) => OpenLog { log, unnoted: None },
        Opened::Fresh(log) => OpenLog { log, unnoted: Some(NoteReason::Imported) },
        Opened::Rebuilt { log, aside, why } => {
            let aside = aside.display().to_string();
            tracing::error!(why, aside, "the log was damaged and begins anew");
            OpenLog { log, unnoted: Some(NoteReason::Rebuilt { why, aside }) }
        }
    })
}

/// Milliseconds since 1970. A clock before that is taken for 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn summaries(host: Option<&HostState>) -> Vec<DeploymentSummary> {
    host.map(|host| host.deployments.iter().map(Into::into).collect()).unwrap_or_default()
}

fn record(entry: Entry) -> TransactionRecord {
    TransactionRecord {
        id: entry.id,
        request: entry.request,
        started: entry.started,
        finished: entry.finished,
        phases: entry.phases.into_iter().map(|entered| (entered.phase, entered.at)).collect(),
        outcome: entry.outcome,
    }
}

impl Actor for Txlog {
    type Context = SyncContext<Self>;
}

impl Handler<Ping> for Txlog {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<Begin> for Txlog {
    type Result = Reply<()>;

    fn handle(&mut self, message: Begin, context: &mut Self::Context) -> Self::Result {
        let Begin { call, id, request } = message;
        self.with(context, &call, "log the begin", |open| open.log.begin(&id, &request, now()))
    }
}

impl Handler<Enter> for Txlog {
    type Result = Reply<()>;

    fn handle(&mut self, message: Enter, context: &mut Self::Context) -> Self::Result {
        let Enter { call, id, phase } = message;
        self.with(context, &call, "log a phase", |open| open.log.enter(&id, phase, now()))
    }
}

impl Handler<Finish> for Txlog {
    type Result = Reply<()>;

    fn handle(&mut self, message: Finish, context: &mut Self::Context) -> Self::Result {
        let Finish { call, id, outcome, before, after } = message;
        let deployments = DeploymentChange {
            before: summaries(before.as_deref()),
            after: summaries(after.as_deref()),
        };
        self.with(context, &call, "log the outcome", |open| {
            open.log.finish(&id, &outcome, &deployments, now())
        })
    }
}

impl Handler<NoteHost> for Txlog {
    type Result = Reply<()>;

    fn handle(&mut self, message: NoteHost, context: &mut Self::Context) -> Self::Result {
        let NoteHost { call, host } = message;
        self.with(context, &call, "note the host", |open| match open.unnoted.take() {
            Some(reason) => open.log.note(reason, summaries(Some(&host)), now()),
            None => Ok(()),
        })
    }
}

impl Handler<ListUnfinished> for Txlog {
    type Result = Reply<Vec<UnfinishedTransaction>>;

    fn handle(&mut self, message: ListUnfinished, context: &mut Self::Context) -> Self::Result {
        self.with(context, &message.call, "list the unfinished", |open| {
            let unfinished = open.log.unfinished()?.into_iter();
            Ok(unfinished.map(|u| UnfinishedTransaction { id: u.id, phase: u.phase }).collect())
        })
    }
}

impl Handler<ReadHistory> for Txlog {
    type Result = Reply<Vec<TransactionRecord>>;

    fn handle(&mut self, message: ReadHistory, context: &mut Self::Context) -> Self::Result {
        let ReadHistory { call, limit, before, only } = message;
        self.with(context, &call, "read the history", |open| {
            let entries = match (&only, &before) {
                (Some(id), _) => match open.log.get(id) {
                    Ok(entry) => vec![entry],
                    Err(LogError::Unknown(_)) => Vec::new(),
                    Err(error) => return Err(error),
                },
                (None, Some(id)) => open.log.history(limit, Cursor::Before(id))?,
                (None, None) => open.log.history(limit, Cursor::Newest)?,
            };
            Ok(entries.into_iter().map(record).collect())
        })
    }
}

impl Handler<CountRecords> for Txlog {
    type Result = Reply<u64>;

    fn handle(&mut self, message: CountRecords, context: &mut Self::Context) -> Self::Result {
        self.with(context, &message.call, "count the records", |open| open.log.records())
    }
}

impl Handler<Verify> for Txlog {
    type Result = Reply<Verified>;

    fn handle(&mut self, message: Verify, context: &mut Self::Context) -> Self::Result {
        self.with(context, &message.call, "verify the log", |open| {
            Ok(match open.log.verify()? {
                Verification::Intact(intact) => Verified::Intact { records: intact.records },
                Verification::Broken(broken) => {
                    Verified::Broken { at: broken.record, why: broken.to_string() }
                }
            })
        })
    }
}

impl Handler<Export> for Txlog {
    type Result = Reply<Vec<u8>>;

    fn handle(&mut self, message: Export, context: &mut Self::Context) -> Self::Result {
        self.with(context, &message.call, "export the log", |open| {
            let mut lines = Vec::new();
            open.log.export(&mut lines)?;
            Ok(lines)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_model::{Change, Options, Outcome, Phase, Request, TransactionId};
    use cambium_runtime::WorkerName;

    fn start(directory: PathBuf) -> Addr<Txlog> {
        let place = LogPlace { directory, keep: 100 };
        let actor = Txlog::new(place, Arc::new(Worker::new(WorkerName::Txlog)));
        SyncArbiter::start(1, move || actor.clone())
    }

    #[actix::test]
    async fn a_transaction_is_read_back_with_its_phases_and_outcome() {
        let dir = tempfile::tempdir().unwrap();
        let log = start(dir.path().join("log"));
        let call = Call::read;
        let id = TransactionId::new("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
        let request = Box::new(Request {
            stateroot: None,
            change: Change::Rollback,
            options: Options::default(),
            initiator: Default::default(),
        });
        log.send(Begin { call: call(), id: id.clone(), request }).await.unwrap().unwrap();
        let enter = Enter { call: call(), id: id.clone(), phase: Phase::Swapping };
        log.send(enter).await.unwrap().unwrap();
        let unfinished = log.send(ListUnfinished { call: call() }).await.unwrap().unwrap();
        assert_eq!(unfinished, [UnfinishedTransaction { id: id.clone(), phase: Phase::Swapping }]);

        let outcome = Outcome::Unchanged { summary: "No change.".into() };
        let finish = Finish {
            call: call(),
            id: id.clone(),
            outcome: outcome.clone(),
            before: None,
            after: Some(Arc::default()),
        };
        log.send(finish).await.unwrap().unwrap();
        let read = |only| ReadHistory { call: call(), limit: 9, before: None, only };
        for only in [None, Some(id)] {
            let records = log.send(read(only)).await.unwrap().unwrap();
            assert_eq!(records.len(), 1);
            assert_eq!(records[0].outcome, Some(outcome.clone()));
            assert_eq!(records[0].phases[0].0, Phase::Swapping);
        }
        let unknown = log.send(read(Some(TransactionId::new("x")))).await.unwrap().unwrap();
        assert!(unknown.is_empty());
        let verified = log.send(Verify { call: call() }).await.unwrap().unwrap();
        assert_eq!(verified, Verified::Intact { records: 3 });
        assert_eq!(log.send(CountRecords { call: call() }).await.unwrap(), Ok(3));
    }

    #[actix::test]
    async fn a_new_log_notes_the_host_once() {
        let dir = tempfile::tempdir().unwrap();
        let log = start(dir.path().join("log"));
        for _ in 0..2 {
            let note = NoteHost { call: Call::read(), host: Arc::default() };
            log.send(note).await.unwrap().unwrap();
        }
        assert_eq!(log.send(CountRecords { call: Call::read() }).await.unwrap(), Ok(1));
    }
}
