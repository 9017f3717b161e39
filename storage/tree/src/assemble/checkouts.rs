//! Directories: commits that are checked out already, a base checkout that is kept, and the
//! temporary directory of an assembly.
//!
//! A kept checkout is hard links only. It is made under a temporary name and renamed when it is
//! whole, so that a directory named by a commit always is that commit.

use super::memory;
use crate::{Error, Result};
use cambium_model::{Checksum, Observer, Progress};
use cambium_ostree::{CopyPolicy, Repo, RepoMode};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A directory that holds a commit as it is.
#[derive(Debug, Clone)]
pub struct Checkout {
    /// The commit.
    pub commit: Checksum,
    /// Its root, in which `usr` is.
    pub path: PathBuf,
}

/// Kept checkouts are below this directory, named by their commit.
const KEPT: &str = "base";
/// What the name of every temporary directory begins with.
const TEMPORARY: &str = "cambium-";

/// A new temporary directory below `private`.
pub(crate) fn temporary(private: &Path) -> Result<TempDir> {
    fs::create_dir_all(private).map_err(Error::io("create", private))?;
    tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempdir_in(private)
        .map_err(Error::io("create a directory in", private))
}

/// Removes what killed assemblies left in `private` (see [`super::Assembly`]), and every kept base
/// checkout but those of `keep`. Only while no assembly runs. Returns what was removed.
///
/// # Errors
/// When something cannot be removed.
pub fn remove_leftovers(private: &Path, keep: &[Checksum]) -> Result<Vec<PathBuf>> {
    let kept = private.join(KEPT);
    let temporary = |name: &str| name.starts_with(TEMPORARY);
    let unwanted = |name: &str| temporary(name) || !keep.iter().any(|c| c.as_str() == name);
    let mut removed = memory::leftovers(private)?;
    for path in &removed {
        fs::remove_dir_all(path).map_err(Error::io("remove", path))?;
    }
    for (directory, remove) in [(private, &temporary as &dyn Fn(&str) -> bool), (&kept, &unwanted)]
    {
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(Error::io("list", directory))?,
        };
        for entry in entries {
            let entry = entry.map_err(Error::io("list", directory))?;
            if remove(&entry.file_name().to_string_lossy()) {
                fs::remove_dir_all(entry.path()).map_err(Error::io("remove", entry.path()))?;
                removed.push(entry.path());
            }
        }
    }
    Ok(removed)
}

/// A root of `commit`: one of `known`, or a kept checkout, made now if there is none.
pub(crate) fn root_of(
    repo: &Repo,
    commit: &Checksum,
    known: &[Checkout],
    private: &Path,
    observer: &dyn Observer,
) -> Result<PathBuf> {
    let there =
        |checkout: &&Checkout| checkout.commit == *commit && checkout.path.join("usr/lib").is_dir();
    if let Some(checkout) = known.iter().find(there) {
        return Ok(checkout.path.clone());
    }
    let kept = private.join(KEPT).join(commit.as_str());
    if kept.is_dir() {
        return Ok(kept);
    }
    let text = format!("Checking out tree {:.7}", commit.as_str());
    observer.progress(Progress::TaskBegin { text });
    let parent = private.join(KEPT);
    let making = temporary(&parent)?;
    let root = making.path().join("root");
    repo.checkout_subpath(commit, "/", &root, policy(repo))?;
    fs::rename(&root, &kept).map_err(Error::io("rename", &root))?;
    observer.progress(Progress::TaskEnd { text: "done".to_owned() });
    Ok(kept)
}

/// Hard links cost nothing, but only a bare repository's files have their owners.
pub(crate) fn policy(repo: &Repo) -> CopyPolicy {
    if repo.mode() == RepoMode::Bare { CopyPolicy::HardLink } else { CopyPolicy::Copy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_go_and_wanted_checkouts_stay() {
        let dir = tempfile::tempdir().unwrap();
        let private = dir.path();
        let wanted: Checksum = "a".repeat(64).parse().unwrap();
        let other = "b".repeat(64);
        for path in ["cambium-x/upper", "other", "base/cambium-y/root"] {
            fs::create_dir_all(private.join(path)).unwrap();
        }
        fs::create_dir_all(private.join(KEPT).join(wanted.as_str())).unwrap();
        fs::create_dir_all(private.join(KEPT).join(&other)).unwrap();
        let mut removed = remove_leftovers(private, std::slice::from_ref(&wanted)).unwrap();
        removed.sort();
        let expected = [
            private.join(KEPT).join(other),
            private.join("base/cambium-y"),
            private.join("cambium-x"),
        ];
        assert_eq!(removed, expected);
        assert!(
            private.join(KEPT).join(wanted.as_str()).is_dir() && private.join("other").is_dir()
        );
        assert!(remove_leftovers(&private.join("missing"), &[]).unwrap().is_empty());
    }
}
