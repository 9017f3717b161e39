//! Content objects from bytes, streams and files on disk.
//!
//! Owns: hashing while the bytes go by (OpenSSL, see [`crate::object`]) and writing each object
//! once. Small files are handed to libostree with their checksum known, so that it neither hashes
//! nor reads them again. A large file of a bare repository is written under `tmp/`, given its
//! attributes, synced and linked into `objects/`: what libostree would do, without its second
//! pass. Other modes always go through libostree, which knows their encodings.

use crate::attributes::Attributes;
use crate::error::{Result, failed, io};
use crate::object::{Hasher, Id, ObjectKind, checksum, file_header};
use crate::repo::{Repo, RepoMode};
use cambium_model::Checksum;
use gio::prelude::*;
use rustix::fs::{AtFlags, Gid, Mode, Timestamps, Uid, XattrFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// Up to this size a file is held in memory: nearly all of a tree's files, and little enough that
/// several threads stay below the daemon's memory budget.
const IN_MEMORY: u64 = 1 << 20;

/// The size of one read from a stream.
const CHUNK: usize = 256 << 10;

/// Names of temporary files below `tmp/`, by which recovery knows them for ours.
pub(crate) const TEMPORARY_PREFIX: &str = "cambium-";

impl Repo {
    /// Writes a regular file's object. Needs a transaction; an object that is there is not
    /// written again.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_bytes(&self, attributes: &Attributes, content: &[u8]) -> Result<Checksum> {
        self.require_transaction()?;
        let header = file_header(attributes);
        let mut hasher = Hasher::new(&header);
        hasher.update(content);
        let id = hasher.finish();
        let mut stream = header;
        stream.extend_from_slice(content);
        let length = stream.len() as u64;
        let stream = gio::MemoryInputStream::from_bytes(&glib::Bytes::from_owned(stream));
        self.write_trusted(id, &stream, length)
    }

    /// Writes a regular file's object from a stream that is read to its end. Needs a transaction.
    ///
    /// # Errors
    /// When the stream cannot be read or the object cannot be written.
    pub fn write_reader(
        &self,
        attributes: &Attributes,
        content: &mut dyn Read,
    ) -> Result<Checksum> {
        self.require_transaction()?;
        let mut head = Vec::new();
        content
            .take(IN_MEMORY + 1)
            .read_to_end(&mut head)
            .map_err(io("read the content for", &self.path()))?;
        if head.len() as u64 <= IN_MEMORY {
            return self.write_bytes(attributes, &head);
        }
        let temporary = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .tempfile_in(self.path().join("tmp"))
            .map_err(io("create a temporary file in", self.path().join("tmp")))?;
        let header = file_header(attributes);
        let mut hasher = Hasher::new(&header);
        let mut chunk = head;
        // Other modes are handed the object as libostree's content stream, header first.
        let bare = self.mode() == RepoMode::Bare;
        if !bare {
            temporary.as_file().write_all(&header).map_err(io("write", temporary.path()))?;
        }
        while !chunk.is_empty() {
            hasher.update(&chunk);
            temporary.as_file().write_all(&chunk).map_err(io("write", temporary.path()))?;
            chunk.resize(CHUNK, 0);
            let n = content.read(&mut chunk).map_err(io("read the content for", self.path()))?;
            chunk.truncate(n);
        }
        let id = hasher.finish();
        if bare {
            return self.link_object(id, &temporary, attributes);
        }
        let path = temporary.path();
        let length = temporary.as_file().metadata().map_err(io("stat", path))?.len();
        let stream = gio::File::for_path(path)
            .read(gio::Cancellable::NONE)
            .map_err(failed("open", path.display()))?;
        self.write_trusted(id, &stream, length)
    }

    /// Writes a regular file's object with the content of the file at `path`, which is opened
    /// without following a link and left as it is. Needs a transaction.
    ///
    /// # Errors
    /// When the file cannot be read or the object cannot be written.
    pub fn write_disk_file(&self, attributes: &Attributes, path: &Path) -> Result<Checksum> {
        use rustix::fs::OFlags;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(io("open", path))?;
        self.write_reader(attributes, &mut File::from(file))
    }

    /// Writes a symbolic link's object. Needs a transaction. Links have no mode.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_symlink(&self, attributes: &Attributes, target: &str) -> Result<Checksum> {
        self.require_transaction()?;
        let written = self
            .raw()
            .write_symlink(
                None,
                attributes.uid,
                attributes.gid,
                Some(&attributes.xattrs_variant()),
                target,
                gio::Cancellable::NONE,
            )
            .map_err(failed("write a link to", format!("{target} to {}", self.path().display())))?;
        checksum(&written)
    }

    fn write_trusted(
        &self,
        id: Id,
        stream: &impl IsA<gio::InputStream>,
        length: u64,
    ) -> Result<Checksum> {
        let checksum = Checksum::from(id);
        if !self.has_object(ObjectKind::File, &checksum)? {
            self.raw()
                .write_content_trusted(checksum.as_str(), stream, length, gio::Cancellable::NONE)
                .map_err(|error| {
                    let on = format!("{checksum} to {}", self.path().display());
                    failed("write the file object", on)(error)
                })?;
        }
        Ok(checksum)
    }

    /// Gives a finished temporary file its attributes and its place among the objects. The order
    /// is libostree's: owner before mode, since a change of owner clears set-id bits, attributes
    /// before both the sync and the link.
    fn link_object(
        &self,
        id: Id,
        temporary: &tempfile::NamedTempFile,
        attributes: &Attributes,
    ) -> Result<Checksum> {
        let file = temporary.as_file();
        let path = temporary.path();
        let owner = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
        rustix::fs::fchown(file, Some(owner.0), Some(owner.1))
            .map_err(io("change the owner of", path))?;
        rustix::fs::fchmod(file, Mode::from_raw_mode(attributes.mode))
            .map_err(io("change the mode of", path))?;
        for (name, value) in &attributes.xattrs {
            rustix::fs::fsetxattr(file, name.as_slice(), value, XattrFlags::empty())
                .map_err(io("set an extended attribute of", path))?;
        }
        file.sync_all().map_err(io("sync", path))?;

        let object = self.path().join("objects").join(id.loose_path("file"));
        let directory = object.parent().unwrap_or(self.path());
        match std::fs::create_dir(directory) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(io("create", directory)(error));
            }
            _ => {}
        }
        match rustix::fs::linkat(rustix::fs::CWD, path, rustix::fs::CWD, &object, AtFlags::empty())
        {
            Err(error) if error != rustix::io::Errno::EXIST => {
                return Err(io("link the object", object)(error));
            }
            _ => {}
        }
        // Not before it is linked: by an old time a transaction of another thread takes the
        // temporary file for a left-over and removes it.
        rustix::fs::futimens(file, &EPOCH).map_err(io("set the time of", &object))?;
        let opened = File::open(directory).map_err(io("open", directory))?;
        opened.sync_all().map_err(io("sync", directory))?;
        Ok(id.into())
    }
}

/// The time of every object and checked-out directory: libostree's constant, so that checkouts
/// are alike.
pub(crate) const EPOCH: Timestamps = Timestamps {
    last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
    last_modification: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
};
