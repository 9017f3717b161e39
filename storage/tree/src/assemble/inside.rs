//! Files of a root that scripts have written in, changed from outside.
//!
//! A script may have put a link anywhere, to anywhere. Whatever is read or written for the tree
//! after it goes through here: every path is resolved inside the root by the kernel
//! (`openat2(RESOLVE_IN_ROOT)`), and a file is replaced by rename, never written through.

use crate::{Error, Result};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Stat, Uid};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// An open root.
#[derive(Debug)]
pub(super) struct Inside {
    path: PathBuf,
    fd: OwnedFd,
}

impl Inside {
    /// Opens the root at `path`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(Error::io("open", path))?;
        Ok(Self { path: path.to_owned(), fd })
    }

    fn failed(&self, what: &'static str, path: &str) -> impl Fn(Errno) -> Error {
        let path = self.path.join(path);
        move |errno| Error::Io { what, path: path.clone(), source: errno.into() }
    }

    fn open_at(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { "." } else { path };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.fd, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    /// The directory that holds `path`, and the last name of `path`.
    fn parent<'p>(&self, path: &'p str) -> Result<(OwnedFd, &'p str), Errno> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        if matches!(name, "" | "." | "..") {
            return Err(Errno::INVAL);
        }
        Ok((self.open_at(directory, OFlags::PATH | OFlags::DIRECTORY)?, name))
    }

    /// What stands at `path`, a link itself and not what it points to.
    pub(super) fn stat(&self, path: &str) -> Result<Option<Stat>> {
        let found = self.parent(path).and_then(|(directory, name)| {
            rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)
        });
        match found {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(self.failed("look at", path)(errno)),
        }
    }

    /// The bytes of the regular file at `path`, links followed inside the root.
    pub(super) fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let opened = self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY);
        let mut file = match opened {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(errno) => return Err(self.failed("read", path)(errno)),
        };
        let full = self.path.join(path);
        if !file.metadata().map_err(Error::io("read", &full))?.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::io("read", full))?;
        Ok(Some(bytes))
    }

    /// Puts `bytes` at `path`, with this mode from the moment that it exists. What stood there
    /// gives its owner; a link there is replaced, not followed.
    pub(super) fn put(&self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let failed = self.failed("write", path);
        let owner = self.stat(path)?.filter(is_file).map(|s| (s.st_uid, s.st_gid));
        let (directory, name) = self.parent(path).map_err(&failed)?;
        let temporary = format!(".{name}.cambium");
        match rustix::fs::unlinkat(&directory, temporary.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(failed(errno)),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        // Mode 0 at first: at no moment may more people read it than in the end.
        let fd = rustix::fs::openat(&directory, temporary.as_str(), flags, Mode::empty());
        let mut file = File::from(fd.map_err(&failed)?);
        file.write_all(bytes).map_err(Error::io("write", self.path.join(path)))?;
        if let Some((uid, gid)) = owner {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            rustix::fs::fchown(&file, Some(uid), Some(gid)).map_err(&failed)?;
        }
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(&failed)?;
        rustix::fs::renameat(&directory, temporary.as_str(), &directory, name).map_err(&failed)
    }

    /// Makes the directory `path` with its parents, root's and 0755; those that exist stay.
    pub(super) fn make_directories(&self, path: &str) -> Result<()> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            let part = &path[..end];
            if self.open_at(part, OFlags::PATH | OFlags::DIRECTORY).is_ok() {
                continue;
            }
            let failed = self.failed("create", part);
            let (directory, name) = self.parent(part).map_err(&failed)?;
            rustix::fs::mkdirat(&directory, name, Mode::RWXU).map_err(&failed)?;
            let flags = AtFlags::empty();
            rustix::fs::chmodat(&directory, name, Mode::from_raw_mode(0o755), flags)
                .map_err(&failed)?;
        }
        Ok(())
    }

    /// Removes the file or link at `path`.
    pub(super) fn remove(&self, path: &str) -> Result<()> {
        let failed = self.failed("remove", path);
        let (directory, name) = self.parent(path).map_err(&failed)?;
        rustix::fs::unlinkat(&directory, name, AtFlags::empty()).map_err(&failed)
    }

    /// Removes the directory at `path` if it is empty, and says whether it did.
    pub(super) fn remove_empty(&self, path: &str) -> Result<bool> {
        let removed = self.parent(path).and_then(|(directory, name)| {
            rustix::fs::unlinkat(&directory, name, AtFlags::REMOVEDIR)
        });
        match removed {
            Ok(()) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::NOTDIR | Errno::NOENT) => Ok(false),
            Err(errno) => Err(self.failed("remove", path)(errno)),
        }
    }

    /// Changes the owner of what stands at `path`, a link itself; set-id bits and capabilities,
    /// which a change of owner takes away, are put back.
    pub(super) fn set_owner(&self, path: &str, (uid, gid): (u32, u32)) -> Result<()> {
        const CAPABILITY: &str = "security.capability";
        let Some(before) = self.stat(path)?.filter(|s| (s.st_uid, s.st_gid) != (uid, gid)) else {
            return Ok(());
        };
        let failed = self.failed("change the owner of", path);
        let (directory, name) = self.parent(path).map_err(&failed)?;
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        let change =
            || rustix::fs::chownat(&directory, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW);
        if !is_file(&before) && !is_directory(&before) {
            return change().map_err(&failed);
        }
        let file = self.open_itself(path).map_err(&failed)?;
        let mut capability = [0; 64];
        let had = rustix::fs::fgetxattr(&file, CAPABILITY, &mut capability[..]).ok();
        change().map_err(&failed)?;
        let mode = Mode::from_raw_mode(before.st_mode & 0o7777);
        rustix::fs::fchmod(&file, mode).map_err(&failed)?;
        if let Some(length) = had {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::fsetxattr(&file, CAPABILITY, &capability[..length], flags)
                .map_err(&failed)?;
        }
        Ok(())
    }

    /// Opens what stands at `path` itself, a regular file or a directory.
    fn open_itself(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.open_at(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY)
    }
}

/// Whether this is a regular file.
pub(super) fn is_file(stat: &Stat) -> bool {
    rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file()
}

/// Whether this is a directory.
pub(super) fn is_directory(stat: &Stat) -> bool {
    rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, XattrFlags};
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn root() -> (tempfile::TempDir, tempfile::TempDir, Inside) {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(dir.path().join("usr/etc")).unwrap();
        fs::write(outside.path().join("secret"), "host").unwrap();
        let inside = Inside::open(dir.path()).unwrap();
        (dir, outside, inside)
    }

    #[test]
    fn no_link_leads_outside() {
        let (dir, outside, inside) = root();
        let secret = outside.path().join("secret");
        symlink(&secret, dir.path().join("usr/etc/passwd")).unwrap();
        symlink(outside.path(), dir.path().join("usr/up")).unwrap();
        assert_eq!(inside.read("usr/etc/passwd").unwrap(), None);
        assert_eq!(inside.read("usr/up/secret").unwrap(), None);
        assert!(inside.stat("usr/up/secret").unwrap().is_none());
        assert!(inside.set_owner("usr/up/secret", (7, 7)).is_ok(), "nothing is there");
        assert!(inside.put("usr/up/new", b"x", 0o644).is_err());
        inside.put("usr/etc/passwd", b"in", 0o644).unwrap();
        assert_eq!(fs::read_to_string(&secret).unwrap(), "host");
        assert_eq!(secret.metadata().unwrap().uid(), 0);
        assert_eq!(fs::read_to_string(dir.path().join("usr/etc/passwd")).unwrap(), "in");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_has_its_mode_at_once_and_keeps_its_owner() {
        let (dir, _outside, inside) = root();
        inside.put("usr/etc/shadow", b"a", 0).unwrap();
        inside.set_owner("usr/etc/shadow", (0, 42)).unwrap();
        inside.put("usr/etc/shadow", b"b", 0o640).unwrap();
        let metadata = dir.path().join("usr/etc/shadow").metadata().unwrap();
        assert_eq!((metadata.gid(), metadata.mode() & 0o7777), (42, 0o640));
        inside.make_directories("usr/share/a/b").unwrap();
        assert!(inside.remove_empty("usr/share/a/b").unwrap());
        assert!(!inside.remove_empty("usr/share").unwrap(), "it is not empty");
        assert_eq!(fs::read_dir(dir.path().join("usr/etc")).unwrap().count(), 1);
    }

    #[test]
    fn a_change_of_owner_keeps_mode_and_capabilities() {
        let (dir, _outside, inside) = root();
        let path = dir.path().join("usr/tool");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4755)).unwrap();
        // cap_net_raw=ep in the kernel's revision 2 format.
        let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        rustix::fs::lsetxattr(&path, "security.capability", &capability, XattrFlags::empty())
            .unwrap();
        inside.set_owner("usr/tool", (7, 8)).unwrap();
        let after = cambium_ostree::Attributes::of_path(&path).unwrap();
        assert_eq!((after.uid, after.gid, after.mode), (7, 8, 0o4755));
        assert!(after.xattrs.contains(&(b"security.capability".to_vec(), capability.to_vec())));
        symlink("nowhere", dir.path().join("usr/link")).unwrap();
        inside.set_owner("usr/link", (7, 8)).unwrap();
        let link = rustix::fs::statat(CWD, dir.path().join("usr/link"), AtFlags::SYMLINK_NOFOLLOW);
        assert_eq!(link.unwrap().st_uid, 7);
    }
}
