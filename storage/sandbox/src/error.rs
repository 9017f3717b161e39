//! Why a program could not be run to its end.

use crate::Excess;
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
    #[error("{name} was killed after {} seconds (in {backend})", limit.as_secs())]
    TimedOut {
        /// The program's name.
        name: String,
        /// What confined it.
        backend: &'static str,
        /// The time that it had.
        limit: Duration,
        /// The end of its output.
        output: String,
    },
    /// It had too much of something; it has been killed.
    #[error("{name} was stopped: it {excess} (in {backend})")]
    Exceeded {
        /// The program's name.
        name: String,
        /// What confined it.
        backend: &'static str,
        /// Of what.
        excess: Excess,
        /// The end of its output.
        output: String,
    },
    /// The caller cancelled; it has been killed.
    #[error("{name} was cancelled")]
    Cancelled {
        /// The program's name.
        name: String,
    },
    /// A script moved or replaced what the sandbox lent it.
    #[error("{name} replaced /{path}, which must stay where it is")]
    Replaced {
        /// The program's name.
        name: String,
        /// What is not itself any more: `usr`, `etc`.
        path: String,
    },
    /// A script killed the process that watches over it. What was found of it has been killed.
    #[error("{name} killed the process that supervised it")]
    Unwatched {
        /// The program's name.
        name: String,
        /// The end of its output.
        output: String,
    },
    /// The root of a program that runs in a chroot could not be laid out or put back.
    #[error("cannot {what} {}", path.display())]
    Layout {
        /// What was tried: "create", "rename".
        what: &'static str,
        /// On what.
        path: std::path::PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Nothing here can confine a script.
    #[error("packages' scripts cannot be confined here: {reasons}")]
    NoBackend {
        /// What was tried and how it failed.
        reasons: String,
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
            Self::Start { .. }
            | Self::Setup { .. }
            | Self::NoBackend { .. }
            | Self::Namespace(_) => FailureKind::Precondition,
            Self::Filter { .. } | Self::Watch { .. } | Self::Layout { .. } => FailureKind::Internal,
            Self::TimedOut { .. } | Self::Replaced { .. } | Self::Unwatched { .. } => {
                FailureKind::Script
            }
            Self::Exceeded { excess: Excess::Reserve(_), .. } => FailureKind::NoSpace,
            Self::Exceeded { .. } => FailureKind::Script,
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
            Error::TimedOut { output, .. } => {
                failure.advise(raise("time_seconds", &last_words(output)))
            }
            Error::Exceeded { excess, output, .. } => {
                let said = last_words(output);
                failure.advise(match excess {
                    Excess::Processes(_) => raise("processes", &said),
                    Excess::Memory(_) => raise("memory_mib", &said),
                    Excess::Disk(_) => raise("disk_mib", &said),
                    Excess::Files(_) => raise("files", &said),
                    Excess::Reserve(_) => format!("Free space on the disk of the sysroot. {said}"),
                })
            }
            Error::NoBackend { .. } => failure.advise(
                "Install bubblewrap and run as root, or in a container that may use chroot() and \
                 mknod(), as Docker's default permissions allow.",
            ),
            Error::Unwatched { output, .. } => failure
                .advise(format!("Report it to the package's maintainer. {}", last_words(output))),
            _ => failure,
        }
    }
}

/// What to do about a bound.
fn raise(key: &str, said: &str) -> String {
    format!(
        "If it needs more, raise {key} in [sandbox] of /etc/cambium/config.toml; otherwise leave \
         out the package and report it to its maintainer. {said}"
    )
}

/// The end of a program's output as a sentence.
fn last_words(output: &str) -> String {
    match output.trim_end() {
        "" => "It printed nothing.".to_owned(),
        output => format!("It said last:\n{output}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_told_with_its_key_and_the_last_words() {
        let (name, output) = ("demo.post".to_owned(), "step 1\nstep 2\n".to_owned());
        let excess = Excess::Processes(64);
        let failure =
            Failure::from(Error::Exceeded { name, backend: "bubblewrap", excess, output });
        let expected = "demo.post was stopped: it started more than 64 processes (in bubblewrap)";
        assert_eq!(failure.what, expected);
        assert!(failure.advice.contains("raise processes in [sandbox]"), "{}", failure.advice);
        assert!(failure.advice.ends_with("It said last:\nstep 1\nstep 2"), "{}", failure.advice);
        assert_eq!(failure.kind, FailureKind::Script);
    }
}
