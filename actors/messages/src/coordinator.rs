//! To the coordinator: transactions as wholes.

use crate::Reply;
use actix::Message;
use cambium_model::{Phase, Request, TransactionId};
use cambium_runtime::{Events, Watcher};
use std::sync::Arc;

/// Starts a transaction, or joins the running one that was asked for the same.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Started>")]
pub struct StartTransaction {
    /// What is asked, and by whom.
    pub request: Box<Request>,
    /// A client's own key: the same key names the same transaction, also after a reconnect.
    pub idempotency_key: Option<String>,
}

/// A transaction that runs, or waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its id.
    pub id: TransactionId,
    /// Whether it ran already.
    pub joined: Joined,
}

/// Whether a start made a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// It did.
    New,
    /// One with the same content or key was there.
    Existing,
}

/// Follows a transaction from event number `after` on, the running one or a recent one.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Watcher>")]
pub struct WatchTransaction {
    /// Its id.
    pub id: TransactionId,
    /// The last event that the watcher has seen; 0 for none.
    pub after: u64,
}

/// Cancels a transaction. The reply says that it was told, not that it has ended.
#[derive(Debug, Message)]
#[rtype(result = "Reply<()>")]
pub struct CancelTransaction {
    /// Its id; `None` for the one that runs.
    pub id: Option<TransactionId>,
}

/// Says what runs and what waits.
#[derive(Debug, Message)]
#[rtype(result = "Activity")]
pub struct ReadActivity;

/// What runs and what waits.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    /// The transaction that runs.
    pub running: Option<Running>,
    /// How many wait for their turn.
    pub waiting: usize,
}

/// The transaction that runs.
#[derive(Debug, Clone)]
pub struct Running {
    /// Its id.
    pub id: TransactionId,
    /// What was asked.
    pub request: Arc<Request>,
    /// Where it stands.
    pub phase: Phase,
    /// Its progress so far.
    pub events: Arc<Events>,
}

/// Undoes what a dead daemon left, then takes requests. Sent once, at start.
#[derive(Debug, Message)]
#[rtype(result = "Reply<()>")]
pub struct Resume;

/// Takes no new request, cancels what can be cancelled, waits for the rest, then answers.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Drain;
