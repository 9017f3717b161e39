//! The view of users and groups that scripts get, and what of it the image keeps (surface §2.6).
//!
//! A base with `usr/lib/passwd` (nss-altfiles) keeps its users there; while scripts run they see
//! them as /etc/passwd, so that `useradd` knows every name, and what they add is moved back. A
//! base without it (Debian) keeps its users in `usr/etc`, which is what scripts see anyway.
//! Backups and lock files of the tools are not kept.

use crate::{Error, Result};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The files that move to `usr/lib` where the base has them there.
const MOVED: [&str; 2] = ["passwd", "group"];
/// The files that hold secrets of the former: a base that keeps users in `usr/lib` keeps none.
const SHADOWS: [&str; 2] = ["shadow", "gshadow"];
/// What tools leave beside the files.
const LEFTOVERS: [&str; 7] =
    [".pwd.lock", "passwd-", "group-", "shadow-", "gshadow-", "subuid-", "subgid-"];

/// What is to be put back when the scripts are over.
#[derive(Debug)]
pub(crate) struct View {
    usr: PathBuf,
    /// `usr/etc` files as they were, for a base with nss-altfiles; `None` for one that was absent.
    saved: Vec<(&'static str, Option<Vec<u8>>)>,
    /// Leftovers that the base has itself.
    kept: Vec<&'static str>,
    /// Modes of the shadow files that the base ships.
    shadow_modes: Vec<(&'static str, u32)>,
}

impl View {
    /// Shows the scripts of a tree whose `usr` is at `usr` every user as /etc/passwd.
    pub(crate) fn prepare(usr: &Path) -> Result<Self> {
        let etc = |name: &str| usr.join("etc").join(name);
        let mut saved = Vec::new();
        if usr.join("lib/passwd").exists() {
            for name in MOVED.into_iter().chain(SHADOWS) {
                saved.push((name, read(&etc(name))?));
            }
            for name in MOVED {
                let Some(mut image) = read(&usr.join("lib").join(name))? else { continue };
                // root and what the host's own /etc begins with stay visible.
                let own = read(&etc(name))?.unwrap_or_default();
                image.extend(missing_entries(&own, &image));
                write(&etc(name), &image)?;
            }
        }
        let present = |name: &&'static str| etc(name).symlink_metadata().is_ok();
        let kept = LEFTOVERS.into_iter().filter(present).collect();
        let mode =
            |name: &'static str| etc(name).metadata().ok().map(|m| (name, m.mode() & 0o7777));
        let shadow_modes = SHADOWS.into_iter().filter_map(mode).collect();
        Ok(Self { usr: usr.to_owned(), saved, kept, shadow_modes })
    }

    /// Puts the files where the image keeps them.
    pub(crate) fn complete(self) -> Result<()> {
        let etc = |name: &str| self.usr.join("etc").join(name);
        for (name, before) in &self.saved {
            let now = read(&etc(name))?;
            if MOVED.contains(name)
                && let Some(now) = &now
            {
                let image = self.usr.join("lib").join(name);
                let before_image = read(&image)?.unwrap_or_default();
                // What only the host's own /etc begins with (root) was shown, not moved.
                let own = missing_entries(before.as_deref().unwrap_or_default(), &before_image);
                let all = missing_entries(now, &own);
                write_if_changed(&image, &all)?;
            }
            match before {
                Some(before) => write_if_changed(&etc(name), before)?,
                None if now.is_some() => remove(&etc(name))?,
                None => {}
            }
        }
        for name in LEFTOVERS.into_iter().filter(|name| !self.kept.contains(name)) {
            if etc(name).symlink_metadata().is_ok() {
                remove(&etc(name))?;
            }
        }
        self.protect_shadows()
    }

    /// A shadow file keeps the mode that the base gives it, without what others may do; one that
    /// scripts made can be read by nobody (mode 0000, CVE-2024-2905).
    fn protect_shadows(&self) -> Result<()> {
        for name in SHADOWS {
            let path = self.usr.join("etc").join(name);
            let Ok(metadata) = path.symlink_metadata() else { continue };
            let base = self.shadow_modes.iter().find(|(known, _)| *known == name);
            let wanted = base.map_or(0, |(_, mode)| mode & !0o007);
            if metadata.is_file() && metadata.mode() & 0o7777 != wanted {
                fs::set_permissions(&path, fs::Permissions::from_mode(wanted))
                    .map_err(Error::io("change the mode of", &path))?;
            }
        }
        Ok(())
    }
}

/// The lines of `from` whose name (before the first `:`) `known` has not, each with its newline.
fn missing_entries(from: &[u8], known: &[u8]) -> Vec<u8> {
    let name = |line: &[u8]| line.split(|c| *c == b':').next().unwrap_or_default().to_vec();
    let lines = |text: &'_ [u8]| -> Vec<Vec<u8>> {
        text.split(|c| *c == b'\n').filter(|l| !l.is_empty()).map(<[u8]>::to_vec).collect()
    };
    let known: Vec<Vec<u8>> = lines(known).iter().map(|line| name(line)).collect();
    let new = lines(from).into_iter().filter(|line| !known.contains(&name(line)));
    new.flat_map(|mut line| {
        line.push(b'\n');
        line
    })
    .collect()
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(Error::io("write", path))
}

/// Writing copies a file up, even with the same bytes: not for nothing.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if read(path)?.as_deref() == Some(bytes) { Ok(()) } else { write(path, bytes) }
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(Error::io("remove", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const ROOT: &str = "root:x:0:0:root:/root:/bin/bash\n";

    fn tree(files: &[(&str, &str, u32)]) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["etc", "lib"] {
            fs::create_dir(dir.path().join(sub)).unwrap();
        }
        for (path, text, mode) in files {
            let path = dir.path().join(path);
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        dir
    }

    fn add(tree: &TempDir, path: &str, line: &str) {
        let path = tree.path().join(path);
        let text = fs::read_to_string(&path).unwrap_or_default() + line;
        fs::write(path, text).unwrap();
    }

    fn text(tree: &TempDir, path: &str) -> Option<String> {
        fs::read_to_string(tree.path().join(path)).ok()
    }

    #[test]
    fn with_altfiles_new_users_land_in_the_image_and_etc_stays() {
        let tree = tree(&[
            ("etc/passwd", ROOT, 0o644),
            ("lib/passwd", "daemon:x:2:2::/:/bin/false\n", 0o644),
            ("etc/group", "root:x:0:\n", 0o644),
            ("lib/group", "tty:x:5:\n", 0o644),
        ]);
        let view = View::prepare(tree.path()).unwrap();
        let seen = text(&tree, "etc/passwd").unwrap();
        assert!(seen.contains("root:") && seen.contains("daemon:"), "{seen}");
        add(&tree, "etc/passwd", "demo:x:990:990::/:/bin/false\n");
        add(&tree, "etc/group", "demo:x:990:\n");
        add(&tree, "etc/shadow", "demo:!!:1::::::\n");
        add(&tree, "etc/passwd-", "backup");
        view.complete().unwrap();
        assert_eq!(text(&tree, "etc/passwd").unwrap(), ROOT);
        assert_eq!(
            text(&tree, "lib/passwd").unwrap(),
            "daemon:x:2:2::/:/bin/false\ndemo:x:990:990::/:/bin/false\n"
        );
        assert_eq!(text(&tree, "lib/group").unwrap(), "tty:x:5:\ndemo:x:990:\n");
        assert_eq!(text(&tree, "etc/shadow"), None);
        assert_eq!(text(&tree, "etc/passwd-"), None);
    }

    #[test]
    fn without_altfiles_etc_is_what_counts() {
        let tree = tree(&[("etc/passwd", ROOT, 0o644), ("etc/shadow", "root:*:::::::\n", 0o640)]);
        let view = View::prepare(tree.path()).unwrap();
        add(&tree, "etc/passwd", "demo:x:990:990::/:/bin/false\n");
        add(&tree, "etc/.pwd.lock", "");
        add(&tree, "etc/gshadow", "demo:!::\n");
        let open = fs::Permissions::from_mode(0o644);
        fs::set_permissions(tree.path().join("etc/shadow"), open).unwrap();
        view.complete().unwrap();
        assert!(text(&tree, "etc/passwd").unwrap().ends_with("demo:x:990:990::/:/bin/false\n"));
        assert_eq!(text(&tree, "etc/.pwd.lock"), None);
        assert_eq!(text(&tree, "lib/passwd"), None);
        let mode = |name: &str| tree.path().join(name).metadata().unwrap().mode() & 0o7777;
        assert_eq!(mode("etc/shadow"), 0o640, "as the base has it");
        assert_eq!(mode("etc/gshadow"), 0, "made by scripts: nobody's");
    }

    #[test]
    fn nothing_changes_where_scripts_add_nobody() {
        let files = [
            ("etc/passwd", ROOT, 0o644),
            ("lib/passwd", "daemon:x:2:2::/:/bin/false\n", 0o644),
            ("etc/shadow-", "kept", 0o600),
        ];
        let tree = tree(&files);
        View::prepare(tree.path()).unwrap().complete().unwrap();
        for (path, content, _) in files {
            assert_eq!(text(&tree, path).as_deref(), Some(content), "{path}");
        }
    }
}
