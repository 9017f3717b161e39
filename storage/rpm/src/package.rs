//! A package file: opened once, so that what was checked is what is read.

use crate::error::{Error, Result};
use crate::header::Header;
use crate::payload::{Payload, PayloadOptions};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// An open package file with its header read. Nothing is verified by opening: see
/// [`Package::verify_digests`] and [`Package::verify_signature`].
#[derive(Debug)]
pub struct Package {
    path: PathBuf,
    file: File,
    header: Header,
    payload_offset: u64,
    length: u64,
}

impl Package {
    /// Opens a package and reads its header.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be opened, [`Error::Malformed`] where it is no RPM.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("opening", path))?;
        let length = file.metadata().map_err(Error::io("reading", path))?.len();
        let origin = path.display().to_string();
        let mut reader = BufReader::with_capacity(64 << 10, &file);
        let header = Header::from_reader(&mut reader, &origin, length)?;
        let payload_offset = header.metadata().map_or(0, <[u8]>::len) as u64;
        Ok(Self { path: path.to_owned(), file, header, payload_offset, length })
    }

    /// Its header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The file that was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Its files as they will be in a tree, streamed. May be called more than once, also from
    /// several threads: each stream has a position of its own.
    ///
    /// # Errors
    /// What [`Payload`] lists, found in the header before any file is read.
    pub fn payload(&self, options: &PayloadOptions) -> Result<Payload<'_>> {
        Payload::open(&self.file, self.payload_offset, &self.header, options)
    }
}
