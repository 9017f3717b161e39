//! Changes among deployments that exist: order, removal, pins, origin files.

use super::{Sysroot, is};
use crate::error::{Error, Result, failed};
use crate::origin::{self, render_origin};
use cambium_model::{CleanupScope, DeploymentId, Origin, Stateroot};

/// Whether garbage collection leaves a deployment alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinned {
    /// It stays until it is unpinned.
    Yes,
    /// It goes when its time comes.
    No,
}

impl Sysroot {
    /// Makes the deployment the default to which a rollback of the stateroot leads (see
    /// [`cambium_model::HostState::rollback_target`]). Returns it. Hold the lock.
    ///
    /// # Errors
    /// [`Error::Precondition`] where a deployment is staged or there is none to go back to.
    pub fn rollback(&self, stateroot: &Stateroot) -> Result<DeploymentId> {
        let state = self.state()?;
        let chosen = state
            .rollback_target(stateroot)
            .map_err(|failure| Error::Precondition { what: failure.what })?;
        let mut deployments = self.inner.deployments();
        let first = self.find(&chosen.id)?;
        deployments.retain(|deployment| !deployment.equal(&first));
        deployments.insert(0, first);
        self.write(&deployments)?;
        Ok(chosen.id.clone())
    }

    /// Takes a deployment from what boots. Its files go with [`Self::collect`]. Hold the lock.
    ///
    /// # Errors
    /// [`Error::Precondition`] for the booted deployment and for the last one.
    pub fn undeploy(&self, id: &DeploymentId) -> Result<()> {
        self.reload()?;
        let found = self.find(id)?;
        if self.inner.booted_deployment().is_some_and(|booted| booted.equal(&found)) {
            let what = format!("The deployment {id} is booted and cannot be removed");
            return Err(Error::Precondition { what });
        }
        self.keep_only(|deployment| !is(deployment, id)).map(|_| ())
    }

    /// Removes the stateroot's pending or rollback deployments (see
    /// [`cambium_model::HostState::leftovers`]). Returns how many went. Hold the lock.
    ///
    /// # Errors
    /// When the boot entries cannot be written.
    pub fn cleanup(&self, stateroot: &Stateroot, scope: CleanupScope) -> Result<usize> {
        let state = self.state()?;
        let gone = state.leftovers(stateroot, scope);
        self.keep_only(|deployment| !gone.iter().any(|gone| is(deployment, &gone.id)))
    }

    /// Writes the boot entries of the deployments that `keep` accepts.
    fn keep_only(&self, keep: impl Fn(&ostree::Deployment) -> bool) -> Result<usize> {
        let all = self.inner.deployments();
        let kept: Vec<_> = all.iter().filter(|deployment| keep(deployment)).cloned().collect();
        if kept.is_empty() {
            let what = "The last deployment cannot be removed".to_owned();
            return Err(Error::Precondition { what });
        }
        let gone = all.len() - kept.len();
        if gone > 0 {
            // libostree forgets a staged deployment that is not among these.
            self.write(&kept)?;
        }
        Ok(gone)
    }

    /// Pins or unpins a deployment. Hold the lock.
    ///
    /// # Errors
    /// When it is not there, or staged.
    pub fn pin(&self, id: &DeploymentId, pinned: Pinned) -> Result<()> {
        self.reload()?;
        let found = self.find(id)?;
        if found.is_staged() {
            let what = format!("The deployment {id} is staged and cannot be pinned");
            return Err(Error::Precondition { what });
        }
        self.inner
            .deployment_set_pinned(&found, pinned == Pinned::Yes)
            .map_err(failed("pin the deployment", id))?;
        self.reload()
    }

    /// Replaces the origin of a deployment in place; what makes another tree needs another
    /// deployment. Hold the lock.
    ///
    /// # Errors
    /// When it is not there or cannot be written.
    pub fn write_origin(&self, id: &DeploymentId, origin: &Origin) -> Result<()> {
        self.reload()?;
        let found = self.find(id)?;
        let text = render_origin(origin, Some(&self.origin_text(id)?))?;
        let file = origin::load(&text)?;
        if found.is_pinned() {
            // The pin is this deployment's own, which render_origin drops for a new one.
            file.set_boolean("libostree-transient", "pinned", true);
        }
        self.inner
            .write_origin_file(&found, Some(&file), gio::Cancellable::NONE)
            .map_err(failed("write the origin of", id))
    }
}
