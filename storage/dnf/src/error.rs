//! What can fail, and what kind of failure each is.

use cambium_model::{Failure, FailureKind};
use std::io;
use std::path::PathBuf;

/// This crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed call. That packages cannot be installed together is no error but
/// [`Resolution::Problems`](crate::Resolution::Problems).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A `.repo` file or a repository said directly is wrong.
    #[error("{}: {what}", path.display())]
    RepoConfig {
        /// The file, or the repository's id.
        path: PathBuf,
        /// What is wrong, with the line.
        what: String,
    },
    /// A repository that was asked for is not configured.
    #[error("repository '{0}' is not configured")]
    UnknownRepo(String),
    /// Repositories cannot be had and the work needs them.
    #[error("repository '{repo}' is unavailable: {reason}")]
    Unavailable {
        /// Their ids.
        repo: String,
        /// Why.
        reason: String,
    },
    /// A repository's data is not what it should be: checksum, size, signature, shape.
    #[error("repository '{repo}': {what}")]
    Damaged {
        /// Its id.
        repo: String,
        /// What of it, and why.
        what: String,
    },
    /// A signature or key of a repository's metadata is not good.
    #[error("repository '{repo}': metadata is not trusted: {what}")]
    Untrusted {
        /// Its id.
        repo: String,
        /// Why.
        what: String,
    },
    /// A repository's server is not who it should be.
    #[error("repository '{repo}': its server's certificate is not trusted: {what}")]
    Certificate {
        /// Its id.
        repo: String,
        /// Why, with the URL.
        what: String,
    },
    /// A repository says that a file is larger than is accepted.
    #[error(
        "repository '{repo}': {file} claims {bytes} bytes, more than {limit} are not accepted ({url})"
    )]
    TooLarge {
        /// Its id.
        repo: String,
        /// The kind of metadata.
        file: String,
        /// Where the claim is.
        url: String,
        /// What it claims.
        bytes: u64,
        /// What is accepted.
        limit: u64,
    },
    /// A package could not be downloaded.
    #[error("package {package} of repository '{repo}' could not be downloaded: {reason}")]
    Download {
        /// Its NEVRA.
        package: String,
        /// Its repository.
        repo: String,
        /// What librepo says.
        reason: String,
        /// What kind of failure.
        kind: FailureKind,
    },
    /// An RPM file cannot be read.
    #[error("{} is not a readable RPM", .0.display())]
    LocalRpm(PathBuf),
    /// A package that was to be removed is not installed.
    #[error("package '{0}' is not installed")]
    NotInstalled(String),
    /// A file or directory of ours cannot be read or written.
    #[error("cannot {verb} {}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// libdnf refuses.
    #[error("{doing}: {message}")]
    Library {
        /// What was tried, on what.
        doing: String,
        /// The library's words.
        message: String,
    },
    /// The observer asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::RepoConfig { .. } => FailureKind::InvalidRequest,
            Self::UnknownRepo(_) | Self::NotInstalled(_) => FailureKind::NotFound,
            Self::Unavailable { .. } => FailureKind::Unavailable,
            Self::Damaged { .. } | Self::TooLarge { .. } | Self::LocalRpm(_) => {
                FailureKind::Corrupt
            }
            Self::Untrusted { .. } | Self::Certificate { .. } => FailureKind::Untrusted,
            Self::Download { kind, .. } => *kind,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureKind::NoSpace,
                io::ErrorKind::NotFound => FailureKind::NotFound,
                _ => FailureKind::Internal,
            },
            Self::Library { .. } => FailureKind::Internal,
            Self::Cancelled => FailureKind::Cancelled,
        }
    }

    /// The repository whose failure this is.
    pub(crate) fn repo(&self) -> Option<&str> {
        match self {
            Self::Unavailable { repo, .. }
            | Self::Damaged { repo, .. }
            | Self::Untrusted { repo, .. }
            | Self::Certificate { repo, .. }
            | Self::TooLarge { repo, .. }
            | Self::Download { repo, .. } => Some(repo),
            _ => None,
        }
    }

    pub(crate) fn io(
        verb: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { verb, path, source }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::from_error(error.kind(), &error);
        match error.remedy() {
            Some(remedy) => failure.advise(remedy),
            None => failure,
        }
    }
}

impl Error {
    /// What a person can do about it.
    fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unavailable { .. } => {
                "Check the network and the repository's URL, or disable it; --cache-only uses what is cached"
            }
            Self::UnknownRepo(_) => "Check the ids in /etc/yum.repos.d",
            Self::RepoConfig { .. } => "Correct the file, or disable the repository with enabled=0",
            Self::Damaged { .. } => {
                "The repository or this mirror is broken or being renewed: try again later, or disable it"
            }
            Self::TooLarge { .. } => {
                "No repository is known to be so large: check its URL, or disable it"
            }
            Self::Untrusted { .. } => {
                "Check gpgkey= and the repository's URL; what is not signed by these keys is not used"
            }
            Self::Certificate { .. } => {
                "Check the URL and the clock, and name the server's CA by sslcacert="
            }
            Self::Download { kind: FailureKind::Untrusted, .. } => {
                "The package on this mirror is not the one that the metadata names: renew the metadata \
                 with refresh-md, or disable the repository"
            }
            Self::Download { .. } => {
                "Check the network and the repository's URL; what was fetched is kept, and trying again continues"
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_space_and_its_source_is_kept() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let failure = Failure::from(Error::io("write", "/cache/repomd.xml")(full));
        assert_eq!(failure.kind, FailureKind::NoSpace);
        assert_eq!(failure.what, "cannot write /cache/repomd.xml");
        assert_eq!(failure.causes.len(), 1);
    }

    #[test]
    fn a_dead_repository_is_named_with_advice() {
        let error = Error::Unavailable { repo: "updates".into(), reason: "404".into() };
        let failure = Failure::from(error);
        assert_eq!(failure.kind, FailureKind::Unavailable);
        assert_eq!(failure.what, "repository 'updates' is unavailable: 404");
        assert!(!failure.advice.is_empty());
    }
}
