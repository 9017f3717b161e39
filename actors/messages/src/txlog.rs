//! To the log actor: what was asked, how far it came, how it ended. Every write is durable when
//! its reply is there.

use crate::Reply;
use actix::Message;
use cambium_model::{HostState, Outcome, Phase, Request, TransactionId};
use cambium_runtime::Call;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A transaction begins.
#[derive(Debug, Message)]
#[rtype(result = "Reply<()>")]
pub struct Begin {
    /// The call.
    pub call: Call,
    /// Its id.
    pub id: TransactionId,
    /// What was asked.
    pub request: Box<Request>,
}

/// A transaction is about to start a phase.
#[derive(Debug, Message)]
#[rtype(result = "Reply<()>")]
pub struct Enter {
    /// The call.
    pub call: Call,
    /// Its id.
    pub id: TransactionId,
    /// The phase.
    pub phase: Phase,
}

/// A transaction is over.
#[derive(Debug, Message)]
#[rtype(result = "Reply<()>")]
pub struct Finish {
    /// The call.
    pub call: Call,
    /// Its id.
    pub id: TransactionId,
    /// How it ended.
    pub outcome: Outcome,
    /// The host before it; `None` where it could not be read.
    pub before: Option<Arc<HostState>>,
    /// The host after it.
    pub after: Option<Arc<HostState>>,
}

/// Notes the host's deployments where the log is new, or had to be begun anew because it was
/// damaged; otherwise does nothing. Sent once, at start.
#[derive(Debug, Message)]
#[rtype(result = "Reply<()>")]
pub struct NoteHost {
    /// The call.
    pub call: Call,
    /// The host.
    pub host: Arc<HostState>,
}

/// Lists the transactions that began and never finished: those that a dead daemon left.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Vec<UnfinishedTransaction>>")]
pub struct ListUnfinished {
    /// The call.
    pub call: Call,
}

/// A transaction that began and never finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedTransaction {
    /// Its id.
    pub id: TransactionId,
    /// The last phase that it entered.
    pub phase: Phase,
}

/// Reads transactions, newest first.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Vec<TransactionRecord>>")]
pub struct ReadHistory {
    /// The call.
    pub call: Call,
    /// At most so many.
    pub limit: usize,
    /// Only those before this one.
    pub before: Option<TransactionId>,
    /// Only this one.
    pub only: Option<TransactionId>,
}

/// What the log knows of one transaction. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionRecord {
    /// Its id.
    pub id: TransactionId,
    /// What was asked, and by whom.
    pub request: Request,
    /// When it began.
    pub started: u64,
    /// When it ended; `None` while it runs.
    pub finished: Option<u64>,
    /// The phases that it entered, and when.
    pub phases: Vec<(Phase, u64)>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// Checks the chain of hashes over all records.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Verified>")]
pub struct Verify {
    /// The call.
    pub call: Call,
}

/// The result of checking the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// Every record is what it was when it was written.
    Intact {
        /// How many.
        records: u64,
    },
    /// A record was changed, lost or inserted.
    Broken {
        /// The number of the first record that does not fit.
        at: u64,
        /// What is wrong with it.
        why: String,
    },
}

/// Reads the whole log as JSON lines with its chain.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Vec<u8>>")]
pub struct Export {
    /// The call.
    pub call: Call,
}

/// Counts the records: metrics ask this often, so it must cost nothing.
#[derive(Debug, Message)]
#[rtype(result = "Reply<u64>")]
pub struct CountRecords {
    /// The call.
    pub call: Call,
}
