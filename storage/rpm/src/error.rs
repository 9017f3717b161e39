//! What can go wrong with a package or the rpmdb, and which kind of failure that is to a client.

use cambium_model::{Failure, FailureKind, Nevra};
use std::io;
use std::path::PathBuf;

/// How bytes break RPM's format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes do not begin as an RPM, or a section does not begin as a header.
    #[error("the {0} does not begin as one")]
    Magic(&'static str),
    /// The file ends within the section.
    #[error("it ends within the {0}")]
    Truncated(&'static str),
    /// A declared number is beyond what rpm itself accepts or beyond the data.
    #[error("{what} is declared as {declared}, more than {limit}")]
    TooLarge {
        /// What is declared.
        what: &'static str,
        /// The declared number.
        declared: u64,
        /// The largest number that is taken.
        limit: u64,
    },
    /// An index entry points outside the data, overlaps another, or has an unknown type.
    #[error("the entry of tag {tag} {problem}")]
    Entry {
        /// The tag's number.
        tag: u32,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The header's immutable region, which digests and signatures cover, is missing or wrong.
    #[error("the immutable region {0}")]
    Region(&'static str),
    /// A tag that every package has is missing.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// Arrays that belong together have different lengths, or an index points outside.
    #[error("its {0} do not fit together")]
    Inconsistent(&'static str),
    /// A text that must be UTF-8 or must not be empty.
    #[error("its {0} is not a text that can be used")]
    Text(&'static str),
}

/// An error of this crate. `package` is a NEVRA where it is known, else the path that was read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory cannot be read or written.
    #[error("{action} {} failed", path.display())]
    Io {
        /// What was tried: `opening`, `writing`, …
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The bytes are no sound RPM or header.
    #[error("{package} is no sound RPM package")]
    Malformed {
        /// Which package.
        package: String,
        /// What is wrong.
        #[source]
        source: Malformed,
    },
    /// A digest does not match what it covers.
    #[error("the {digest} of {package} does not match")]
    Digest {
        /// Which package.
        package: String,
        /// Which digest: `header SHA-256`, `payload SHA-256`, …
        digest: String,
    },
    /// The package lacks digests that would show damage.
    #[error("{package} has no digest of its {what}")]
    NoDigest {
        /// Which package.
        package: String,
        /// `header` or `payload`.
        what: &'static str,
    },
    /// The signature is missing, wrong, or of a key that is not trusted here.
    #[error("{package} {problem}")]
    Untrusted {
        /// Which package.
        package: String,
        /// What is wrong: `is not signed`, …
        problem: String,
    },
    /// A file of keys cannot be used.
    #[error("{origin} holds no OpenPGP public key that rpm can use")]
    Keyring {
        /// The file's path or what the caller named it.
        origin: String,
    },
    /// The payload cannot be decompressed or is no cpio archive.
    #[error("the payload of {package} cannot be read")]
    Payload {
        /// Which package.
        package: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The payload's files are not those of the header.
    #[error("the payload of {package} {problem}")]
    PayloadMismatch {
        /// Which package.
        package: String,
        /// How they differ, naming the file.
        problem: String,
    },
    /// A path outside what a tree may hold.
    #[error("{package} has a file at unsupported path {path}")]
    UnsupportedPath {
        /// Which package.
        package: String,
        /// The path as packaged.
        path: String,
    },
    /// A path that would lead elsewhere than it says.
    #[error("{package} has a file at unsafe path {path:?}: {problem}")]
    UnsafePath {
        /// Which package.
        package: String,
        /// The path as packaged.
        path: String,
        /// Why it is refused.
        problem: &'static str,
    },
    /// A file capability that cannot be expressed as `security.capability`.
    #[error("{package} gives {path} capabilities {text:?}, which cannot be stored")]
    Capability {
        /// Which package.
        package: String,
        /// The file.
        path: String,
        /// The capabilities as packaged.
        text: String,
    },
    /// The rpmdb cannot be opened, read or written by librpm.
    #[error("the rpmdb in {} cannot be used: {problem}", path.display())]
    Rpmdb {
        /// The directory of the database.
        path: PathBuf,
        /// What librpm says.
        problem: String,
    },
    /// A package to remove is not in the rpmdb.
    #[error("{nevra} is not in the rpmdb in {}", path.display())]
    NotInstalled {
        /// The package.
        nevra: Box<Nevra>,
        /// The directory of the database.
        path: PathBuf,
    },
    /// Text that is no ref of a package.
    #[error("'{0}' is not the ref of a package")]
    InvalidRef(String),
    /// Somebody cancelled the work.
    #[error("the work was cancelled")]
    Cancelled,
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What a client may act on.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => FailureKind::NotFound,
                io::ErrorKind::PermissionDenied => FailureKind::PermissionDenied,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureKind::NoSpace,
                _ => FailureKind::Internal,
            },
            Self::Malformed { .. }
            | Self::Payload { .. }
            | Self::PayloadMismatch { .. }
            | Self::UnsafePath { .. }
            | Self::Capability { .. }
            | Self::Rpmdb { .. } => FailureKind::Corrupt,
            Self::Digest { .. } | Self::NoDigest { .. } | Self::Untrusted { .. } => {
                FailureKind::Untrusted
            }
            Self::Keyring { .. } | Self::UnsupportedPath { .. } => FailureKind::Precondition,
            Self::NotInstalled { .. } => FailureKind::NotFound,
            Self::InvalidRef(_) => FailureKind::InvalidRequest,
            Self::Cancelled => FailureKind::Cancelled,
        }
    }

    /// For `map_err` on an action with a file.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let advice = match &error {
            Error::Untrusted { .. } => {
                "Import the packager's key with gpgkey= of the repository, or do not install it."
            }
            Error::Malformed { .. } | Error::Digest { .. } | Error::Payload { .. } => {
                "Download the package again; if that does not help, its repository is damaged."
            }
            Error::UnsupportedPath { .. } => {
                "Only /usr, /etc, /opt and /var of a package can be layered."
            }
            _ => "",
        };
        Self::from_error(error.kind(), &error).advise(advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_package_once_and_its_cause_below() {
        let error = Error::Malformed {
            package: "a-1-1.noarch".into(),
            source: Malformed::Truncated("header"),
        };
        let failure = Failure::from(error);
        assert_eq!(failure.kind, FailureKind::Corrupt);
        assert_eq!(failure.what, "a-1-1.noarch is no sound RPM package");
        assert_eq!(failure.causes, ["it ends within the header"]);
        assert!(!failure.advice.is_empty());
    }

    #[test]
    fn a_full_disk_is_no_space() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = Error::io("writing", "/x")(full);
        assert_eq!(error.kind(), FailureKind::NoSpace);
        assert_eq!(error.to_string(), "writing /x failed");
    }
}
