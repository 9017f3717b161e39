//! The coordinator: one writer's turn, who has it, who waits, who watches.
//!
//! Owns: the queue, joining of equal requests, cancel, the record of recent transactions.
//! Deliberately absent: files, engines, and what a transaction does (that is [`drive`]'s).

mod drive;
mod metrics;
mod record;

pub use metrics::CoordinatorMetrics;

use actix::prelude::*;
use cambium_messages::coordinator::{
    Activity, CancelTransaction, Drain, Joined, ReadActivity, Resume, Running, StartTransaction,
    Started, WatchTransaction,
};
use cambium_messages::{Ports, Reply};
use cambium_model::{Failure, FailureKind, Outcome, Progress, Sweep, TransactionId};
use cambium_runtime::{Changes, Watcher};
use record::Record;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Finished transactions whose progress can still be watched. Enough for a fleet agent that
/// reconnects after a reboot of its own; older ones are in the log.
const RECENT: usize = 16;

/// Requests that may wait for their turn. More is a client gone wild: it is refused.
const QUEUE: usize = 32;

/// How long the host must have been quiet before unneeded objects are removed: it takes a second
/// or more of the writer's turn, and whoever reads the repository right after a change (`ostree
/// fsck`) should not see objects go.
const QUIET: Duration = Duration::from_secs(60);

/// Takes requests, gives each its turn, and knows how far it is.
#[derive(Debug)]
pub struct Coordinator {
    ports: Ports,
    metrics: CoordinatorMetrics,
    running: Option<Arc<Record>>,
    waiting: VecDeque<Arc<Record>>,
    recent: VecDeque<Arc<Record>>,
    gate: Gate,
    changes: Changes,
    /// The sweep of objects that is due, and whether one runs, which has the turn then.
    sweep_due: Option<SpawnHandle>,
    sweeping: bool,
    drained: Vec<tokio::sync::oneshot::Sender<()>>,
}

/// Whether requests are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// They are, but wait until recovery has run.
    Starting,
    Open,
    /// The daemon stops.
    Draining,
}

impl Coordinator {
    /// A coordinator that works through `ports`, whose transactions wait for [`Resume`]. It rings `changes` when a
    /// transaction starts and when one ends.
    #[must_use]
    pub fn new(ports: Ports, metrics: CoordinatorMetrics, changes: Changes) -> Self {
        Self {
            ports,
            metrics,
            running: None,
            waiting: VecDeque::new(),
            recent: VecDeque::new(),
            gate: Gate::Starting,
            changes,
            sweep_due: None,
            sweeping: false,
            drained: Vec::new(),
        }
    }

    fn every(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.running.iter().chain(&self.waiting).chain(&self.recent)
    }

    /// The transaction that `start` may join: its own key's, or one that is not over and asks for
    /// the same.
    fn joinable(&self, start: &StartTransaction) -> Option<&Arc<Record>> {
        let key = start.idempotency_key.as_ref();
        let keyed = |record: &&Arc<Record>| key.is_some() && record.key.as_ref() == key;
        self.every().find(keyed).or_else(|| {
            let live = self.running.iter().chain(&self.waiting);
            let same = |r: &&Arc<Record>| !r.over() && r.request.same_content(&start.request);
            if key.is_some() { None } else { live.into_iter().find(same) }
        })
    }

    fn admit(&self, start: &StartTransaction) -> Reply<()> {
        if self.gate == Gate::Draining {
            return Err(Failure::new(FailureKind::Busy, "the daemon is stopping"));
        }
        if self.waiting.len() >= QUEUE {
            let what = format!("{QUEUE} transactions are waiting already");
            return Err(Failure::new(FailureKind::Busy, what));
        }
        match &self.running {
            // What runs is only tidying up: its turn is as good as over.
            Some(running) if !running.over() && !start.request.options.wait => {
                let what = format!("Transaction in progress: {}", running.request.title());
                Err(Failure::new(FailureKind::Busy, what)
                    .advise("You can cancel the current transaction with `cambium cancel`."))
            }
            _ => Ok(()),
        }
    }

    /// Gives the next one its turn, where the turn is free.
    fn next(&mut self, context: &mut Context<Self>) {
        if self.running.is_some() || self.sweeping || self.gate == Gate::Starting {
            return;
        }
        let Some(record) = self.waiting.pop_front() else {
            self.drained.drain(..).for_each(|drained| {
                // Whoever asked may have gone; there is nothing else to tell then.
                drained.send(()).ok();
            });
            return;
        };
        self.metrics.queue(self.waiting.len());
        self.running = Some(record.clone());
        self.changes.ring();
        let driver = drive::Driver::new(
            self.ports.clone(),
            self.metrics.clone(),
            self.changes.clone(),
            record,
        );
        context.spawn(driver.run().into_actor(self).map(|(), coordinator, context| {
            coordinator.retire();
            coordinator.sweep_later(Sweep::Objects, context);
            coordinator.next(context);
        }));
    }

    /// Removes what is not needed once the host has been quiet, and sees to it that there is a
    /// spare checkout.
    fn sweep_later(&mut self, sweep: Sweep, context: &mut Context<Self>) {
        if let Some(due) = self.sweep_due.take() {
            context.cancel_future(due);
        }
        self.sweep_due = Some(context.run_later(QUIET, move |coordinator, context| {
            coordinator.sweep_due = None;
            // The end of what runs makes the next one due.
            if coordinator.running.is_none() && coordinator.gate == Gate::Open {
                coordinator.sweep(sweep, context);
            }
        }));
    }

    fn sweep(&mut self, sweep: Sweep, context: &mut Context<Self>) {
        self.sweeping = true;
        let ports = self.ports.clone();
        let sweep = async move { drive::tidy(&ports, sweep).await };
        context.spawn(sweep.into_actor(self).map(|(), coordinator, context| {
            coordinator.sweeping = false;
            coordinator.next(context);
        }));
    }

    fn retire(&mut self) {
        if let Some(record) = self.running.take() {
            self.recent.push_front(record);
            self.recent.truncate(RECENT);
        }
    }

    fn find(&self, id: &TransactionId) -> Reply<&Arc<Record>> {
        self.every().find(|record| record.id == *id).ok_or_else(|| {
            let what = format!("no running or recent transaction '{id}'");
            Failure::new(FailureKind::NotFound, what).advise("See 'cambium history --all'.")
        })
    }
}

impl Actor for Coordinator {
    type Context = Context<Self>;
}

impl Handler<Resume> for Coordinator {
    type Result = ResponseActFuture<Self, Reply<()>>;

    fn handle(&mut self, _: Resume, _: &mut Self::Context) -> Self::Result {
        let recovery = drive::recover(self.ports.clone());
        Box::pin(recovery.into_actor(self).map(|result, coordinator, context| {
            // The gate opens even where recovery failed: what it could not undo harms no
            // deployment, and the next start tries again.
            if coordinator.gate == Gate::Starting {
                coordinator.gate = Gate::Open;
            }
            // The first change should find a spare checkout, as later ones do.
            coordinator.sweep_later(Sweep::Names, context);
            coordinator.next(context);
            result
        }))
    }
}

impl Handler<StartTransaction> for Coordinator {
    type Result = Reply<Started>;

    fn handle(&mut self, start: StartTransaction, context: &mut Self::Context) -> Self::Result {
        if let Some(record) = self.joinable(&start) {
            return Ok(Started { id: record.id.clone(), joined: Joined::Existing });
        }
        self.admit(&start)?;
        let record = Arc::new(Record::new(start));
        let id = record.id.clone();
        self.waiting.push_back(record);
        self.metrics.queue(self.waiting.len());
        self.next(context);
        Ok(Started { id, joined: Joined::New })
    }
}

impl Handler<WatchTransaction> for Coordinator {
    type Result = Reply<Watcher>;

    fn handle(&mut self, watch: WatchTransaction, _: &mut Self::Context) -> Self::Result {
        self.find(&watch.id).map(|record| record.events.watch(watch.after))
    }
}

impl Handler<CancelTransaction> for Coordinator {
    type Result = Reply<()>;

    fn handle(&mut self, cancel: CancelTransaction, _: &mut Self::Context) -> Self::Result {
        let record = match (&cancel.id, &self.running) {
            (Some(id), _) => self.find(id)?.clone(),
            (None, Some(running)) if !running.over() => running.clone(),
            (None, _) => {
                return Err(Failure::new(FailureKind::NotFound, "No active transaction."));
            }
        };
        if record.over() {
            let what = format!("transaction '{}' is over", record.id);
            return Err(Failure::new(FailureKind::Precondition, what));
        }
        if !record.phase().can_cancel() {
            let what = format!("transaction '{}' is past the point of cancelling", record.id);
            return Err(Failure::new(FailureKind::Precondition, what)
                .advise("It ends in a moment; undo it with 'cambium rollback'."));
        }
        record.cancel.cancel();
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.id == record.id) {
            self.waiting.remove(at);
            self.metrics.queue(self.waiting.len());
            record.events.push(Progress::Finished { outcome: Outcome::Cancelled });
            self.recent.push_front(record);
        }
        Ok(())
    }
}

impl Handler<ReadActivity> for Coordinator {
    type Result = MessageResult<ReadActivity>;

    fn handle(&mut self, _: ReadActivity, _: &mut Self::Context) -> Self::Result {
        let running = self.running.as_ref().filter(|record| !record.over());
        MessageResult(Activity {
            running: running.map(|record| Running {
                id: record.id.clone(),
                request: record.request.clone(),
                phase: record.phase(),
                events: record.events.clone(),
            }),
            waiting: self.waiting.len(),
        })
    }
}

impl Handler<Drain> for Coordinator {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, context: &mut Self::Context) -> Self::Result {
        self.gate = Gate::Draining;
        for record in self.running.iter().chain(&self.waiting) {
            record.cancel.cancel();
        }
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.drained.push(sender);
        self.next(context);
        Box::pin(async move {
            // An error means that the coordinator is gone, and every transaction with it.
            receiver.await.ok();
        })
    }
}

#[cfg(test)]
mod tests;
