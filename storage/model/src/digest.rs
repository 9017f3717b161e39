//! The checksum that names an OSTree object: SHA-256 in lower-case hex.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Sixty-four lower-case hex digits. Names a commit unless its field says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Checksum(String);

/// Text that is not sixty-four lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a checksum (64 lower-case hex digits)")]
pub struct InvalidChecksum(pub String);

impl Checksum {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first ten digits, as people are shown them.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..10]
    }
}

impl FromStr for Checksum {
    type Err = InvalidChecksum;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() == 64 && digits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidChecksum(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Checksum {
    type Error = InvalidChecksum;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.0
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_sha256_in_lower_hex() {
        let good = "0123456789abcdef".repeat(4);
        assert_eq!(good.parse::<Checksum>().unwrap().as_str(), good);
        for bad in ["", "0", &good[1..], &good.to_uppercase(), &format!("{good}0")] {
            assert_eq!(bad.parse::<Checksum>(), Err(InvalidChecksum(bad.into())));
        }
    }
}
