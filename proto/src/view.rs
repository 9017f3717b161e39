//! What clients see where the vocabulary has no single word: the host with its daemon, and one
//! transaction of the log. What the log keeps is another type, so that neither binds the other.

use cambium_model::{HostState, Outcome, Phase, Request, TransactionId};

/// The sysroot, the daemon that serves it and what runs.
#[derive(Debug, Clone, PartialEq)]
pub struct HostView {
    /// The daemon's version.
    pub daemon_version: String,
    /// The sysroot.
    pub state: HostState,
    /// The transaction that runs.
    pub transaction: Option<TransactionView>,
    /// How many transactions wait.
    pub waiting: u32,
}

/// One transaction. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionView {
    /// Its id.
    pub id: TransactionId,
    /// What was asked, and by whom.
    pub request: Request,
    /// Where it stands.
    pub phase: Phase,
    /// When it began.
    pub started: u64,
    /// When it ended.
    pub finished: Option<u64>,
    /// The phases that it entered, and when.
    pub phases: Vec<(Phase, u64)>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}
