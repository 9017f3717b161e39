//! The scripts' /var: kept for the length of one transaction, so that later scripts see what
//! earlier ones wrote, then turned into tmpfiles.d lines where it can be (surface §2.7).
//!
//! | what scripts made | what becomes of it |
//! |---|---|
//! | a directory, or other attributes of a package's directory | `d`; a script's line wins over the package's |
//! | a symbolic link | `L` |
//! | a text file of at most [`LINE`] bytes that everybody may read | `f`, with its content |
//! | another file of at most [`COPIED`] bytes that everybody may read | `C` from /usr/share/factory |
//! | caches, logs, scratch | nothing: whoever made it makes it again |
//! | files that not everybody may read, larger ones, devices, sockets | reported by name |
//!
//! rpm-ostree and bootc keep directories and links and drop files with a message. Files are kept
//! here because dpkg's and chkconfig's alternatives, sgml catalogues and their like are small
//! files below /var/lib without which a package does not work. `f` and `C` never overwrite: what
//! a host has there already is the host's. A file that is not for everybody may be a secret, and
//! /usr is readable by all and shared by all hosts of an image.

mod kept;

use super::inside::{Inside, is_directory};
use super::{Accounts, tmpfiles};
use crate::{Error, Result};
use cambium_model::Observer;
use kept::Kept;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The largest content of an `f` line.
const LINE: u64 = 4 << 10;
/// The largest file that is kept as a copy below /usr.
const COPIED: u64 = 1 << 20;
/// All that is kept of one transaction; beyond it files are reported.
const ALL: u64 = 16 << 20;

/// What every system has below /var, with modes; scripts count on it.
const SKELETON: [(&str, u32); 10] = [
    ("cache", 0o755),
    ("db", 0o755),
    ("lib", 0o755),
    ("lib/rpm-state", 0o755),
    ("log", 0o755),
    ("opt", 0o755),
    ("roothome", 0o700),
    ("spool", 0o755),
    ("tmp", 0o1777),
    ("usrlocal", 0o755),
];

/// Directories of /var/lib that a tree has in /usr/lib, with a link in their place (surface §2.1).
const MOVED: [&str; 2] = ["alternatives", "vagrant"];

/// Below these nothing is kept, and nobody misses it.
const PASSING: [&str; 3] = ["/var/tmp", "/var/lib/rpm-state", "/var/cache/ldconfig"];
/// Below these directories are kept and files are not: their makers make them again.
const REGENERATED: [&str; 2] = ["/var/cache/", "/var/log/"];

/// The scripts' /var and what it was like before them.
#[derive(Debug)]
pub(super) struct State<'a> {
    var: PathBuf,
    /// `var`, for changes to what scripts may have replaced by a link.
    inside: Inside,
    tree: &'a Inside,
    /// The packages' tmpfiles.d lines.
    lines: String,
    /// Every directory that was there before the scripts, with its attributes.
    before: BTreeMap<String, Attributes>,
    /// Which of [`MOVED`] had to be made in /usr/lib.
    made: Vec<&'static str>,
}

/// Mode, owner and group.
type Attributes = (u32, u32, u32);

impl<'a> State<'a> {
    /// Lays out /var in `var`, with the directories that the packages' `lines` (tmpfiles.d) make.
    /// They are root's until [`Self::set_owners`].
    pub(super) fn lay_out(var: &Path, tree: &'a Inside, lines: String) -> Result<Self> {
        for (path, mode) in SKELETON {
            directory(&var.join(path), mode)?;
        }
        for (name, target) in [("run", "../run"), ("lock", "../run/lock")] {
            symlink(target, var.join(name)).map_err(Error::io("create", var.join(name)))?;
        }
        let mut made = Vec::new();
        for name in MOVED {
            let (place, link) = (format!("usr/lib/{name}"), var.join("lib").join(name));
            if tree.stat("usr/lib")?.is_none() {
                continue;
            }
            if tree.stat(&place)?.is_none() {
                tree.make_directories(&place)?;
                made.push(name);
            }
            let target = format!("../../usr/lib/{name}");
            symlink(target, &link).map_err(Error::io("create", &link))?;
        }
        for (inside, line) in made_by(&lines) {
            if !MOVED.iter().any(|name| inside.strip_prefix("lib/") == Some(name)) {
                directory(&var.join(inside), line.mode)?;
            }
        }
        let before = attributes(var)?;
        let inside = Inside::open(var)?;
        Ok(Self { var: var.to_owned(), inside, tree, lines, before, made })
    }

    /// Gives the directories of the packages' lines their owners, as far as `accounts` knows them
    /// by now.
    pub(super) fn set_owners(&mut self, accounts: &Accounts) -> Result<()> {
        for (inside, made) in made_by(&self.lines) {
            let Some(stat) = self.inside.stat(&inside)?.filter(is_directory) else { continue };
            let user = accounts.user(&made.user).unwrap_or(stat.st_uid);
            let group = accounts.group(&made.group).unwrap_or(stat.st_gid);
            self.inside.set_owner(&inside, (user, group))?;
            if let Some(known) = self.before.get_mut(&format!("/var/{inside}")) {
                *known = (stat.st_mode & 0o7777, user, group);
            }
        }
        Ok(())
    }

    /// Lines for what is in /var now and was not before. Content that is kept goes to
    /// /usr/share/factory; what is not kept is told.
    pub(super) fn into_lines(self, accounts: &Accounts, observer: &dyn Observer) -> Result<String> {
        let mut lines = String::new();
        for name in &self.made {
            // A directory that nobody filled is none of the tree's.
            if !self.tree.remove_empty(&format!("usr/lib/{name}"))? {
                lines += &tmpfiles::link_line(
                    &format!("/var/lib/{name}"),
                    &format!("../../usr/lib/{name}"),
                );
            }
        }
        let mut kept = Kept::new(self.tree, accounts);
        self.walk("", true, &mut kept, &mut lines)?;
        for (path, why) in kept.lost() {
            observer.warning(format!("{path}, which a script made, is not kept: {why}"));
            tracing::warn!(path, why, "a file of a script in /var is not kept");
        }
        Ok(lines)
    }

    /// `public` is whether everybody can reach what is below.
    fn walk(
        &self,
        inside: &str,
        public: bool,
        kept: &mut Kept<'_>,
        lines: &mut String,
    ) -> Result<()> {
        let at = self.var.join(inside.trim_start_matches('/'));
        let mut names = Vec::new();
        for entry in fs::read_dir(&at).map_err(Error::io("list", &at))? {
            let entry = entry.map_err(Error::io("list", &at))?;
            let name = entry.file_name();
            match name.to_str().filter(|name| !name.contains(|c: char| c.is_ascii_control())) {
                Some(name) => names.push(name.to_owned()),
                None => {
                    let path = format!("/var{inside}/{}", name.to_string_lossy());
                    kept.lose(&path, "its name cannot stand in a line");
                }
            }
        }
        names.sort();
        for name in names {
            let inside = format!("{inside}/{name}");
            let path = format!("/var{inside}");
            let metadata =
                at.join(&name).symlink_metadata().map_err(Error::io("read", at.join(&name)))?;
            if PASSING.contains(&path.as_str()) || self.is_skeletons_link(&inside) {
                continue;
            }
            if metadata.is_dir() {
                let now = attributes_of(&at.join(&name))?;
                if self.before.get(&path) != Some(&now) {
                    let (user, group) = (kept.user(now.1), kept.group(now.2));
                    *lines += &tmpfiles::directory_line(&path, now.0, &user, &group);
                }
                self.walk(&inside, public && now.0 & 0o1 != 0, kept, lines)?;
            } else if REGENERATED.iter().any(|start| path.starts_with(start)) {
                tracing::debug!(path, "a cache or log of a script is not kept");
            } else {
                *lines += &kept.keep(&path, &at.join(&name), &metadata, public)?;
            }
        }
        Ok(())
    }

    /// The links that [`Self::lay_out`] made.
    fn is_skeletons_link(&self, inside: &str) -> bool {
        let moved = inside.strip_prefix("/lib/").is_some_and(|name| MOVED.contains(&name));
        (moved || matches!(inside, "/run" | "/lock"))
            && self.var.join(inside.trim_start_matches('/')).is_symlink()
    }
}

/// The directories below /var that lines make, with their paths in it.
fn made_by(lines: &str) -> impl Iterator<Item = (String, tmpfiles::Directory)> {
    lines.lines().filter_map(tmpfiles::Directory::parse).filter_map(|made| {
        let inside = made.path.strip_prefix("/var/")?.to_owned();
        // The import made the line; a path that climbs could still come from a forged commit.
        let climbs = inside.split('/').any(|part| matches!(part, "" | "." | ".."));
        (!climbs).then_some((inside, made))
    })
}

fn directory(path: &Path, mode: u32) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("create", path))?;
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, mode).map_err(Error::io("change the mode of", path))
}

fn attributes_of(path: &Path) -> Result<Attributes> {
    let metadata = path.symlink_metadata().map_err(Error::io("read", path))?;
    Ok((metadata.mode() & 0o7777, metadata.uid(), metadata.gid()))
}

/// Every directory below `var`, as `/var/…`.
fn attributes(var: &Path) -> Result<BTreeMap<String, Attributes>> {
    let mut found = BTreeMap::new();
    let mut open = vec![String::new()];
    while let Some(inside) = open.pop() {
        let at = var.join(inside.trim_start_matches('/'));
        for entry in fs::read_dir(&at).map_err(Error::io("list", &at))? {
            let entry = entry.map_err(Error::io("list", &at))?;
            let kind = entry.file_type().map_err(Error::io("read", entry.path()))?;
            if let (true, Ok(name)) = (kind.is_dir(), entry.file_name().into_string()) {
                let path = format!("{inside}/{name}");
                found.insert(format!("/var{path}"), attributes_of(&entry.path())?);
                open.push(path);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Told;

    const PACKAGES: &str =
        "d /var/lib/pg 0700 pg pg - -\nL /var/x - - - - y\nd /var/../up 0755 - - - -\n";

    /// The lines of what `work` does in a /var, and what is told.
    fn check(work: impl FnOnce(&Path), expected: &[&str], told: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let var = dir.path().join("var");
        fs::create_dir_all(dir.path().join("usr/lib")).unwrap();
        fs::create_dir_all(&var).unwrap();
        let tree = Inside::open(dir.path()).unwrap();
        let accounts = Accounts::parse(["pg:x:26:26::/:/bin/sh\n"], ["pg:x:26:\n"]);
        let mut state = State::lay_out(&var, &tree, PACKAGES.to_owned()).unwrap();
        assert!(!dir.path().join("up").exists());
        state.set_owners(&accounts).unwrap();
        assert_eq!(attributes_of(&var.join("lib/pg")).unwrap(), (0o700, 26, 26));
        work(&var);
        let observer = Told::default();
        let lines = state.into_lines(&accounts, &observer).unwrap();
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
        assert_eq!(observer.warnings(), told);
        dir
    }

    fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>, mode: u32) {
        fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn nothing_done_is_nothing_said() {
        let dir = check(|_| {}, &[], &[]);
        assert!(!dir.path().join("usr/lib/alternatives").exists());
    }

    #[test]
    fn directories_and_links_become_lines() {
        let work = |var: &Path| {
            fs::create_dir_all(var.join("lib/pg/data")).unwrap();
            fs::create_dir_all(var.join("tmp/scratch")).unwrap();
            fs::create_dir_all(var.join("lib/rpm-state/x")).unwrap();
            fs::create_dir_all(var.join("cache/fonts")).unwrap();
            write(var.join("cache/fonts/index"), "x", 0o644);
            symlink("pg/da %ta", var.join("lib/link")).unwrap();
            std::os::unix::fs::chown(var.join("lib/pg/data"), Some(26), Some(26)).unwrap();
            fs::set_permissions(var.join("lib/pg"), fs::Permissions::from_mode(0o750)).unwrap();
        };
        let expected = [
            "d /var/cache/fonts 0755 root root - -",
            "L /var/lib/link - - - - pg/da %%ta",
            "d /var/lib/pg 0750 pg pg - -",
            "d /var/lib/pg/data 0755 pg pg - -",
        ];
        check(work, &expected, &[]);
    }

    #[test]
    fn small_files_that_all_may_read_are_kept_and_others_told() {
        let work = |var: &Path| {
            write(var.join("lib/dpkg/alternatives/editor"), "auto\n/usr/bin/editor\n\\%\n", 0o644);
            write(var.join("lib/binary"), b"a\0b", 0o755);
            write(var.join("lib/secret"), "key", 0o600);
            write(var.join("lib/pg/inside"), "x", 0o644);
            write(var.join("lib/large"), vec![b'x'; COPIED as usize + 1], 0o644);
            drop(std::os::unix::net::UnixListener::bind(var.join("lib/socket")).unwrap());
        };
        let expected = [
            "C /var/lib/binary 0755 root root - /usr/share/factory/var/lib/binary",
            "d /var/lib/dpkg 0755 root root - -",
            "d /var/lib/dpkg/alternatives 0755 root root - -",
            "f /var/lib/dpkg/alternatives/editor 0644 root root - \
             auto\\n/usr/bin/editor\\n\\\\%%\\n",
        ];
        let told = [
            "/var/lib/large, which a script made, is not kept: it is larger than 1 MiB",
            "/var/lib/pg/inside, which a script made, is not kept: not everybody may read it",
            "/var/lib/secret, which a script made, is not kept: not everybody may read it",
            "/var/lib/socket, which a script made, is not kept: it is no file, directory or link",
        ];
        let dir = check(work, &expected, &told);
        let factory = dir.path().join("usr/share/factory/var/lib/binary");
        assert_eq!(fs::read(&factory).unwrap(), b"a\0b");
        assert_eq!(attributes_of(&factory).unwrap(), (0o644, 0, 0));
    }

    #[test]
    fn alternatives_are_kept_in_usr() {
        let work = |var: &Path| write(var.join("lib/alternatives/editor"), "auto\n", 0o644);
        let expected = ["L /var/lib/alternatives - - - - ../../usr/lib/alternatives"];
        let lines = |work: &dyn Fn(&Path)| {
            let dir = tempfile::tempdir().unwrap();
            // The link is relative to the root that scripts see: /var and /usr side by side.
            let (var, usr) = (dir.path().join("var"), dir.path().join("usr"));
            fs::create_dir_all(usr.join("lib")).unwrap();
            fs::create_dir_all(&var).unwrap();
            let tree = Inside::open(dir.path()).unwrap();
            let state = State::lay_out(&var, &tree, String::new()).unwrap();
            work(&var);
            let lines = state.into_lines(&Accounts::default(), &Told::default()).unwrap();
            let kept = fs::read_to_string(usr.join("lib/alternatives/editor")).unwrap();
            (lines.lines().map(str::to_owned).collect::<Vec<_>>(), kept)
        };
        assert_eq!(lines(&work), (expected.map(str::to_owned).to_vec(), "auto\n".to_owned()));
    }
}
