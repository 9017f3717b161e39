//! The sysroot as clients see it. One deployment's damage is that deployment's `problem`; it never
//! hides the others.

use super::{Sysroot, id_of, staged};
use crate::error::{Error, Result, io};
use crate::metadata::Metadata;
use crate::origin::parse_origin;
use crate::repo::{CommitInfo, Repo};
use cambium_model::{Deployment, HostState, Nevra, Refspec, Stateroot, UnlockedState};
use std::collections::BTreeMap;
use std::path::Path;

/// Where libostree says that finalisation at the last shutdown failed.
const FINALIZE_FAILURE: &str = "boot/ostree/finalize-failure.stamp";

/// Commit metadata that clients get elsewhere, or not at all, for its size.
const NOT_SHOWN: [&str; 3] = ["rpmostree.rpmdb.pkglist", "rpmostree.advisories", "rpmostree.spec"];

impl Sysroot {
    /// Reads every deployment with what its commit and origin say of it.
    ///
    /// # Errors
    /// When the sysroot itself cannot be read.
    pub fn state(&self) -> Result<HostState> {
        self.reload()?;
        self.describe_all(&self.inner.deployments(), self.inner.booted_deployment().as_ref())
    }

    pub(super) fn describe_all(
        &self,
        raws: &[ostree::Deployment],
        booted: Option<&ostree::Deployment>,
    ) -> Result<HostState> {
        let repo = self.repo()?;
        let mut deployments = Vec::new();
        for (index, raw) in raws.iter().enumerate() {
            let mut deployment = self.describe(&repo, raw)?;
            deployment.index = u32::try_from(index).unwrap_or(u32::MAX);
            deployment.booted = booted.is_some_and(|booted| booted.equal(raw));
            deployments.push(deployment);
        }
        let failure = self.path().join(FINALIZE_FAILURE);
        Ok(HostState {
            sysroot: self.path().display().to_string(),
            deployments,
            stateroots: self.stateroots()?,
            finalize_failure: std::fs::read_to_string(failure).ok().map(|t| t.trim().to_owned()),
            repo_bytes: super::collect::recorded_bytes(&repo),
            free_bytes: repo.free_bytes()?,
            // Whoever keeps repository metadata knows its age.
            ..HostState::default()
        })
    }

    fn stateroots(&self) -> Result<Vec<Stateroot>> {
        let place = self.path().join("ostree/deploy");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&place).map_err(io("list", &place))? {
            let entry = entry.map_err(io("list", &place))?;
            // A name that is no stateroot's is nobody's to report.
            if entry.path().is_dir()
                && let Ok(name) = entry.file_name().to_string_lossy().parse()
            {
                found.push(name);
            }
        }
        found.sort();
        Ok(found)
    }

    fn describe(&self, repo: &Repo, raw: &ostree::Deployment) -> Result<Deployment> {
        let id = id_of(raw)?;
        let mut problems = Vec::new();
        let origin = match self.origin_text(&id).and_then(|text| parse_origin(&text)) {
            Ok(origin) => Some(origin),
            // The one that says in which file it is.
            Err(error @ Error::Io { .. }) => {
                problems.push(chain(&error));
                None
            }
            Err(error) => {
                problems.push(format!("{}: {}", self.origin_path(&id).display(), chain(&error)));
                None
            }
        };
        let mut read = |commit| match repo.commit_info(commit) {
            Ok(info) => Some(info),
            Err(error) => {
                problems.push(chain(&error));
                None
            }
        };
        let commit = read(&id.checksum);
        let layered_on = commit
            .as_ref()
            .filter(|info| info.metadata.get_flag("rpmostree.clientlayer"))
            .and_then(|info| info.parent.clone());
        let base = match &layered_on {
            Some(base) => read(base),
            None => commit.clone(),
        };
        let metadata = commit.as_ref().map(|info| info.metadata.clone()).unwrap_or_default();
        let layered = metadata.get_strings("rpmostree.packages").unwrap_or_default();
        let layered = if layered_on.is_some() { layered } else { Vec::new() };
        let left_out = metadata.get_strings("cambium.scripts-left-out").unwrap_or_default();
        let requested = origin.as_ref().map(|origin| origin.requested.as_slice()).unwrap_or(&[]);
        let inactive = requested.iter().filter(|name| !layered.contains(name)).cloned().collect();
        let remote = origin.as_ref().and_then(|origin| match &origin.refspec {
            Refspec::Ostree { remote, .. } => remote.clone(),
            _ => None,
        });
        let gpg_verified_remote =
            remote.is_some_and(|remote| repo.raw().remote_get_gpg_verify(&remote).unwrap_or(false));
        let version = |info: &Option<CommitInfo>| info.as_ref().and_then(|i| i.version.clone());
        let timestamp = |info: &Option<CommitInfo>| info.as_ref().map_or(0, |i| i.timestamp);
        Ok(Deployment {
            index: 0,
            booted: false,
            staged: raw.is_staged(),
            finalization_locked: raw.is_staged() && Path::new(staged::LOCKED).exists(),
            pinned: raw.is_pinned(),
            unlocked: match raw.unlocked() {
                ostree::DeploymentUnlockedState::Development => UnlockedState::Development,
                ostree::DeploymentUnlockedState::Hotfix => UnlockedState::Hotfix,
                ostree::DeploymentUnlockedState::Transient => UnlockedState::Transient,
                _ => UnlockedState::None,
            },
            origin,
            base_checksum: layered_on.unwrap_or_else(|| id.checksum.clone()),
            version: version(&commit),
            timestamp: timestamp(&commit),
            base_version: version(&base),
            base_timestamp: timestamp(&base),
            layered,
            inactive,
            removed: removed(&metadata),
            scripts_left_out: left_out,
            kernel_arguments: kernel_arguments(raw),
            boot_checksum: raw.bootcsum().to_string(),
            gpg_verified_remote,
            base_metadata: base.map(|info| shown(&info.metadata)).unwrap_or_default(),
            problem: (!problems.is_empty()).then(|| problems.join("; ")),
            id,
        })
    }
}

/// An error with its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// The kernel arguments of a deployment's boot entry.
pub(super) fn kernel_arguments(deployment: &ostree::Deployment) -> Vec<String> {
    let options = deployment.bootconfig().and_then(|config| config.get("options"));
    let options = options.map(|options| ostree::KernelArgs::from_string(&options).to_strv());
    options.unwrap_or_default().into_iter().map(String::from).collect()
}

/// `rpmostree.removed-base-packages`, `av`: each value begins with the package's NEVRA.
fn removed(metadata: &Metadata) -> Vec<Nevra> {
    let Some(list) = metadata.get("rpmostree.removed-base-packages") else { return Vec::new() };
    if list.type_().as_str() != "av" {
        return Vec::new();
    }
    list.iter()
        .filter_map(|boxed| {
            let package = boxed.as_variant()?;
            package.try_child_value(0)?.str()?.parse().ok()
        })
        .collect()
}

fn shown(metadata: &Metadata) -> BTreeMap<String, String> {
    let mut values = metadata.string_values();
    values.retain(|key, _| !NOT_SHOWN.contains(&key.as_str()));
    values
}
