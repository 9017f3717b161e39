//! Paths within a commit: lookup, attributes, content.

use crate::attributes::{Attributes, PERMISSIONS};
use crate::dirtree::{Child, Listing, Subtree};
use crate::error::{Error, Result, failed, io};
use crate::object::Id;
use crate::repo::Repo;
use crate::tree::{Node, components};
use cambium_model::Checksum;
use gio::prelude::*;
use std::io::Read;
use std::path::PathBuf;

/// Bytes that are compared at once.
const COMPARED: u64 = 256 << 10;

/// What a content object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular {
        /// Its bytes.
        size: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Where it leads, as it is written.
        target: String,
    },
}

/// A content object without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Owner, mode, extended attributes.
    pub attributes: Attributes,
    /// What it is.
    pub kind: FileKind,
}

impl Repo {
    /// What `path` is in `commit`; `None` where there is nothing. Links are not followed.
    ///
    /// # Errors
    /// When the commit is not here or the path is malformed.
    pub fn lookup(&self, commit: &Checksum, path: &str) -> Result<Option<Node>> {
        let mut at = self.root(commit)?;
        let parts = components(path)?;
        for (n, part) in parts.iter().enumerate() {
            let tree = self.dirtree(at.contents)?;
            if let Some(subtree) = tree.directories.get(*part) {
                at = *subtree;
            } else if let (Some(id), true) = (tree.files.get(*part), n + 1 == parts.len()) {
                return Ok(Some(Node::File(Checksum::from(*id))));
            } else {
                return Ok(None);
            }
        }
        Ok(Some(Node::Directory(self.dirmeta(at.meta)?)))
    }

    /// The directory's two objects.
    pub(crate) fn subtree(&self, commit: &Checksum, path: &str) -> Result<Option<Subtree>> {
        let mut at = self.root(commit)?;
        for part in components(path)? {
            match self.dirtree(at.contents)?.directories.get(part) {
                Some(subtree) => at = *subtree,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// The names in the directory `path` of `commit`.
    ///
    /// # Errors
    /// [`Error::NoPath`] where it is no directory.
    pub fn list(&self, commit: &Checksum, path: &str) -> Result<Listing> {
        let subtree = self.subtree(commit, path)?.ok_or_else(|| no_path(commit, path))?;
        let tree = self.dirtree(subtree.contents)?;
        let files = tree.files.into_iter().map(|(name, id)| (name, Child::File(id.into())));
        let directories = tree.directories.into_keys().map(|name| (name, Child::Directory));
        Ok(files.chain(directories).collect())
    }

    /// Attributes and kind of a content object.
    ///
    /// # Errors
    /// When it is not here.
    pub fn file_info(&self, file: &Checksum) -> Result<FileInfo> {
        let (info, xattrs) = self
            .inner
            .query_file(file.as_str(), gio::Cancellable::NONE)
            .map_err(failed("read the file object", file))?;
        let kind = if info.file_type() == gio::FileType::SymbolicLink {
            let target = info.symlink_target().unwrap_or_default();
            FileKind::Symlink { target: path_text(target) }
        } else {
            FileKind::Regular { size: u64::try_from(info.size()).unwrap_or(0) }
        };
        Ok(FileInfo {
            attributes: Attributes {
                uid: info.attribute_uint32("unix::uid"),
                gid: info.attribute_uint32("unix::gid"),
                mode: info.attribute_uint32("unix::mode") & PERMISSIONS,
                xattrs: Attributes::xattrs_from(&xattrs)?,
            },
            kind,
        })
    }

    /// Whether two content objects are regular files with the same bytes, whatever their attributes.
    ///
    /// # Errors
    /// When one is not here.
    pub fn same_content(&self, a: &Checksum, b: &Checksum) -> Result<bool> {
        if a == b {
            return Ok(true);
        }
        let sizes = (self.file_info(a)?.kind, self.file_info(b)?.kind);
        if sizes.0 != sizes.1 || !matches!(sizes.0, FileKind::Regular { .. }) {
            return Ok(false);
        }
        let (mut left, mut right) = (self.open_object(a)?, self.open_object(b)?);
        let (mut x, mut y) = (Vec::new(), Vec::new());
        loop {
            x.clear();
            y.clear();
            left.by_ref()
                .take(COMPARED)
                .read_to_end(&mut x)
                .map_err(io("read the object", a.as_str()))?;
            right
                .by_ref()
                .take(COMPARED)
                .read_to_end(&mut y)
                .map_err(io("read the object", b.as_str()))?;
            if x != y {
                return Ok(false);
            }
            if x.is_empty() {
                return Ok(true);
            }
        }
    }

    /// Opens the content of a regular file's object.
    ///
    /// # Errors
    /// When it is not here or is a symbolic link.
    pub fn open_object(&self, file: &Checksum) -> Result<impl Read + use<>> {
        let (stream, _, _) = self
            .inner
            .load_file(file.as_str(), gio::Cancellable::NONE)
            .map_err(failed("open the file object", file))?;
        let stream = stream.ok_or_else(|| Error::BadPath {
            path: file.to_string(),
            reason: "a symbolic link has no content",
        })?;
        Ok(stream.into_read())
    }

    /// The whole content of the regular file `path` of `commit`; `None` where there is nothing.
    /// Links are not followed.
    ///
    /// # Errors
    /// When it is a directory or a link, or cannot be read.
    pub fn read_file(&self, commit: &Checksum, path: &str) -> Result<Option<Vec<u8>>> {
        match self.lookup(commit, path)? {
            None => Ok(None),
            Some(Node::Directory(_)) => {
                Err(Error::BadPath { path: path.to_owned(), reason: "it is a directory" })
            }
            Some(Node::File(file)) => {
                let mut bytes = Vec::new();
                let mut reader = self.open_object(&file)?;
                reader.read_to_end(&mut bytes).map_err(io("read", self.path.join(path)))?;
                Ok(Some(bytes))
            }
        }
    }

    /// Where the object of a file lies in a bare repository: to be linked or cloned, never
    /// written.
    #[must_use]
    pub fn loose_path(&self, file: &Checksum) -> PathBuf {
        self.path.join("objects").join(Id::from(file).loose_path("file"))
    }
}

pub(crate) fn no_path(commit: &Checksum, path: &str) -> Error {
    Error::NoPath { path: path.to_owned(), tree: format!("commit {}", commit.short()) }
}

fn path_text(path: PathBuf) -> String {
    path.to_string_lossy().into_owned()
}
