//! What an operation on the whole host can fail with.

use cambium_model::{Checksum, Failure, FailureKind, Refspec};

/// This module's results.
pub(super) type Result<T, E = Error> = std::result::Result<T, E>;

/// An operation on the host that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A package could not be imported or a tree not be assembled.
    #[error(transparent)]
    Tree(#[from] crate::Error),
    /// The repository or sysroot engine failed.
    #[error(transparent)]
    Ostree(#[from] cambium_ostree::Error),
    /// The depsolver failed.
    #[error(transparent)]
    Dnf(#[from] cambium_dnf::Error),
    /// The package engine failed.
    #[error(transparent)]
    Rpm(#[from] cambium_rpm::Error),
    /// A kernel argument cannot be edited as asked.
    #[error(transparent)]
    Kargs(#[from] cambium_boot::KargsError),
    /// The system does not reboot; the change is in place all the same.
    #[error("the system was not rebooted: {why}")]
    Reboot {
        /// Why.
        why: String,
    },
    /// A ref that is not in the repository, and nobody may fetch it.
    #[error("the ref '{0}' is not in the repository")]
    NoRef(Refspec),
    /// No commit of the ref's history calls itself this version.
    #[error("no commit of '{refspec}' has version '{version}'")]
    NoVersion {
        /// The ref.
        refspec: Refspec,
        /// The version.
        version: String,
    },
    /// A commit that its ref's history does not hold.
    #[error("the commit {commit} is not on the branch of '{refspec}'")]
    NotOnBranch {
        /// The commit.
        commit: Checksum,
        /// The ref.
        refspec: Refspec,
    },
    /// A commit of which objects are missing, and nobody may fetch them.
    #[error("the commit {0} is not complete in the repository")]
    Incomplete(Checksum),
    /// A revision that names no deployment, commit or ref.
    #[error("'{0}' is no deployment, commit or ref of this host")]
    NoRevision(String),
    /// The configuration refuses layering.
    #[error("layering is locked by the configuration")]
    Locked,
    /// A package that should be on disk is not, and nobody may fetch it.
    #[error("{0} is not in the cache")]
    NotCached(String),
    /// Something to be layered that cannot be yet.
    #[error("{what} cannot be carried over by this version")]
    Unsupported {
        /// What.
        what: String,
    },
    /// The system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: std::path::PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// Names what was tried on which path when the system refuses.
pub(super) fn io(
    what: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { what, path, source }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (kind, advice) = match error {
            Error::Tree(error) => return error.into(),
            Error::Ostree(error) => return error.into(),
            Error::Dnf(error) => return error.into(),
            Error::Rpm(error) => return error.into(),
            Error::Kargs(error) => return error.into(),
            Error::NoRef(_) => {
                (FailureKind::NotFound, "Check the name, or leave out --cache-only to fetch it.")
            }
            Error::NoVersion { .. } => {
                (FailureKind::NotFound, "See the versions with 'ostree log'.")
            }
            Error::NotOnBranch { .. } => {
                (FailureKind::InvalidRequest, "Use --skip-branch-check to deploy it anyway.")
            }
            Error::Incomplete(_) => {
                (FailureKind::Precondition, "Leave out --cache-only to fetch the rest.")
            }
            Error::NoRevision(_) => {
                (FailureKind::NotFound, "See the deployments with 'cambium status'.")
            }
            Error::Locked => {
                (FailureKind::PermissionDenied, "Set layering.locked = false to allow it.")
            }
            Error::NotCached(_) => {
                (FailureKind::Precondition, "Leave out --cache-only to download it.")
            }
            Error::Reboot { .. } => (FailureKind::Precondition, "Reboot when it suits."),
            Error::Unsupported { .. } => (FailureKind::Precondition, ""),
            Error::Io { ref source, .. } => {
                let full = source.kind() == std::io::ErrorKind::StorageFull;
                (if full { FailureKind::NoSpace } else { FailureKind::Internal }, "")
            }
        };
        Failure::from_error(kind, &error).advise(advice)
    }
}
