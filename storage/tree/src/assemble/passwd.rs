//! The view of users and groups that scripts get, and what of it the image keeps (surface §2.6).
//!
//! A base with `usr/lib/passwd` (nss-altfiles) keeps its users there; while scripts run they see
//! them as /etc/passwd, so that `useradd` knows every name, and what they add is moved back. A
//! base without it (Debian) keeps its users in `usr/etc`, which is what scripts see anyway.
//!
//! Accounts that only the host has (made by its administrator) are shown too, so that a new user
//! does not get an id that is taken; they are taken out again and never reach an image. An id that
//! is another than in the host's last tree is told: files in /var keep the old one.
//!
//! shadow and gshadow are there before the first script, with mode 0000, so that no tool makes
//! them with another (CVE-2024-2905); where a base ships them with a mode of its own, without
//! anything for others, that mode holds (Debian's `shadow` group). Backups and lock files of the
//! tools are not kept, nor the day on which a locked account was made, which would make the tree
//! another one each day.

use super::Around;
use super::inside::{Inside, is_file};
use crate::account_table::Table;
use crate::{Error, Result};
use cambium_model::{Checksum, Observer};
use cambium_ostree::Repo;
use std::collections::BTreeMap;

/// The files that move to `usr/lib` where the base has them there.
const MOVED: [&str; 2] = ["passwd", "group"];
/// The files that hold secrets of the former: a base that keeps users in `usr/lib` keeps none.
const SHADOWS: [&str; 2] = ["shadow", "gshadow"];
/// What tools leave beside the files.
const LEFTOVERS: [&str; 8] =
    [".pwd.lock", "passwd-", "group-", "shadow-", "gshadow-", "subuid-", "subgid-", ".updated"];

/// Accounts around an assembly: of the host that it is for, and of that host's last tree.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// Lines of passwd and group that only the host has.
    local: BTreeMap<&'static str, Table>,
    /// The last tree's users and groups.
    previous: BTreeMap<&'static str, Table>,
}

impl Surroundings {
    /// Reads them.
    pub(super) fn of(repo: &Repo, around: Option<&Around<'_>>) -> Result<Self> {
        let mut found = Self::default();
        let Some(Around { commit, etc }) = around else { return Ok(found) };
        for name in MOVED {
            let previous = of_commit(repo, commit, name)?;
            if let Some(etc) = etc {
                let path = etc.join(name);
                let mut local = match std::fs::read(&path) {
                    Ok(text) => Table::parse(&String::from_utf8_lossy(&text)),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Table::default(),
                    Err(error) => return Err(Error::io("read", path)(error)),
                };
                let names: Vec<_> = previous.lines().map(|line| line.name().to_owned()).collect();
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                local = local.split(&names).1;
                found.local.insert(name, local);
            }
            found.previous.insert(name, previous);
        }
        Ok(found)
    }
}

/// The entries of a commit, the image's own first.
fn of_commit(repo: &Repo, commit: &Checksum, name: &str) -> Result<Table> {
    let mut table = Table::default();
    for directory in ["usr/lib", "usr/etc"] {
        let text = repo.read_file(commit, &format!("{directory}/{name}"))?.unwrap_or_default();
        table.add_missing(&Table::parse(&String::from_utf8_lossy(&text)));
    }
    Ok(table)
}

/// What is to be put back when the scripts are over.
#[derive(Debug)]
pub(super) struct View<'a> {
    inside: &'a Inside,
    around: &'a Surroundings,
    /// Whether the image keeps its accounts in `usr/lib`.
    altfiles: bool,
    /// `usr/etc` files as they were; `None` for one that was absent.
    saved: BTreeMap<&'static str, Option<Vec<u8>>>,
    /// Leftovers that the base has itself.
    kept: Vec<&'static str>,
    /// Modes of the shadow files that the base ships.
    shadow_modes: BTreeMap<&'static str, u32>,
}

impl<'a> View<'a> {
    /// Shows the scripts of a tree every user as /etc/passwd.
    pub(super) fn prepare(inside: &'a Inside, around: &'a Surroundings) -> Result<Self> {
        let altfiles = inside.stat("usr/lib/passwd")?.is_some();
        let mut view = Self {
            inside,
            around,
            altfiles,
            saved: BTreeMap::new(),
            kept: Vec::new(),
            shadow_modes: BTreeMap::new(),
        };
        for name in MOVED {
            let own = inside.read(&etc(name))?;
            let mut seen = if altfiles {
                let mut image = table(inside.read(&lib(name))?);
                // root and what the host's own /etc begins with stay visible.
                image.add_missing(&table(own.clone()));
                image
            } else {
                table(own.clone())
            };
            let more = view.local(name).is_some_and(|local| seen.add_missing(local));
            view.saved.insert(name, own);
            if altfiles || more {
                inside.put(&etc(name), seen.print().as_bytes(), 0o644)?;
            }
        }
        for name in SHADOWS {
            let own = inside.read(&etc(name))?;
            match inside.stat(&etc(name))? {
                Some(stat) => drop(view.shadow_modes.insert(name, stat.st_mode & 0o7777)),
                None => inside.put(&etc(name), b"", 0)?,
            }
            view.saved.insert(name, own);
        }
        for name in LEFTOVERS {
            if inside.stat(&etc(name))?.is_some() {
                view.kept.push(name);
            }
        }
        Ok(view)
    }

    fn local(&self, name: &str) -> Option<&'a Table> {
        self.around.local.get(name)
    }

    /// Puts the files where the image keeps them, and tells of ids that are not what they were.
    pub(super) fn complete(self, observer: &dyn Observer) -> Result<()> {
        for name in MOVED {
            self.complete_table(name)?;
        }
        for name in SHADOWS {
            self.complete_shadow(name)?;
        }
        for name in LEFTOVERS.into_iter().filter(|name| !self.kept.contains(name)) {
            if self.inside.stat(&etc(name))?.is_some() {
                self.inside.remove(&etc(name))?;
            }
        }
        self.tell_moved_ids(observer)
    }

    fn saved(&self, name: &str) -> Option<&[u8]> {
        self.saved.get(name).and_then(Option::as_deref)
    }

    fn complete_table(&self, name: &'static str) -> Result<()> {
        let Some(now) = self.inside.read(&etc(name))? else {
            return self.restore(name);
        };
        let before = table(self.saved(name).map(<[u8]>::to_vec));
        let image = table(self.inside.read(&lib(name))?);
        let mut all = table(Some(now.clone()));
        if let Some(local) = self.local(name) {
            // Names that the tree had before are its own, also where the host has them too.
            let shown = local.lines().map(crate::account_table::Line::name);
            let shown: Vec<_> =
                shown.filter(|n| before.find(n).is_none() && image.find(n).is_none()).collect();
            all = all.split(&shown).1;
        }
        if self.altfiles {
            // What only the host's own /etc begins with (root) was shown, not moved.
            let own = before.lines().map(crate::account_table::Line::name);
            let own: Vec<_> = own.filter(|n| image.find(n).is_none()).collect();
            let all = all.split(&own).1;
            if all != image {
                self.inside.put(&lib(name), all.print().as_bytes(), 0o644)?;
            }
            return self.restore(name);
        }
        if self.local(name).is_some() && all.print().as_bytes() != now {
            // As it was to the byte where no script changed anything.
            let text = if all == before { self.saved(name) } else { None };
            let text = text.map_or_else(|| all.print().into_bytes(), <[u8]>::to_vec);
            self.inside.put(&etc(name), &text, 0o644)?;
        }
        Ok(())
    }

    fn complete_shadow(&self, name: &'static str) -> Result<()> {
        let mode = self.shadow_modes.get(name).map_or(0, |mode| mode & !0o007);
        if self.altfiles {
            self.restore(name)?;
            return self.protect(name, mode);
        }
        let Some(now) = self.inside.read(&etc(name))? else { return Ok(()) };
        if now.is_empty() && self.saved(name).is_none() {
            return self.inside.remove(&etc(name));
        }
        // Only new accounts: what the base says stays as it is.
        let before = table(self.saved(name).map(<[u8]>::to_vec));
        let names: Vec<_> = before.lines().map(crate::account_table::Line::name).collect();
        let (old, mut new) = table(Some(now.clone())).split(&names);
        if name == "shadow" && new.forget_days() {
            let text = old.print() + &new.print();
            return self.inside.put(&etc(name), text.as_bytes(), mode);
        }
        self.protect(name, mode)
    }

    /// Makes sure that a shadow file is a file with its mode.
    fn protect(&self, name: &'static str, mode: u32) -> Result<()> {
        match self.inside.stat(&etc(name))? {
            Some(stat) if is_file(&stat) && stat.st_mode & 0o7777 == mode => Ok(()),
            Some(_) => {
                let now = self.inside.read(&etc(name))?.unwrap_or_default();
                self.inside.put(&etc(name), &now, mode)
            }
            None => Ok(()),
        }
    }

    /// The file of `usr/etc` as it was.
    fn restore(&self, name: &'static str) -> Result<()> {
        let path = etc(name);
        match self.saved(name) {
            Some(before) => {
                // Writing copies a file up, even with the same bytes: not for nothing.
                if self.inside.read(&path)?.as_deref() == Some(before) {
                    return Ok(());
                }
                let mode = self.shadow_modes.get(name).map_or(0o644, |mode| mode & !0o007);
                self.inside.put(&path, before, mode)
            }
            None if self.inside.stat(&path)?.is_some() => self.inside.remove(&path),
            None => Ok(()),
        }
    }

    /// A warning and no refusal: the base's ids are its maker's to choose, and a host that cannot
    /// be updated is worse off than one whose administrator must change owners in /var.
    fn tell_moved_ids(&self, observer: &dyn Observer) -> Result<()> {
        for (name, kind) in [("passwd", "user"), ("group", "group")] {
            let Some(previous) = self.around.previous.get(name) else { continue };
            let mut now = table(self.inside.read(&lib(name))?);
            now.add_missing(&table(self.inside.read(&etc(name))?));
            for line in now.lines() {
                let before = previous.find(line.name()).and_then(|line| line.number(2));
                if let (Some(before), Some(id)) = (before, line.number(2))
                    && before != id
                {
                    let name = line.name();
                    observer.warning(format!(
                        "the {kind} '{name}' has the id {id} in the new tree and had {before}: \
                         its files in /var and /etc keep the old one, change their owner by hand"
                    ));
                    tracing::warn!(kind, name, before, id, "an id is not what it was");
                }
            }
        }
        Ok(())
    }
}

fn etc(name: &str) -> String {
    format!("usr/etc/{name}")
}

fn lib(name: &str) -> String {
    format!("usr/lib/{name}")
}

fn table(text: Option<Vec<u8>>) -> Table {
    Table::parse(&String::from_utf8_lossy(&text.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_model::Unobserved;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use tempfile::TempDir;

    const ROOT: &str = "root:x:0:0:root:/root:/bin/bash\n";

    /// A tree with these files of `usr`.
    fn tree(files: &[(&str, &str, u32)]) -> (TempDir, Inside) {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["usr/etc", "usr/lib"] {
            fs::create_dir_all(dir.path().join(sub)).unwrap();
        }
        for (path, text, mode) in files {
            let path = dir.path().join("usr").join(path);
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        let inside = Inside::open(dir.path()).unwrap();
        (dir, inside)
    }

    fn add(tree: &TempDir, path: &str, line: &str) {
        let path = tree.path().join("usr").join(path);
        let text = fs::read_to_string(&path).unwrap_or_default() + line;
        fs::write(path, text).unwrap();
    }

    fn text(tree: &TempDir, path: &str) -> Option<String> {
        fs::read_to_string(tree.path().join("usr").join(path)).ok()
    }

    fn mode(tree: &TempDir, path: &str) -> u32 {
        tree.path().join("usr").join(path).metadata().unwrap().mode() & 0o7777
    }

    fn nobody() -> Surroundings {
        Surroundings::default()
    }

    fn of_host(local: &str, previous: &str) -> Surroundings {
        Surroundings {
            local: BTreeMap::from([("passwd", Table::parse(local))]),
            previous: BTreeMap::from([("passwd", Table::parse(previous))]),
        }
    }

    #[test]
    fn with_altfiles_new_users_land_in_the_image_and_etc_stays() {
        let (tree, inside) = tree(&[
            ("etc/passwd", ROOT, 0o644),
            ("lib/passwd", "daemon:x:2:2::/:/bin/false\n", 0o644),
            ("etc/group", "root:x:0:\n", 0o644),
            ("lib/group", "tty:x:5:\n", 0o644),
        ]);
        let around = nobody();
        let view = View::prepare(&inside, &around).unwrap();
        let seen = text(&tree, "etc/passwd").unwrap();
        assert!(seen.contains("root:") && seen.contains("daemon:"), "{seen}");
        assert_eq!(mode(&tree, "etc/shadow"), 0, "before any script");
        add(&tree, "etc/passwd", "demo:x:990:990::/:/bin/false\n");
        add(&tree, "etc/group", "demo:x:990:\n");
        add(&tree, "etc/shadow", "demo:!!:1::::::\n");
        add(&tree, "etc/passwd-", "backup");
        view.complete(&Unobserved).unwrap();
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
        let (tree, inside) =
            tree(&[("etc/passwd", ROOT, 0o644), ("etc/shadow", "root:*:1::::::\n", 0o640)]);
        let around = nobody();
        let view = View::prepare(&inside, &around).unwrap();
        assert_eq!(mode(&tree, "etc/gshadow"), 0, "before any script");
        add(&tree, "etc/passwd", "demo:x:990:990::/:/bin/false\n");
        add(&tree, "etc/.pwd.lock", "");
        add(&tree, "etc/shadow", "demo:!:20000::::::\n");
        add(&tree, "etc/gshadow", "demo:!::\n");
        for name in ["shadow", "gshadow"] {
            let open = fs::Permissions::from_mode(0o644);
            fs::set_permissions(tree.path().join("usr/etc").join(name), open).unwrap();
        }
        view.complete(&Unobserved).unwrap();
        assert!(text(&tree, "etc/passwd").unwrap().ends_with("demo:x:990:990::/:/bin/false\n"));
        assert_eq!(text(&tree, "etc/.pwd.lock"), None);
        assert_eq!(text(&tree, "lib/passwd"), None);
        assert_eq!(mode(&tree, "etc/shadow"), 0o640, "as the base has it");
        assert_eq!(mode(&tree, "etc/gshadow"), 0, "made by scripts: nobody's");
        let shadow = text(&tree, "etc/shadow").unwrap();
        assert_eq!(shadow, "root:*:1::::::\ndemo:!:::::::\n", "the day is not the tree's");
    }

    #[test]
    fn nothing_changes_where_scripts_add_nobody() {
        let files = [
            ("etc/passwd", ROOT, 0o644),
            ("lib/passwd", "daemon:x:2:2::/:/bin/false\n", 0o644),
            ("etc/shadow-", "kept", 0o600),
        ];
        let around = of_host("admin:x:1000:1000::/:/bin/sh\n", "");
        for files in [&files[..], &files[..1]] {
            let (tree, inside) = tree(files);
            View::prepare(&inside, &around).unwrap().complete(&Unobserved).unwrap();
            for (path, content, _) in files {
                assert_eq!(text(&tree, path).as_deref(), Some(*content), "{path}");
            }
            for path in ["etc/shadow", "etc/gshadow", "etc/group", "lib/group"] {
                assert_eq!(text(&tree, path), None, "{path}");
            }
        }
    }

    #[test]
    fn the_hosts_own_accounts_are_seen_and_never_kept() {
        let local = "admin:x:990:990::/:/bin/sh\n";
        for altfiles in [true, false] {
            let mut files = vec![("etc/passwd", ROOT, 0o644)];
            if altfiles {
                files.push(("lib/passwd", "daemon:x:2:2::/:/bin/false\n", 0o644));
            }
            let (tree, inside) = tree(&files);
            let around = of_host(local, "");
            let view = View::prepare(&inside, &around).unwrap();
            assert!(text(&tree, "etc/passwd").unwrap().contains("admin:x:990:"));
            add(&tree, "etc/passwd", "demo:x:991:991::/:/bin/false\n");
            view.complete(&Unobserved).unwrap();
            let all = ["etc/passwd", "lib/passwd"].map(|path| text(&tree, path)).into_iter();
            let all: String = all.flatten().collect();
            assert!(all.contains("demo:x:991:") && !all.contains("admin"), "{all}");
        }
    }

    #[test]
    fn an_id_that_moves_is_told() {
        let (tree, inside) = tree(&[("etc/passwd", ROOT, 0o644)]);
        let around = of_host("", "demo:x:990:990::/:/bin/false\nroot:x:0:0::/:\n");
        let view = View::prepare(&inside, &around).unwrap();
        add(&tree, "etc/passwd", "demo:x:991:991::/:/bin/false\n");
        let told = crate::fixture::Told::default();
        view.complete(&told).unwrap();
        let told = told.warnings();
        let start = "the user 'demo' has the id 991 in the new tree and had 990";
        assert!(told.len() == 1 && told[0].starts_with(start), "{told:?}");
    }

    #[test]
    fn a_link_in_place_of_a_file_reaches_no_host() {
        let (tree, inside) = tree(&[("etc/passwd", ROOT, 0o644)]);
        let secret = tree.path().join("host-secret");
        fs::write(&secret, "host:x:1:1::/:\n").unwrap();
        let around = nobody();
        let view = View::prepare(&inside, &around).unwrap();
        for name in ["passwd", "shadow"] {
            let path = tree.path().join("usr/etc").join(name);
            fs::remove_file(&path).unwrap();
            symlink(&secret, &path).unwrap();
        }
        view.complete(&Unobserved).unwrap();
        assert_eq!(fs::read_to_string(&secret).unwrap(), "host:x:1:1::/:\n");
        assert_eq!(text(&tree, "etc/passwd").unwrap(), ROOT);
    }
}
