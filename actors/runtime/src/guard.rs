//! A panic in a worker is one failed call and a fresh worker.

use crate::{Call, Worker};
use actix::{Actor, ActorContext, SyncContext};
use cambium_model::{Failure, FailureKind, Observer};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work` for `call` on a worker thread: inside the call's span, skipped when the call was
/// cancelled while it waited, and with a panic turned into a [`Failure`].
///
/// After a panic the context is stopped, which makes actix build a fresh actor behind the same
/// address: whatever the panic left half-done in the actor is gone with it.
///
/// # Errors
/// What `work` answers; `Cancelled` or `Internal` where it did not come to answer.
pub fn guarded<A, T>(
    worker: &Worker,
    context: &mut SyncContext<A>,
    call: &Call,
    what: &'static str,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure>
where
    A: Actor<Context = SyncContext<A>>,
{
    let _entered = call.span.enter();
    if call.cancelled() {
        return Err(Failure::new(FailureKind::Cancelled, format!("'{what}' was cancelled")));
    }
    let _busy = worker.busy(what);
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        context.stop();
        worker.restarted();
        let text = panic_text(panic.as_ref());
        tracing::error!(worker = worker.name().as_str(), what, text, "worker panicked");
        Err(Failure::new(FailureKind::Internal, format!("'{what}' hit a defect: {text}"))
            .advise("Nothing was changed. Please report it with the daemon's log of this minute."))
    })
}

/// The text of a panic, where it has one.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WorkerName;
    use actix::{Handler, Message, SyncArbiter};
    use std::sync::Arc;

    struct Counter {
        worker: Arc<Worker>,
        calls: u32,
    }

    impl Actor for Counter {
        type Context = SyncContext<Self>;
    }

    /// Answers how many calls this very actor served, or panics.
    struct Count {
        call: Call,
        panic: Option<&'static str>,
    }

    impl Message for Count {
        type Result = Result<u32, Failure>;
    }

    impl Handler<Count> for Counter {
        type Result = Result<u32, Failure>;

        fn handle(&mut self, message: Count, context: &mut Self::Context) -> Self::Result {
            let worker = self.worker.clone();
            guarded(&worker, context, &message.call, "count", || {
                self.calls += 1;
                message.panic.map_or(Ok(self.calls), |text| panic!("{text}"))
            })
        }
    }

    fn start() -> (Arc<Worker>, actix::Addr<Counter>) {
        let worker = Arc::new(Worker::new(WorkerName::Depsolve));
        let for_actor = worker.clone();
        let address =
            SyncArbiter::start(1, move || Counter { worker: for_actor.clone(), calls: 0 });
        (worker, address)
    }

    fn count(panic: Option<&'static str>) -> Count {
        Count { call: Call::read(), panic }
    }

    #[actix::test]
    async fn panic_is_a_failure_and_the_worker_lives_on() {
        let (worker, address) = start();
        assert_eq!(address.send(count(None)).await.unwrap(), Ok(1));
        assert_eq!(address.send(count(None)).await.unwrap(), Ok(2));
        let failure = address.send(count(Some("boom"))).await.unwrap().unwrap_err();
        assert_eq!(failure.kind, FailureKind::Internal);
        assert!(failure.what.contains("boom"), "{failure}");
        // A fresh actor: its count starts again.
        assert_eq!(address.send(count(None)).await.unwrap(), Ok(1));
        assert_eq!(worker.restarts(), 1);
    }

    #[actix::test]
    async fn a_call_cancelled_while_it_waited_is_not_started() {
        let (_, address) = start();
        let message = count(None);
        message.call.cancel.cancel();
        let failure = address.send(message).await.unwrap().unwrap_err();
        assert_eq!(failure.kind, FailureKind::Cancelled);
        assert_eq!(address.send(count(None)).await.unwrap(), Ok(1));
    }
}
