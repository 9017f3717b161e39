//! The names of objects and the header of content objects.
//!
//! Owns: the binary form of a checksum, the canonical header that a content object's checksum
//! covers (libostree's `ostree-core.c`: `(uuuusa(ayay))`, big-endian, with its size before it),
//! and where a loose object lies. Hashing goes through OpenSSL, which uses the CPU's SHA
//! instructions; Debian's libostree does not.

use crate::attributes::{Attributes, PERMISSIONS};
use crate::error::{Error, Result};
use cambium_model::Checksum;
use glib::variant::ToVariant;
use openssl::sha::Sha256;
use std::fmt;
use std::path::PathBuf;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A regular file or symbolic link with its attributes.
    File,
    /// The names in a directory.
    Dirtree,
    /// A directory's attributes.
    Dirmeta,
    /// A commit.
    Commit,
}

impl ObjectKind {
    pub(crate) fn raw(self) -> ostree::ObjectType {
        match self {
            Self::File => ostree::ObjectType::File,
            Self::Dirtree => ostree::ObjectType::DirTree,
            Self::Dirmeta => ostree::ObjectType::DirMeta,
            Self::Commit => ostree::ObjectType::Commit,
        }
    }
}

/// A checksum in its 32 bytes: trees hold tens of thousands of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) [u8; 32]);

impl Id {
    pub(crate) fn from_slice(bytes: &[u8]) -> Result<Self> {
        bytes.try_into().map(Self).map_err(|_| Error::Corrupt {
            what: "A checksum in a tree object".into(),
            reason: format!("it has {} bytes", bytes.len()),
        })
    }

    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(openssl::sha::sha256(bytes))
    }

    /// Where the loose object lies, relative to `objects/`.
    pub(crate) fn loose_path(self, extension: &str) -> PathBuf {
        let hex = self.to_string();
        PathBuf::from(&hex[..2]).join(format!("{}.{extension}", &hex[2..]))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |bits: u8| char::from(DIGITS[usize::from(bits & 15)]);
        // A checkout names tens of thousands of objects: one write for each digit would be felt.
        let text: String = self.0.iter().flat_map(|byte| [byte >> 4, *byte]).map(digit).collect();
        f.write_str(&text)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<&Checksum> for Id {
    fn from(checksum: &Checksum) -> Self {
        let digit = |c: u8| if c.is_ascii_digit() { c - b'0' } else { c - b'a' + 10 };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(checksum.as_str().as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0]) << 4 | digit(pair[1]);
        }
        Self(bytes)
    }
}

/// A checksum out of libostree's hands.
pub(crate) fn checksum(text: &str) -> Result<Checksum> {
    text.parse().map_err(|error: cambium_model::InvalidChecksum| Error::Corrupt {
        what: "A checksum".into(),
        reason: error.to_string(),
    })
}

impl From<Id> for Checksum {
    fn from(id: Id) -> Self {
        match id.to_string().parse() {
            Ok(checksum) => checksum,
            Err(_) => unreachable!("an Id prints as 64 lower-case hex digits"),
        }
    }
}

/// The header of a regular file's content object, its size in front: what is hashed before the
/// content, and what libostree's content stream begins with.
pub(crate) fn file_header(attributes: &Attributes) -> Vec<u8> {
    let header = glib::Variant::tuple_from_iter([
        attributes.uid.to_be().to_variant(),
        attributes.gid.to_be().to_variant(),
        (libc::S_IFREG | attributes.mode & PERMISSIONS).to_be().to_variant(),
        0u32.to_variant(),
        "".to_variant(),
        attributes.xattrs_variant(),
    ]);
    let data = header.data();
    let mut bytes = Vec::with_capacity(8 + data.len());
    let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&size.to_be_bytes());
    // The variant begins at a multiple of eight.
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(data);
    bytes
}

/// A content object's checksum while its bytes go by.
pub(crate) struct Hasher(Sha256);

impl Hasher {
    pub(crate) fn new(header: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(header);
        Self(hasher)
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Id {
        Id(self.0.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_and_checksum_are_one() {
        let text = "0123456789abcdef".repeat(4);
        let checksum: Checksum = text.parse().unwrap();
        let id = Id::from(&checksum);
        assert_eq!(id.to_string(), text);
        assert_eq!(Checksum::from(id), checksum);
        assert_eq!(id.loose_path("file").to_str().unwrap(), format!("01/{}.file", &text[2..]));
        assert!(Id::from_slice(&[0; 31]).is_err());
    }
}
