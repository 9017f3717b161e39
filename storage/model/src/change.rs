//! What a request changes.

use crate::{Checksum, Refspec};
use serde::{Deserialize, Serialize};

/// Packages to add to and take from what the user asked for before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageChange {
    /// Names, NEVRAs, provides or paths, as typed.
    pub install: Vec<String>,
    /// Requests to drop, as typed.
    pub uninstall: Vec<String>,
    /// Drop every request (`uninstall --all`).
    pub uninstall_all: bool,
}

impl PackageChange {
    /// Whether nothing is added or taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.install.is_empty() && self.uninstall.is_empty() && !self.uninstall_all
    }
}

/// Which leftovers `cleanup` removes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanupScope {
    /// Temporary files and cached base checkouts.
    pub base: bool,
    /// The deployment that would boot next, where it is not the booted one.
    pub pending: bool,
    /// The deployment behind the booted one.
    pub rollback: bool,
    /// Cached repository metadata.
    pub metadata: bool,
}

/// An edit of kernel arguments, applied in the order of the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KargsEdit {
    /// `KEY=OLD[=NEW]` pairs.
    pub replace: Vec<String>,
    /// `KEY[=VALUE]` to remove; an error where absent.
    pub delete: Vec<String>,
    /// `KEY[=VALUE]` to remove where present.
    pub delete_if_present: Vec<String>,
    /// `KEY[=VALUE]` to add at the end.
    pub append: Vec<String>,
    /// `KEY[=VALUE]` to add unless that very argument is there.
    pub append_if_missing: Vec<String>,
}

/// The change itself: one variant for each kind of transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Change {
    /// `install`, `uninstall`: the base stays as it is.
    Packages(PackageChange),
    /// `upgrade`: the newest commit of the origin's ref, and newest packages.
    Upgrade {
        /// Packages changed along with it.
        packages: PackageChange,
        /// Accept a commit older than the deployed one.
        allow_downgrade: bool,
    },
    /// `deploy`: one commit of the origin's ref.
    Deploy {
        /// `revision=CHECKSUM`, a checksum, `version=V`, or a version.
        revision: String,
        /// Packages changed along with it.
        packages: PackageChange,
    },
    /// `rebase`: another ref.
    Rebase {
        /// The new ref.
        refspec: Refspec,
        /// One commit of it rather than its newest.
        revision: Option<Checksum>,
        /// Packages changed along with it.
        packages: PackageChange,
    },
    /// `rollback`: the previous deployment becomes the default.
    Rollback,
    /// `kargs`: the same tree with other kernel arguments.
    KernelArguments(KargsEdit),
    /// `cleanup`.
    Cleanup(CleanupScope),
    /// `refresh-md`.
    RefreshMetadata {
        /// Fetch even what has not expired.
        force: bool,
    },
}

impl Change {
    /// The kind's name: the verb, in metrics, the log and `history`.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Packages(change) if change.install.is_empty() => "uninstall",
            Self::Packages(_) => "install",
            Self::Upgrade { .. } => "upgrade",
            Self::Deploy { .. } => "deploy",
            Self::Rebase { .. } => "rebase",
            Self::Rollback => "rollback",
            Self::KernelArguments(_) => "kargs",
            Self::Cleanup(_) => "cleanup",
            Self::RefreshMetadata { .. } => "refresh-md",
        }
    }

    /// The packages that change, for the variants that have some.
    #[must_use]
    pub fn packages(&self) -> Option<&PackageChange> {
        match self {
            Self::Packages(packages)
            | Self::Upgrade { packages, .. }
            | Self::Deploy { packages, .. }
            | Self::Rebase { packages, .. } => Some(packages),
            _ => None,
        }
    }

    /// Whether the base commit may move.
    #[must_use]
    pub fn moves_base(&self) -> bool {
        matches!(self, Self::Upgrade { .. } | Self::Deploy { .. } | Self::Rebase { .. })
    }
}
