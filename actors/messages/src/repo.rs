//! To the repository actor: the host's state, the base, packages as files and as commits, and
//! what may be thrown away.

use crate::Reply;
use actix::Message;
use cambium_model::{
    Base, Checksum, FetchPolicy, Fetched, Freed, HostState, Imported, MetadataCache,
    PlannedPackage, Recovered, RepoStamp, Sweep, Target,
};
use cambium_runtime::Call;
use std::sync::Arc;

/// Reads the deployments. Cheap: answered from memory while the sysroot has not changed.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Arc<HostState>>")]
pub struct ReadHost {
    /// The call.
    pub call: Call,
}

/// Finds the commit that the target's base choice means and makes sure that all of it is in the
/// repository, by pulling what is missing.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Base>")]
pub struct FindBase {
    /// The call.
    pub call: Call,
    /// Whose base.
    pub target: Box<Target>,
    /// Whether the network may be used.
    pub fetch: FetchPolicy,
}

/// Downloads the packages that are not imported yet.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Vec<Fetched>>")]
pub struct Fetch {
    /// The call.
    pub call: Call,
    /// The packages, in the solution's order.
    pub packages: Vec<PlannedPackage>,
    /// Whether the network may be used.
    pub fetch: FetchPolicy,
}

/// Turns RPMs into commits, on every core.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Vec<Imported>>")]
pub struct Import {
    /// The call.
    pub call: Call,
    /// The packages, in the solution's order.
    pub packages: Vec<Fetched>,
    /// The repositories that they came from.
    pub repos: Vec<RepoStamp>,
    /// The base, whose policy labels them.
    pub base: Checksum,
}

/// Writes the ref that keeps a commit from garbage collection until its deployment does.
#[derive(Debug, Message)]
#[rtype(result = "Reply<()>")]
pub struct KeepCommit {
    /// The call.
    pub call: Call,
    /// The commit to deploy.
    pub commit: Checksum,
}

/// Regenerates the refs of live deployments, drops what none of them needs, and gets the next
/// spare checkout ready.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Freed>")]
pub struct Tidy {
    /// The call.
    pub call: Call,
    /// Cached repository metadata goes too (`cleanup -m`).
    pub metadata: MetadataCache,
    /// How much goes.
    pub sweep: Sweep,
}

/// Undoes what a dead daemon left: temporary refs, half-made directories, mounts, downloads.
/// Running it twice changes nothing.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Recovered>")]
pub struct Recover {
    /// The call.
    pub call: Call,
}
