//! What scripts changed: the upper layer of an overlay, read back, and put into a tree.
//!
//! Format: the kernel's Documentation/filesystems/overlayfs.rst. A whiteout is a character device
//! 0:0 (or an empty file with `trusted.overlay.whiteout`), an opaque directory hides what lies
//! below it. The overlay is mounted with `redirect_dir=off,metacopy=off,index=off`, so a redirect
//! or a file without its data is a sign of another kernel's ideas and a hard error: guessing
//! would make a commit that differs from what the script saw.

use crate::{Error, Result};
use cambium_ostree::{Attributes, Node, Tree};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// One path that differs from the lower layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Relative to the tree's root: `usr/bin/x`.
    pub(crate) path: String,
    /// How.
    pub(crate) change: Change,
}

/// How a path differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is gone.
    Removed,
    /// A directory with these attributes, merged with the one below.
    Directory(Attributes),
    /// A directory with these attributes that hides everything below.
    Opaque(Attributes),
    /// A regular file with these attributes; its content is the upper layer's.
    File(Attributes),
    /// A symbolic link to this target.
    Symlink(Attributes, String),
}

/// Where overlayfs notes things on files; its notes are never part of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notes {
    /// `trusted.overlay.*`, which takes root of the machine.
    Trusted,
    /// `user.overlay.*` (mount option `userxattr`), in a user namespace.
    User,
}

impl Notes {
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::Trusted => b"trusted.overlay.",
            Self::User => b"user.overlay.",
        }
    }
}

/// Reads the upper layer `upper`, which stands for `prefix` of the tree (`usr`). Directories come
/// before what they hold, names sorted.
pub(crate) fn read(upper: &Path, prefix: &str, notes: Notes) -> Result<Vec<Changed>> {
    let mut changes = Vec::new();
    directory(upper, prefix, notes, &mut changes)?;
    Ok(changes)
}

/// Changes the tree as `changes` say; the content of files is below `source`, which stands for
/// `usr`.
pub(crate) fn apply(tree: &mut Tree<'_>, source: &Path, changes: Vec<Changed>) -> Result<()> {
    for Changed { path, change } in changes {
        let source = source.join(path.strip_prefix("usr/").unwrap_or(&path));
        let present = tree.lookup(&path)?;
        let replaces = match &change {
            // Without an opaque note a directory joins one below; a file there has made way.
            Change::Directory(_) => matches!(present, Some(Node::File(_))),
            Change::File(_) | Change::Symlink(..) => matches!(present, Some(Node::Directory(_))),
            Change::Removed | Change::Opaque(_) => present.is_some(),
        };
        if replaces {
            tree.remove(&path)?;
        }
        match change {
            Change::Removed => {}
            Change::Directory(attributes) | Change::Opaque(attributes) => {
                if present != Some(Node::Directory(attributes.clone())) || replaces {
                    tree.set_dir(&path, &attributes)?;
                }
            }
            Change::File(attributes) => drop(tree.put_disk_file(&path, &attributes, &source)?),
            Change::Symlink(attributes, target) => {
                tree.put_symlink(&path, &attributes, &target)?;
            }
        }
    }
    Ok(())
}

fn directory(dir: &Path, prefix: &str, kept: Notes, changes: &mut Vec<Changed>) -> Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        names.push(entry.map_err(Error::io("list", dir))?.file_name());
    }
    names.sort();
    for name in names {
        let at = dir.join(&name);
        let Some(name) = name.to_str() else {
            return Err(Error::Name { path: at });
        };
        let path = format!("{prefix}/{name}");
        let change = entry(&at, &path, kept)?;
        let descend = matches!(change, Change::Directory(_) | Change::Opaque(_));
        changes.push(Changed { path: path.clone(), change });
        if descend {
            directory(&at, &path, kept, changes)?;
        }
    }
    Ok(())
}

/// How `path` differs when what stands at `at` is new or changed, in a tree without notes; no
/// directory.
pub(super) fn entry_of_tree(at: &Path, path: &str, metadata: &fs::Metadata) -> Result<Change> {
    let attributes = Attributes::of_path(at)?;
    if metadata.is_symlink() {
        return Ok(Change::Symlink(attributes, link_target(at)?));
    }
    if !metadata.is_file() {
        return Err(Error::SpecialFile { path: path.to_owned() });
    }
    Ok(Change::File(attributes))
}

fn link_target(at: &Path) -> Result<String> {
    let target = fs::read_link(at).map_err(Error::io("read", at))?;
    Ok(target.to_str().ok_or_else(|| Error::Name { path: at.to_owned() })?.to_owned())
}

fn entry(at: &Path, path: &str, kept: Notes) -> Result<Change> {
    let metadata = fs::symlink_metadata(at).map_err(Error::io("read", at))?;
    let kind = metadata.file_type();
    if kind.is_char_device() && metadata.rdev() == 0 {
        return Ok(Change::Removed);
    }
    let (attributes, notes) = attributes(at, kept)?;
    let noted = |name: &[u8]| notes.iter().find(|note| note.0 == name).map(|note| &note.1[..]);
    for foreign in [&b"redirect"[..], b"metacopy"] {
        if noted(foreign).is_some() {
            let note = String::from_utf8_lossy(foreign).into_owned();
            return Err(Error::Overlay { path: path.to_owned(), note });
        }
    }
    if kind.is_dir() {
        return Ok(match noted(b"opaque") {
            Some(b"y") => Change::Opaque(attributes),
            _ => Change::Directory(attributes),
        });
    }
    if kind.is_symlink() {
        return Ok(Change::Symlink(attributes, link_target(at)?));
    }
    if !kind.is_file() {
        return Err(Error::SpecialFile { path: path.to_owned() });
    }
    let whiteout = metadata.len() == 0 && noted(b"whiteout").is_some();
    Ok(if whiteout { Change::Removed } else { Change::File(attributes) })
}

/// Extended attributes of overlayfs by what follows their common prefix.
type Noted = Vec<(Vec<u8>, Vec<u8>)>;

/// The attributes that belong to the tree, and apart from them overlayfs' notes.
fn attributes(at: &Path, kept: Notes) -> Result<(Attributes, Noted)> {
    let prefix = kept.prefix();
    let mut attributes = Attributes::of_path(at)?;
    let (notes, own): (Vec<_>, Vec<_>) =
        attributes.xattrs.into_iter().partition(|(name, _)| name.starts_with(prefix));
    attributes.xattrs = own;
    let notes = notes.into_iter().map(|(name, value)| (name[prefix.len()..].to_vec(), value));
    Ok((attributes, notes.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_sandbox::{Writing, in_private_mounts};
    use rustix::fs::{XattrFlags, lsetxattr};
    use rustix::mount::{MountFlags, mount};
    use std::os::unix::fs::symlink;

    /// Mounts an overlay over a lower tree made by `lower`, lets `work` change it as a script
    /// would, and tells what is read back.
    fn changes(
        lower: impl FnOnce(&Path),
        work: impl FnOnce(&Path) + Send,
    ) -> Vec<(String, String)> {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["lower", "upper", "work", "merged"] {
            fs::create_dir(at(name)).unwrap();
        }
        lower(&at("lower"));
        let options = super::super::overlay::options(
            &[at("lower")],
            &at("upper"),
            &at("work"),
            Writing::Overlay,
        );
        in_private_mounts(|| {
            let options = options.unwrap();
            mount("overlay", at("merged"), "overlay", MountFlags::empty(), &*options).unwrap();
            work(&at("merged"));
        })
        .unwrap();
        let describe = |changed: Changed| {
            let what = match changed.change {
                Change::Removed => "removed".to_owned(),
                Change::Directory(a) => format!("directory {:o}", a.mode),
                Change::Opaque(a) => format!("opaque {:o}", a.mode),
                Change::File(a) => format!("file {:o} {}:{}", a.mode, a.uid, a.gid),
                Change::Symlink(_, target) => format!("link {target}"),
            };
            (changed.path, what)
        };
        read(&at("upper"), "usr", Notes::Trusted).unwrap().into_iter().map(describe).collect()
    }

    fn check(found: &[(String, String)], expected: &[(&str, &str)]) {
        let found: Vec<_> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(found, expected);
    }

    fn small_tree(lower: &Path) {
        fs::create_dir_all(lower.join("share/doc")).unwrap();
        fs::write(lower.join("share/doc/a"), "a").unwrap();
        fs::write(lower.join("share/keep"), "k").unwrap();
        fs::write(lower.join("tool"), "t").unwrap();
        fs::write(lower.join("linked"), "same").unwrap();
        fs::hard_link(lower.join("linked"), lower.join("object")).unwrap();
    }

    #[test]
    fn removals_replacements_and_additions_are_told_apart() {
        let found = changes(small_tree, |merged| {
            fs::remove_file(merged.join("tool")).unwrap();
            fs::remove_dir_all(merged.join("share/doc")).unwrap();
            fs::create_dir(merged.join("share/doc")).unwrap();
            fs::write(merged.join("share/doc/b"), "b").unwrap();
            symlink("keep", merged.join("share/link")).unwrap();
            std::os::unix::fs::chown(merged.join("share/keep"), Some(7), Some(8)).unwrap();
        });
        check(
            &found,
            &[
                ("usr/share", "directory 755"),
                ("usr/share/doc", "opaque 755"),
                ("usr/share/doc/b", "file 644 0:0"),
                ("usr/share/keep", "file 644 7:8"),
                ("usr/share/link", "link keep"),
                ("usr/tool", "removed"),
            ],
        );
    }

    #[test]
    fn reading_changes_nothing_and_writing_breaks_hard_links() {
        check(&changes(small_tree, |merged| drop(fs::read(merged.join("tool")).unwrap())), &[]);
        let dir = tempfile::tempdir().unwrap();
        let object = dir.path().join("object");
        fs::write(&object, "same").unwrap();
        let link = |lower: &Path| fs::hard_link(&object, lower.join("file")).unwrap();
        changes(link, |merged| fs::write(merged.join("file"), "other").unwrap());
        assert_eq!(fs::read_to_string(object).unwrap(), "same");
    }

    #[test]
    fn a_lower_directory_cannot_be_renamed_away() {
        changes(small_tree, |merged| {
            let error = fs::rename(merged.join("share"), merged.join("other")).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::CrossesDevices);
        });
    }

    #[test]
    fn notes_of_another_kind_of_overlay_are_refused() {
        for note in ["redirect", "metacopy"] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("x"), "").unwrap();
            let name = format!("trusted.overlay.{note}");
            lsetxattr(dir.path().join("x"), &*name, b"y", XattrFlags::empty()).unwrap();
            let error = read(dir.path(), "usr", Notes::Trusted).unwrap_err();
            assert!(error.to_string().contains("usr/x"), "{error}");
            assert!(matches!(error, Error::Overlay { note: found, .. } if found == note));
        }
    }

    #[test]
    fn what_a_commit_cannot_hold_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap());
        let error = read(dir.path(), "usr", Notes::Trusted).unwrap_err();
        assert!(matches!(error, Error::SpecialFile { path } if path == "usr/s"));
    }

    #[test]
    fn foreign_attributes_stay_and_overlays_own_go() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        fs::write(&file, "").unwrap();
        for name in ["user.kept", "trusted.overlay.origin"] {
            lsetxattr(&file, name, b"v", XattrFlags::empty()).unwrap();
        }
        let changed = read(dir.path(), "usr", Notes::Trusted).unwrap();
        let Change::File(attributes) = &changed[0].change else { panic!("{changed:?}") };
        let names: Vec<_> = attributes.xattrs.iter().map(|x| x.0.as_slice()).collect();
        assert_eq!(names, [b"user.kept"]);
    }
}
