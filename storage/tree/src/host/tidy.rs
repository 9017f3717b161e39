//! What no deployment needs, and what a dead daemon left.

use super::Host;
use super::error::{Result, io};
use super::layer::{NEW_COMMIT, used_package_refs};
use crate::assemble::remove_leftovers;
use cambium_model::{Checksum, Freed, MetadataCache, Observer, Recovered, Sweep};
use cambium_ostree::{Spares, Sysroot};
use std::path::Path;
use std::sync::PoisonError;

impl Host {
    /// Drops what no deployment needs, then makes the checkout from which the next deployment is
    /// patched. Slow; nobody waits for it.
    ///
    /// # Errors
    /// When something cannot be removed or made.
    pub fn tidy(
        &self,
        metadata: MetadataCache,
        sweep: Sweep,
        observer: &dyn Observer,
    ) -> Result<Freed> {
        if metadata == MetadataCache::Remove {
            self.remove_metadata()?;
        }
        let sysroot = Sysroot::open(&self.config.sysroot)?;
        let lock = sysroot.try_lock()?;
        let repo = sysroot.repo()?;
        let state = sysroot.state()?;
        if repo.resolve_ref(NEW_COMMIT)?.is_some() {
            // Its deployment keeps it now.
            let transaction = repo.transaction()?;
            transaction.delete_ref(NEW_COMMIT);
            transaction.commit()?;
        }
        let used = used_package_refs(&repo, &state.deployments)?;
        let freed = sysroot.collect(&used, sweep, observer)?;
        drop(lock);
        self.remove_rpmdb_copies(&state)?;
        if let Some(next) = state.deployments.first() {
            Spares::of(&repo).prepare(&next.id.checksum, observer)?;
        }
        self.forget_state();
        cambium_native::rest();
        Ok(freed)
    }

    /// Undoes what a dead daemon or a failed transaction left. Running it again changes nothing.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn recover(&self) -> Result<Recovered> {
        let sysroot = Sysroot::open(&self.config.sysroot)?;
        let _lock = sysroot.try_lock()?;
        let state = sysroot.state()?;
        let _held = self.private.lock().unwrap_or_else(PoisonError::into_inner);
        let bases: Vec<Checksum> =
            state.deployments.iter().map(|d| d.base_checksum.clone()).collect();
        let mut undone: Vec<String> = remove_leftovers(&self.private(), &bases)?
            .into_iter()
            .map(|path| format!("the directory {}", path.display()))
            .collect();
        undone.extend(remove_downloads(&self.downloads())?);
        undone.extend(sysroot.recover()?.undone);
        self.forget_state();
        cambium_native::rest();
        Ok(Recovered { undone })
    }
}

/// Removes downloads that were never imported: a half file looks like a whole one, and what was
/// whole is quickly fetched again.
fn remove_downloads(directory: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io("list", directory))?,
    };
    let mut removed = Vec::new();
    for entry in entries {
        let path = entry.map_err(io("list", directory))?.path();
        std::fs::remove_file(&path).map_err(io("remove", &path))?;
        removed.push(format!("the download {}", path.display()));
    }
    Ok(removed)
}
