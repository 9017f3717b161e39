//! A tree that changes in memory and is loaded as far as it is looked at.
//!
//! Owns: lookups and edits by path, and writing only the directories that changed. A commit of
//! 50,000 files costs nothing until a path is asked for; a spliced directory of another commit is
//! two checksums. Nothing but file objects is written before [`Tree::write`], so a merge that
//! finds a conflict has changed nothing.
//!
//! This is libostree's mutable tree written anew: its binding aborts on a directory whose
//! metadata is unset, and cannot tell what is loaded.

mod labels;
mod merge;
mod write;

pub use labels::Relabelled;
pub use merge::ConflictPolicy;
pub use write::{CommitSpec, Root};

use crate::attributes::Attributes;
use crate::dirtree::{Child, Listing, Subtree};
use crate::error::{Error, Result};
use crate::labels::{Kind, Labels};
use crate::object::Id;
use crate::repo::Repo;
use cambium_model::Checksum;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Read;
use std::path::Path;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A directory with its attributes.
    Directory(Attributes),
    /// A regular file or symbolic link, by its content object ([`Repo::file_info`] tells which).
    File(Checksum),
}

/// A tree being made in a repository.
#[derive(Debug)]
pub struct Tree<'r> {
    repo: &'r Repo,
    root: Directory,
    /// Attributes that are used but perhaps not yet in the repository.
    pending: Pending,
    labels: Labels,
}

/// A directory: either as the repository holds it, or loaded, or changed.
#[derive(Debug, Clone, Default)]
struct Directory {
    meta: Option<Id>,
    /// The dirtree object that says what `entries` says; `None` once it was changed.
    stored: Option<Id>,
    entries: Option<Entries>,
}

#[derive(Debug, Clone, Default)]
struct Entries {
    files: BTreeMap<String, Id>,
    directories: BTreeMap<String, Directory>,
}

impl From<Subtree> for Directory {
    fn from(subtree: Subtree) -> Self {
        Self { meta: Some(subtree.meta), stored: Some(subtree.contents), entries: None }
    }
}

impl Directory {
    /// The entries, loaded now if they were not.
    fn load(&mut self, repo: &Repo) -> Result<&mut Entries> {
        if self.entries.is_none() {
            let loaded = match self.stored {
                Some(id) => Entries::read(repo, id)?,
                None => Entries::default(),
            };
            self.entries = Some(loaded);
        }
        Ok(self.entries.get_or_insert_default())
    }

    /// The entries for a change: the stored object no longer says what they say.
    fn change(&mut self, repo: &Repo) -> Result<&mut Entries> {
        self.load(repo)?;
        self.stored = None;
        Ok(self.entries.get_or_insert_default())
    }
}

impl Entries {
    fn read(repo: &Repo, id: Id) -> Result<Self> {
        let tree = repo.dirtree(id)?;
        let directories =
            tree.directories.into_iter().map(|(name, subtree)| (name, subtree.into())).collect();
        Ok(Self { files: tree.files, directories })
    }
}

/// A path's parts. Leading, doubled and trailing slashes mean nothing.
pub(crate) fn components(path: &str) -> Result<Vec<&str>> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..") || part.contains('\0')) {
        return Err(Error::BadPath { path: path.to_owned(), reason: "a path must not climb" });
    }
    Ok(parts)
}

/// A path's parent parts and its last one.
fn split(path: &str) -> Result<(Vec<&str>, &str)> {
    let mut parts = components(path)?;
    let name = parts
        .pop()
        .ok_or_else(|| Error::BadPath { path: path.to_owned(), reason: "it is the root" })?;
    Ok((parts, name))
}

impl<'r> Tree<'r> {
    /// An empty tree, owned by root with mode 0755.
    #[must_use]
    pub fn empty(repo: &'r Repo) -> Self {
        Self::new(repo, Directory::default())
    }

    /// The tree of a commit, loaded as far as it is looked at.
    ///
    /// # Errors
    /// When the commit is not here.
    pub fn from_commit(repo: &'r Repo, commit: &Checksum) -> Result<Self> {
        Ok(Self::new(repo, repo.root(commit)?.into()))
    }

    fn new(repo: &'r Repo, root: Directory) -> Self {
        Self { repo, root, pending: BTreeMap::new(), labels: Labels::default() }
    }

    /// The repository that it is made in.
    #[must_use]
    pub fn repo(&self) -> &'r Repo {
        self.repo
    }

    /// What is at `path`; `None` where there is nothing. Links are not followed.
    ///
    /// # Errors
    /// When the path is malformed or a directory cannot be read.
    pub fn lookup(&mut self, path: &str) -> Result<Option<Node>> {
        let parts = components(path)?;
        let Some((name, parents)) = parts.split_last() else {
            return self.attributes(self.root.meta).map(|meta| Some(Node::Directory(meta)));
        };
        let repo = self.repo;
        let Some(parent) = self.find(parents)? else { return Ok(None) };
        let (file, meta) = {
            let entries = parent.load(repo)?;
            (entries.files.get(*name).copied(), entries.directories.get(*name).map(|d| d.meta))
        };
        match (file, meta) {
            (Some(id), _) => Ok(Some(Node::File(id.into()))),
            (None, Some(meta)) => self.attributes(meta).map(|meta| Some(Node::Directory(meta))),
            (None, None) => Ok(None),
        }
    }

    /// The names in a directory.
    ///
    /// # Errors
    /// [`Error::NoPath`] where it is no directory.
    pub fn list(&mut self, path: &str) -> Result<Listing> {
        let repo = self.repo;
        let directory = self
            .find(&components(path)?)?
            .ok_or_else(|| Error::NoPath { path: path.to_owned(), tree: "the tree".into() })?;
        let entries = directory.load(repo)?;
        let files =
            entries.files.iter().map(|(name, id)| (name.clone(), Child::File((*id).into())));
        let directories = entries.directories.keys().map(|name| (name.clone(), Child::Directory));
        Ok(files.chain(directories).collect())
    }

    /// The content of a regular file; `None` where there is nothing.
    ///
    /// # Errors
    /// When it is a directory or a link, or cannot be read.
    pub fn read_file(&mut self, path: &str) -> Result<Option<Vec<u8>>> {
        match self.lookup(path)? {
            None => Ok(None),
            Some(Node::Directory(_)) => {
                Err(Error::BadPath { path: path.to_owned(), reason: "it is a directory" })
            }
            Some(Node::File(file)) => {
                let mut bytes = Vec::new();
                let mut reader = self.repo.open_object(&file)?;
                reader
                    .read_to_end(&mut bytes)
                    .map_err(crate::error::io("read the object of", path))?;
                Ok(Some(bytes))
            }
        }
    }

    /// Makes sure that `path` is a directory. One that is there keeps its attributes; missing
    /// parents are made with root's and mode 0755.
    ///
    /// # Errors
    /// When a part of the path is a file.
    pub fn ensure_dir(&mut self, path: &str, attributes: &Attributes) -> Result<()> {
        let attributes = self.labelled(path, Kind::Directory, attributes)?;
        let meta = self.remember(&attributes);
        let repo = self.repo;
        let Ok((parents, name)) = split(path) else {
            components(path)?;
            self.root.meta.get_or_insert(meta);
            return Ok(());
        };
        let entries = self.make(&parents, path)?.load(repo)?;
        if entries.files.contains_key(name) {
            return Err(through_file(path));
        }
        if entries.directories.contains_key(name) {
            return Ok(());
        }
        let entries = self.make(&parents, path)?.change(repo)?;
        entries
            .directories
            .insert(name.to_owned(), Directory { meta: Some(meta), ..Directory::default() });
        Ok(())
    }

    /// Gives the directory `path`, made if it is missing, these attributes. In a tree that labels,
    /// one that is there and has a label keeps that.
    ///
    /// # Errors
    /// When a part of the path is a file.
    pub fn set_dir(&mut self, path: &str, attributes: &Attributes) -> Result<()> {
        let present = self.lookup(path)?;
        let attributes = self.labelled_anew(path, attributes, present.as_ref())?;
        self.ensure_dir(path, &attributes)?;
        let meta = self.remember(&attributes);
        // The attributes belong to the entry in the parent, which therefore changes.
        self.make(&components(path)?, path)?.meta = Some(meta);
        Ok(())
    }

    /// Puts a regular file with these bytes at `path`, in place of any file that is there.
    ///
    /// # Errors
    /// When a part of the path is a file, the path is a directory, or the object cannot be written.
    pub fn put_bytes(
        &mut self,
        path: &str,
        attributes: &Attributes,
        content: &[u8],
    ) -> Result<Checksum> {
        let attributes = self.labelled(path, Kind::Regular, attributes)?;
        let file = self.repo.write_bytes(&attributes, content)?;
        self.put_object(path, &file)?;
        Ok(file)
    }

    /// Puts a regular file with the rest of a stream at `path`.
    ///
    /// # Errors
    /// As [`Self::put_bytes`].
    pub fn put_reader(
        &mut self,
        path: &str,
        attributes: &Attributes,
        content: &mut dyn Read,
    ) -> Result<Checksum> {
        let attributes = self.labelled(path, Kind::Regular, attributes)?;
        let file = self.repo.write_reader(&attributes, content)?;
        self.put_object(path, &file)?;
        Ok(file)
    }

    /// Puts a regular file with the content of the file `source` on disk at `path`.
    ///
    /// # Errors
    /// As [`Self::put_bytes`].
    pub fn put_disk_file(
        &mut self,
        path: &str,
        attributes: &Attributes,
        source: &Path,
    ) -> Result<Checksum> {
        let attributes = self.labelled(path, Kind::Regular, attributes)?;
        let file = self.repo.write_disk_file(&attributes, source)?;
        self.put_object(path, &file)?;
        Ok(file)
    }

    /// Puts a symbolic link at `path`.
    ///
    /// # Errors
    /// As [`Self::put_bytes`].
    pub fn put_symlink(
        &mut self,
        path: &str,
        attributes: &Attributes,
        target: &str,
    ) -> Result<Checksum> {
        let attributes = self.labelled(path, Kind::Symlink, attributes)?;
        let file = self.repo.write_symlink(&attributes, target)?;
        self.put_object(path, &file)?;
        Ok(file)
    }

    /// Puts a content object that the repository holds at `path`; no byte is touched.
    ///
    /// # Errors
    /// When a part of the path is a file or the path is a directory.
    pub fn put_object(&mut self, path: &str, file: &Checksum) -> Result<()> {
        let (parents, name) = split(path)?;
        let repo = self.repo;
        let entries = self.make(&parents, path)?.change(repo)?;
        if entries.directories.contains_key(name) {
            return Err(Error::BadPath { path: path.to_owned(), reason: "it is a directory" });
        }
        entries.files.insert(name.to_owned(), file.into());
        Ok(())
    }

    /// Puts what `source` of `commit` is (a file, or a directory with all below it) at `path`, in
    /// place of what is there. No byte is touched.
    ///
    /// # Errors
    /// [`Error::NoPath`] where the commit has no such path.
    pub fn put_from(&mut self, path: &str, commit: &Checksum, source: &str) -> Result<()> {
        let mut from = Self::from_commit(self.repo, commit)?;
        let taken = from.take(source)?.ok_or_else(|| Error::NoPath {
            path: source.to_owned(),
            tree: format!("commit {}", commit.short()),
        })?;
        self.place(path, taken)
    }

    /// Puts a copy of what `source` of this tree is at `path`, in place of what is there.
    ///
    /// # Errors
    /// [`Error::NoPath`] where there is no such path.
    pub fn copy(&mut self, source: &str, path: &str) -> Result<()> {
        let taken = self
            .take(source)?
            .ok_or_else(|| Error::NoPath { path: source.to_owned(), tree: "the tree".into() })?;
        self.place(path, taken)
    }

    /// Moves what `source` is to `path`, in place of what is there.
    ///
    /// # Errors
    /// As [`Self::copy`].
    pub fn rename(&mut self, source: &str, path: &str) -> Result<()> {
        self.copy(source, path)?;
        self.remove(source).map(|_| ())
    }

    /// Removes a file, or a directory with all below it. Returns whether it was there.
    ///
    /// # Errors
    /// When the path is malformed or a directory cannot be read.
    pub fn remove(&mut self, path: &str) -> Result<bool> {
        let (parents, name) = split(path)?;
        let repo = self.repo;
        let Some(parent) = self.find(&parents)? else { return Ok(false) };
        let entries = parent.load(repo)?;
        if !entries.files.contains_key(name) && !entries.directories.contains_key(name) {
            return Ok(false);
        }
        let entries = self.make(&parents, path)?.change(repo)?;
        entries.files.remove(name);
        entries.directories.remove(name);
        Ok(true)
    }

    /// A copy of what is at a path.
    fn take(&mut self, path: &str) -> Result<Option<Taken>> {
        let parts = components(path)?;
        let Some((name, parents)) = parts.split_last() else {
            return Ok(Some(Taken::Directory(self.root.clone())));
        };
        let repo = self.repo;
        let Some(parent) = self.find(parents)? else { return Ok(None) };
        let entries = parent.load(repo)?;
        let file = entries.files.get(*name).map(|id| Taken::File(*id));
        Ok(file.or_else(|| entries.directories.get(*name).cloned().map(Taken::Directory)))
    }

    fn place(&mut self, path: &str, taken: Taken) -> Result<()> {
        let repo = self.repo;
        let Ok((parents, name)) = split(path) else {
            components(path)?;
            match taken {
                Taken::Directory(root) => self.root = root,
                Taken::File(_) => return Err(through_file(path)),
            }
            return Ok(());
        };
        let entries = self.make(&parents, path)?.change(repo)?;
        entries.files.remove(name);
        entries.directories.remove(name);
        match taken {
            Taken::File(id) => drop(entries.files.insert(name.to_owned(), id)),
            Taken::Directory(directory) => {
                drop(entries.directories.insert(name.to_owned(), directory));
            }
        }
        Ok(())
    }

    /// The directory at these parts, for looking at.
    fn find(&mut self, parts: &[&str]) -> Result<Option<&mut Directory>> {
        let repo = self.repo;
        let mut at = &mut self.root;
        for part in parts {
            match at.load(repo)?.directories.get_mut(*part) {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// The directory at these parts, made where it is missing, for a change of its entry: every
    /// directory above it counts as changed.
    fn make(&mut self, parts: &[&str], path: &str) -> Result<&mut Directory> {
        let default = self.remember(&Attributes::root(0o755));
        let (repo, labels, pending) = (self.repo, &self.labels, &mut self.pending);
        let mut at = &mut self.root;
        for (depth, part) in parts.iter().enumerate() {
            let entries = at.change(repo)?;
            if entries.files.contains_key(*part) {
                return Err(through_file(path));
            }
            at = match entries.directories.entry((*part).to_owned()) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(missing) => {
                    let above = parts[..=depth].join("/");
                    let meta = labels::new_directory(labels, &above, default, pending)?;
                    missing.insert(Directory { meta: Some(meta), ..Directory::default() })
                }
            };
        }
        Ok(at)
    }

    /// The id of these attributes, which [`Self::write`] will make sure are in the repository.
    fn remember(&mut self, attributes: &Attributes) -> Id {
        remember(&mut self.pending, attributes)
    }

    fn attributes(&self, meta: Option<Id>) -> Result<Attributes> {
        match meta {
            None => Ok(Attributes::root(0o755)),
            Some(id) => match self.pending.get(&id) {
                Some(variant) => Attributes::from_dirmeta(variant),
                None => self.repo.dirmeta(id),
            },
        }
    }
}

/// Directories' attributes that are not yet in the repository.
type Pending = BTreeMap<Id, glib::Variant>;

fn remember(pending: &mut Pending, attributes: &Attributes) -> Id {
    let variant = attributes.dirmeta();
    let id = Id::of(variant.data());
    pending.entry(id).or_insert(variant);
    id
}

/// What was at a path.
enum Taken {
    File(Id),
    Directory(Directory),
}

fn through_file(path: &str) -> Error {
    Error::BadPath { path: path.to_owned(), reason: "a part of it is a file" }
}
