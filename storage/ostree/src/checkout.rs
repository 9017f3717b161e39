//! A whole commit as a directory of hard links, made by several threads.
//!
//! Owns: the order of creation. Directories are made first, then their files are linked by
//! threads that share the list of directories, then each directory gets its owner, attributes,
//! mode and time. Only bare repositories can be linked from; others go through libostree.

mod patch;

pub(crate) use patch::patch;

use crate::attributes::Attributes;
use crate::dirtree::Subtree;
use crate::error::{Error, Result, failed, io};
use crate::object::Id;
use crate::repo::{Repo, RepoMode};
use crate::writer::EPOCH;
use cambium_model::{Checksum, Observer};
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// More threads than this only contend for the file system's journal (measured: 4.9, 2.5, 2.8 s
/// for one, two and four).
const THREADS: usize = 2;

/// One directory of the checkout and the files that belong in it.
struct Work {
    path: PathBuf,
    meta: Id,
    files: Vec<(String, Id)>,
}

impl Repo {
    /// Checks `commit` out as the directory `destination`, which must not exist. Its files are
    /// hard links to objects and must never be written. Nothing is synced.
    ///
    /// # Errors
    /// When an object is missing or something cannot be made; what was made so far stays, for
    /// the caller to remove.
    pub fn checkout(
        &self,
        commit: &Checksum,
        destination: &Path,
        observer: &dyn Observer,
    ) -> Result<()> {
        if self.mode() != RepoMode::Bare {
            return self.checkout_by_libostree(commit, destination);
        }
        let mut work = Vec::new();
        let mut metas = HashMap::new();
        self.skeleton(self.root(commit)?, destination, &mut work, &mut metas, observer)?;
        let objects = Objects::open(self)?;
        fill(&objects, &work, &metas, observer)
    }

    fn checkout_by_libostree(&self, commit: &Checksum, destination: &Path) -> Result<()> {
        self.raw()
            .checkout_at(
                Some(&ostree::RepoCheckoutAtOptions::default()),
                CWD.as_raw_fd(),
                destination,
                commit.as_str(),
                gio::Cancellable::NONE,
            )
            .map_err(failed("check out", commit))
    }

    /// Makes the directories, writable for us alone until they are filled.
    fn skeleton(
        &self,
        subtree: Subtree,
        path: &Path,
        work: &mut Vec<Work>,
        metas: &mut HashMap<Id, Attributes>,
        observer: &dyn Observer,
    ) -> Result<()> {
        if observer.cancelled() {
            return Err(Error::Cancelled);
        }
        rustix::fs::mkdir(path, Mode::RWXU).map_err(io("create the directory", path))?;
        if let std::collections::hash_map::Entry::Vacant(vacant) = metas.entry(subtree.meta) {
            vacant.insert(self.dirmeta(subtree.meta)?);
        }
        let tree = self.dirtree(subtree.contents)?;
        let files = tree.files.into_iter().collect();
        work.push(Work { path: path.to_owned(), meta: subtree.meta, files });
        for (name, child) in tree.directories {
            self.skeleton(child, &path.join(name), work, metas, observer)?;
        }
        Ok(())
    }
}

/// The threads' part.
fn fill(
    objects: &Objects,
    work: &[Work],
    metas: &HashMap<Id, Attributes>,
    observer: &dyn Observer,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let run = || -> Result<()> {
        while let Some(work) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            if observer.cancelled() {
                return Err(Error::Cancelled);
            }
            let directory = open_directory(&work.path)?;
            for (name, id) in &work.files {
                objects.link(*id, &directory, name, &work.path)?;
            }
            if let Some(attributes) = metas.get(&work.meta) {
                apply_to_directory(&directory, attributes, &work.path)?;
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (1..THREADS).map(|_| scope.spawn(run)).collect();
        let mut result = run();
        for thread in threads {
            let other = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result = result.and(other);
        }
        result
    })
}

/// The loose objects of a bare repository.
pub(crate) struct Objects {
    directory: OwnedFd,
    path: PathBuf,
}

impl Objects {
    pub(crate) fn open(repo: &Repo) -> Result<Self> {
        let path = repo.path().join("objects");
        Ok(Self { directory: open_directory(&path)?, path })
    }

    /// Links an object as `name` of a directory. A file system allows an inode only so many links
    /// (65,000 on ext4: empty files get there); then the file is copied.
    pub(crate) fn link(&self, id: Id, directory: &OwnedFd, name: &str, at: &Path) -> Result<()> {
        let object = id.loose_path("file");
        let flags = AtFlags::empty();
        match rustix::fs::linkat(&self.directory, &object, directory, name, flags) {
            Ok(()) => Ok(()),
            Err(Errno::MLINK) => copy_file(&self.path.join(object), &at.join(name)),
            Err(error) => Err(io("link the object of", at.join(name))(error)),
        }
    }
}

pub(crate) fn open_directory(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(io("open the directory", path))
}

/// Owner first, since a change of owner clears set-id bits; the time last.
pub(crate) fn apply_to_directory(
    directory: impl AsFd,
    attributes: &Attributes,
    path: &Path,
) -> Result<()> {
    let directory = directory.as_fd();
    let owner = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
    rustix::fs::fchown(directory, Some(owner.0), Some(owner.1))
        .map_err(io("change the owner of", path))?;
    rustix::fs::fchmod(directory, Mode::from_raw_mode(attributes.mode))
        .map_err(io("change the mode of", path))?;
    for (name, value) in &attributes.xattrs {
        rustix::fs::fsetxattr(directory, name.as_slice(), value, XattrFlags::empty())
            .map_err(io("set an extended attribute of", path))?;
    }
    rustix::fs::futimens(directory, &EPOCH).map_err(io("set the time of", path))
}

/// Copies a regular file or symbolic link with owner, mode and extended attributes.
pub(crate) fn copy_file(from: &Path, to: &Path) -> Result<()> {
    let attributes = Attributes::of_path(from)?;
    let kind = std::fs::symlink_metadata(from).map_err(io("stat", from))?.file_type();
    if kind.is_symlink() {
        let target = std::fs::read_link(from).map_err(io("read the link", from))?;
        rustix::fs::symlink(&target, to).map_err(io("create the link", to))?;
    } else {
        // std's copy uses copy_file_range, which shares blocks where the file system can.
        std::fs::copy(from, to).map_err(io("copy to", to))?;
    }
    let owner = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
    rustix::fs::chownat(CWD, to, Some(owner.0), Some(owner.1), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(io("change the owner of", to))?;
    if !kind.is_symlink() {
        rustix::fs::chmod(to, Mode::from_raw_mode(attributes.mode))
            .map_err(io("change the mode of", to))?;
    }
    for (name, value) in &attributes.xattrs {
        rustix::fs::lsetxattr(to, name.as_slice(), value, XattrFlags::empty())
            .map_err(io("set an extended attribute of", to))?;
    }
    Ok(())
}
