//! What can go wrong while a tree is composed, with the file, line, package or path at fault.

use cambium_model::{Failure, FailureKind};
use std::fmt;
use std::path::{Path, PathBuf};

/// A place in a treefile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// Its line, from 1, where it is known.
    pub line: Option<usize>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |key| format!(" (did you mean '{key}'?)"))
}

/// A failed compose.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text says what its fields are")]
pub enum Error {
    #[error("{at}: unknown key '{key}'{}", did_you_mean(*.nearest))]
    UnknownKey { at: Location, key: String, nearest: Option<&'static str> },

    #[error("{at}: the key '{key}' is not supported yet")]
    UnsupportedKey { at: Location, key: String },

    #[error("{at}: the key '{key}' stands here a second time")]
    RepeatedKey { at: Location, key: String },

    #[error("{at}: {message}")]
    Treefile { at: Location, message: String },

    #[error("{}: nothing gives '${{{name}}}' in '{key}' a value", .path.display())]
    Variable { path: PathBuf, key: &'static str, name: String },

    #[error("{} includes {}, which cannot be read", .path.display(), .include.display())]
    Include { path: PathBuf, include: PathBuf, source: std::io::Error },

    #[error("{} is included a second time", .path.display())]
    IncludedTwice { path: PathBuf },

    #[error("cannot {action} {}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },

    #[error("the compose was cancelled")]
    Cancelled,
}

impl Error {
    /// Failing to read `path`.
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::io("read", path, source)
    }

    /// Failing to do `action` to `path`.
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// What a program may decide by.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::UnknownKey { .. }
            | Self::UnsupportedKey { .. }
            | Self::RepeatedKey { .. }
            | Self::Treefile { .. }
            | Self::Variable { .. }
            | Self::Include { .. }
            | Self::IncludedTwice { .. } => FailureKind::InvalidRequest,
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => FailureKind::NotFound,
                std::io::ErrorKind::StorageFull => FailureKind::NoSpace,
                std::io::ErrorKind::PermissionDenied => FailureKind::PermissionDenied,
                _ => FailureKind::Internal,
            },
            Self::Cancelled => FailureKind::Cancelled,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from_error(error.kind(), &error)
    }
}
