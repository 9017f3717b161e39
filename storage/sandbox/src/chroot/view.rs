//! The tree as a program in a chroot sees it, for as long as it runs and not a moment longer.
//!
//! A tree's configuration is at `usr/etc`; scripts want it at `/etc`, and without mounts that is
//! a matter of names. So `usr` and `var` move into a new directory beside them, the root to be;
//! in there `usr/etc` becomes `etc`, and `usr/etc` a link to it. What a script must not see or
//! should see with another content is put aside and comes back after. [`View`] undoes all of it,
//! on every way out; where the process is killed instead, [`View::recover`] does, at the next
//! start or before the next program: every step is a rename, so each state between two steps is
//! recognised by what is there, and undoing twice changes nothing.
//!
//! The tree was written by scripts, so its links may lead anywhere: paths are resolved with the
//! new directory as their root, or relative to descriptors without following links.

use crate::{Error, Root};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, readlinkat, renameat,
    statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The root to be, beside `usr` and `var`.
const INSIDE: &str = ".cambium-root";
/// What is put aside, each under its path inside with `/` and `%` escaped; never visible inside.
const ASIDE: &str = ".cambium-aside";
/// What `usr/etc` is while a program runs.
const LINK: &str = "../etc";
/// What a program is lent and must leave where it is.
const LENT: [&str; 3] = ["usr", "etc", "var"];

const DIRECTORY: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Device and inode: what a directory is known by, whatever its name.
type Identity = (u64, u64);

/// A tree that is arranged for a program.
#[derive(Debug)]
pub(crate) struct View {
    top: PathBuf,
    inside: OwnedFd,
    lent: [Identity; 3],
    /// Directories of the caller that are shown inside: where from, where, which.
    moved: Vec<(PathBuf, String, Identity)>,
    over: bool,
}

impl View {
    /// Arranges the tree whose `usr` (with `usr/etc`) and `var` are in `top`.
    pub(crate) fn enter(top: &Path) -> Result<Self, Error> {
        Self::recover(top)?;
        let at = open_top(top)?;
        let failed = |what, name: &str| layout(what, top.join(name));
        mkdirat(&at, INSIDE, Mode::from_raw_mode(0o755)).map_err(failed("create", INSIDE))?;
        let inside = openat(&at, INSIDE, DIRECTORY, Mode::empty());
        let inside = inside.map_err(failed("open", INSIDE))?;
        let mut view =
            Self { top: top.to_owned(), inside, lent: [(0, 0); 3], moved: Vec::new(), over: false };
        // From here on the drop of `view` puts back what has been moved.
        for name in ["usr", "var"] {
            renameat(&at, name, &view.inside, name).map_err(failed("move", name))?;
        }
        let inside = &view.inside;
        renameat(inside, "usr/etc", inside, "etc").map_err(failed("move", "usr/etc"))?;
        symlinkat(LINK, inside, "usr/etc").map_err(failed("link", "usr/etc"))?;
        for (lent, name) in view.lent.iter_mut().zip(LENT) {
            *lent = directory(inside, name).map_err(failed("find the directory", name))?;
        }
        Ok(view)
    }

    /// The root to be.
    pub(crate) fn inside(&self) -> &OwnedFd {
        &self.inside
    }

    /// The paths of a tree's directories while they are inside.
    pub(crate) fn root_inside(&self, root: &Root) -> Root {
        let inside = self.top.join(INSIDE);
        let mut root = root.clone();
        (root.usr, root.etc, root.var) =
            (inside.join("usr"), inside.join("etc"), inside.join("var"));
        root
    }

    /// Opens the directory that holds `path` of the inside, and gives the last name.
    pub(crate) fn parent(&self, path: &str) -> Result<(OwnedFd, String), Error> {
        parent(&self.inside, path).map_err(layout("find the place of", self.top.join(path)))
    }

    /// Puts what stands at `path` inside aside until the end.
    pub(crate) fn put_aside(&self, path: &str) -> Result<(), Error> {
        let failed = |what| layout(what, self.top.join(path));
        let at = open_top(&self.top)?;
        match mkdirat(&at, ASIDE, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed("create a place for")(error)),
        }
        let aside = openat(&at, ASIDE, DIRECTORY, Mode::empty()).map_err(failed("put aside"))?;
        let (directory, name) = self.parent(path)?;
        renameat(&directory, name, &aside, escape(path)).map_err(failed("put aside"))
    }

    /// Moves a directory of the caller to `path` inside until the end.
    pub(crate) fn show(&mut self, source: &Path, path: &str) -> Result<(), Error> {
        let (at, name) = self.parent(path)?;
        renameat(rustix::fs::CWD, source, &at, name.as_str())
            .map_err(layout("move", source.to_owned()))?;
        let identity = directory(&at, &name).map_err(layout("show", source.to_owned()))?;
        self.moved.push((source.to_owned(), path.to_owned(), identity));
        Ok(())
    }

    /// Puts everything back. `name` is the program's, which is to blame where that cannot be.
    pub(crate) fn leave(mut self, name: &str) -> Result<(), Error> {
        self.over = true;
        self.check_lent(name)?;
        self.take_back(name)?;
        put_back(&self.top)
    }

    /// Undoes what a killed process left of [`View::enter`] in `top`, and says whether there was
    /// something.
    pub(crate) fn recover(top: &Path) -> Result<bool, Error> {
        let left = |name: &str| top.join(name).symlink_metadata().is_ok();
        let any = left(INSIDE) || left(ASIDE);
        if any {
            put_back(top)?;
        }
        Ok(any)
    }

    /// A script that replaced what it was lent would have the rest of the transaction write
    /// elsewhere: it fails, and nothing below is touched.
    fn check_lent(&self, name: &str) -> Result<(), Error> {
        let replaced =
            |path: &str| Error::Replaced { name: name.to_owned(), path: path.to_owned() };
        for (lent, path) in self.lent.iter().zip(LENT) {
            if directory(&self.inside, path).ok().as_ref() != Some(lent) {
                return Err(replaced(path));
            }
        }
        if link(&self.inside, "usr/etc").as_deref() != Some(LINK) {
            return Err(replaced("usr/etc"));
        }
        Ok(())
    }

    fn take_back(&mut self, name: &str) -> Result<(), Error> {
        for (source, path, identity) in std::mem::take(&mut self.moved) {
            let (at, last) = self.parent(&path)?;
            if directory(&at, &last).ok() != Some(identity) {
                return Err(Error::Replaced { name: name.to_owned(), path });
            }
            renameat(&at, last, rustix::fs::CWD, &source).map_err(layout("move back", source))?;
        }
        Ok(())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let result = self.take_back("the program").and_then(|()| put_back(&self.top));
        if let Err(error) = result {
            tracing::warn!(%error, top = %self.top.display(), "a tree is not put back");
        }
    }
}

/// The way back from every state between the steps of [`View::enter`] and of itself.
fn put_back(top: &Path) -> Result<(), Error> {
    let at = open_top(top)?;
    let failed = |what, name: &str| layout(what, top.join(name));
    if let Some(inside) =
        found(openat(&at, INSIDE, DIRECTORY, Mode::empty())).map_err(failed("open", INSIDE))?
    {
        bring_back(top, &at, &inside)?;
        if kind(&inside, "etc") == Some(FileType::Directory) {
            if link(&inside, "usr/etc").as_deref() == Some(LINK) {
                unlinkat(&inside, "usr/etc", AtFlags::empty())
                    .map_err(failed("remove the link", "usr/etc"))?;
            }
            renameat(&inside, "etc", &inside, "usr/etc").map_err(failed("move back", "usr/etc"))?;
        }
        for name in ["usr", "var"] {
            // What is no directory by now is a script's, and goes with all else that is inside.
            if kind(&inside, name) == Some(FileType::Directory) {
                renameat(&inside, name, &at, name).map_err(failed("move back", name))?;
            }
        }
    }
    for name in [INSIDE, ASIDE] {
        match fs::remove_dir_all(top.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let path = top.join(name);
                return Err(Error::Layout { what: "remove", path, source: error });
            }
            _ => {}
        }
    }
    Ok(())
}

/// What was put aside takes the place of what stood in for it.
fn bring_back(top: &Path, at: &OwnedFd, inside: &OwnedFd) -> Result<(), Error> {
    let list = top.join(ASIDE);
    let Some(aside) =
        found(openat(at, ASIDE, DIRECTORY, Mode::empty())).map_err(layout("open", list.clone()))?
    else {
        return Ok(());
    };
    let broken = |source| Error::Layout { what: "list", path: list.clone(), source };
    for entry in fs::read_dir(&list).map_err(broken)? {
        let name = entry.map_err(broken)?.file_name().to_string_lossy().into_owned();
        let path = unescape(&name);
        let failed = |what| layout(what, top.join(&path));
        let (place, last) = parent(inside, &path).map_err(failed("find the place of"))?;
        remove(&place, &last).map_err(|source| Error::Layout {
            what: "remove",
            path: top.join(&path),
            source,
        })?;
        renameat(&aside, name, &place, last).map_err(failed("bring back"))?;
    }
    Ok(())
}

/// Removes what stands at `name` with all below it, and follows no link.
pub(crate) fn remove(directory: &OwnedFd, name: &str) -> std::io::Result<()> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {
            fs::remove_dir_all(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))
        }
        Err(error) => Err(error.into()),
    }
}

/// The directory that holds `path` when `root` is the root, and the last name.
fn parent(root: &OwnedFd, path: &str) -> Result<(OwnedFd, String), Errno> {
    let path = path.trim_start_matches('/');
    let (directory, name) = path.rsplit_once('/').unwrap_or((".", path));
    if matches!(name, "" | "." | "..") {
        return Err(Errno::INVAL);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let directory = openat2(root, directory, flags, Mode::empty(), resolve)?;
    Ok((directory, name.to_owned()))
}

fn open_top(top: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(top, flags, Mode::empty()).map_err(layout("open", top.to_owned()))
}

fn layout(what: &'static str, path: PathBuf) -> impl Fn(Errno) -> Error {
    move |error| Error::Layout { what, path: path.clone(), source: error.into() }
}

fn found<T>(result: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Err(Errno::NOENT) => Ok(None),
        other => other.map(Some),
    }
}

fn kind(at: impl AsFd, name: &str) -> Option<FileType> {
    let stat = statat(at, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

fn link(at: impl AsFd, name: &str) -> Option<String> {
    readlinkat(at, name, Vec::new()).ok()?.into_string().ok()
}

/// Which directory stands at `name`; a link to one is none.
fn directory(at: impl AsFd, name: &str) -> Result<Identity, Errno> {
    let stat = statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    if directory { Ok((stat.st_dev, stat.st_ino)) } else { Err(Errno::NOTDIR) }
}

fn escape(path: &str) -> String {
    path.trim_start_matches('/').replace('%', "%25").replace('/', "%2F")
}

fn unescape(name: &str) -> String {
    name.replace("%2F", "/").replace("%25", "%")
}

#[cfg(test)]
mod tests;
