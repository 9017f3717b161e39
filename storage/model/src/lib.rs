//! The vocabulary of Cambium: what every crate, frontend and client names.
//!
//! Owns: plain data and pure functions on it (parsing, printing, ordering, the transaction's state
//! machine). Deliberately absent: I/O, C libraries, async, wire formats. Parsing takes `&str`;
//! reading a file is the caller's.

mod boot_order;
mod change;
mod deployment;
mod digest;
mod evr;
mod failure;
mod nevra;
mod observer;
mod origin;
mod package;
mod phase;
mod plan;
mod policy;
mod progress;
mod refspec;
mod request;
mod stateroot;
mod target;
mod work;

pub use change::{Change, CleanupScope, KargsEdit, PackageChange};
pub use deployment::{Deployment, DeploymentId, HostState, ScriptSandbox, UnlockedState};
pub use digest::{Checksum, InvalidChecksum};
pub use evr::Evr;
pub use failure::{Failure, FailureKind};
pub use nevra::{InvalidNevra, Nevra};
pub use observer::{Observer, Unobserved};
pub use origin::{LocalPackage, Origin};
pub use package::{
    DiffKind, FoundPackage, Matched, PackageDiff, PackageDiffs, PackageInfo, diff_packages,
};
pub use phase::{Event, IllegalEvent, Outcome, Phase};
pub use plan::{Advisory, Plan, PlannedAction, PlannedPackage, ScriptNotice, Severity, SpaceNeed};
pub use policy::{
    AssemblyStart, Changelogs, FetchPolicy, Finalization, FindBy, Freshness, MetadataCache, Sweep,
};
pub use progress::{Progress, ProgressUnit};
pub use refspec::{InvalidRefspec, Refspec};
pub use request::{Initiator, Options, Request, TransactionId};
pub use stateroot::{InvalidStateroot, Stateroot};
pub use target::{BaseChoice, Intent, Target, intend};
pub use work::{
    Base, Fetched, Freed, Imported, PreparedDeployment, Recovered, RepoStamp, Resolution, Solution,
};
