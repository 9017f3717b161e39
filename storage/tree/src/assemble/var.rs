//! The scripts' /var: kept for the length of one transaction, then forgotten but for the
//! directories that scripts made, which become tmpfiles.d lines (surface §2.7).

use super::{Accounts, tmpfiles};
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

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

/// Lays out /var in `var`, with the directories that the packages' `lines` (tmpfiles.d) make.
/// They are root's until [`set_owners`].
pub(super) fn lay_out(var: &Path, lines: &str) -> Result<()> {
    for (path, mode) in SKELETON {
        directory(&var.join(path), mode)?;
    }
    for (name, target) in [("run", "../run"), ("lock", "../run/lock")] {
        symlink(target, var.join(name)).map_err(Error::io("create", var.join(name)))?;
    }
    for (inside, made) in made_by(lines) {
        directory(&var.join(inside), made.mode)?;
    }
    Ok(())
}

/// Gives the directories of `lines` their owners, as far as `accounts` knows them by now.
pub(super) fn set_owners(var: &Path, lines: &str, accounts: &Accounts) -> Result<()> {
    for (inside, made) in made_by(lines) {
        let path = var.join(inside);
        let (user, group) = (accounts.user(&made.user), accounts.group(&made.group));
        if (user, group) != (Some(0), Some(0)) && path.is_dir() {
            std::os::unix::fs::chown(&path, user, group)
                .map_err(Error::io("change the owner of", &path))?;
        }
    }
    Ok(())
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

/// Every directory below `var`, as `/var/…`.
pub(super) fn directories(var: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut open = vec![String::new()];
    while let Some(inside) = open.pop() {
        let at = var.join(inside.trim_start_matches('/'));
        for entry in fs::read_dir(&at).map_err(Error::io("list", &at))? {
            let entry = entry.map_err(Error::io("list", &at))?;
            let kind = entry.file_type().map_err(Error::io("read", entry.path()))?;
            // A name that is no text cannot be a line either.
            if let (true, Ok(name)) = (kind.is_dir(), entry.file_name().into_string()) {
                let path = format!("{inside}/{name}");
                found.insert(format!("/var{path}"));
                open.push(path);
            }
        }
    }
    Ok(found)
}

/// Lines for the directories of `var` that were not there `before`. Those below /var/tmp and of
/// rpm's own state are nobody's.
pub(super) fn new_lines(
    var: &Path,
    before: &BTreeSet<String>,
    accounts: &Accounts,
) -> Result<String> {
    let mut lines = String::new();
    for path in directories(var)?.difference(before) {
        let passing = ["/var/tmp/", "/var/lib/rpm-state/", "/var/cache/ldconfig"];
        if passing.iter().any(|prefix| path.starts_with(prefix)) {
            continue;
        }
        let at = var.join(path.trim_start_matches("/var/"));
        let metadata = at.symlink_metadata().map_err(Error::io("read", &at))?;
        let (user, group) =
            (accounts.user_name(metadata.uid()), accounts.group_name(metadata.gid()));
        let mode = metadata.mode() & 0o7777;
        lines += &tmpfiles::directory_line(path, mode, &user, &group);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_that_scripts_make_become_lines() {
        let dir = tempfile::tempdir().unwrap();
        let var = dir.path();
        let accounts = Accounts::parse(["pg:x:26:26::/:/bin/sh\n"], ["pg:x:26:\n"]);
        let lines = "d /var/lib/pg 0700 pg pg - -\nL /var/x - - - - y\nd /var/../up 0755 - - - -\n";
        lay_out(var, lines).unwrap();
        set_owners(var, lines, &accounts).unwrap();
        let pg = var.join("lib/pg").metadata().unwrap();
        assert_eq!((pg.uid(), pg.mode() & 0o7777), (26, 0o700));
        assert!(!dir.path().parent().unwrap().join("up").exists());
        let before = directories(var).unwrap();
        assert!(before.contains("/var/lib/pg") && before.contains("/var/tmp"));

        fs::create_dir_all(var.join("lib/pg/data")).unwrap();
        fs::create_dir_all(var.join("tmp/scratch")).unwrap();
        fs::create_dir_all(var.join("lib/rpm-state/x")).unwrap();
        fs::write(var.join("lib/pg/file"), "lost").unwrap();
        std::os::unix::fs::chown(var.join("lib/pg/data"), Some(26), Some(26)).unwrap();
        assert_eq!(
            new_lines(var, &before, &accounts).unwrap(),
            "d /var/lib/pg/data 0755 pg pg - -\n"
        );
    }
}
