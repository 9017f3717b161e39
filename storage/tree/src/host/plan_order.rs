//! What a rollback and a cleanup would do, found out without doing it.

use super::Host;
use super::error::Error;
use super::layer::used_package_refs;
use super::packages::packages_of;
use super::plan::nothing;
use cambium_model::{CleanupScope, Failure, HostState, Plan, Stateroot, diff_packages};
use cambium_ostree::{Repo, Sysroot};
use std::path::Path;

impl Host {
    /// Which deployment would boot next, and how its packages differ from those of the one that
    /// would boot now.
    pub(super) fn plan_rollback(
        &self,
        state: &HostState,
        stateroot: &Stateroot,
    ) -> Result<Plan, Failure> {
        let mut plan = nothing(state)?;
        let back = state.rollback_target(stateroot)?;
        let repo = Repo::of_sysroot(&self.config.sysroot).map_err(Error::from)?;
        let now = packages_of(&repo, &state.deployments[0].id.checksum)?;
        plan.base_diff = diff_packages(&now, &packages_of(&repo, &back.id.checksum)?);
        plan.base = back.base_checksum.clone();
        plan.base_version.clone_from(&back.base_version);
        plan.base_timestamp = back.base_timestamp;
        plan.next_default = Some(back.id.to_string());
        Ok(plan)
    }

    /// Which deployments, refs, files and bytes would go.
    pub(super) fn plan_cleanup(
        &self,
        state: &HostState,
        stateroot: &Stateroot,
        scope: CleanupScope,
    ) -> Result<Plan, Failure> {
        let mut plan = nothing(state)?;
        let gone = state.leftovers(stateroot, scope);
        let ids: Vec<_> = gone.iter().map(|deployment| deployment.id.clone()).collect();
        let stays: Vec<_> =
            state.deployments.iter().filter(|kept| !ids.contains(&kept.id)).cloned().collect();
        let sysroot = Sysroot::open(&self.config.sysroot).map_err(Error::from)?;
        let repo = sysroot.repo().map_err(Error::from)?;
        let used = used_package_refs(&repo, &stays)?;
        let forecast = sysroot.forecast(&ids, &used).map_err(Error::from)?;
        plan.removed_deployments = ids.iter().map(ToString::to_string).collect();
        plan.removed_refs = forecast.refs;
        plan.freed_bytes = forecast.bytes;
        if ids.first() == state.deployments.first().map(|first| &first.id) {
            plan.next_default = stays.first().map(|next| next.id.to_string());
        }
        let metadata = self.config.cache.join("repomd");
        if scope.metadata && metadata.exists() {
            plan.freed_bytes += size(&metadata)?;
            plan.removed_paths.push(metadata.display().to_string());
        }
        plan.unchanged = plan.removed_deployments.is_empty()
            && plan.removed_refs.is_empty()
            && plan.removed_paths.is_empty()
            && plan.freed_bytes == 0;
        Ok(plan)
    }
}

/// Bytes of the files below a directory.
fn size(directory: &Path) -> Result<u64, Error> {
    let mut bytes = 0;
    let list = |error| super::error::io("list", directory)(error);
    for entry in std::fs::read_dir(directory).map_err(list)? {
        let entry = entry.map_err(list)?;
        let metadata = entry.metadata().map_err(list)?;
        bytes += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
