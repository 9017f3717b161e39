//! A copy of layered directories, and what has changed in it since.
//!
//! Where nothing can be mounted, scripts get a copy: they run as root, so whatever inode they see
//! they can write in place, and one that is a hard link of a repository's object would take the
//! object along. Every file, link and empty file is therefore an inode of its own; blocks are
//! shared where the file system can (FICLONE). The layers are read as overlayfs reads them
//! (`overlay.rs`), whiteouts included, so that scripts see the same tree either way.
//!
//! What they changed is found by inode and ctime, which no process can set: [`Known`] holds those
//! of the whole copy. Contents are read of changed files only. Times of modification are the
//! originals', since programs note them (Python's caches do).

use super::upper::{self, Change, Changed};
use crate::{Error, Result};
use cambium_model::Observer;
use cambium_ostree::Attributes;
use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// As many as for a checkout, and for the same reason: more contend for the journal.
const THREADS: usize = 2;

/// One directory of the copy, with what is not a directory in it and where that comes from.
struct Work {
    path: PathBuf,
    like: PathBuf,
    files: Vec<(OsString, PathBuf)>,
}

/// Copies `layers`, the first on top, to the existing directory `target`.
pub(super) fn merge(layers: &[PathBuf], target: &Path, observer: &dyn Observer) -> Result<()> {
    let mut work = Vec::new();
    plan(layers, target, &mut work)?;
    let next = AtomicUsize::new(0);
    let run = || -> Result<()> {
        while let Some(work) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            if observer.cancelled() {
                return Err(Error::Cancelled);
            }
            for (name, from) in &work.files {
                copy(from, &work.path.join(name))?;
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
    })?;
    // Filling a directory moves its time on, and its mode may keep even us from filling it.
    for Work { path, like, .. } in work.iter().rev() {
        let metadata = like.symlink_metadata().map_err(Error::io("read", like))?;
        take_attributes(like, path, &metadata)?;
    }
    Ok(())
}

/// Makes the directories and lists their files. `layers` are directories at one path.
fn plan(layers: &[PathBuf], target: &Path, work: &mut Vec<Work>) -> Result<()> {
    let mut seen: BTreeMap<OsString, Vec<PathBuf>> = BTreeMap::new();
    let mut over = BTreeSet::new();
    let mut files = Vec::new();
    for layer in layers {
        let mut below = Vec::new();
        for entry in fs::read_dir(layer).map_err(Error::io("list", layer))? {
            let entry = entry.map_err(Error::io("list", layer))?;
            let name = entry.file_name();
            if over.contains(&name) {
                continue;
            }
            let kind = entry.file_type().map_err(Error::io("read", entry.path()))?;
            if kind.is_dir() {
                seen.entry(name).or_default().push(entry.path());
                continue;
            }
            // Something else ends a path: for what is below it, and for a directory above it.
            let hidden = seen.contains_key(&name) || is_whiteout(&entry.path(), kind)?;
            if !hidden {
                files.push((name.clone(), entry.path()));
            }
            below.push(name);
        }
        over.extend(below);
    }
    let like = layers.first().cloned().unwrap_or_default();
    work.push(Work { path: target.to_owned(), like, files });
    for (name, layers) in seen {
        let path = target.join(name);
        fs::create_dir(&path).map_err(Error::io("create", &path))?;
        plan(&layers, &path, work)?;
    }
    Ok(())
}

fn is_whiteout(path: &Path, kind: fs::FileType) -> Result<bool> {
    Ok(kind.is_char_device()
        && path.symlink_metadata().map_err(Error::io("read", path))?.rdev() == 0)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let metadata = from.symlink_metadata().map_err(Error::io("read", from))?;
    if metadata.is_symlink() {
        let target = fs::read_link(from).map_err(Error::io("read", from))?;
        symlink(target, to).map_err(Error::io("create", to))?;
    } else if metadata.is_file() {
        let mut source = File::open(from).map_err(Error::io("open", from))?;
        let mut options = File::options();
        let created = options.write(true).create_new(true).mode(0o600).open(to);
        let mut copy = created.map_err(Error::io("create", to))?;
        if metadata.len() > 0 && rustix::fs::ioctl_ficlone(&copy, &source).is_err() {
            // Not of this file system, or across two: the kernel copies (copy_file_range).
            std::io::copy(&mut source, &mut copy).map_err(Error::io("copy to", to))?;
        }
    } else {
        return Err(Error::SpecialFile { path: from.display().to_string() });
    }
    take_attributes(from, to, &metadata)
}

/// Owner first, since a change of owner takes set-id bits and capabilities away; the time last.
fn take_attributes(from: &Path, to: &Path, metadata: &Metadata) -> Result<()> {
    let owner = (Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid()));
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(CWD, to, Some(owner.0), Some(owner.1), flags)
        .map_err(Error::io("change the owner of", to))?;
    if !metadata.is_symlink() {
        rustix::fs::chmod(to, Mode::from_raw_mode(metadata.mode() & 0o7777))
            .map_err(Error::io("change the mode of", to))?;
    }
    for (name, value) in Attributes::of_path(from)?.xattrs {
        match rustix::fs::lsetxattr(to, name.as_slice(), &value, XattrFlags::empty()) {
            Ok(()) => {}
            // A label may only be set with more rights than a container has. It is for the
            // machine's own kernel to use; a tree's labels are computed when it is committed.
            Err(Errno::PERM | Errno::NOTSUP)
                if name.starts_with(b"security.") && name != b"security.capability" => {}
            Err(error) => {
                return Err(Error::io("set an extended attribute of", to)(error));
            }
        }
    }
    let time = Timespec { tv_sec: metadata.mtime(), tv_nsec: metadata.mtime_nsec() };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, to, &times, flags).map_err(Error::io("set the time of", to))
}

/// What an inode is known by: its number and its time of change, seconds and nanoseconds.
type Stamp = (u64, i64, i64);

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

/// A tree as it was: what each name stood for.
#[derive(Debug)]
pub(super) struct Known {
    stamp: Stamp,
    /// Of a directory.
    names: Option<BTreeMap<OsString, Known>>,
}

impl Known {
    /// Reads the tree at `path`; any change from now on is told by [`Self::changes`].
    pub(super) fn read(path: &Path) -> Result<Self> {
        let metadata = path.symlink_metadata().map_err(Error::io("read", path))?;
        let mut newest = (0, 0);
        let known = Self::below(path, &metadata, &mut newest)?;
        wait_until_later(path, newest)?;
        Ok(known)
    }

    fn below(path: &Path, metadata: &Metadata, newest: &mut (i64, i64)) -> Result<Self> {
        let stamp = stamp(metadata);
        *newest = (*newest).max((stamp.1, stamp.2));
        let mut names = None;
        if metadata.is_dir() {
            let mut found = BTreeMap::new();
            for entry in fs::read_dir(path).map_err(Error::io("list", path))? {
                let entry = entry.map_err(Error::io("list", path))?;
                let at = entry.path();
                let metadata = entry.metadata().map_err(Error::io("read", &at))?;
                found.insert(entry.file_name(), Self::below(&at, &metadata, newest)?);
            }
            names = Some(found);
        }
        Ok(Self { stamp, names })
    }

    /// What differs now in the tree at `path`, which stands for `prefix` of the tree (`usr`).
    pub(super) fn changes(&self, path: &Path, prefix: &str) -> Result<Vec<Changed>> {
        let mut changes = Vec::new();
        compare(self.names.as_ref(), path, prefix, &mut changes)?;
        Ok(changes)
    }
}

/// The kernel's clock for inodes moves in steps of some milliseconds: a change in the same step
/// as the reading would look like none.
fn wait_until_later(path: &Path, newest: (i64, i64)) -> Result<()> {
    let parent = path.parent().unwrap_or(path);
    loop {
        let probe = tempfile::tempfile_in(parent).map_err(Error::io("write to", parent))?;
        let now = probe.metadata().map_err(Error::io("read", parent))?;
        // A clock that was set back shows no such step for long.
        if (now.ctime(), now.ctime_nsec()) > newest || now.ctime() + 1 < newest.0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Compares one directory; `known` is `None` for one that is new.
fn compare(
    known: Option<&BTreeMap<OsString, Known>>,
    at: &Path,
    prefix: &str,
    changes: &mut Vec<Changed>,
) -> Result<()> {
    let mut present = BTreeMap::new();
    for entry in fs::read_dir(at).map_err(Error::io("list", at))? {
        let entry = entry.map_err(Error::io("list", at))?;
        let metadata = entry.metadata().map_err(Error::io("read", entry.path()))?;
        present.insert(entry.file_name(), metadata);
    }
    let of = |name: &OsStr| known.and_then(|names| names.get(name));
    let gone =
        known.into_iter().flat_map(BTreeMap::keys).filter(|name| !present.contains_key(*name));
    let names: BTreeSet<&OsString> = present.keys().chain(gone).collect();
    for name in names {
        let path = at.join(name);
        let text = name.to_str().ok_or_else(|| Error::Name { path: path.clone() })?;
        let inside = format!("{prefix}/{text}");
        let Some(metadata) = present.get(name) else {
            changes.push(Changed { path: inside, change: Change::Removed });
            continue;
        };
        let before = of(name);
        let same = before.is_some_and(|before| before.stamp == stamp(metadata));
        if !metadata.is_dir() {
            if !same {
                let change = upper::entry_of_tree(&path, &inside, metadata)?;
                changes.push(Changed { path: inside, change });
            }
            continue;
        }
        if !same {
            let attributes = Attributes::of_path(&path)?;
            changes.push(Changed { path: inside.clone(), change: Change::Directory(attributes) });
        }
        // It may be another directory by now: what is below is known by its own place and stamp.
        compare(before.and_then(|before| before.names.as_ref()), &path, &inside, changes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
