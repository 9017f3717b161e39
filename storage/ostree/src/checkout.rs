//! A whole commit as a directory of hard links, made by several threads.
//!
//! Owns: the order of creation. A directory is one piece of work: its files are linked, its
//! subdirectories made and left as work for whichever thread is free, then it gets its owner,
//! attributes, mode and time, which nothing below it changes any more. Making directories takes
//! as long as linking files, so both are shared. Only bare repositories can be linked from; others
//! go through libostree.

mod patch;
mod queue;

pub(crate) use patch::patch;

use crate::attributes::Attributes;
use crate::dirtree::Subtree;
use crate::error::{Error, Result, failed, io};
use crate::object::Id;
use crate::repo::{Repo, RepoMode};
use crate::writer::EPOCH;
use cambium_model::{Checksum, Observer};
use queue::Queue;
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// More threads than this only contend for the file system's journal (measured: 4.9, 2.5, 2.8 s
/// for one, two and four).
const THREADS: usize = 2;

/// A directory that is made and is to be filled.
struct Work {
    path: PathBuf,
    subtree: Subtree,
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
        self.checkout_tree(self.root(commit)?, destination, THREADS, observer)
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

    /// The same of one directory of a commit in a bare repository, on so many threads.
    fn checkout_tree(
        &self,
        subtree: Subtree,
        destination: &Path,
        threads: usize,
        observer: &dyn Observer,
    ) -> Result<()> {
        make_directory(destination)?;
        let queue = Queue::of(Work { path: destination.to_owned(), subtree });
        std::thread::scope(|scope| {
            let fill = filler(self, observer)?;
            // A handle for each: a GObject stays on its thread.
            let (path, queue) = (self.path(), &queue);
            let help = move || queue.run(filler(&Repo::open(path)?, observer)?);
            let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(help)).collect();
            let mut result = queue.run(fill);
            for helper in helpers {
                let other = helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                result = result.and(other);
            }
            result
        })
    }
}

/// One thread's part: fills a directory and returns those that it made within.
fn filler<'a>(
    repo: &'a Repo,
    observer: &'a dyn Observer,
) -> Result<impl FnMut(Work) -> Result<Vec<Work>> + 'a> {
    let objects = Objects::open(repo)?;
    let mut metas: HashMap<Id, Attributes> = HashMap::new();
    Ok(move |Work { path, subtree }: Work| {
        if observer.cancelled() {
            return Err(Error::Cancelled);
        }
        let directory = open_directory(&path)?;
        let tree = repo.dirtree(subtree.contents)?;
        for (name, id) in &tree.files {
            objects.link(*id, &directory, name, &path)?;
        }
        let mut made = Vec::with_capacity(tree.directories.len());
        for (name, subtree) in tree.directories {
            let path = path.join(name);
            make_directory(&path)?;
            made.push(Work { path, subtree });
        }
        let attributes = match metas.entry(subtree.meta) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(repo.dirmeta(subtree.meta)?),
        };
        apply_to_directory(&directory, attributes, &path)?;
        Ok(made)
    })
}

/// Writable for us alone until it is filled.
fn make_directory(path: &Path) -> Result<()> {
    rustix::fs::mkdir(path, Mode::RWXU).map_err(io("create the directory", path))
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
            Err(Errno::MLINK) => {
                let to = at.join(name);
                copy_file(&self.path.join(object), &to)?;
                // Objects bear the time of the epoch; a copy is not to be told by its age.
                rustix::fs::utimensat(directory, name, &EPOCH, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(io("set the time of", to))
            }
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
