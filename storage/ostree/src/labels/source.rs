//! The files of a policy that labelling needs, out of a tree or a directory.
//!
//! Format: selinux_config(5): `SELINUX=` and `SELINUXTYPE=` in `config`; below the type,
//! `policy/policy.VERSION` and `contexts/files/file_contexts*` (selabel_file(5)). They are read as
//! libostree reads them: keys at the beginning of a line. The compiled `*.bin` files stay out:
//! they say what the texts say, or are stale.

use crate::error::{Result, io};
use crate::tree::{Node, Tree};
use crate::{Child, FileKind};
use std::collections::BTreeMap;
use std::path::Path;

/// Where a tree has its policy.
const PLACE: &str = "usr/etc/selinux";
/// The files that say which path gets which label.
const CONTEXTS: [&str; 5] = [
    "file_contexts",
    "file_contexts.homedirs",
    "file_contexts.local",
    "file_contexts.subs",
    "file_contexts.subs_dist",
];

/// The files of one policy.
pub(super) struct Source {
    config: Vec<u8>,
    kind: String,
    contexts: BTreeMap<&'static str, Vec<u8>>,
    /// Name and content of the newest binary policy.
    binary: (String, Vec<u8>),
}

/// Something that has files: each asked for by its path below `selinux/`.
struct Files<'a> {
    read: &'a mut dyn FnMut(&str) -> Result<Option<Vec<u8>>>,
    names: &'a mut dyn FnMut(&str) -> Result<Vec<String>>,
}

impl Source {
    /// The policy below a directory (`…/etc/selinux`).
    pub(super) fn of_directory(place: &Path) -> Result<Option<Self>> {
        let missing = |error: &std::io::Error| {
            matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
        };
        let mut read = |path: &str| match std::fs::read(place.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if missing(&error) => Ok(None),
            Err(error) => Err(io("read", place.join(path))(error)),
        };
        let mut names = |path: &str| {
            let path = place.join(path);
            let entries = match std::fs::read_dir(&path) {
                Err(error) if missing(&error) => return Ok(Vec::new()),
                entries => entries.map_err(io("list", &path))?,
            };
            let name = |entry: std::io::Result<std::fs::DirEntry>| {
                Ok(entry.map_err(io("list", &path))?.file_name().to_string_lossy().into_owned())
            };
            entries.map(name).collect()
        };
        Self::find(&mut Files { read: &mut read, names: &mut names })
    }

    /// The policy of a tree.
    pub(super) fn of_tree(tree: &mut Tree<'_>) -> Result<Option<Self>> {
        let cell = std::cell::RefCell::new(tree);
        let mut read = |path: &str| {
            let path = format!("{PLACE}/{path}");
            let mut tree = cell.borrow_mut();
            let Some(Node::File(file)) = tree.lookup(&path)? else { return Ok(None) };
            match tree.repo().file_info(&file)?.kind {
                FileKind::Regular { .. } => tree.read_file(&path),
                FileKind::Symlink { .. } => Ok(None),
            }
        };
        let mut names = |path: &str| {
            let path = format!("{PLACE}/{path}");
            let mut tree = cell.borrow_mut();
            match tree.lookup(&path)? {
                Some(Node::Directory(_)) => {}
                _ => return Ok(Vec::new()),
            }
            let files = tree.list(&path)?.into_iter();
            Ok(files
                .filter(|(_, child)| *child != Child::Directory)
                .map(|(name, _)| name)
                .collect())
        };
        Self::find(&mut Files { read: &mut read, names: &mut names })
    }

    /// `None` where there is no configuration, it disables SELinux, or the policy that it names is
    /// not installed: configuration alone is what a tool's package may bring.
    fn find(files: &mut Files<'_>) -> Result<Option<Self>> {
        let Some(config) = (files.read)("config")? else { return Ok(None) };
        let Some(kind) = configured(&String::from_utf8_lossy(&config)) else { return Ok(None) };
        let mut contexts = BTreeMap::new();
        for name in CONTEXTS {
            if let Some(bytes) = (files.read)(&format!("{kind}/contexts/files/{name}"))? {
                contexts.insert(name, bytes);
            }
        }
        let directory = format!("{kind}/policy");
        let version = |name: &String| name.strip_prefix("policy.")?.parse::<u32>().ok();
        let newest = (files.names)(&directory)?.into_iter().filter(|name| version(name).is_some());
        let Some(newest) = newest.max_by_key(version) else { return Ok(None) };
        let Some(binary) = (files.read)(&format!("{directory}/{newest}"))? else { return Ok(None) };
        let there = contexts.contains_key("file_contexts");
        Ok(there.then_some(Self { config, kind, contexts, binary: (newest, binary) }))
    }

    /// The policy's name: `targeted`, `default`.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    pub(super) fn contexts(&self) -> &BTreeMap<&'static str, Vec<u8>> {
        &self.contexts
    }

    /// SHA-256 over the files that say which path gets which label.
    pub(super) fn digest(&self) -> String {
        let mut bytes = Vec::new();
        for (name, text) in &self.contexts {
            // Each part with its length: no two lists of files run into one another.
            for part in [name.as_bytes(), text] {
                bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
                bytes.extend_from_slice(part);
            }
        }
        crate::object::Id::of(&bytes).to_string()
    }

    /// The files in a directory of their own, as the root of a system. libselinux has read all of
    /// them when the policy is open.
    pub(super) fn write(&self) -> Result<tempfile::TempDir> {
        let root = tempfile::Builder::new()
            .prefix("cambium-policy-")
            .tempdir()
            .map_err(io("create a directory in", std::env::temp_dir()))?;
        let place = root.path().join("etc/selinux");
        let write = |path: &Path, bytes: &[u8]| -> Result<()> {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(io("create", parent))?;
            }
            std::fs::write(path, bytes).map_err(io("write", path))
        };
        write(&place.join("config"), &self.config)?;
        let of_kind = place.join(&self.kind);
        for (name, text) in &self.contexts {
            write(&of_kind.join("contexts/files").join(name), text)?;
        }
        write(&of_kind.join("policy").join(&self.binary.0), &self.binary.1)?;
        Ok(root)
    }
}

/// The type of the policy that a configuration enables.
fn configured(config: &str) -> Option<String> {
    let (mut kind, mut enabled) = (None, false);
    for line in config.lines() {
        if let Some(name) = line.strip_prefix("SELINUXTYPE=") {
            kind = Some(name.trim().to_owned());
        } else if let Some(mode) = line.strip_prefix("SELINUX=") {
            let mode = mode.to_ascii_lowercase();
            enabled |= mode.starts_with("enforcing") || mode.starts_with("permissive");
        }
    }
    // A name that climbs would read elsewhere.
    kind.filter(|kind| enabled && !kind.is_empty() && !kind.contains('/') && !kind.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_enables_the_policy_that_it_names() {
        for (config, kind) in [
            ("SELINUX=enforcing\nSELINUXTYPE=targeted\n", Some("targeted")),
            ("# x\nSELINUXTYPE=default \nSELINUX=Permissive\n", Some("default")),
            ("SELINUX=disabled\nSELINUXTYPE=targeted\n", None),
            ("SELINUXTYPE=targeted\n", None),
            ("SELINUX=enforcing\n", None),
            (" SELINUX=enforcing\nSELINUXTYPE=x\n", None),
            ("SELINUX=enforcing\nSELINUXTYPE=../../etc\n", None),
            ("", None),
        ] {
            assert_eq!(configured(config).as_deref(), kind, "{config}");
        }
    }

    #[test]
    fn configuration_without_a_policy_is_no_policy() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let find = || Source::of_directory(dir.path()).unwrap().map(|source| source.binary.0);
        assert_eq!(find(), None);
        write("config", "SELINUX=permissive\nSELINUXTYPE=x\n");
        assert_eq!(find(), None);
        write("x/contexts/files/file_contexts", "/.* system_u:object_r:default_t:s0\n");
        assert_eq!(find(), None);
        for name in ["policy.9", "policy.33", "policy.33.old", "policy.x"] {
            write(&format!("x/policy/{name}"), name);
        }
        assert_eq!(find().as_deref(), Some("policy.33"));
    }
}
