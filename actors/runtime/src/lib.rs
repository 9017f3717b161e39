//! What every actor is made of: the call that it serves, the guard around its work, the record of
//! its progress, and the watch over its life.
//!
//! Owns: [`Call`] (identity, cancel, deadline, progress), [`guarded`] (a panic is one failed call
//! and a fresh worker), [`Events`] (progress with replay), [`Worker`] (what is known of a worker
//! from outside). Deliberately absent: messages, engines, any decision about a transaction.
//!
//! The facts of actix that this rests on were measured on 0.13.5: a `SyncArbiter`'s actor that
//! panics is not restarted and its address still says `connected()`, while one that stops its
//! context is rebuilt behind the same address. Hence `guarded`, and hence pings.

mod call;
mod changes;
mod events;
mod guard;
mod worker;

pub use call::{Call, CancelGuard, CancelToken};
pub use changes::Changes;
pub use events::{Events, Numbered, Watcher};
pub use guard::guarded;
pub use worker::{Ping, Worker, WorkerMetrics, WorkerName};
