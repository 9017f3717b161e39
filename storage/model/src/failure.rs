//! The one error that crosses from engines to clients.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of thing went wrong: what a client may act on, and the label of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The request cannot be read or contradicts itself.
    InvalidRequest,
    /// A package, stateroot, revision, ref or transaction that was named does not exist.
    NotFound,
    /// The caller may not do this.
    PermissionDenied,
    /// Another transaction or another process holds the sysroot.
    Busy,
    /// The host is not in the state that the request needs.
    Precondition,
    /// The packages asked for cannot be installed together.
    Unsolvable,
    /// Two packages, or a package and the base, own the same path with other content.
    Conflict,
    /// A signature or checksum does not match, or is missing where it is demanded.
    Untrusted,
    /// A repository, remote or file on the network cannot be reached or read.
    Unavailable,
    /// Data that is damaged or breaks its format.
    Corrupt,
    /// Not enough space.
    NoSpace,
    /// A package's script failed.
    Script,
    /// Somebody cancelled the work.
    Cancelled,
    /// The deadline passed.
    Timeout,
    /// The daemon was stopped or killed in the middle.
    Interrupted,
    /// A defect of ours, a panic included.
    Internal,
}

impl FailureKind {
    /// Every kind, for tables and metrics.
    pub const ALL: [Self; 16] = [
        Self::InvalidRequest,
        Self::NotFound,
        Self::PermissionDenied,
        Self::Busy,
        Self::Precondition,
        Self::Unsolvable,
        Self::Conflict,
        Self::Untrusted,
        Self::Unavailable,
        Self::Corrupt,
        Self::NoSpace,
        Self::Script,
        Self::Cancelled,
        Self::Timeout,
        Self::Interrupted,
        Self::Internal,
    ];

    /// The kind's name on the wire, in metrics and in the log: kebab-case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid-request",
            Self::NotFound => "not-found",
            Self::PermissionDenied => "permission-denied",
            Self::Busy => "busy",
            Self::Precondition => "precondition",
            Self::Unsolvable => "unsolvable",
            Self::Conflict => "conflict",
            Self::Untrusted => "untrusted",
            Self::Unavailable => "unavailable",
            Self::Corrupt => "corrupt",
            Self::NoSpace => "no-space",
            Self::Script => "script",
            Self::Cancelled => "cancelled",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failed operation: what failed, on what, why, and what the user can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What a program may decide by.
    pub kind: FailureKind,
    /// One sentence: what failed, on what (the path, package, ref or repository by name).
    pub what: String,
    /// The causes below it, outermost first.
    pub causes: Vec<String>,
    /// What the user can do about it; empty where there is nothing but to report it.
    pub advice: String,
}

impl Failure {
    /// A failure without causes or advice.
    #[must_use]
    pub fn new(kind: FailureKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), causes: Vec::new(), advice: String::new() }
    }

    /// An engine's error with the chain of its sources. What is to be done about a full file system
    /// is known to all.
    #[must_use]
    pub fn from_error(kind: FailureKind, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut failure = Self::new(kind, error.to_string());
        if kind == FailureKind::NoSpace {
            failure.advice = "Free some space on that file system, then ask again.".to_owned();
        }
        let mut source = error.source();
        while let Some(cause) = source {
            failure.causes.push(cause.to_string());
            source = cause.source();
        }
        failure
    }

    /// The same failure, telling what the user can do; nothing leaves what was told.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        let advice = advice.into();
        if !advice.is_empty() {
            self.advice = advice;
        }
        self
    }
}

/// `what: cause: cause`; the advice is the frontend's to show.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_serde_name() {
        for kind in FailureKind::ALL {
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{kind}\""));
        }
    }

    #[test]
    fn a_full_file_system_has_advice_whoever_found_it() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let failure = Failure::from_error(FailureKind::NoSpace, &full).advise("");
        assert!(failure.advice.starts_with("Free some space"), "{failure:?}");
        assert_eq!(failure.advise("Or this.").advice, "Or this.");
    }

    #[test]
    fn keeps_the_chain_of_sources() {
        let inner = "x".parse::<u8>().unwrap_err();
        let outer = std::io::Error::other(inner);
        let failure = Failure::from_error(FailureKind::Corrupt, &outer);
        assert_eq!(failure.what, "invalid digit found in string");
        assert_eq!(failure.to_string(), failure.what);
    }
}
