//! A repository: opened anew by each call or thread, since a GObject stays on its thread.
//!
//! Owns: opening, objects by name, pruning. What commits, refs, pulls and paths are is in the
//! modules below. Deliberately absent: any write outside of a [`Transaction`], but for refs that
//! libostree itself writes at once.

mod commits;
mod diff;
mod export;
mod files;
mod pull;
mod refs;
mod space;

pub use commits::{CommitInfo, CommitState};
pub use diff::Change;
pub use export::CopyPolicy;
pub use files::{FileInfo, FileKind};
pub use pull::{Content, Pull, PullSource, StaticDeltas};
pub use refs::{Transaction, TransactionStats};
pub(crate) use space::free_bytes;

use crate::attributes::Attributes;
use crate::dirtree::Dirtree;
use crate::error::{Result, failed, io};
use crate::object::{Id, ObjectKind};
use cambium_model::Checksum;
use std::cell::Cell;
use std::path::{Path, PathBuf};

/// How a repository keeps its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepoMode {
    /// Files as they are, with owner and mode: a system's repository.
    Bare,
    /// Files with their attributes in an extended attribute.
    BareUser,
    /// Files without owners.
    BareUserOnly,
    /// Compressed, to be served over HTTP.
    Archive,
}

impl RepoMode {
    fn raw(self) -> ostree::RepoMode {
        match self {
            Self::Bare => ostree::RepoMode::Bare,
            Self::BareUser => ostree::RepoMode::BareUser,
            Self::BareUserOnly => ostree::RepoMode::BareUserOnly,
            Self::Archive => ostree::RepoMode::Archive,
        }
    }
}

/// Objects that a prune removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Objects that were there.
    pub total: u64,
    /// Objects that went.
    pub removed: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// An open repository.
#[derive(Debug)]
pub struct Repo {
    inner: ostree::Repo,
    path: PathBuf,
    in_transaction: Cell<bool>,
}

impl Repo {
    /// Opens the repository in the directory `path`.
    ///
    /// # Errors
    /// When there is none or its configuration cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        Self::opened(ostree::Repo::new_for_path(&path), path)
    }

    fn opened(inner: ostree::Repo, path: PathBuf) -> Result<Self> {
        inner
            .open(gio::Cancellable::NONE)
            .map_err(failed("open the repository", path.display()))?;
        Ok(Self { inner, path, in_transaction: Cell::new(false) })
    }

    /// Opens the repository of the sysroot at `sysroot`: `ostree/repo` in it, with the remotes of
    /// the sysroot's `etc/ostree/remotes.d`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of_sysroot(sysroot: impl AsRef<Path>) -> Result<Self> {
        let sysroot = sysroot.as_ref();
        let path = sysroot.join("ostree/repo");
        let file = |path: &Path| gio::File::for_path(path);
        Self::opened(ostree::Repo::for_sysroot_path(&file(&path), &file(sysroot)), path)
    }

    /// Makes a repository in `path`, or opens the one that is there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: impl AsRef<Path>, mode: RepoMode) -> Result<Self> {
        let path = path.as_ref();
        std::fs::create_dir_all(path).map_err(io("create", path))?;
        ostree::Repo::new_for_path(path)
            .create(mode.raw(), gio::Cancellable::NONE)
            .map_err(failed("create the repository", path.display()))?;
        Self::open(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it keeps its objects.
    #[must_use]
    pub fn mode(&self) -> RepoMode {
        match self.inner.mode() {
            ostree::RepoMode::BareUser => RepoMode::BareUser,
            ostree::RepoMode::BareUserOnly => RepoMode::BareUserOnly,
            ostree::RepoMode::Archive => RepoMode::Archive,
            _ => RepoMode::Bare,
        }
    }

    /// libostree's own object, for what this wrapper does not offer.
    #[must_use]
    pub fn raw(&self) -> &ostree::Repo {
        &self.inner
    }

    /// Whether the object is in the repository.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn has_object(&self, kind: ObjectKind, checksum: &Checksum) -> Result<bool> {
        self.inner
            .has_object(kind.raw(), checksum.as_str(), gio::Cancellable::NONE)
            .map_err(failed("look up the object", checksum))
    }

    /// Checks one object's form and checksum, as `ostree fsck` does.
    ///
    /// # Errors
    /// When it is absent or damaged.
    pub fn fsck_object(&self, kind: ObjectKind, checksum: &Checksum) -> Result<()> {
        self.inner
            .fsck_object(kind.raw(), checksum.as_str(), gio::Cancellable::NONE)
            .map_err(failed("verify the object", checksum))
    }

    /// Removes every object that no ref reaches. Commits behind a ref's own commit go too, where
    /// no other ref names them.
    ///
    /// # Errors
    /// When an object cannot be read or removed.
    pub fn prune(&self) -> Result<Pruned> {
        let (total, removed, bytes) = self
            .inner
            .prune(ostree::RepoPruneFlags::REFS_ONLY, 0, gio::Cancellable::NONE)
            .map_err(failed("prune", self.path.display()))?;
        let count = |n: i32| u64::try_from(n).unwrap_or(0);
        Ok(Pruned { total: count(total), removed: count(removed), bytes })
    }

    /// The directory object named by `id`.
    pub(crate) fn dirtree(&self, id: Id) -> Result<Dirtree> {
        let variant = self
            .inner
            .load_variant(ostree::ObjectType::DirTree, &id.to_string())
            .map_err(failed("read the directory object", id))?;
        Dirtree::parse(&variant)
    }

    /// The directory attributes named by `id`.
    pub(crate) fn dirmeta(&self, id: Id) -> Result<Attributes> {
        let variant = self
            .inner
            .load_variant(ostree::ObjectType::DirMeta, &id.to_string())
            .map_err(failed("read the directory attributes", id))?;
        Attributes::from_dirmeta(&variant)
    }
}
