//! Whether a package is whole (digests) and whose it is (signatures).
//!
//! The header's digests stand in the signature header, which nobody signs: they show damage, not
//! origin. The signature covers the header, and the header holds the digest of the payload (or of
//! each file), which is compared while the payload is streamed. A chain of trust is therefore
//! complete only when the stream's end was reached: see [`crate::Payload::finish`].
//!
//! Signatures over header and payload together (rpm 3) are not accepted: such a package counts as
//! unsigned. Whether a key has expired is not judged, as in rpm 4.18.

use crate::error::{Error, Result};
use crate::header::{Header, hex, tag};
use crate::{Package, librpm};
use openssl::sha::{sha1, sha256};
use std::path::Path;

/// What a check of a signature came to. Key ids are sixteen hex digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// A key of the keyring made it.
    Signed {
        /// The key's id.
        key_id: String,
    },
    /// There is none over the header.
    Unsigned,
    /// There is one, of a key that the keyring does not have.
    KeyMissing {
        /// The key's id.
        key_id: String,
    },
    /// There is one that does not fit the header, or that cannot be read (then without id).
    Bad {
        /// The key's id.
        key_id: String,
    },
}

/// Public keys that are trusted: plain data, so any thread may use it.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    certificates: Vec<Vec<u8>>,
}

impl Keyring {
    /// Reads files of keys, armoured or binary, with one or more keys each.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Keyring`] for a file without a usable key.
    pub fn from_files<P: AsRef<Path>>(paths: &[P]) -> Result<Self> {
        let mut keyring = Self::default();
        for path in paths.iter().map(AsRef::as_ref) {
            let bytes = std::fs::read(path).map_err(Error::io("reading", path))?;
            keyring.add(&path.display().to_string(), &bytes)?;
        }
        Ok(keyring)
    }

    /// Adds the keys in `bytes`, which `origin` names in errors.
    ///
    /// # Errors
    /// [`Error::Keyring`] where there is no usable key.
    pub fn add(&mut self, origin: &str, bytes: &[u8]) -> Result<()> {
        let _libraries = cambium_native::hold();
        let unusable = || Error::Keyring { origin: origin.to_owned() };
        let found = librpm::read_certificates(bytes).ok_or_else(unusable)?;
        self.certificates.extend(found);
        Ok(())
    }

    /// Whether no key is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }
}

impl Header {
    /// Compares the header with the digests of the signature header.
    ///
    /// # Errors
    /// [`Error::Digest`] on a mismatch, [`Error::NoDigest`] where there is none.
    pub fn verify_digests(&self) -> Result<()> {
        let package = || self.nevra().to_string();
        let covered = self.signed_bytes();
        let Some(signatures) = self.signatures() else {
            return Err(Error::NoDigest { package: package(), what: "header" });
        };
        let mut checked = false;
        for (number, name, actual) in [
            (tag::signature::SHA256, "header SHA-256", hex(&sha256(&covered))),
            (tag::signature::SHA1, "header SHA-1", hex(&sha1(&covered))),
        ] {
            if let Some(expected) = signatures.string(number) {
                if expected != actual.as_bytes() {
                    return Err(Error::Digest { package: package(), digest: name.into() });
                }
                checked = true;
            }
        }
        if checked { Ok(()) } else { Err(Error::NoDigest { package: package(), what: "header" }) }
    }

    /// Checks the signature over the header with librpm.
    #[must_use]
    pub fn verify_signature(&self, keyring: &Keyring) -> Signature {
        let found = self.signatures().and_then(|signatures| {
            let tags = [tag::signature::RSA, tag::signature::DSA];
            tags.into_iter().find_map(|number| signatures.binary(number))
        });
        let Some(signature) = found else { return Signature::Unsigned };
        let _libraries = cambium_native::hold();
        librpm::verify_signature(signature, &self.signed_bytes(), &keyring.certificates)
    }

    /// Fails unless a key of `keyring` signed the header: `gpgcheck=1`.
    ///
    /// # Errors
    /// [`Error::Untrusted`], saying which of the reasons.
    pub fn require_signature(&self, keyring: &Keyring) -> Result<String> {
        let problem = match self.verify_signature(keyring) {
            Signature::Signed { key_id } => return Ok(key_id),
            Signature::Unsigned => "is not signed".to_owned(),
            Signature::KeyMissing { key_id } => {
                format!("is signed by key {key_id}, which is not trusted")
            }
            Signature::Bad { key_id } => format!("has a bad signature of key {key_id}"),
        };
        Err(Error::Untrusted { package: self.nevra().to_string(), problem })
    }
}

impl Package {
    /// See [`Header::verify_digests`]. The payload's digest is compared as it is streamed.
    ///
    /// # Errors
    /// As there.
    pub fn verify_digests(&self) -> Result<()> {
        self.header().verify_digests()
    }

    /// See [`Header::verify_signature`].
    #[must_use]
    pub fn verify_signature(&self, keyring: &Keyring) -> Signature {
        self.header().verify_signature(keyring)
    }
}
