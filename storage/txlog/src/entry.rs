//! What the log tells its readers. Times are milliseconds since 1970.

use cambium_model::{Deployment, Initiator, Outcome, Phase, Request, TransactionId};
use serde::{Deserialize, Serialize};

/// One transaction with all that the log knows of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id.
    pub id: TransactionId,
    /// What was asked.
    pub request: Request,
    /// Who asked.
    pub initiator: Initiator,
    /// When it began.
    pub started: u64,
    /// When it ended; `None` while it runs.
    pub finished: Option<u64>,
    /// The phases that it entered, in order, without the first (queued) and the last (finished).
    pub phases: Vec<PhaseEntered>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<Outcome>,
    /// The deployments before and after it; empty while it runs.
    pub deployments: DeploymentChange,
}

/// A phase and when it was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseEntered {
    /// The phase.
    pub phase: Phase,
    /// When.
    pub at: u64,
}

/// A transaction that began and never finished: one that runs, or that a dead daemon left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Its id.
    pub id: TransactionId,
    /// What was asked; `None` where a newer Cambium wrote it in a form that this one cannot read.
    pub request: Option<Box<Request>>,
    /// The last phase that it entered.
    pub phase: Phase,
}

/// The deployments of the sysroot around a transaction, in boot order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentChange {
    /// Before it.
    pub before: Vec<DeploymentSummary>,
    /// After it.
    pub after: Vec<DeploymentSummary>,
}

/// What history keeps of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentSummary {
    /// `STATEROOT-CHECKSUM.SERIAL`.
    pub id: String,
    /// What it follows; `None` where its origin cannot be read.
    pub refspec: Option<String>,
    /// Its version, where its commit has one.
    pub version: Option<String>,
    /// The base commit.
    pub base_checksum: String,
    /// Seconds since 1970 of its commit.
    pub timestamp: u64,
    /// Packages layered on the base.
    pub layered: Vec<String>,
    /// Scripts of its packages that the host's configuration left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scripts_left_out: Vec<String>,
    /// Whether the system ran from it at that time.
    pub booted: bool,
    /// Whether it was staged.
    pub staged: bool,
    /// Whether it was pinned.
    pub pinned: bool,
}

impl From<&Deployment> for DeploymentSummary {
    fn from(deployment: &Deployment) -> Self {
        Self {
            id: deployment.id.to_string(),
            refspec: deployment.origin.as_ref().map(|origin| origin.refspec.to_string()),
            version: deployment.version.clone(),
            base_checksum: deployment.base_checksum.to_string(),
            timestamp: deployment.timestamp,
            layered: deployment.layered.clone(),
            scripts_left_out: deployment.scripts_left_out.clone(),
            booted: deployment.booted,
            staged: deployment.staged,
            pinned: deployment.pinned,
        }
    }
}

/// Why deployments were noted without a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteReason {
    /// The log is new on this host: what was there before it.
    Imported,
    /// The log was damaged and begins anew.
    Rebuilt {
        /// What was wrong with it.
        why: String,
        /// Where the damaged one was moved.
        aside: String,
    },
    /// Something else changed the deployments (`ostree admin`, a restored snapshot).
    Foreign,
}

/// Deployments that were noted without a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When.
    pub at: u64,
    /// Why.
    pub reason: NoteReason,
    /// The deployments that were found, in boot order.
    pub deployments: Vec<DeploymentSummary>,
}
