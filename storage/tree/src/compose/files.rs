//! `add-files` and `remove-files`.

use super::Error;
use super::root::Root;
use super::treefile::Loaded;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Copies every file and directory of `add-files` into the tree: of root, with the source's
/// permission bits; links stay links.
pub(crate) fn add(root: &Root, loaded: &Loaded) -> Result<(), Error> {
    loaded.externals.add_files.iter().try_for_each(|(source, target)| copy(root, source, target))
}

fn copy(root: &Root, source: &Path, target: &str) -> Result<(), Error> {
    let failed = |error| Error::read(source, error);
    let metadata = std::fs::symlink_metadata(source).map_err(failed)?;
    if metadata.is_symlink() {
        let to = std::fs::read_link(source).map_err(failed)?;
        return root.link(&to.to_string_lossy(), target);
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if !metadata.is_dir() {
        return root.write(target, &std::fs::read(source).map_err(failed)?, mode);
    }
    root.make_directory(target)?;
    root.set_mode(target, mode)?;
    for name in sorted_names(source)? {
        copy(root, &source.join(&name), &format!("{target}/{name}"))?;
    }
    Ok(())
}

/// Removes every path of `remove-files`, directories with all below them.
pub(crate) fn remove(root: &Root, loaded: &Loaded) -> Result<(), Error> {
    for path in &loaded.treefile.remove_files {
        if Path::new(path).components().any(|part| part == std::path::Component::ParentDir) {
            return Err(Error::Treefile {
                at: super::error::Location { path: loaded.directory.clone(), line: None },
                message: format!("remove-files: '{path}' is no path inside the image"),
            });
        }
        root.remove(path)?;
    }
    Ok(())
}

/// Feeds `digest` everything that [`add`] would copy: names, modes and bytes.
pub(crate) fn digest(source: &Path, digest: &mut impl FnMut(&[u8])) -> Result<(), Error> {
    let failed = |error| Error::read(source, error);
    let metadata = std::fs::symlink_metadata(source).map_err(failed)?;
    digest(&metadata.mode().to_le_bytes());
    if metadata.is_symlink() {
        let target = std::fs::read_link(source).map_err(failed)?;
        digest(target.as_os_str().as_encoded_bytes());
    } else if metadata.is_dir() {
        for name in sorted_names(source)? {
            digest(name.as_bytes());
            self::digest(&source.join(&name), digest)?;
        }
    } else {
        digest(&std::fs::read(source).map_err(failed)?);
    }
    Ok(())
}

fn sorted_names(directory: &Path) -> Result<Vec<String>, Error> {
    let failed = |error| Error::read(directory, error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::root::Kind;
    use crate::compose::treefile::load;

    #[test]
    fn files_come_with_their_modes_and_go_with_all_below() {
        let beside = tempfile::tempdir().unwrap();
        let make = |name: &str, text: &str, mode| {
            let path = beside.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        make("run.sh", "#!/bin/sh\n", 0o755);
        make("dir/a", "a", 0o600);
        std::os::unix::fs::symlink("a", beside.path().join("dir/link")).unwrap();
        make(
            "t.yaml",
            "add-files: [[run.sh, usr/bin/run], [dir, /etc/dir]]\nremove-files: [usr/share/doc, etc/old]\n",
            0o644,
        );
        let loaded = load(&beside.path().join("t.yaml"), "x86_64").unwrap();
        let tree = tempfile::tempdir().unwrap();
        let root = Root::open(tree.path()).unwrap();
        root.write("/usr/share/doc/x/y", b"", 0o644).unwrap();
        root.write("/etc/old", b"", 0o644).unwrap();
        add(&root, &loaded).unwrap();
        remove(&root, &loaded).unwrap();
        assert_eq!(root.owner("/usr/bin/run").unwrap().0, 0o755);
        assert_eq!(root.owner("/etc/dir/a").unwrap().0, 0o600);
        assert_eq!(root.kind("/etc/dir/link").unwrap(), Some(Kind::Link));
        assert!(!root.exists("/usr/share/doc").unwrap());
        assert!(!root.exists("/etc/old").unwrap());

        let hash = || {
            let mut bytes = Vec::new();
            digest(&beside.path().join("dir"), &mut |part| bytes.extend_from_slice(part)).unwrap();
            bytes
        };
        let before = hash();
        assert_eq!(before, hash());
        make("dir/a", "b", 0o600);
        assert_ne!(before, hash());
    }

    #[test]
    fn removal_stays_inside() {
        let beside = tempfile::tempdir().unwrap();
        let path = beside.path().join("t.yaml");
        std::fs::write(&path, "remove-files: [usr/../../x]\n").unwrap();
        let loaded = load(&path, "x86_64").unwrap();
        let root = Root::open(beside.path()).unwrap();
        let error = remove(&root, &loaded).unwrap_err();
        assert!(error.to_string().ends_with("'usr/../../x' is no path inside the image"));
    }
}
