//! Checkouts made ahead of time, so that a deployment costs what it changes.
//!
//! Owns: `repo/extensions/cambium/spare/COMMIT`, where libostree's cleanup does not look. A
//! directory has a commit's name only while it is that commit, whole and synced; while it is made
//! or patched its name begins with `new-`, and recovery removes it.

use crate::checkout;
use crate::error::{Result, io};
use crate::repo::{CommitState, Repo};
use cambium_model::{Checksum, Observer};
use std::path::{Path, PathBuf};

/// The name of a directory that is not yet, or no longer, what it will be.
const UNFINISHED: &str = "new-";

/// The spare checkouts of one repository.
#[derive(Debug)]
pub struct Spares<'r> {
    repo: &'r Repo,
    place: PathBuf,
}

impl<'r> Spares<'r> {
    /// Those of `repo`.
    #[must_use]
    pub fn of(repo: &'r Repo) -> Self {
        Self { repo, place: repo.path().join("extensions/cambium/spare") }
    }

    /// The commits that have one.
    ///
    /// # Errors
    /// When the place cannot be read.
    pub fn list(&self) -> Result<Vec<Checksum>> {
        Ok(self.names()?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Makes one for `commit`, unless it is there: patched from another spare where there is one,
    /// else checked out. Slow: run in the background, one at a time.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn prepare(&self, commit: &Checksum, observer: &dyn Observer) -> Result<()> {
        let ready = self.place.join(commit.as_str());
        if ready.exists() {
            return Ok(());
        }
        let made = self.make(commit, observer)?;
        sync_filesystem(&made)?;
        std::fs::rename(&made, &ready).map_err(io("rename", &made))?;
        sync_directory(&self.place)
    }

    /// A checkout of `commit` under a name that means nothing, for the caller to fill, sync and
    /// rename: a patched spare where one can be patched, else a fresh checkout.
    pub(crate) fn make(&self, commit: &Checksum, observer: &dyn Observer) -> Result<PathBuf> {
        std::fs::create_dir_all(&self.place).map_err(io("create", &self.place))?;
        let made = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&self.place)
            .map_err(io("create a directory in", &self.place))?;
        let path = made.path().to_owned();
        match self.source(commit)? {
            Some(from) => {
                let spare = self.place.join(from.as_str());
                // Onto the empty directory: the spare loses its name before it changes.
                std::fs::rename(&spare, &path).map_err(io("rename", &spare))?;
                tracing::debug!(%from, to = %commit, "patching a spare checkout");
                checkout::patch(self.repo, &path, &from, commit)?;
            }
            None => {
                std::fs::remove_dir(&path).map_err(io("remove", &path))?;
                self.repo.checkout(commit, &path, observer)?;
            }
        }
        // From here on it is the caller's.
        Ok(made.keep())
    }

    /// The spare to begin with: that of the commit itself, else any whose commit is still here.
    fn source(&self, commit: &Checksum) -> Result<Option<Checksum>> {
        if self.repo.mode() != crate::repo::RepoMode::Bare {
            return Ok(None);
        }
        let mut found = None;
        for spare in self.list()? {
            if spare == *commit {
                return Ok(Some(spare));
            }
            if self.repo.commit_state(&spare)? == CommitState::Complete {
                found = Some(spare);
            }
        }
        Ok(found)
    }

    /// Removes every spare but those of `keep`. One that is being made stays; what a killed
    /// process left of one goes with recovery. Returns the names of what went.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn retain(&self, keep: &[Checksum]) -> Result<Vec<String>> {
        self.remove_where(|name| {
            !name.starts_with(UNFINISHED) && !keep.iter().any(|commit| commit.as_str() == name)
        })
    }

    /// Removes what was left unfinished. Nobody else may be making one.
    pub(crate) fn recover(&self) -> Result<Vec<String>> {
        self.remove_where(|name| name.starts_with(UNFINISHED))
    }

    fn remove_where(&self, goes: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let mut gone = Vec::new();
        for name in self.names()?.into_iter().filter(|name| goes(name)) {
            let path = self.place.join(&name);
            // The name goes first, so that a cut of power leaves no half spare behind it.
            let dying = self.place.join(format!("{UNFINISHED}dying-{}", gone.len()));
            let path = match std::fs::rename(&path, &dying) {
                Ok(()) => dying,
                Err(_) => path,
            };
            std::fs::remove_dir_all(&path).map_err(io("remove", &path))?;
            gone.push(name);
        }
        Ok(gone)
    }

    fn names(&self) -> Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.place) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io("list", &self.place)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(io("list", &self.place))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }
}

/// Makes everything on the file system of `path` durable.
pub(crate) fn sync_filesystem(path: &Path) -> Result<()> {
    let file = std::fs::File::open(path).map_err(io("open", path))?;
    rustix::fs::syncfs(&file).map_err(io("sync the file system of", path))
}

/// Makes renames in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    let file = std::fs::File::open(path).map_err(io("open", path))?;
    file.sync_all().map_err(io("sync", path))
}
