//! A prepared deployment becomes what boots next.
//!
//! On the running system it is staged: one rename in /run, finalised at shutdown by libostree's
//! service. Elsewhere libostree writes the boot entries and swaps one link. Old deployments lose
//! their boot entry here; their directories go with [`Sysroot::collect`], later.

use super::{Sysroot, id_of, is, staged};
use crate::error::{Error, Result, failed, io};
use crate::origin;
use cambium_model::{DeploymentId, Finalization, PreparedDeployment};

/// How many deployments stay behind the new one, besides the booted one and pinned ones. The merge
/// deployment is the first of them, and stays even where the number is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Deployments to go back to.
    pub rollbacks: u32,
}

impl Default for Retention {
    /// rpm-ostree's: one rollback.
    fn default() -> Self {
        Self { rollbacks: 1 }
    }
}

/// What to make the default.
#[derive(Debug, Clone)]
pub struct Swap {
    /// What [`Sysroot::prepare`] made.
    pub prepared: PreparedDeployment,
    /// The deployment whose /etc is merged at shutdown.
    pub merge: Option<DeploymentId>,
    /// What stays.
    pub retention: Retention,
    /// When a staged deployment may be finalised.
    pub finalization: Finalization,
    /// Checksums of initrds that [`Sysroot::stage_overlay_initrd`] took.
    pub overlay_initrds: Vec<String>,
}

impl Sysroot {
    /// Makes a prepared deployment boot next. Hold the lock.
    ///
    /// # Errors
    /// When it is not there, or the boot configuration cannot be written; what booted before
    /// boots then.
    pub fn swap(&self, swap: &Swap) -> Result<()> {
        self.reload()?;
        let id = &swap.prepared.id;
        if !self.deployment_path(id).is_dir() {
            return Err(Error::NotFound { what: format!("The prepared deployment {id}") });
        }
        let kernel = self.repo()?.kernel(&id.checksum)?.ok_or_else(|| Error::Precondition {
            what: format!("The commit {} has no kernel", id.checksum.short()),
        })?;
        if self.is_booted() {
            self.stage(swap, &kernel.boot_checksum)
        } else {
            // libostree shares kernels between deployments; only a new one needs room.
            let kernels = self.path().join("boot/ostree");
            let there = kernels.join(format!("{}-{}", id.stateroot, kernel.boot_checksum)).exists();
            let entries = self.inner.deployments().len() + 1;
            self.require_boot_space(if there { 0 } else { kernel.boot_bytes }, entries)?;
            self.boot(swap, &kernel.boot_checksum)
        }
    }

    fn stage(&self, swap: &Swap, boot_checksum: &str) -> Result<()> {
        let merge = swap.merge.as_ref().map(|id| self.find(id)).transpose()?;
        let merge_checksum = merge.map(|deployment| deployment.bootcsum().to_string());
        let merge = swap.merge.as_ref().zip(merge_checksum.as_deref());
        let record = staged::Record {
            target: staged::Named { id: &swap.prepared.id, boot_checksum },
            merge: merge.map(|(id, boot_checksum)| staged::Named { id, boot_checksum }),
            kernel_arguments: &swap.prepared.kernel_arguments,
            overlay_initrds: &swap.overlay_initrds,
        };
        // The lock comes before what it locks, and goes after what it does not.
        if swap.finalization == Finalization::Locked {
            lock_finalization()?;
        }
        staged::write(&record.variant())?;
        if swap.finalization == Finalization::AtShutdown {
            unlock_finalization()?;
        }
        self.touch()
    }

    fn boot(&self, swap: &Swap, boot_checksum: &str) -> Result<()> {
        let id = &swap.prepared.id;
        let serial = i32::try_from(id.serial).unwrap_or(i32::MAX);
        let new = ostree::Deployment::new(
            0,
            id.stateroot.as_str(),
            id.checksum.as_str(),
            serial,
            Some(boot_checksum),
            -1,
        );
        let config = ostree::BootconfigParser::new();
        config.set("options", &swap.prepared.kernel_arguments.join(" "));
        if !swap.overlay_initrds.is_empty() {
            let initrds: Vec<&str> = swap.overlay_initrds.iter().map(String::as_str).collect();
            config.set_overlay_initrds(&initrds);
        }
        new.set_bootconfig(Some(&config));
        new.set_origin(Some(&origin::load(&self.origin_text(id)?)?));
        // The directory's own immutable bit: nobody adds files beside /usr by mistake.
        self.inner
            .deployment_set_mutable(&new, false, gio::Cancellable::NONE)
            .map_err(failed("seal the deployment", id))?;
        let mut next = vec![new];
        next.extend(self.kept(swap));
        self.write(&next)
    }

    /// The deployments that stay behind the new one, in their order.
    fn kept(&self, swap: &Swap) -> Vec<ostree::Deployment> {
        let stateroot = swap.prepared.id.stateroot.as_str();
        let all = self.inner.deployments();
        let is_merge = |deployment: &ostree::Deployment| {
            swap.merge.as_ref().is_some_and(|id| is(deployment, id))
        };
        // What the new one grew from is the first to go back to, wherever it stands.
        let mut left = swap.retention.rollbacks;
        if all.iter().any(is_merge) {
            left = left.saturating_sub(1);
        }
        let mut keep = |deployment: &ostree::Deployment| {
            if is(deployment, &swap.prepared.id) {
                return false;
            }
            if deployment.osname() != stateroot || deployment.is_pinned() || is_merge(deployment) {
                return true;
            }
            let stays = left > 0;
            left = left.saturating_sub(1);
            stays
        };
        all.iter().filter(|deployment| keep(deployment)).cloned().collect()
    }

    /// Refuses to begin what /boot has no room for: kernels, and a block for each entry and
    /// directory, since libostree writes all entries anew beside the old ones.
    fn require_boot_space(&self, kernels: u64, entries: usize) -> Result<()> {
        const BLOCK: u64 = 4096;
        /// `loader.N`, its `entries`, `ostree`, a kernel's own directory, and what these grow by.
        const DIRECTORIES: u64 = 6;
        let needed = kernels + (entries as u64 + DIRECTORIES) * BLOCK;
        let free = self.space()?.boot_free;
        if needed <= free {
            return Ok(());
        }
        Err(Error::NoSpace { on: self.path().join("boot").display().to_string(), needed, free })
    }

    /// Writes the boot entries for these deployments. Directories and objects stay for
    /// [`Self::collect`].
    pub(super) fn write(&self, deployments: &[ostree::Deployment]) -> Result<()> {
        self.require_boot_space(0, deployments.len())?;
        let options = ostree::SysrootWriteDeploymentsOpts { do_postclean: false };
        self.inner
            .write_deployments_with_options(deployments, &options, gio::Cancellable::NONE)
            .map_err(failed("write the boot entries of", self.path().display()))
    }

    /// Keeps the staged deployment from being finalised at shutdown.
    ///
    /// # Errors
    /// When there is none.
    pub fn lock_finalization(&self) -> Result<()> {
        self.staged()?;
        lock_finalization()?;
        self.touch()
    }

    /// Lets the staged deployment be finalised at shutdown.
    ///
    /// # Errors
    /// When there is none.
    pub fn unlock_finalization(&self) -> Result<()> {
        self.staged()?;
        unlock_finalization()?;
        self.touch()
    }

    /// The staged deployment's id.
    fn staged(&self) -> Result<DeploymentId> {
        self.reload()?;
        let staged = self.inner.staged_deployment();
        let staged =
            staged.ok_or_else(|| Error::Precondition { what: "No deployment is staged".into() })?;
        id_of(&staged)
    }

    /// Takes an initrd that will be loaded after the deployment's own. Returns its checksum.
    ///
    /// # Errors
    /// When it cannot be read or kept.
    pub fn stage_overlay_initrd(&self, initrd: &std::fs::File) -> Result<String> {
        use std::os::fd::AsRawFd;
        self.inner
            .stage_overlay_initrd(initrd.as_raw_fd(), gio::Cancellable::NONE)
            .map(String::from)
            .map_err(failed("stage an initrd in", self.path().display()))
    }
}

fn lock_finalization() -> Result<()> {
    std::fs::create_dir_all("/run/ostree").map_err(io("create", "/run/ostree"))?;
    std::fs::write(staged::LOCKED, "").map_err(io("write", staged::LOCKED))
}

fn unlock_finalization() -> Result<()> {
    match std::fs::remove_file(staged::LOCKED) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io("remove", staged::LOCKED)(error))
        }
        _ => Ok(()),
    }
}
