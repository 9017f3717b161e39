//! The first field of every message: for which transaction, until when, and who listens.

use crate::Events;
use cambium_model::{Observer, Progress, TransactionId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tracing::Span;

/// Says once and for all that work should stop. Cheap to clone; all clones share one state.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that nobody has tripped.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trips it. It stays so.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was tripped.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// A guard that trips the token when it is dropped, unless it is disarmed first. A caller
    /// that waits for a reply holds one, so that work stops when the caller is gone: actix skips
    /// a queued job whose caller has left, but never stops one that runs.
    #[must_use]
    pub fn guard(&self) -> CancelGuard {
        CancelGuard(Some(self.clone()))
    }
}

/// See [`CancelToken::guard`].
#[derive(Debug)]
pub struct CancelGuard(Option<CancelToken>);

impl CancelGuard {
    /// The work is over: dropping does nothing any more.
    pub fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        if let Some(token) = self.0.take() {
            token.cancel();
        }
    }
}

/// What a worker needs to know of the call that it serves.
#[derive(Debug, Clone)]
pub struct Call {
    /// The transaction; `None` for a read.
    pub transaction: Option<TransactionId>,
    /// The span that the work is done in.
    pub span: Span,
    /// Tripped when the work should stop.
    pub cancel: CancelToken,
    /// When it should stop by itself.
    pub deadline: Option<Instant>,
    /// Where progress goes; `None` where nobody listens.
    pub events: Option<Arc<Events>>,
}

impl Call {
    /// A read on behalf of nobody's transaction.
    #[must_use]
    pub fn read() -> Self {
        Self {
            transaction: None,
            span: Span::current(),
            cancel: CancelToken::new(),
            deadline: None,
            events: None,
        }
    }

    /// A part of transaction `id`.
    #[must_use]
    pub fn of(id: TransactionId, span: Span, cancel: CancelToken, events: Arc<Events>) -> Self {
        Self { transaction: Some(id), span, cancel, deadline: None, events: Some(events) }
    }

    /// The same call, to end by `deadline`.
    #[must_use]
    pub fn by(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }
}

impl Observer for Call {
    fn progress(&self, progress: Progress) {
        if let Some(events) = &self.events {
            events.push(progress);
        }
    }

    fn cancelled(&self) -> bool {
        self.cancel.is_cancelled() || self.deadline.is_some_and(|at| Instant::now() >= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_dropped_guard_cancels_and_a_disarmed_one_does_not() {
        let token = CancelToken::new();
        token.guard().disarm();
        assert!(!token.is_cancelled());
        drop(token.guard());
        assert!(token.is_cancelled());
    }

    #[test]
    fn a_deadline_that_passed_is_a_cancel() {
        let now = Instant::now();
        assert!(Call::read().by(now).cancelled());
        assert!(!Call::read().by(now + Duration::from_secs(3600)).cancelled());
        assert!(!Call::read().cancelled());
    }
}
