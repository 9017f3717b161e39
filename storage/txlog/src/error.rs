//! How using the log fails.

use crate::verify::BrokenAt;
use cambium_model::{Failure, FailureKind, IllegalEvent, TransactionId};
use std::io;
use std::path::PathBuf;

/// A failed operation on the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the log cannot be made, opened, renamed or locked.
    #[error("cannot open the transaction log {path}")]
    Open {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process has the log open.
    #[error("the transaction log {path} is used by another process")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The database refused an operation.
    #[error("cannot use the database of the transaction log {path}")]
    Database {
        /// The log's directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: sled::Error,
    },
    /// What was written cannot be made durable.
    #[error("cannot write {path} to disk")]
    Sync {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An earlier write failed, so what is on disk is not known until the log is opened anew.
    #[error("the transaction log is closed to writes, since an earlier write failed")]
    Stopped,
    /// No such transaction is in the log, or it is too old to be kept.
    #[error("no transaction {0} in the log")]
    Unknown(TransactionId),
    /// A transaction of this id began before.
    #[error("transaction {0} is in the log already")]
    Duplicate(TransactionId),
    /// The transaction is in a phase that does not allow this.
    #[error("transaction {id} cannot be logged so")]
    Illegal {
        /// The transaction.
        id: TransactionId,
        /// What is not allowed.
        #[source]
        source: IllegalEvent,
    },
    /// A record larger than the log takes.
    #[error("a record of {bytes} bytes is too large for the transaction log (at most {most})")]
    TooLarge {
        /// Its payload.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// A record cannot be written as JSON.
    #[error("cannot write a record as JSON")]
    Encode(#[source] serde_json::Error),
    /// A record in the running log is not what was written.
    #[error("the transaction log is damaged at record {}", .0.record)]
    Broken(#[source] BrokenAt),
    /// The records cannot be written to where they are exported.
    #[error("cannot export the transaction log")]
    Export(#[source] io::Error),
    /// An exported log cannot be read.
    #[error("cannot read the exported transaction log")]
    ReadExport(#[source] io::Error),
}

impl Error {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Open { source, .. } | Self::Sync { source, .. } | Self::Export(source) => {
                io_kind(source)
            }
            Self::Database { source: sled::Error::Io(source), .. } => io_kind(source),
            Self::Database { .. } | Self::Broken(_) | Self::ReadExport(_) => FailureKind::Corrupt,
            Self::Locked { .. } => FailureKind::Busy,
            Self::Unknown(_) => FailureKind::NotFound,
            Self::TooLarge { .. } => FailureKind::InvalidRequest,
            Self::Stopped | Self::Duplicate(_) | Self::Illegal { .. } | Self::Encode(_) => {
                FailureKind::Internal
            }
        }
    }
}

fn io_kind(error: &io::Error) -> FailureKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureKind::NoSpace,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            FailureKind::Precondition
        }
        _ => FailureKind::Unavailable,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::from_error(error.kind(), &error);
        match error {
            Error::Locked { .. } => failure.advise("stop the other daemon that serves this host"),
            Error::Broken(_) => {
                failure.advise("restart the daemon: it moves the damaged log aside and begins anew")
            }
            _ if failure.kind == FailureKind::NoSpace => failure.advise("free space below /var"),
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_advice_tell_what_to_do() {
        let full = || io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
        let path = PathBuf::from("/var/lib/cambium/txlog");
        let cases = [
            (Error::Sync { path: path.clone(), source: full() }, FailureKind::NoSpace, "free"),
            (
                Error::Database { path: path.clone(), source: sled::Error::Io(full()) },
                FailureKind::NoSpace,
                "free",
            ),
            (Error::Locked { path }, FailureKind::Busy, "stop"),
            (Error::Unknown(TransactionId::new("x")), FailureKind::NotFound, ""),
            (Error::Stopped, FailureKind::Internal, ""),
        ];
        for (error, kind, advice) in cases {
            let failure = Failure::from(error);
            assert_eq!(failure.kind, kind, "{failure}");
            assert!(failure.advice.starts_with(advice), "{failure}");
        }
    }
}
