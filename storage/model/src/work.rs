//! What the workers hand on to each other between the phases of a transaction: plain data, so
//! that messages can carry it and the log could keep it.

use crate::{Advisory, Checksum, DeploymentId, Failure, Nevra, PlannedPackage};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A base commit that is in the repository (at least its metadata).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The commit.
    pub commit: Checksum,
    /// `version` of its metadata.
    pub version: Option<String>,
    /// Seconds since 1970.
    pub timestamp: u64,
}

/// The state of a repository's metadata that a resolution used: `rpmostree.rpmmd-repos`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepoStamp {
    /// The repository's id.
    pub id: String,
    /// When its metadata was generated: seconds since 1970.
    pub timestamp: u64,
}

/// The packages to layer, as the depsolver found them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Solution {
    /// Every layered package, dependencies before those that need them.
    pub packages: Vec<PlannedPackage>,
    /// Requests that the base meets itself.
    pub inactive: Vec<String>,
    /// Base packages that go.
    pub removed: Vec<Nevra>,
    /// The repositories that were used.
    pub repos: Vec<RepoStamp>,
    /// Advisories that the packages settle.
    pub advisories: Vec<Advisory>,
    /// What did not stop the resolution but should be known.
    pub warnings: Vec<String>,
    /// Whether the merge deployment's commit is what this solution would assemble.
    pub unchanged: bool,
}

/// How a resolution ended. That packages cannot be installed together is an answer, not an
/// error: the user can act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The packages to layer.
    Solved(Solution),
    /// Why there is no solution.
    Problems(Failure),
}

/// A package whose bytes are at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The package.
    pub package: PlannedPackage,
    /// Its RPM; `None` where it is imported already.
    pub file: Option<PathBuf>,
}

/// A package that is a commit in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The package.
    pub package: PlannedPackage,
    /// Its ref, `rpmostree/pkg/…`.
    pub reference: String,
    /// The commit behind the ref.
    pub commit: Checksum,
}

/// A deployment whose directory is there but that nothing boots yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedDeployment {
    /// Its id.
    pub id: DeploymentId,
    /// Its kernel arguments, in order.
    pub kernel_arguments: Vec<String>,
}

/// What a garbage collection gave back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freed {
    /// Bytes of objects.
    pub bytes: u64,
    /// Package refs that were dropped.
    pub package_refs: u32,
}

/// What a recovery found and undid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovered {
    /// Each thing that was undone, by name: a temporary ref, a half-made directory, …
    pub undone: Vec<String>,
}
