//! The log of transactions: what was asked, how far it came, how it ended.
//!
//! Owns: a sled database whose records are durable before an append returns, chained by SHA-256
//! so that a record that was changed, lost or inserted is found, and kept within a bound.
//! Deliberately absent: what a transaction does, what recovery undoes (only [`leftovers()`] says
//! what may be there), and the clock: every time is the caller's, in milliseconds since 1970.
//!
//! The log is never the only truth: a damaged one is moved aside and the caller notes the
//! deployments that are on disk in the new one.

mod chunk;
mod entry;
mod error;
mod export;
mod frame;
mod hash;
mod index;
mod leftovers;
mod log;
mod open;
mod record;
mod store;
mod verify;
mod witness;

pub use entry::{
    DeploymentChange, DeploymentSummary, Entry, Note, NoteReason, PhaseEntered, Unfinished,
};
pub use error::Error;
pub use export::verify_export;
pub use hash::{InvalidHash, RecordHash};
pub use leftovers::{Leftover, leftovers};
pub use log::{Cursor, Log, Retention};
pub use open::Opened;
pub use verify::{BrokenAt, Defect, Verification, Verified};
