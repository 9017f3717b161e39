//! Liveness of the workers, by asking them.
//!
//! actix says `connected()` of a dead synchronous actor too, so a worker that is idle must answer
//! a ping in time. One that works is alive as long as its work may take.

use actix::{MailboxError, Recipient};
use cambium_runtime::{Ping, Worker, WorkerName};
use std::sync::Arc;
use std::time::Duration;

/// An idle worker answers within this. Generous: the machine may be swapping.
const ANSWER: Duration = Duration::from_secs(10);

/// Work that takes longer than this is taken for a hang: four times the longest layering seen
/// (300 packages on a slow disk and a thin line).
const LONGEST_WORK: Duration = Duration::from_secs(4 * 60 * 60);

/// A worker that may be asked.
#[derive(Debug, Clone)]
pub struct Supervised {
    /// Its record.
    pub worker: Arc<Worker>,
    /// Where to ask.
    pub ping: Recipient<Ping>,
}

/// What asking all workers found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// All answer, or work within bounds.
    Alive,
    /// One does not.
    Stuck(WorkerName),
}

/// Asks every worker.
pub async fn check(workers: &[Supervised]) -> Health {
    for Supervised { worker, ping } in workers {
        if let Some((_, since)) = worker.doing() {
            if since > LONGEST_WORK {
                return Health::Stuck(worker.name());
            }
            continue;
        }
        let answer = tokio::time::timeout(ANSWER, ping.send(Ping)).await;
        // Work may have begun between the look and the ping.
        let alive = matches!(answer, Ok(Ok(()))) || worker.doing().is_some();
        if !alive || matches!(answer, Ok(Err(MailboxError::Closed))) {
            return Health::Stuck(worker.name());
        }
    }
    Health::Alive
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix::{Actor, Handler, SyncArbiter, SyncContext};

    struct Idle;

    impl Actor for Idle {
        type Context = SyncContext<Self>;
    }

    impl Handler<Ping> for Idle {
        type Result = ();

        fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
    }

    /// Panics outside of the guard, which ends its thread for good.
    struct Dead;

    impl Actor for Dead {
        type Context = SyncContext<Self>;
    }

    impl Handler<Ping> for Dead {
        type Result = ();

        fn handle(&mut self, _: Ping, _: &mut Self::Context) {
            panic!("outside of the guard");
        }
    }

    fn supervised(name: WorkerName, ping: Recipient<Ping>) -> Supervised {
        Supervised { worker: Arc::new(Worker::new(name)), ping }
    }

    #[actix::test]
    async fn an_idle_worker_that_does_not_answer_is_stuck() {
        let idle = SyncArbiter::start(1, || Idle).recipient();
        let dead = SyncArbiter::start(1, || Dead).recipient();
        let workers = [supervised(WorkerName::Repo, idle), supervised(WorkerName::Sandbox, dead)];
        assert_eq!(check(&workers[..1]).await, Health::Alive);
        assert_eq!(check(&workers).await, Health::Stuck(WorkerName::Sandbox));
    }
}
