//! Why a program could not be run to its end.

use cambium_model::{Failure, FailureKind};
use std::io;
use std::time::Duration;

/// Everything that goes wrong around a program; its own failure is an [`crate::Outcome`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// bubblewrap could not be started.
    #[error("cannot start bwrap for {name}")]
    Start {
        /// The program's name: `pkg.post`.
        name: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The sandbox could not be made: nothing of the program ran.
    #[error("cannot make the sandbox for {name}: {output}")]
    Setup {
        /// The program's name.
        name: String,
        /// What bubblewrap says.
        output: String,
    },
    /// The filter of system calls could not be built.
    #[error("cannot build the system call filter for {name}")]
    Filter {
        /// The program's name.
        name: String,
        /// Why.
        #[source]
        source: seccompiler::Error,
    },
    /// Talking to the sandbox failed; it has been killed.
    #[error("cannot {what} of the sandbox for {name}")]
    Watch {
        /// The program's name.
        name: String,
        /// What was tried.
        what: &'static str,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The time was up; it has been killed.
    #[error("{name} was killed after {} seconds", limit.as_secs())]
    TimedOut {
        /// The program's name.
        name: String,
        /// The time that it had.
        limit: Duration,
        /// The end of its output.
        output: String,
    },
    /// The caller cancelled; it has been killed.
    #[error("{name} was cancelled")]
    Cancelled {
        /// The program's name.
        name: String,
    },
    /// No mount namespace of our own.
    #[error("cannot make a private mount namespace")]
    Namespace(#[source] io::Error),
}

impl Error {
    /// What a client may decide by.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Start { .. } | Self::Setup { .. } | Self::Namespace(_) => {
                FailureKind::Precondition
            }
            Self::Filter { .. } | Self::Watch { .. } => FailureKind::Internal,
            Self::TimedOut { .. } => FailureKind::Script,
            Self::Cancelled { .. } => FailureKind::Cancelled,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::from_error(error.kind(), &error);
        match &error {
            Error::Start { .. } => failure.advise("Install bubblewrap on this host."),
            Error::Setup { .. } | Error::Namespace(_) => {
                failure.advise("Run as root where mounts and namespaces are allowed.")
            }
            Error::TimedOut { output, .. } => failure
                .advise(format!("Report it to the package's maintainer. It said last: {output}")),
            _ => failure,
        }
    }
}
