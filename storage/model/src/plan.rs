//! What a request would do, found out without doing it.

use crate::{Checksum, Failure, Nevra, PackageDiff};
use serde::{Deserialize, Serialize};

/// What happens to a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlannedAction {
    /// Asked for by name.
    Install,
    /// Pulled in by another.
    Dependency,
    /// Already layered, kept at the same version.
    Keep,
    /// Layered in another version than before.
    Upgrade,
    /// Layered in an older version than before.
    Downgrade,
    /// No longer layered.
    Remove,
}

/// A package of the resolution and where its bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPackage {
    /// What happens to it.
    pub action: PlannedAction,
    /// Its full name.
    pub nevra: Nevra,
    /// The repository's id; empty where it is only removed.
    pub repository: String,
    /// Path of the file below the repository's base URL.
    pub location: String,
    /// The file's checksum in the metadata, as `sha256:HEX`.
    pub checksum: String,
    /// Bytes to download: 0 where it is imported already.
    pub download_bytes: u64,
    /// Bytes on disk.
    pub installed_bytes: u64,
    /// For an upgrade or downgrade, the version before.
    pub previous: Option<Nevra>,
}

/// A script that will run on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptNotice {
    /// The package that brings it.
    pub package: String,
    /// `prein`, `post`, `posttrans`, `transfiletriggerin`, …
    pub kind: String,
    /// Its interpreter.
    pub interpreter: String,
    /// Why it will not run; empty for one that will.
    pub left_out: String,
}

/// How bad an advisory says it is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Not said.
    #[default]
    None,
    /// Low.
    Low,
    /// Moderate.
    Moderate,
    /// Important.
    Important,
    /// Critical.
    Critical,
}

/// An advisory that the planned packages settle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advisory {
    /// Its id, e.g. `FEDORA-2026-1a2b`.
    pub id: String,
    /// `security`, `bugfix`, `enhancement`, …
    pub kind: String,
    /// How bad it is.
    pub severity: Severity,
    /// The packages that settle it.
    pub packages: Vec<Nevra>,
}

/// Bytes needed and free in one place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceNeed {
    /// Bytes that the change adds.
    pub needed: u64,
    /// Bytes that are free.
    pub free: u64,
}

/// The receipt of a resolution: everything that would change, before anything does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Whether the request would leave everything as it is.
    pub unchanged: bool,
    /// The base commit that the result stands on.
    pub base: Checksum,
    /// `version` of that base.
    pub base_version: Option<String>,
    /// Seconds since 1970 of that base.
    pub base_timestamp: u64,
    /// The base commit before.
    pub previous_base: Checksum,
    /// `version` of the base before.
    pub previous_base_version: Option<String>,
    /// How the base's packages change, where the base moves.
    pub base_diff: Vec<PackageDiff>,
    /// The layered packages, by action and name.
    pub packages: Vec<PlannedPackage>,
    /// Requests that the base meets itself.
    pub inactive: Vec<String>,
    /// Bytes to download for layered packages (the base's are not known before its pull).
    pub download_bytes: u64,
    /// The sysroot's file system.
    pub disk: SpaceNeed,
    /// The file system of /boot.
    pub boot: SpaceNeed,
    /// Scripts of packages whose headers are at hand; others are counted in `scripts_unknown`.
    pub scripts: Vec<ScriptNotice>,
    /// Packages not downloaded yet, whose scripts are therefore unknown.
    pub scripts_unknown: u32,
    /// Advisories that are settled.
    pub advisories: Vec<Advisory>,
    /// What did not stop the plan but should be known: a dead repository, a skipped request.
    pub warnings: Vec<String>,
    /// The deployment that would boot next, where the request changes that without making one.
    #[serde(default)]
    pub next_default: Option<String>,
    /// Deployments that would be removed.
    #[serde(default)]
    pub removed_deployments: Vec<String>,
    /// Refs that nothing would need any more and that would be removed.
    #[serde(default)]
    pub removed_refs: Vec<String>,
    /// Files and directories that would be removed beside them.
    #[serde(default)]
    pub removed_paths: Vec<String>,
    /// Bytes that these removals would free.
    #[serde(default)]
    pub freed_bytes: u64,
    /// Why the request cannot be met, if it cannot: the solver's own explanation.
    pub problem: Option<Failure>,
}
