//! What a host follows: a branch of a remote, a fixed commit, or a container image.

use crate::Checksum;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A base to boot from, as an origin file's `refspec`, `baserefspec` or
/// `container-image-reference` names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refspec {
    /// `[remote:]branch`.
    Ostree {
        /// The remote's name; `None` for a local branch.
        remote: Option<String>,
        /// The branch, e.g. `fedora/x86_64/silverblue`.
        branch: String,
    },
    /// A commit that never moves.
    Checksum(Checksum),
    /// An OSTree-native container image, kept as it was written.
    Container(String),
}

/// Text that no refspec is made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a refspec: {reason}")]
pub struct InvalidRefspec {
    /// What was given.
    pub text: String,
    /// The rule that it breaks.
    pub reason: &'static str,
}

/// The prefixes by which rpm-ostree and bootc tell container references from branches.
const CONTAINER_PREFIXES: [&str; 5] = [
    "ostree-unverified-image:",
    "ostree-unverified-registry:",
    "ostree-remote-image:",
    "ostree-remote-registry:",
    "ostree-image-signed:",
];

impl FromStr for Refspec {
    type Err = InvalidRefspec;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason| InvalidRefspec { text: text.to_owned(), reason };
        if CONTAINER_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            return Ok(Self::Container(text.to_owned()));
        }
        if let Ok(checksum) = text.parse() {
            return Ok(Self::Checksum(checksum));
        }
        let (remote, branch) = match text.split_once(':') {
            Some((remote, branch)) => (Some(remote), branch),
            None => (None, text),
        };
        if remote.is_some_and(|r| !is_plain(r) || r.contains('/')) {
            return Err(invalid("a remote's name is letters, digits, '-', '_' and '.'"));
        }
        let legal = |part: &str| is_plain(part) && !part.starts_with('.');
        if branch.is_empty() || !branch.split('/').all(legal) {
            return Err(invalid(
                "a branch is parts of letters, digits, '-', '_' and '.', joined by '/'",
            ));
        }
        Ok(Self::Ostree { remote: remote.map(str::to_owned), branch: branch.to_owned() })
    }
}

/// libostree's rule for one component (`OSTREE_REF_REGEXP`).
fn is_plain(part: &str) -> bool {
    !part.is_empty()
        && part.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}

impl fmt::Display for Refspec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ostree { remote: Some(remote), branch } => write!(f, "{remote}:{branch}"),
            Self::Ostree { remote: None, branch } => f.write_str(branch),
            Self::Checksum(checksum) => checksum.fmt(f),
            Self::Container(image) => f.write_str(image),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn print_parses_back() {
        for text in [
            "fedora:fedora/x86_64/silverblue",
            "local/branch-1.2_x",
            &"0a".repeat(32),
            "ostree-unverified-registry:quay.io/x/y:latest",
        ] {
            assert_eq!(text.parse::<Refspec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_paths_that_climb() {
        for text in ["", ":", "a:", "a//b", "../x", "a/../b", "r/x:b", "a b", "x:/abs"] {
            assert!(text.parse::<Refspec>().is_err(), "{text}");
        }
    }
}
