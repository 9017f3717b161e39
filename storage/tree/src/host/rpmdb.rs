//! Copies of bases' rpmdbs, for the depsolver: librpm leaves files beside what it reads, and a
//! base need not be checked out anywhere.

use super::Host;
use super::base::{OS_RELEASE, RPMDB};
use super::error::{Result, io};
use cambium_model::{Checksum, HostState};
use cambium_ostree::{CopyPolicy, Repo};
use std::path::PathBuf;

impl Host {
    /// A root that holds of `commit` what the depsolver reads: the rpmdb, and os-release for
    /// `$releasever`. Made once per base.
    pub(super) fn rpmdb_root(&self, repo: &Repo, commit: &Checksum) -> Result<PathBuf> {
        let place = self.rpmdb_copies();
        let root = place.join(commit.as_str());
        if root.is_dir() {
            return Ok(root);
        }
        std::fs::create_dir_all(&place).map_err(io("create", &place))?;
        let made = tempfile::Builder::new()
            .prefix("new-")
            .tempdir_in(&place)
            .map_err(io("create a directory in", &place))?;
        let parent = made.path().join("usr/share");
        std::fs::create_dir_all(&parent).map_err(io("create", &parent))?;
        repo.checkout_subpath(commit, RPMDB, &parent.join("rpm"), CopyPolicy::Copy)?;
        if let Some(os_release) = repo.read_file(commit, OS_RELEASE)? {
            let path = made.path().join(OS_RELEASE.trim_start_matches('/'));
            std::fs::create_dir_all(made.path().join("usr/lib")).map_err(io("create", &path))?;
            std::fs::write(&path, os_release).map_err(io("write", &path))?;
        }
        // A cache: what a cut of power leaves half of it is made anew by its other name.
        std::fs::rename(made.path(), &root).map_err(io("rename", made.path()))?;
        let _gone = made.keep();
        Ok(root)
    }

    /// Removes the copies of bases that no deployment stands on.
    pub(super) fn remove_rpmdb_copies(&self, state: &HostState) -> Result<()> {
        let place = self.rpmdb_copies();
        let entries = match std::fs::read_dir(&place) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(io("list", &place))?,
        };
        for entry in entries {
            let path = entry.map_err(io("list", &place))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let used =
                |name: String| state.deployments.iter().any(|d| d.base_checksum.as_str() == name);
            if !name.is_some_and(used) {
                std::fs::remove_dir_all(&path).map_err(io("remove", &path))?;
            }
        }
        Ok(())
    }

    fn rpmdb_copies(&self) -> PathBuf {
        self.config.cache.join("rpmdb")
    }
}
