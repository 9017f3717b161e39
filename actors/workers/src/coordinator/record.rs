//! One transaction as the coordinator, its driver and its watchers share it.

use cambium_messages::coordinator::StartTransaction;
use cambium_model::{Phase, Request, TransactionId};
use cambium_runtime::{Call, CancelToken, Events};
use std::sync::{Arc, Mutex, PoisonError};

/// Identity, request, progress and place of one transaction.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: TransactionId,
    pub(super) key: Option<String>,
    pub(super) request: Arc<Request>,
    pub(super) cancel: CancelToken,
    pub(super) events: Arc<Events>,
    phase: Mutex<Phase>,
}

impl Record {
    pub(super) fn new(start: StartTransaction) -> Self {
        Self {
            id: TransactionId::new(uuid::Uuid::now_v7().to_string()),
            key: start.idempotency_key,
            request: Arc::new(*start.request),
            cancel: CancelToken::new(),
            events: Arc::new(Events::new()),
            phase: Mutex::new(Phase::Queued),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// Whether its outcome is known. Tidying up may still go on.
    pub(super) fn over(&self) -> bool {
        self.phase() == Phase::Finished
    }

    /// A call of this transaction.
    pub(super) fn call(&self) -> Call {
        let span =
            tracing::info_span!("transaction", id = %self.id, verb = self.request.change.verb());
        Call::of(self.id.clone(), span, self.cancel.clone(), self.events.clone())
    }
}
