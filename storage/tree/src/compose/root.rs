//! A root directory that is edited from outside: every path is resolved inside it.
//!
//! The tree holds absolute links and links with `..`; following one of them as the host would
//! reads or writes the host. So each path goes through `openat2(RESOLVE_IN_ROOT)`. `/etc` is
//! `usr/etc` here, the place that an ostree commit has for it. Files are replaced by rename and
//! never written in place, since a checkout's files may be hard links of repository objects.

use super::Error;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What a directory entry is, as far as a compose cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A regular file.
    File,
    /// A device, socket or pipe.
    Other,
}

/// An open root.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    fd: OwnedFd,
}

impl Root {
    /// Opens the root at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty());
        let fd = fd.map_err(|errno| Error::io("open", path, errno.into()))?;
        Ok(Self { path: path.to_owned(), fd })
    }

    /// Where the root is on the host.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path inside the root, relative, with `/etc` at its place in a commit.
    fn inside(path: &str) -> String {
        let path = path.trim_start_matches('/');
        match path.strip_prefix("etc") {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("usr/etc{rest}"),
            _ if path.is_empty() => ".".to_owned(),
            _ => path.to_owned(),
        }
    }

    fn failed(&self, action: &'static str, path: &str) -> impl Fn(Errno) -> Error {
        let path = self.path.join(Self::inside(path));
        move |errno| Error::io(action, &path, errno.into())
    }

    fn open_inside(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        rustix::fs::openat2(
            &self.fd,
            Self::inside(path).as_str(),
            flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )
    }

    /// The directory that holds `path`, and the last name of `path`.
    fn parent(&self, path: &str) -> Result<(OwnedFd, String), Errno> {
        let inside = Self::inside(path);
        let (directory, name) = inside.rsplit_once('/').unwrap_or((".", &inside));
        if name.is_empty() || name == ".." || name == "." {
            return Err(Errno::INVAL);
        }
        // `inside` is mapped already, and a second mapping leaves it alone.
        Ok((self.open_inside(directory, OFlags::PATH | OFlags::DIRECTORY)?, name.to_owned()))
    }

    /// What stands at `path`, links not followed.
    pub(crate) fn kind(&self, path: &str) -> Result<Option<Kind>, Error> {
        let stat = self.parent(path).and_then(|(directory, name)| {
            rustix::fs::statat(&directory, name.as_str(), AtFlags::SYMLINK_NOFOLLOW)
        });
        match stat {
            Ok(stat) => Ok(Some(Kind::of(FileType::from_raw_mode(stat.st_mode)))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(self.failed("look at", path)(errno)),
        }
    }

    /// Whether anything stands at `path`.
    pub(crate) fn exists(&self, path: &str) -> Result<bool, Error> {
        Ok(self.kind(path)?.is_some())
    }

    /// Mode, uid and gid of what stands at `path`, links not followed.
    pub(crate) fn owner(&self, path: &str) -> Result<(u32, u32, u32), Error> {
        let (directory, name) = self.parent(path).map_err(self.failed("look at", path))?;
        let stat = rustix::fs::statat(&directory, name.as_str(), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(self.failed("look at", path))?;
        Ok((stat.st_mode & 0o7777, stat.st_uid, stat.st_gid))
    }

    /// The file's bytes, links followed inside the root; `None` where there is none.
    pub(crate) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let mut file = match self.open_inside(path, OFlags::RDONLY | OFlags::NONBLOCK) {
            Ok(fd) => std::fs::File::from(fd),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(errno) => return Err(self.failed("read", path)(errno)),
        };
        let mut bytes = Vec::new();
        let read = file.read_to_end(&mut bytes);
        read.map_err(|source| Error::read(&self.path.join(Self::inside(path)), source))?;
        Ok(Some(bytes))
    }

    /// The file as text; bytes that are not UTF-8 are an error.
    pub(crate) fn read_text(&self, path: &str) -> Result<Option<String>, Error> {
        let Some(bytes) = self.read(path)? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(std::io::Error::other);
        text.map(Some).map_err(|source| Error::read(&self.path.join(Self::inside(path)), source))
    }

    /// Where the link at `path` points.
    pub(crate) fn read_link(&self, path: &str) -> Result<String, Error> {
        let (directory, name) = self.parent(path).map_err(self.failed("read", path))?;
        let target = rustix::fs::readlinkat(&directory, name.as_str(), Vec::new());
        Ok(target.map_err(self.failed("read", path))?.to_string_lossy().into_owned())
    }

    /// Puts a file of root with these permission bits at `path`; parents are made.
    pub(crate) fn write(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), Error> {
        let (directory, name) = self.made_parent(path)?;
        let failed = self.failed("write", path);
        let temporary = format!(".{name}.cambium");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let fd = rustix::fs::openat(&directory, temporary.as_str(), flags, Mode::RUSR | Mode::WUSR);
        let mut file = std::fs::File::from(fd.map_err(&failed)?);
        let written = file.write_all(bytes);
        written
            .map_err(|source| Error::io("write", &self.path.join(Self::inside(path)), source))?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(&failed)?;
        rustix::fs::renameat(&directory, temporary.as_str(), &directory, name.as_str())
            .map_err(&failed)
    }

    /// Puts other bytes at `path`, which keeps its owner.
    pub(crate) fn replace(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), Error> {
        let (_, uid, gid) = self.owner(path)?;
        self.write(path, bytes, mode)?;
        let failed = self.failed("give to its owner", path);
        let (directory, name) = self.parent(path).map_err(&failed)?;
        let owner = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::chownat(&directory, name.as_str(), Some(owner.0), Some(owner.1), flags)
            .map_err(&failed)?;
        // A change of owner takes set-id bits away.
        self.set_mode(path, mode)
    }

    /// Puts a link to `target` at `path`, in place of what stood there; parents are made.
    pub(crate) fn link(&self, target: &str, path: &str) -> Result<(), Error> {
        let (directory, name) = self.made_parent(path)?;
        if self.exists(path)? {
            self.remove(path)?;
        }
        rustix::fs::symlinkat(target, &directory, name.as_str()).map_err(self.failed("link", path))
    }

    /// Makes the directory at `path` with its parents, 0755 and of root; one that exists stays.
    pub(crate) fn make_directory(&self, path: &str) -> Result<(), Error> {
        let inside = Self::inside(path);
        let mut made = String::new();
        for part in inside.split('/').filter(|part| !part.is_empty() && *part != ".") {
            made = if made.is_empty() { part.to_owned() } else { format!("{made}/{part}") };
            if self.open_inside(&made, OFlags::PATH | OFlags::DIRECTORY).is_ok() {
                continue;
            }
            let failed = self.failed("make the directory", path);
            let (directory, name) = self.parent(&made).map_err(&failed)?;
            rustix::fs::mkdirat(&directory, name.as_str(), Mode::RWXU).map_err(&failed)?;
            // The mode is set apart so that the caller's umask does not count.
            self.set_mode(&made, 0o755)?;
        }
        Ok(())
    }

    /// Sets the permission bits of the file or directory at `path`.
    pub(crate) fn set_mode(&self, path: &str, mode: u32) -> Result<(), Error> {
        let failed = self.failed("set the mode of", path);
        let fd = self.open_inside(path, OFlags::RDONLY | OFlags::NONBLOCK).map_err(&failed)?;
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode)).map_err(&failed)
    }

    /// Removes what stands at `path`, with all below it; nothing there is fine.
    pub(crate) fn remove(&self, path: &str) -> Result<(), Error> {
        let (directory, name) = match self.parent(path) {
            Ok(found) => found,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(errno) => return Err(self.failed("remove", path)(errno)),
        };
        remove_below(directory.as_fd(), &name).map_err(self.failed("remove", path))
    }

    /// The entries of the directory at `path`, sorted by name; empty where there is none.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<Entry>, Error> {
        match self.open_inside(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(fd) => entries(fd).map_err(self.failed("list", path)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(Vec::new()),
            Err(errno) => Err(self.failed("list", path)(errno)),
        }
    }

    fn made_parent(&self, path: &str) -> Result<(OwnedFd, String), Error> {
        let inside = Self::inside(path);
        if let Some((directory, _)) = inside.rsplit_once('/') {
            self.make_directory(directory)?;
        }
        self.parent(path).map_err(self.failed("reach", path))
    }
}

impl Kind {
    fn of(kind: FileType) -> Self {
        match kind {
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Link,
            FileType::RegularFile => Self::File,
            _ => Self::Other,
        }
    }
}

fn entries(directory: OwnedFd) -> Result<Vec<Entry>, Errno> {
    let mut found = Vec::new();
    for entry in rustix::fs::Dir::new(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            found.push(Entry { name, kind: Kind::of(entry.file_type()) });
        }
    }
    found.sort();
    Ok(found)
}

fn remove_below(directory: rustix::fd::BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let inner = rustix::fs::openat(directory, name, flags, Mode::empty())?;
    for entry in entries(rustix::io::dup(&inner)?)? {
        remove_below(inner.as_fd(), &entry.name)?;
    }
    rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn etc_is_usr_etc() {
        for (path, inside) in [
            ("/etc/passwd", "usr/etc/passwd"),
            ("etc", "usr/etc"),
            ("/etcetera", "etcetera"),
            ("/usr/lib", "usr/lib"),
            ("/", "."),
        ] {
            assert_eq!(Root::inside(path), inside);
        }
    }

    #[test]
    fn links_lead_nowhere_outside() {
        let (dir, root) = root();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "host").unwrap();
        root.link(outside.path().to_str().unwrap(), "/a").unwrap();
        root.link("../../../../..", "/b").unwrap();
        assert_eq!(root.read("/a/secret").unwrap(), None);
        root.write("/b/usr/x", b"in", 0o644).unwrap();
        assert_eq!(std::fs::read(dir.path().join("usr/x")).unwrap(), b"in");
        assert!(root.write("/a/new", b"x", 0o644).is_err(), "a link to nothing is no directory");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_written_file_has_its_mode_and_breaks_hard_links() {
        let (dir, root) = root();
        root.write("/etc/f", b"old", 0o600).unwrap();
        let twin = dir.path().join("twin");
        std::fs::hard_link(dir.path().join("usr/etc/f"), &twin).unwrap();
        root.write("/etc/f", b"new", 0o755).unwrap();
        assert_eq!(std::fs::read(twin).unwrap(), b"old");
        assert_eq!(root.read_text("/etc/f").unwrap().as_deref(), Some("new"));
        assert_eq!(root.owner("/etc/f").unwrap().0, 0o755);
        assert_eq!(root.list("/etc").unwrap().len(), 1);
    }

    #[test]
    fn removal_takes_trees_and_not_what_links_point_to() {
        let (_dir, root) = root();
        root.write("/usr/keep/f", b"", 0o644).unwrap();
        root.write("/usr/gone/d/f", b"", 0o644).unwrap();
        root.link("/usr/keep", "/usr/gone/link").unwrap();
        root.remove("/usr/gone").unwrap();
        root.remove("/usr/never/was").unwrap();
        assert!(!root.exists("/usr/gone").unwrap());
        assert_eq!(root.kind("/usr/keep/f").unwrap(), Some(Kind::File));
    }

    #[test]
    fn a_link_replaces_what_was_there() {
        let (_dir, root) = root();
        root.write("/usr/local/bin/x", b"", 0o644).unwrap();
        root.link("../var/usrlocal", "/usr/local").unwrap();
        assert_eq!(root.kind("/usr/local").unwrap(), Some(Kind::Link));
        assert_eq!(root.read_link("/usr/local").unwrap(), "../var/usrlocal");
    }
}
