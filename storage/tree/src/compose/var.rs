//! /var as tmpfiles.d lines: a commit holds none of it, a boot makes it.
//!
//! Packages' own /var was turned into lines at import; this is for what scripts made, and for the
//! directories that the top-level links need.

use super::Error;
use super::accounts::Names;
use super::root::{Kind, Root};
use crate::assemble::{tmpfiles_subject as path_of, tmpfiles_word as word};
use cambium_model::Observer;
use std::collections::BTreeSet;

/// Where the lines go; rpm-ostree's name, so that a tree of either looks the same.
const CONF: &str = "/usr/lib/tmpfiles.d/rpm-ostree-1-autovar.conf";

/// What the top-level links of a tree lead to, and the place of the rpmdb on a booted host.
const INTEGRATION: [&str; 21] = [
    "d /var/home 0755 root root -",
    "d /var/srv 0755 root root -",
    "d /var/opt 0755 root root -",
    "d /var/mnt 0755 root root -",
    "d /var/roothome 0700 root root -",
    "d /var/usrlocal 0755 root root -",
    "d /var/usrlocal/bin 0755 root root -",
    "d /var/usrlocal/etc 0755 root root -",
    "d /var/usrlocal/games 0755 root root -",
    "d /var/usrlocal/include 0755 root root -",
    "d /var/usrlocal/lib 0755 root root -",
    "d /var/usrlocal/man 0755 root root -",
    "d /var/usrlocal/sbin 0755 root root -",
    "d /var/usrlocal/share 0755 root root -",
    "d /var/usrlocal/src 0755 root root -",
    "d /run/media 0755 root root -",
    "d /var/lib 0755 root root -",
    "d /var/log 0755 root root -",
    "d /var/cache 0755 root root -",
    "d /var/tmp 1777 root root -",
    "L /var/lib/rpm - - - - ../../usr/share/rpm",
];

/// Writes the lines for all of /var that no other tmpfiles.d file mentions, and empties it.
pub(crate) fn empty_into_tmpfiles(root: &Root, observer: &dyn Observer) -> Result<(), Error> {
    let declared = declared(root)?;
    let names = Names::of(root)?;
    let mut lines: Vec<String> = INTEGRATION.iter().map(|line| (*line).to_owned()).collect();
    let mut lost = Vec::new();
    describe(root, "/var", &names, &mut lines, &mut lost)?;
    let mut seen = BTreeSet::new();
    lines.retain(|line| {
        path_of(line).is_some_and(|path| !declared.contains(&path) && seen.insert(path))
    });
    for path in lost {
        observer.message(format!("Ignoring file in /var that a script made: {path}"));
    }
    root.write(CONF, (lines.join("\n") + "\n").as_bytes(), 0o644)?;
    for entry in root.list("/var")? {
        root.remove(&format!("/var/{}", entry.name))?;
    }
    root.make_directory("/var")
}

/// Paths that the tree's tmpfiles.d creates already.
fn declared(root: &Root) -> Result<BTreeSet<String>, Error> {
    let mut paths = BTreeSet::new();
    for entry in root.list("/usr/lib/tmpfiles.d")? {
        let file = format!("/usr/lib/tmpfiles.d/{}", entry.name);
        if entry.kind != Kind::File || file == CONF || !entry.name.ends_with(".conf") {
            continue;
        }
        let text = root.read(&file)?.unwrap_or_default();
        for line in String::from_utf8_lossy(&text).lines() {
            let creates = line.starts_with(['d', 'D', 'L', 'f', 'q', 'Q', 'v', 'C', 'p']);
            if let Some(path) = path_of(line).filter(|_| creates) {
                paths.insert(path);
            }
        }
    }
    Ok(paths)
}

fn describe(
    root: &Root,
    directory: &str,
    names: &Names,
    lines: &mut Vec<String>,
    lost: &mut Vec<String>,
) -> Result<(), Error> {
    for entry in root.list(directory)? {
        let path = format!("{directory}/{}", entry.name);
        let escaped = word(&path);
        match entry.kind {
            Kind::Link => {
                // A target is the rest of its line, in which C escapes are read.
                let target = root.read_link(&path)?.replace('\\', "\\\\").replace('%', "%%");
                lines.push(format!("L {escaped} - - - - {target}"));
            }
            Kind::Directory => {
                let (mode, uid, gid) = root.owner(&path)?;
                let (user, group) = (names.user(uid), names.group(gid));
                lines.push(format!("d {escaped} {mode:04o} {user} {group} -"));
                // What is temporary for scripts is for nobody else.
                if path != "/var/tmp" && path != "/var/lib/rpm-state" {
                    describe(root, &path, names, lines, lost)?;
                }
            }
            Kind::File | Kind::Other => lost.push(path),
        }
    }
    lines.retain(|line| path_of(line).as_deref() != Some("/var/lib/rpm-state"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_model::Unobserved;

    #[test]
    fn var_becomes_lines_and_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        root.write("/etc/passwd", b"root:x:0:0::/root:/bin/sh\n", 0o644).unwrap();
        root.write("/etc/group", b"root:x:0:\n", 0o644).unwrap();
        let known = b"# d /var/lib/no\nd /var/lib/known/ 0755 root root -\nr /var/lib/scratch\n";
        root.write("/usr/lib/tmpfiles.d/known.conf", known, 0o644).unwrap();
        root.write("/var/lib/a b/file", b"lost", 0o644).unwrap();
        root.set_mode("/var/lib/a b", 0o2750).unwrap();
        root.make_directory("/var/lib/known").unwrap();
        root.make_directory("/var/lib/scratch").unwrap();
        root.make_directory("/var/lib/rpm-state/x").unwrap();
        root.make_directory("/var/tmp/x").unwrap();
        root.link("/run/lock", "/var/lock").unwrap();
        empty_into_tmpfiles(&root, &Unobserved).unwrap();

        let text = root.read_text(CONF).unwrap().unwrap();
        let made: Vec<_> = text.lines().filter(|line| !INTEGRATION.contains(line)).collect();
        assert_eq!(
            made,
            [
                "d \"/var/lib/a b\" 2750 root root -",
                "d /var/lib/scratch 0755 root root -",
                "L /var/lock - - - - /run/lock",
            ]
        );
        assert!(text.contains("d /var/home 0755 root root -"));
        assert!(root.list("/var").unwrap().is_empty());
        assert_eq!(root.kind("/var").unwrap(), Some(Kind::Directory));
    }
}
