//! From a commit to what boots next, and back.

use super::Host;
use super::error::Result;
use cambium_model::{
    Checksum, CleanupScope, DeploymentId, Finalization, Observer, PreparedDeployment, Stateroot,
    Target,
};
use cambium_ostree::{DeployRequest, Retention, Swap, Sysroot};

impl Host {
    /// Makes the directory of a deployment of `commit`. Nothing boots it yet.
    ///
    /// # Errors
    /// When kernel arguments cannot be edited as asked, the disk is full, or the sysroot is busy.
    pub fn prepare(
        &self,
        target: &Target,
        commit: &Checksum,
        observer: &dyn Observer,
    ) -> Result<PreparedDeployment> {
        let sysroot = Sysroot::open(&self.config.sysroot)?;
        let _lock = sysroot.try_lock()?;
        let merge = &target.merge.id;
        let kernel_arguments = match &target.kargs {
            Some(edit) => {
                let mut arguments =
                    cambium_boot::KernelArgs::from_arguments(&target.merge.kernel_arguments);
                arguments.edit(edit)?;
                Some(arguments.to_arguments())
            }
            None => None,
        };
        let request = DeployRequest {
            stateroot: target.stateroot.clone(),
            commit: commit.clone(),
            origin: target.origin.clone(),
            previous_origin: Some(sysroot.origin_text(merge)?),
            merge: Some(merge.clone()),
            kernel_arguments,
        };
        Ok(sysroot.prepare(&request, observer)?)
    }

    /// Makes a prepared deployment the one that boots next.
    ///
    /// # Errors
    /// When the boot configuration cannot be written: what booted before boots then.
    pub fn swap(
        &self,
        prepared: &PreparedDeployment,
        target: &Target,
        finalization: Finalization,
        observer: &dyn Observer,
    ) -> Result<DeploymentId> {
        let sysroot = Sysroot::open(&self.config.sysroot)?;
        let _lock = sysroot.try_lock()?;
        let text = if sysroot.is_booted() { "Staging deployment" } else { "Deploying" };
        observer.message(text.to_owned());
        sysroot.swap(&Swap {
            prepared: prepared.clone(),
            merge: Some(target.merge.id.clone()),
            retention: Retention::default(),
            finalization,
            overlay_initrds: Vec::new(),
        })?;
        Ok(prepared.id.clone())
    }

    /// Makes the stateroot's previous deployment the default.
    ///
    /// # Errors
    /// When there is none, or one is staged.
    pub fn roll_back(&self, stateroot: &Stateroot) -> Result<DeploymentId> {
        let sysroot = Sysroot::open(&self.config.sysroot)?;
        let _lock = sysroot.try_lock()?;
        Ok(sysroot.rollback(stateroot)?)
    }

    /// Drops the stateroot's deployments of `scope`. Returns how many went; their files go with the next tidying.
    ///
    /// # Errors
    /// When the boot configuration cannot be written.
    pub fn clean_up(&self, stateroot: &Stateroot, scope: CleanupScope) -> Result<usize> {
        let sysroot = Sysroot::open(&self.config.sysroot)?;
        let _lock = sysroot.try_lock()?;
        Ok(sysroot.cleanup(stateroot, scope)?)
    }
}
