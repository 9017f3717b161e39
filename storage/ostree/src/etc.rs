//! The three-way merge of /etc.
//!
//! Rule, as libostree's: what differs between a deployment's `/usr/etc` (as shipped) and its
//! `/etc` (as it is) is a local change, and local changes win over what a new tree ships: changed
//! and added files are carried on, removed ones stay removed. Attributes count as content does.
//! Sockets, pipes and devices are nobody's configuration and stay behind.

use crate::attributes::{Attributes, read_xattrs};
use crate::checkout::copy_file;
use crate::error::{Result, io};
use crate::labels::Policy;
use crate::repo::Repo;
use crate::sysroot::label_if_missing;
use crate::tree::Node;
use cambium_model::Checksum;
use rustix::fs::{AtFlags, CWD, Gid, Mode, Uid, XattrFlags};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a path of /etc is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Directory,
    Regular { size: u64 },
    Symlink { target: PathBuf },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    attributes: Attributes,
}

/// How a path of /etc differs from what was shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalChange {
    /// It was not shipped.
    Added,
    /// Its content, attributes or kind are others.
    Modified,
    /// It was shipped and is gone.
    Removed,
}

/// A local change of a path that the new tree ships differently, too. The local change wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcConflict {
    /// The path, absolute: `/etc/…`.
    pub path: String,
    /// What was done here.
    pub change: LocalChange,
}

/// Local changes by path below /etc, parents before what is in them.
pub(crate) type Changes = BTreeMap<PathBuf, LocalChange>;

/// Compares `current` (/etc) with `shipped` (/usr/etc), both of one deployment.
pub(crate) fn local_changes(shipped: &Path, current: &Path) -> Result<Changes> {
    let (old, new) = (read(shipped)?, read(current)?);
    let mut changes = Changes::new();
    for path in old.keys().filter(|path| !new.contains_key(*path)) {
        changes.insert(path.clone(), LocalChange::Removed);
    }
    for (path, entry) in &new {
        match old.get(path) {
            None => drop(changes.insert(path.clone(), LocalChange::Added)),
            Some(before) => {
                let same = before == entry
                    && (!matches!(entry.kind, Kind::Regular { .. })
                        || same_content(&shipped.join(path), &current.join(path))?);
                if !same {
                    changes.insert(path.clone(), LocalChange::Modified);
                }
            }
        }
    }
    // Written by systemd at every boot; not configuration, and not to be carried on.
    changes.remove(Path::new(".updated"));
    Ok(changes)
}

/// Which of these changes the commit `to` ships otherwise than `from` did.
pub(crate) fn conflicts(
    repo: &Repo,
    changes: &Changes,
    from: &Checksum,
    to: &Checksum,
) -> Result<Vec<EtcConflict>> {
    let mut conflicts = Vec::new();
    for (path, change) in changes {
        // A name that is not UTF-8 cannot be in a commit.
        let Some(text) = path.to_str() else { continue };
        let shipped = format!("usr/etc/{text}");
        let (before, after) = (repo.lookup(from, &shipped)?, repo.lookup(to, &shipped)?);
        let both_directories =
            matches!((&before, &after), (Some(Node::Directory(_)), Some(Node::Directory(_))));
        if before != after && !both_directories {
            conflicts.push(EtcConflict { path: format!("/etc/{text}"), change: *change });
        }
    }
    Ok(conflicts)
}

/// Carries changes from `current` over to `target`, a copy of what the new tree ships. Files keep
/// their labels, as in libostree's merge; those that have none get what `policy`, the new tree's,
/// says.
pub(crate) fn apply(
    changes: &Changes,
    current: &Path,
    target: &Path,
    policy: Option<&Policy>,
) -> Result<()> {
    for (path, change) in changes {
        let to = target.join(path);
        if *change == LocalChange::Removed {
            remove(&to)?;
            continue;
        }
        let from = current.join(path);
        let is_directory = std::fs::symlink_metadata(&from).map_err(io("stat", &from))?.is_dir();
        ensure_parents(path, current, target)?;
        let there = std::fs::symlink_metadata(&to).ok();
        if is_directory {
            if there.as_ref().is_some_and(|there| !there.is_dir()) {
                remove(&to)?;
            }
            if !there.is_some_and(|there| there.is_dir()) {
                std::fs::create_dir(&to).map_err(io("create", &to))?;
            }
            copy_attributes(&from, &to)?;
        } else {
            remove(&to)?;
            copy_file(&from, &to)?;
        }
        label_if_missing(policy, &to, &format!("etc/{}", path.to_string_lossy()))?;
    }
    Ok(())
}

/// A changed file keeps its place even where the new tree dropped or replaced its directory.
fn ensure_parents(path: &Path, current: &Path, target: &Path) -> Result<()> {
    let parents: Vec<_> = path.ancestors().skip(1).collect();
    for parent in parents.into_iter().rev().filter(|parent| !parent.as_os_str().is_empty()) {
        let to = target.join(parent);
        if std::fs::symlink_metadata(&to).is_ok_and(|there| there.is_dir()) {
            continue;
        }
        remove(&to)?;
        std::fs::create_dir(&to).map_err(io("create", &to))?;
        copy_attributes(&current.join(parent), &to)?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    let there = match std::fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(());
        }
        Err(error) => return Err(io("stat", path)(error)),
    };
    let removed =
        if there.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.map_err(io("remove", path))
}

fn copy_attributes(from: &Path, to: &Path) -> Result<()> {
    let attributes = Attributes::of_path(from)?;
    let owner = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
    rustix::fs::chownat(CWD, to, Some(owner.0), Some(owner.1), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(io("change the owner of", to))?;
    rustix::fs::chmod(to, Mode::from_raw_mode(attributes.mode))
        .map_err(io("change the mode of", to))?;
    for (name, value) in &attributes.xattrs {
        rustix::fs::lsetxattr(to, name.as_slice(), value, XattrFlags::empty())
            .map_err(io("set an extended attribute of", to))?;
    }
    Ok(())
}

/// Everything below a directory by relative path; nothing where there is no directory.
fn read(root: &Path) -> Result<BTreeMap<PathBuf, Entry>> {
    let mut entries = BTreeMap::new();
    if root.is_dir() {
        read_into(root, Path::new(""), &mut entries)?;
    }
    Ok(entries)
}

fn read_into(root: &Path, at: &Path, entries: &mut BTreeMap<PathBuf, Entry>) -> Result<()> {
    let directory = root.join(at);
    for entry in std::fs::read_dir(&directory).map_err(io("list", &directory))? {
        let entry = entry.map_err(io("list", &directory))?;
        let (path, relative) = (entry.path(), at.join(entry.file_name()));
        let metadata = std::fs::symlink_metadata(&path).map_err(io("stat", &path))?;
        let file_type = metadata.file_type();
        let kind = if file_type.is_dir() {
            Kind::Directory
        } else if file_type.is_symlink() {
            Kind::Symlink { target: std::fs::read_link(&path).map_err(io("read the link", &path))? }
        } else if file_type.is_file() {
            Kind::Regular { size: metadata.len() }
        } else {
            continue;
        };
        let mut xattrs = read_xattrs(&path)?;
        // The label of /usr/etc/x differs from that of /etc/x by policy, not by a local change.
        xattrs.retain(|(name, _)| name != b"security.selinux");
        let attributes = Attributes {
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: metadata.mode() & 0o7777,
            xattrs,
        };
        let descend = kind == Kind::Directory;
        entries.insert(relative.clone(), Entry { kind, attributes });
        if descend {
            read_into(root, &relative, entries)?;
        }
    }
    Ok(())
}

fn same_content(a: &Path, b: &Path) -> Result<bool> {
    let open = |path: &Path| File::open(path).map_err(io("open", path));
    let (mut left, mut right) = (open(a)?, open(b)?);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    loop {
        x.clear();
        y.clear();
        left.by_ref().take(64 << 10).read_to_end(&mut x).map_err(io("read", a))?;
        right.by_ref().take(64 << 10).read_to_end(&mut y).map_err(io("read", b))?;
        if x != y {
            return Ok(false);
        }
        if x.is_empty() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests;
