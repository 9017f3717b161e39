//! Why a root could not be assembled or a package not be imported.

use cambium_model::{Checksum, Failure, FailureKind};
use std::io;
use std::path::{Path, PathBuf};

/// This crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Two owners of one path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileConflict {
    /// The path, relative to the root: `usr/bin/x`.
    pub path: String,
    /// The package that brings it.
    pub package: String,
    /// The package that has it, or what else the path belongs to.
    pub owner: String,
}

/// Everything that goes wrong while packages become a tree.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The repository's engine failed.
    #[error(transparent)]
    Ostree(#[from] cambium_ostree::Error),
    /// The package engine failed.
    #[error(transparent)]
    Rpm(#[from] cambium_rpm::Error),
    /// A script could not be run to its end.
    #[error(transparent)]
    Sandbox(#[from] cambium_sandbox::Error),
    /// Packages own the same path with other content. Nothing was written.
    #[error("{}", conflict_text(.0))]
    Conflicts(Vec<FileConflict>),
    /// A package's script failed.
    #[error("{script} failed: {end} (in {backend})")]
    Script {
        /// `pkg.post`.
        script: String,
        /// How it ended.
        end: String,
        /// What confined it.
        backend: &'static str,
        /// The end of its output.
        output: String,
    },
    /// A package has a script that cannot be run here.
    #[error("cannot run {script}: {reason}")]
    Unsupported {
        /// `pkg.post`.
        script: String,
        /// Why.
        reason: String,
    },
    /// A package brings a kernel, which is not layered like other files.
    #[error("{package} brings a kernel ({path}), and the tree has one already")]
    Kernel {
        /// The package.
        package: String,
        /// Its kernel.
        path: String,
    },
    /// A package that should go is not in the base.
    #[error("{package} is not among the packages of commit {}", commit.short())]
    NotInBase {
        /// The package.
        package: String,
        /// The base.
        commit: Checksum,
    },
    /// The base is no tree that packages can be layered on.
    #[error("commit {} has no {path}", commit.short())]
    NoBase {
        /// The commit.
        commit: Checksum,
        /// What is missing.
        path: &'static str,
    },
    /// The overlay was written by a kernel with other ideas.
    #[error("{path} carries overlayfs' {note} in the scripts' layer")]
    Overlay {
        /// The path in the tree.
        path: String,
        /// Which of its notes.
        note: String,
    },
    /// A script left what no commit can hold.
    #[error("{path} is a device, socket or pipe, which an image cannot hold")]
    SpecialFile {
        /// The path in the tree.
        path: String,
    },
    /// A name that is not UTF-8.
    #[error("{} has a name that an image cannot hold", path.display())]
    Name {
        /// The path.
        path: PathBuf,
    },
    /// The overlay could not be mounted.
    #[error("cannot mount an overlay on {}", path.display())]
    Mount {
        /// Where.
        path: PathBuf,
        /// What the kernel says.
        #[source]
        source: io::Error,
    },
    /// The system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// Makes an [`Error::Io`] out of what the system says.
    pub(crate) fn io<E: Into<io::Error>>(
        what: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { what, path, source: source.into() }
    }

    /// What a client may decide by.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Ostree(error) => error.kind(),
            Self::Rpm(error) => error.kind(),
            Self::Sandbox(error) => error.kind(),
            Self::Conflicts(_) => FailureKind::Conflict,
            Self::Script { .. } => FailureKind::Script,
            Self::Unsupported { .. } | Self::Kernel { .. } => FailureKind::InvalidRequest,
            Self::NotInBase { .. } => FailureKind::NotFound,
            Self::NoBase { .. } | Self::Mount { .. } => FailureKind::Precondition,
            Self::SpecialFile { .. } | Self::Name { .. } => FailureKind::Script,
            Self::Overlay { .. } => FailureKind::Internal,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                FailureKind::NoSpace
            }
            Self::Io { .. } => FailureKind::Internal,
            Self::Cancelled => FailureKind::Cancelled,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Ostree(inner) => inner.into(),
            Error::Rpm(inner) => inner.into(),
            Error::Sandbox(inner) => inner.into(),
            other => {
                let failure = Self::from_error(other.kind(), &other);
                match other.advice() {
                    Some(advice) => failure.advise(advice),
                    None => failure,
                }
            }
        }
    }
}

impl Error {
    fn advice(&self) -> Option<String> {
        Some(match self {
            Self::Conflicts(_) => {
                "Leave out one of the two packages, or replace the base's package.".to_owned()
            }
            Self::Script { end, output, .. } => {
                let said = match output.as_str() {
                    "" => "It printed nothing.".to_owned(),
                    output => format!("It said last:\n{output}"),
                };
                format!("{} {said}", advice_on_script(end, output))
            }
            Self::Unsupported { .. } => "Leave out the package.".to_owned(),
            Self::Kernel { .. } => "Choose a base with the kernel that is wanted.".to_owned(),
            Self::NoBase { .. } => {
                "Packages can be layered only on images that hold an rpm database.".to_owned()
            }
            Self::Mount { .. } => "Run as root on a kernel with overlayfs.".to_owned(),
            _ => return None,
        })
    }
}

/// What can be tried about a script that ended like this.
fn advice_on_script(end: &str, output: &str) -> &'static str {
    let denied = ["Operation not permitted", "Read-only file system", "not supported by protocol"];
    if end == "exit status 127" || output.contains("command not found") {
        "It calls a program that the image does not have: layer the package that has it too."
    } else if end.contains("SIGXFSZ") {
        "If it needs more, raise file_mib in [sandbox] of /etc/cambium/config.toml."
    } else if denied.iter().any(|text| output.contains(text)) {
        "Scripts may change files of the image, and neither mount, nor make devices, nor use the \
         network: leave out the package, or report it to its maintainer."
    } else {
        "Leave out the package, or report it to its maintainer."
    }
}

/// Up to three conflicts by name; the rest by number.
fn conflict_text(conflicts: &[FileConflict]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = conflicts
        .iter()
        .take(SHOWN)
        .map(|c| format!("{} from {} conflicts with {}", c.path, c.package, c.owner))
        .collect();
    match conflicts.len().saturating_sub(SHOWN) {
        0 => shown.join("; "),
        more => format!("{}; and {more} more", shown.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_name_both_owners_and_do_not_flood() {
        let conflict = |n: usize| FileConflict {
            path: format!("usr/bin/t{n}"),
            package: "a-1-1.noarch".into(),
            owner: "b-1-1.noarch".into(),
        };
        let one = Error::Conflicts(vec![conflict(0)]);
        assert_eq!(one.to_string(), "usr/bin/t0 from a-1-1.noarch conflicts with b-1-1.noarch");
        let many = Error::Conflicts((0..9).map(conflict).collect());
        assert!(many.to_string().ends_with("; and 6 more"), "{many}");
        assert_eq!(Failure::from(many).kind, FailureKind::Conflict);
    }

    #[test]
    fn a_full_disk_is_told_as_such() {
        let error = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(Error::io("write", "/x")(error).kind(), FailureKind::NoSpace);
    }

    #[test]
    fn a_failed_script_hands_on_what_it_said() {
        let failure = Failure::from(Error::Script {
            script: "demo.post".into(),
            end: "exit status 1".into(),
            backend: "bubblewrap",
            output: "no such user".into(),
        });
        assert_eq!(failure.what, "demo.post failed: exit status 1 (in bubblewrap)");
        assert!(failure.advice.ends_with("no such user"));
    }

    #[test]
    fn advice_follows_from_how_a_script_ended() {
        for (end, output, advice) in [
            ("exit status 127", "", "does not have"),
            ("exit status 1", "x: line 3: fc-cache: command not found", "does not have"),
            ("exit status 32", "mount: /tmp: Operation not permitted", "neither mount"),
            ("killed by signal 25 (SIGXFSZ: a file became too large)", "", "file_mib"),
            ("exit status 1", "no such user", "maintainer"),
        ] {
            assert!(advice_on_script(end, output).contains(advice), "{end} {output}");
        }
    }
}
