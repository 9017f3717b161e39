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

    #[error("the tree has no unit '{unit}'")]
    NoSuchUnit { unit: String },

    #[error("the tree has no program '{name}'")]
    NoProgram { name: &'static str },

    #[error("the tree has more than one kernel: {versions}")]
    SeveralKernels { versions: String },

    #[error("{name} failed ({ended}): {output}")]
    Program { name: String, ended: cambium_sandbox::Ended, output: String },

    #[error(transparent)]
    Sandbox(#[from] cambium_sandbox::Error),

    #[error(transparent)]
    Ostree(#[from] cambium_ostree::Error),

    #[error(transparent)]
    Dnf(#[from] cambium_dnf::Error),

    #[error("{}", Failure::from(.0.clone()))]
    Unsolvable(cambium_dnf::Problems),

    #[error("{package} was not downloaded")]
    NotFetched { package: cambium_model::Nevra },

    #[error("repository '{repository}': the key {key} is no local file")]
    Key { repository: String, key: String },

    #[error(transparent)]
    Tree(#[from] crate::Error),

    #[error(transparent)]
    Rpm(#[from] cambium_rpm::Error),

    #[error("mutate-os-release: the tree has no /usr/lib/os-release")]
    NoOsRelease,

    #[error("add-commit-metadata: the value of '{key}' is no commit metadata")]
    CommitMetadata { key: String },

    #[error("automatic-version-prefix: '{prefix}' has no date format that is known")]
    Version { prefix: String },

    #[error("the compose needs a {what}")]
    Incomplete { what: &'static str },

    #[error("the tree is for {wanted} and cannot be composed on {here}")]
    Foreign { wanted: String, here: String },

    #[error("the treefile asks for SELinux labels, and no package brings a policy")]
    NoPolicy,

    #[error("cannot write the treefile as JSON")]
    Json { source: serde_json::Error },

    #[error("{table}: {problem}")]
    Accounts { table: &'static str, problem: String },

    #[error("the compose was cancelled")]
    Cancelled,
}

impl Error {
    /// Failing to read `path`.
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::io("read", path, source)
    }

    /// A treefile that JSON cannot hold.
    pub(crate) fn json(source: serde_json::Error) -> Self {
        Self::Json { source }
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
            | Self::Json { .. }
            | Self::CommitMetadata { .. }
            | Self::Version { .. }
            | Self::Incomplete { .. }
            | Self::IncludedTwice { .. } => FailureKind::InvalidRequest,
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => FailureKind::NotFound,
                std::io::ErrorKind::StorageFull => FailureKind::NoSpace,
                std::io::ErrorKind::PermissionDenied => FailureKind::PermissionDenied,
                _ => FailureKind::Internal,
            },
            Self::NoSuchUnit { .. } | Self::NoProgram { .. } => FailureKind::NotFound,
            Self::SeveralKernels { .. } => FailureKind::Precondition,
            Self::Program { .. } => FailureKind::Script,
            Self::Sandbox(error) => error.kind(),
            Self::Ostree(error) => error.kind(),
            Self::Dnf(error) => error.kind(),
            Self::Unsolvable(problems) => Failure::from(problems.clone()).kind,
            Self::NotFetched { .. } => FailureKind::Unavailable,
            Self::Key { .. } => FailureKind::Untrusted,
            Self::Tree(error) => error.kind(),
            Self::Rpm(error) => error.kind(),
            Self::NoOsRelease | Self::NoPolicy | Self::Foreign { .. } => FailureKind::Precondition,
            Self::Accounts { .. } => FailureKind::Conflict,
            Self::Cancelled => FailureKind::Cancelled,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            // The solver's answer has causes and advice of its own.
            Error::Unsolvable(problems) => problems.into(),
            Error::Tree(error) => error.into(),
            Error::Dnf(error) => error.into(),
            Error::Rpm(error) => error.into(),
            Error::Ostree(error) => error.into(),
            Error::Sandbox(error) => error.into(),
            error => Self::from_error(error.kind(), &error),
        }
    }
}
