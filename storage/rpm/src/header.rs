//! A package's header as this project reads it: names, files, dependencies, scripts, changelog.
//!
//! Only the immutable region counts: tags of the signature header are never merged into it, since
//! nothing signs that section (CVE-2021-20271). Reading goes through our own checked reader
//! (`wire`) and not through the `rpm` crate, which slices by unchecked offsets and allocates what a
//! header declares: the one panics, the other can abort the daemon.

mod changelog;
mod dependency;
mod file;
mod script;
pub(crate) mod tag;

pub use changelog::ChangelogEntry;
pub use dependency::{Dependency, Sense};
pub use file::{FileAttributes, FileInfo, FileType};
pub use script::{ScriptFlags, Scriptlet, ScriptletKind, Trigger, TriggerCondition, TriggerKind};

use crate::error::{Error, Malformed, Result};
use crate::wire::{Blob, IMMUTABLE, MAGIC, Region, SIGNATURES, blob_length};
use cambium_model::{Evr, Nevra};
use openssl::sha::sha256;
use std::io::Read;
use std::sync::Arc;

/// Bytes of the lead: an old section that only says that this is an RPM.
const LEAD: usize = 96;
/// The largest signature header that rpm accepts.
const MAX_SIGNATURES: usize = 64 << 20;

/// A package's header, from a package file, a pkg commit's `rpmostree.metadata` or the rpmdb.
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Header(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    nevra: Nevra,
    blob: Blob,
    file: Option<FileBytes>,
}

/// What only a package file has.
#[derive(Debug)]
struct FileBytes {
    /// Lead, signature header with its padding, main header.
    metadata: Vec<u8>,
    signatures: Blob,
    /// Where the main header (with its magic) begins in `metadata`.
    main: usize,
}

impl Header {
    /// Takes lead, signature and header as `rpmostree.metadata` stores them (and `from_reader`
    /// reads them from a package).
    ///
    /// # Errors
    /// [`Error::Malformed`], also where bytes follow.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let name = "the stored header";
        let header = Self::from_reader(&mut rest, name, bytes.len() as u64)?;
        if rest.is_empty() {
            Ok(header)
        } else {
            Err(malformed(name, Malformed::Inconsistent("length and sections")))
        }
    }

    /// Reads lead, signature and header from `reader` and leaves it at the payload. Never
    /// allocates more than `available`, the bytes that the reader is known to have.
    ///
    /// # Errors
    /// [`Error::Malformed`], naming `origin`.
    pub(crate) fn from_reader(reader: &mut dyn Read, origin: &str, available: u64) -> Result<Self> {
        let wrong = |problem| malformed(origin, problem);
        let mut source = Source { reader, left: available, taken: Vec::new() };
        let lead = source.take(LEAD, "lead").map_err(wrong)?;
        if !lead.starts_with(&[0xed, 0xab, 0xee, 0xdb]) {
            return Err(wrong(Malformed::Magic("package")));
        }
        let signatures = source.header(SIGNATURES, "signature header").map_err(wrong)?;
        source.take(source.taken.len().wrapping_neg() % 8, "signature header").map_err(wrong)?;
        let main = source.taken.len();
        let blob = source.header(IMMUTABLE, "header").map_err(wrong)?;
        let file = FileBytes { metadata: source.taken, signatures, main };
        Self::checked(blob, Some(file), origin)
    }

    /// Takes a header as the rpmdb stores it: entries outside the immutable region (install time,
    /// file states) are allowed, since the database is the system's own.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn from_rpmdb(blob: &[u8]) -> Result<Self> {
        let name = "a header of the rpmdb";
        let blob = Blob::parse(blob.to_vec(), Region::Any).map_err(|e| malformed(name, e))?;
        Self::checked(blob, None, name)
    }

    fn checked(blob: Blob, file: Option<FileBytes>, origin: &str) -> Result<Self> {
        let text = |number, what| -> Result<String> {
            let bytes = blob.string(number).filter(|text| !text.is_empty());
            let bytes = bytes.ok_or_else(|| malformed(origin, Malformed::Missing(what)))?;
            // These become refs, paths and records: only what rpm itself allows in them.
            let plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'/';
            let text = std::str::from_utf8(bytes).ok().filter(|_| bytes.iter().all(plain));
            let text = text.ok_or_else(|| malformed(origin, Malformed::Text(what)))?;
            Ok(text.to_owned())
        };
        let epoch = u32::try_from(blob.number(tag::EPOCH).unwrap_or(0)).unwrap_or(0);
        // Keys in the rpmdb (gpg-pubkey) are headers without an architecture.
        let arch =
            if blob.has(tag::ARCH) { text(tag::ARCH, "architecture")? } else { "(none)".into() };
        let evr = Evr {
            epoch,
            version: text(tag::VERSION, "version")?,
            release: text(tag::RELEASE, "release")?,
        };
        let nevra = Nevra { name: text(tag::NAME, "name")?, evr, arch };
        Ok(Self(Arc::new(Inner { nevra, blob, file })))
    }

    /// The package's full name.
    #[must_use]
    pub fn nevra(&self) -> &Nevra {
        &self.0.nevra
    }

    /// Lead, signature and header as in the package file: `rpmostree.metadata`. `None` for a
    /// header of the rpmdb.
    #[must_use]
    pub fn metadata(&self) -> Option<&[u8]> {
        self.0.file.as_ref().map(|file| file.metadata.as_slice())
    }

    /// SHA-256 in hex of [`Header::metadata`]: `rpmostree.metadata_sha256`.
    #[must_use]
    pub fn metadata_sha256(&self) -> Option<String> {
        self.metadata().map(|bytes| hex(&sha256(bytes)))
    }

    /// SHA-256 in hex of the header section with its magic: what rpm calls SHA256HEADER.
    #[must_use]
    pub fn header_sha256(&self) -> String {
        hex(&sha256(&self.signed_bytes()))
    }

    /// What header digests and signatures cover: magic and header.
    pub(crate) fn signed_bytes(&self) -> Vec<u8> {
        match &self.0.file {
            Some(file) => file.metadata[file.main..].to_vec(),
            None => [&MAGIC, self.0.blob.bytes()].concat(),
        }
    }

    /// The signature header, for digests and signatures alone.
    pub(crate) fn signatures(&self) -> Option<&Blob> {
        self.0.file.as_ref().map(|file| &file.signatures)
    }

    pub(crate) fn blob(&self) -> &Blob {
        &self.0.blob
    }

    /// The error that names this package.
    pub(crate) fn malformed(&self, source: Malformed) -> Error {
        malformed(&self.nevra().to_string(), source)
    }

    fn text(&self, number: u32) -> String {
        self.blob().string(number).map(lossy).unwrap_or_default()
    }

    /// One line of what the package is.
    #[must_use]
    pub fn summary(&self) -> String {
        self.text(tag::SUMMARY)
    }

    /// Its licence.
    #[must_use]
    pub fn license(&self) -> String {
        self.text(tag::LICENSE)
    }

    /// The source package that it was built from; empty where it says none.
    #[must_use]
    pub fn source_package(&self) -> String {
        self.text(tag::SOURCERPM)
    }

    /// Bytes of its files when installed.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.blob().number(tag::LONGSIZE).or_else(|| self.blob().number(tag::SIZE)).unwrap_or(0)
    }

    /// When it was built, in seconds since 1970.
    #[must_use]
    pub fn build_time(&self) -> u64 {
        self.blob().number(tag::BUILDTIME).unwrap_or(0)
    }

    /// When it was installed, in seconds since 1970; `None` outside the rpmdb.
    #[must_use]
    pub fn install_time(&self) -> Option<u64> {
        self.blob().number(tag::INSTALLTIME)
    }

    /// The header as the rpmdb stores it, with another install time; `None` without one.
    pub(crate) fn installed_at(&self, time: u32) -> Option<Vec<u8>> {
        self.blob().with_number(tag::INSTALLTIME, time)
    }

    /// Its files in the header's order.
    ///
    /// # Errors
    /// [`Error::Malformed`] where the arrays do not fit together.
    pub fn files(&self) -> Result<Vec<FileInfo>> {
        file::read(self.blob()).map_err(|source| self.malformed(source))
    }

    /// What it needs.
    #[must_use]
    pub fn requires(&self) -> Vec<Dependency> {
        dependency::read(self.blob(), tag::REQUIRES)
    }

    /// What it provides.
    #[must_use]
    pub fn provides(&self) -> Vec<Dependency> {
        dependency::read(self.blob(), tag::PROVIDES)
    }

    /// Its changelog, newest first as packaged.
    #[must_use]
    pub fn changelog(&self) -> Vec<ChangelogEntry> {
        changelog::read(self.blob())
    }

    /// Its scriptlets.
    #[must_use]
    pub fn scriptlets(&self) -> Vec<Scriptlet> {
        script::read_scriptlets(self.blob())
    }

    /// The directories that a relocatable package lies in: where it was installed, else where it
    /// would be by default.
    #[must_use]
    pub fn install_prefixes(&self) -> Vec<String> {
        let tags = [tag::INSTPREFIXES, tag::PREFIXES].into_iter();
        let mut lists = tags.map(|tag| self.blob().strings(tag).map(lossy).collect::<Vec<_>>());
        lists.find(|list| !list.is_empty()).unwrap_or_default()
    }

    /// Its triggers of every kind.
    ///
    /// # Errors
    /// [`Error::Malformed`] where an index points outside.
    pub fn triggers(&self) -> Result<Vec<Trigger>> {
        script::read_triggers(self.blob()).map_err(|source| self.malformed(source))
    }
}

/// Reads sections and keeps all bytes that it read.
struct Source<'a> {
    reader: &'a mut dyn Read,
    left: u64,
    taken: Vec<u8>,
}

impl Source<'_> {
    fn take(&mut self, length: usize, what: &'static str) -> Result<&[u8], Malformed> {
        // What a header declares is held against what there is before memory is taken for it.
        if length as u64 > self.left {
            return Err(Malformed::Truncated(what));
        }
        let start = self.taken.len();
        self.taken.resize(start + length, 0);
        let target = &mut self.taken[start..];
        self.reader.read_exact(target).map_err(|_| Malformed::Truncated(what))?;
        self.left -= length as u64;
        Ok(target)
    }

    fn header(&mut self, region: u32, what: &'static str) -> Result<Blob, Malformed> {
        if self.take(MAGIC.len(), what)? != MAGIC {
            return Err(Malformed::Magic(what));
        }
        let start = self.taken.len();
        let mut intro = [0; 8];
        intro.copy_from_slice(self.take(8, what)?);
        let length = blob_length(intro)?;
        if region == SIGNATURES && length > MAX_SIGNATURES {
            let (declared, limit) = (length as u64, MAX_SIGNATURES as u64);
            return Err(Malformed::TooLarge { what, declared, limit });
        }
        self.take(length - 8, what)?;
        Blob::parse(self.taken[start..].to_vec(), Region::Whole(region))
    }
}

fn malformed(package: &str, source: Malformed) -> Error {
    Error::Malformed { package: package.to_owned(), source }
}

/// Texts of old packages need not be UTF-8; for people, a replacement character does.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
