//! To the depsolve actor: which packages, from where, and what would change.

use crate::Reply;
use actix::Message;
use cambium_model::{
    Base, Changelogs, FetchPolicy, FindBy, FoundPackage, Freshness, Nevra, PackageDiffs, Plan,
    Request, Resolution, Target,
};
use cambium_runtime::Call;

/// Resolves the target's packages against its base.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Resolution>")]
pub struct Resolve {
    /// The call.
    pub call: Call,
    /// What is wanted.
    pub target: Box<Target>,
    /// The base, which is in the repository.
    pub base: Base,
    /// Whether the network may be used.
    pub fetch: FetchPolicy,
}

/// Finds out what a request would do. Nothing on disk changes but caches.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Plan>")]
pub struct MakePlan {
    /// The call.
    pub call: Call,
    /// The request.
    pub request: Box<Request>,
}

/// Fetches the metadata of every enabled repository.
#[derive(Debug, Message)]
#[rtype(result = "Reply<()>")]
pub struct RefreshMetadata {
    /// The call.
    pub call: Call,
    /// Which.
    pub freshness: Freshness,
}

/// Looks packages up in the repositories.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Vec<FoundPackage>>")]
pub struct FindPackages {
    /// The call.
    pub call: Call,
    /// How.
    pub by: FindBy,
    /// The words, patterns or provides.
    pub terms: Vec<String>,
}

/// Lists the packages of a deployment or commit.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Vec<Nevra>>")]
pub struct ListPackages {
    /// The call.
    pub call: Call,
    /// A deployment's index or id, a commit, or a ref.
    pub revision: String,
}

/// Compares the packages of two deployments or commits.
#[derive(Debug, Message)]
#[rtype(result = "Reply<PackageDiffs>")]
pub struct DiffPackages {
    /// The call.
    pub call: Call,
    /// The older side; `None` for the booted deployment (or the rollback, where the booted one
    /// is the newest).
    pub from: Option<String>,
    /// The newer side; `None` for the deployment that boots next.
    pub to: Option<String>,
    /// Whether changelogs are wanted too.
    pub changelogs: Changelogs,
}
