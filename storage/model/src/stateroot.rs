//! The name of an operating system's state on a sysroot (`/ostree/deploy/NAME`).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A single path component that is safe to join to `/ostree/deploy`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Stateroot(String);

/// A name that is empty, climbs, or holds a slash or a control character.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a stateroot's name (one path component)")]
pub struct InvalidStateroot(pub String);

impl Stateroot {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Stateroot {
    type Err = InvalidStateroot;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let climbs = matches!(text, "" | "." | "..");
        if climbs || text.contains('/') || text.chars().any(char::is_control) {
            return Err(InvalidStateroot(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Stateroot {
    type Error = InvalidStateroot;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Stateroot> for String {
    fn from(name: Stateroot) -> Self {
        name.0
    }
}

impl fmt::Display for Stateroot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_component() {
        assert_eq!("fedora-coreos".parse::<Stateroot>().unwrap().as_str(), "fedora-coreos");
        for bad in ["", ".", "..", "a/b", "a\n"] {
            assert!(bad.parse::<Stateroot>().is_err(), "{bad:?}");
        }
    }
}
