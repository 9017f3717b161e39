//! A bootable tree on a sysroot, and the sysroot as a whole, as clients see them.

use crate::{Checksum, Evr, Nevra, Origin, Stateroot};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// `STATEROOT-CHECKSUM.SERIAL`: rpm-ostree's id of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeploymentId {
    /// The stateroot that it belongs to.
    pub stateroot: Stateroot,
    /// The commit that is checked out.
    pub checksum: Checksum,
    /// Tells deployments of one commit apart, from 0.
    pub serial: u32,
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}", self.stateroot, self.checksum, self.serial)
    }
}

/// Whether /usr of a deployment may be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnlockedState {
    /// Read-only, as it should be.
    #[default]
    None,
    /// `ostree admin unlock`.
    Development,
    /// `ostree admin unlock --hotfix`.
    Hotfix,
    /// `ostree admin unlock --transient`.
    Transient,
}

/// One deployment with what its commit and origin say of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// Place in the boot order, from 0, the default.
    pub index: u32,
    /// Whether the running system was booted from it.
    pub booted: bool,
    /// Whether it is still to be finalised at shutdown.
    pub staged: bool,
    /// Whether finalisation waits for `finalize-deployment`.
    pub finalization_locked: bool,
    /// Whether garbage collection leaves it alone.
    pub pinned: bool,
    /// Whether its /usr is writable.
    pub unlocked: UnlockedState,
    /// What it was made from. `None` where the origin file cannot be read: `problem` says why.
    pub origin: Option<Origin>,
    /// The base commit; equal to `id.checksum` where nothing is layered.
    pub base_checksum: Checksum,
    /// `version` of the deployed commit's metadata.
    pub version: Option<String>,
    /// Seconds since 1970 of the deployed commit.
    pub timestamp: u64,
    /// `version` of the base commit's metadata.
    pub base_version: Option<String>,
    /// Seconds since 1970 of the base commit.
    pub base_timestamp: u64,
    /// Packages layered on the base: `rpmostree.packages` of the commit.
    pub layered: Vec<String>,
    /// Requested packages that the base already holds.
    pub inactive: Vec<String>,
    /// Base packages that are removed: `rpmostree.removed-base-packages`.
    pub removed: Vec<Nevra>,
    /// Scripts of its packages that the configuration left out: `cambium.scripts-left-out`.
    #[serde(default)]
    pub scripts_left_out: Vec<String>,
    /// The kernel arguments of its boot entry, in order.
    pub kernel_arguments: Vec<String>,
    /// The boot checksum (kernel and initramfs), for /boot's use.
    pub boot_checksum: String,
    /// Whether the commit's remote verifies signatures.
    pub gpg_verified_remote: bool,
    /// Plain (string) metadata of the base commit, by key.
    pub base_metadata: BTreeMap<String, String>,
    /// Why a part of this description is missing, if one is.
    pub problem: Option<String>,
}

impl Deployment {
    /// A deployment of which nothing but its id is known, its base being its own commit.
    #[must_use]
    pub fn bare(id: DeploymentId) -> Self {
        Self {
            base_checksum: id.checksum.clone(),
            id,
            index: 0,
            booted: false,
            staged: false,
            finalization_locked: false,
            pinned: false,
            unlocked: UnlockedState::None,
            origin: None,
            version: None,
            timestamp: 0,
            base_version: None,
            base_timestamp: 0,
            layered: Vec::new(),
            inactive: Vec::new(),
            removed: Vec::new(),
            scripts_left_out: Vec::new(),
            kernel_arguments: Vec::new(),
            boot_checksum: String::new(),
            gpg_verified_remote: false,
            base_metadata: BTreeMap::new(),
            problem: None,
        }
    }

    /// Name, EVR and architecture of `package` as `removed` holds it.
    #[must_use]
    pub fn removed_evr(&self, package: &str) -> Option<&Evr> {
        self.removed.iter().find(|nevra| nevra.name == package).map(|nevra| &nevra.evr)
    }
}

/// By what packages' scripts are confined on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptSandbox {
    /// `namespaces`, `user-namespace`, `namespaces-copy` or `container`; `none` where none works.
    pub name: String,
    /// Why that one.
    pub reason: String,
}

/// The sysroot as one reading of it found it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostState {
    /// The sysroot's path as the daemon serves it: `/` for the booted system.
    pub sysroot: String,
    /// Deployments in boot order.
    pub deployments: Vec<Deployment>,
    /// Stateroots present, with or without deployments.
    pub stateroots: Vec<Stateroot>,
    /// How the last finalisation at shutdown failed, if it did.
    pub finalize_failure: Option<String>,
    /// Bytes that the repository's objects take.
    pub repo_bytes: u64,
    /// Bytes free on the file system of the sysroot.
    pub free_bytes: u64,
    /// When the oldest cached repository metadata was fetched: seconds since 1970, 0 without any.
    pub metadata_timestamp: u64,
    /// By what scripts are confined, once that has been found out.
    #[serde(default)]
    pub sandbox: Option<ScriptSandbox>,
}

impl HostState {
    /// The deployment that the running system was booted from.
    #[must_use]
    pub fn booted(&self) -> Option<&Deployment> {
        self.deployments.iter().find(|d| d.booted)
    }

    /// The deployment that boots next in `stateroot`: what a change starts from (the merge
    /// deployment). Staged or pending before booted.
    #[must_use]
    pub fn merge_deployment(&self, stateroot: &Stateroot) -> Option<&Deployment> {
        self.deployments.iter().find(|d| d.id.stateroot == *stateroot)
    }

    /// The stateroot that is meant where a request names none: the booted one, else that of the
    /// default deployment, else the only one there is.
    #[must_use]
    pub fn default_stateroot(&self) -> Option<&Stateroot> {
        let only = match self.stateroots.as_slice() {
            [only] => Some(only),
            _ => None,
        };
        self.booted().or_else(|| self.deployments.first()).map(|d| &d.id.stateroot).or(only)
    }
}
