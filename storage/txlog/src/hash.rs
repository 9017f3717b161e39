//! The SHA-256 of a record, by which the next one names it.

use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// SHA-256 of a record's whole frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordHash(pub(crate) [u8; 32]);

/// Text that is not sixty-four hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not the hash of a record (64 hex digits)")]
pub struct InvalidHash(pub String);

impl RecordHash {
    /// What the first record of a log has in the place of a predecessor's hash.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of `frame`.
    #[must_use]
    pub fn of(frame: &[u8]) -> Self {
        Self(Sha256::digest(frame).into())
    }
}

impl fmt::Display for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RecordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for RecordHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidHash(text.to_owned());
        let digits = text.bytes().all(|c| c.is_ascii_hexdigit());
        if text.len() != 64 || !digits {
            return Err(invalid());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| invalid())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| invalid())?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_and_parsing_agree() {
        let hash = RecordHash::of(b"x");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for bad in ["", "0", &"g".repeat(64), &"é".repeat(32), &"0".repeat(65)] {
            assert_eq!(bad.parse::<RecordHash>(), Err(InvalidHash(bad.into())));
        }
    }
}
