//! What can go wrong here, and how it reads to a user.
//!
//! Owns: the mapping from GIO's and the kernel's error codes to the kinds that clients act on; a
//! full disk is `NoSpace` wherever it shows.

use cambium_model::{Checksum, Failure, FailureKind};
use std::fmt;
use std::path::PathBuf;

/// This crate's results.
pub type Result<T> = std::result::Result<T, Error>;

/// A path that two trees hold with different content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Absolute path within the tree.
    pub path: String,
    /// What the tree holds there: a file's checksum, or `directory`.
    pub ours: String,
    /// What was to be put there, in the same form.
    pub theirs: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// An operation on a repository or sysroot that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// libostree refused or failed.
    #[error("Cannot {what} {on}")]
    Ostree {
        /// What was tried.
        what: &'static str,
        /// On which path, ref or commit.
        on: String,
        /// What libostree said.
        #[source]
        source: glib::Error,
    },
    /// A system call failed.
    #[error("Cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// A file system has not enough room.
    #[error("Not enough space on {on}: {needed} bytes are needed, {free} are free")]
    NoSpace {
        /// The file system, by a path on it.
        on: String,
        /// Bytes needed, the reserve included.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// A write ended because the file system was full.
    #[error("The file system is full: cannot {what} {on}")]
    Full {
        /// What was tried.
        what: &'static str,
        /// On which path, ref or commit.
        on: String,
        /// What libostree or the kernel said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No such commit in the repository.
    #[error("The commit {commit} is not in the repository")]
    NoCommit {
        /// Its checksum.
        commit: Checksum,
    },
    /// No such ref in the repository.
    #[error("The ref {name} does not exist")]
    NoRef {
        /// Its name.
        name: String,
    },
    /// No such path in a tree.
    #[error("{path} does not exist in {tree}")]
    NoPath {
        /// The path within the tree.
        path: String,
        /// The tree: a commit, or `the tree`.
        tree: String,
    },
    /// A path within a tree leads through a file, climbs, or is of the wrong kind.
    #[error("{path}: {reason}")]
    BadPath {
        /// The path within the tree.
        path: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// An object, record or file does not have the form that it should have.
    #[error("{what} is damaged: {reason}")]
    Corrupt {
        /// Which object or file.
        what: String,
        /// How it is wrong.
        reason: String,
    },
    /// libostree cannot parse the origin file of a deployment, and then loads none.
    #[error("The origin file {} cannot be parsed, and libostree then reads no deployment: {reason}", path.display())]
    Origin {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Two trees hold different files at the same paths. Nothing was changed.
    #[error("{} of {source_tree} conflict with the tree: {}", Files(conflicts.len()), Paths(conflicts))]
    Conflicts {
        /// What was to be merged.
        source_tree: String,
        /// Every path, sorted.
        conflicts: Vec<Conflict>,
    },
    /// Something was to be written outside of a transaction: a defect of the caller.
    #[error("Nothing may be written to {} outside of a transaction", repo.display())]
    NoTransaction {
        /// The repository.
        repo: PathBuf,
    },
    /// A signature is missing or wrong.
    #[error("The commit {commit} is not signed by a key of {remote}")]
    Untrusted {
        /// The commit.
        commit: String,
        /// The remote whose keys were asked, with its URL.
        remote: String,
        /// What libostree said.
        #[source]
        source: glib::Error,
    },
    /// A remote cannot be reached or read.
    #[error("Cannot pull from {remote}")]
    Unavailable {
        /// Its name and URL.
        remote: String,
        /// What libostree said.
        #[source]
        source: glib::Error,
    },
    /// Another process holds the sysroot's lock.
    #[error("Another process is changing the system at {}", sysroot.display())]
    Busy {
        /// The sysroot.
        sysroot: PathBuf,
    },
    /// Something that the request names is not there.
    #[error("{what} does not exist")]
    NotFound {
        /// What.
        what: String,
    },
    /// The sysroot is not in the state that the request needs.
    #[error("{what}")]
    Precondition {
        /// One sentence.
        what: String,
    },
    /// The observer asked to stop.
    #[error("Cancelled")]
    Cancelled,
}

/// `1 file`, `2 files`.
struct Files(usize);

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} file{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// The first few paths of a list: a message is for people, the list is in the variant.
struct Paths<'a>(&'a [Conflict]);

impl fmt::Display for Paths<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        for (n, conflict) in self.0.iter().take(SHOWN).enumerate() {
            if n > 0 {
                f.write_str(", ")?;
            }
            conflict.fmt(f)?;
        }
        if self.0.len() > SHOWN { f.write_str(", …") } else { Ok(()) }
    }
}

impl Error {
    /// What a program may decide by.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::NoSpace { .. } | Self::Full { .. } => FailureKind::NoSpace,
            Self::NoCommit { .. }
            | Self::NoRef { .. }
            | Self::NoPath { .. }
            | Self::NotFound { .. } => FailureKind::NotFound,
            Self::BadPath { .. } => FailureKind::InvalidRequest,
            Self::Corrupt { .. } | Self::Origin { .. } => FailureKind::Corrupt,
            Self::Conflicts { .. } => FailureKind::Conflict,
            Self::NoTransaction { .. } => FailureKind::Internal,
            Self::Untrusted { .. } => FailureKind::Untrusted,
            Self::Unavailable { .. } => FailureKind::Unavailable,
            Self::Busy { .. } => FailureKind::Busy,
            Self::Precondition { .. } => FailureKind::Precondition,
            Self::Cancelled => FailureKind::Cancelled,
            Self::Ostree { source, .. } => match source.kind::<gio::IOErrorEnum>() {
                Some(gio::IOErrorEnum::NotFound) => FailureKind::NotFound,
                Some(gio::IOErrorEnum::PermissionDenied) => FailureKind::PermissionDenied,
                _ => FailureKind::Internal,
            },
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => FailureKind::NotFound,
                std::io::ErrorKind::PermissionDenied => FailureKind::PermissionDenied,
                _ => FailureKind::Internal,
            },
        }
    }

    /// What the user can do; empty where there is nothing.
    fn advice(&self) -> &'static str {
        match self {
            Self::NoSpace { .. } | Self::Full { .. } => {
                "Free some space: 'cleanup -p' and 'cleanup -r' drop deployments that are not booted."
            }
            Self::Busy { .. } => "Wait until it is done, or cancel it.",
            Self::Conflicts { .. } => {
                "Two packages own the same file; leave one of them out, or remove the base's with 'override remove'."
            }
            Self::Untrusted { .. } => {
                "Import the remote's key with 'ostree remote gpg-import', or choose another remote."
            }
            Self::Unavailable { .. } => {
                "Check the network, the branch's name and the remote's URL ('ostree remote show-url')."
            }
            Self::Origin { .. } => {
                "Mend the file, or move it away (mv FILE FILE.damaged): its deployment then has no origin, and the others can be changed again."
            }
            Self::Corrupt { .. } => {
                "Nothing was taken from it. If it is a remote, try again later; if it is this host's own, 'ostree fsck' says more."
            }
            _ => "",
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from_error(error.kind(), &error).advise(error.advice())
    }
}

/// For `map_err`: what was tried on what, when libostree is the one that failed.
pub(crate) fn failed(
    what: &'static str,
    on: impl fmt::Display,
) -> impl FnOnce(glib::Error) -> Error {
    move |source| {
        let on = on.to_string();
        if source.matches(gio::IOErrorEnum::Cancelled) {
            return Error::Cancelled;
        }
        // libostree's own reserve (min-free-space-percent) is refused without a code.
        if source.matches(gio::IOErrorEnum::NoSpace) || source.message().contains("min-free-space")
        {
            return Error::Full { what, on, source: Box::new(source) };
        }
        Error::Ostree { what, on, source }
    }
}

/// For `map_err`: what was tried on which file, when the kernel is the one that failed.
pub(crate) fn io<E: Into<std::io::Error>>(
    what: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(E) -> Error {
    move |source| {
        let (path, source) = (path.into(), source.into());
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Error::Full { what, on: path.display().to_string(), source: Box::new(source) }
            }
            _ => Error::Io { what, path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_space_wherever_it_shows() {
        let gio = glib::Error::new(gio::IOErrorEnum::NoSpace, "full");
        let reserve = glib::Error::new(
            gio::IOErrorEnum::Failed,
            "min-free-space-percent '3%' would be exceeded, at least 1 kB requested",
        );
        let kernel = std::io::Error::from_raw_os_error(libc::ENOSPC);
        for error in
            [failed("write", "x")(gio), failed("write", "x")(reserve), io("write", "x")(kernel)]
        {
            assert_eq!(error.kind(), FailureKind::NoSpace, "{error}");
            assert!(!Failure::from(error).advice.is_empty());
        }
    }

    #[test]
    fn display_leaves_the_cause_to_the_chain() {
        let error = io("open", "/x")(std::io::Error::from_raw_os_error(libc::EACCES));
        let failure = Failure::from(error);
        assert_eq!(failure.what, "Cannot open /x");
        assert_eq!(failure.causes.len(), 1);
        assert_eq!(failure.kind, FailureKind::PermissionDenied);
    }

    #[test]
    fn conflicts_name_the_first_few_paths() {
        let conflict =
            |n| Conflict { path: format!("/{n}"), ours: "directory".into(), theirs: "0".into() };
        let error =
            Error::Conflicts { source_tree: "p".into(), conflicts: (0..7).map(conflict).collect() };
        assert_eq!(error.to_string(), "7 files of p conflict with the tree: /0, /1, /2, /3, /4, …");
    }
}
