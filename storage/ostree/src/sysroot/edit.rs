//! Changes among deployments that exist: order, removal, pins, origin files.

use super::{Sysroot, id_of, is};
use crate::error::{Error, Result, failed};
use crate::origin::{self, render_origin};
use cambium_model::{CleanupScope, DeploymentId, Origin};

/// Whether garbage collection leaves a deployment alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinned {
    /// It stays until it is unpinned.
    Yes,
    /// It goes when its time comes.
    No,
}

impl Sysroot {
    /// Makes the previous deployment the default: the booted one where something waits before it,
    /// else the one behind the default. Returns it. Hold the lock.
    ///
    /// # Errors
    /// [`Error::Precondition`] where a deployment is staged or there is none to go back to.
    pub fn rollback(&self) -> Result<DeploymentId> {
        self.reload()?;
        if self.inner.staged_deployment().is_some() {
            let what = "Staged deployment (remove with cleanup -p)".to_owned();
            return Err(Error::Precondition { what });
        }
        let mut deployments = self.inner.deployments();
        let first = deployments
            .first()
            .ok_or_else(|| Error::Precondition { what: "There is no deployment".into() })?;
        let stateroot = self.inner.booted_deployment().unwrap_or_else(|| first.clone()).osname();
        let booted = self.inner.booted_deployment();
        let booted_at = booted
            .and_then(|booted| deployments.iter().position(|deployment| deployment.equal(&booted)));
        let target = match booted_at {
            Some(at) if at > 0 => Some(at),
            _ => (1..deployments.len()).find(|at| deployments[*at].osname() == stateroot),
        };
        let target = target.ok_or_else(|| Error::Precondition {
            what: format!("No rollback deployment found in the stateroot {stateroot}"),
        })?;
        let chosen = deployments.remove(target);
        let id = id_of(&chosen)?;
        deployments.insert(0, chosen);
        self.write(&deployments)?;
        Ok(id)
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

    /// Removes pending or rollback deployments. Returns how many went. Pinned ones stay. Hold
    /// the lock.
    ///
    /// # Errors
    /// When the boot entries cannot be written.
    pub fn cleanup(&self, scope: CleanupScope) -> Result<usize> {
        self.reload()?;
        let deployments = self.inner.deployments();
        let booted = self.inner.booted_deployment();
        let at = |wanted: &ostree::Deployment| {
            deployments.iter().position(|deployment| deployment.equal(wanted))
        };
        // Where nothing is booted the default stands for it: it is never pending.
        let pivot = booted.as_ref().and_then(at).unwrap_or(0);
        let goes = |deployment: &ostree::Deployment| {
            let Some(at) = at(deployment) else { return false };
            let asked = (scope.pending && at < pivot) || (scope.rollback && at > pivot);
            let other = deployments.get(pivot).is_some_and(|p| p.osname() != deployment.osname());
            asked && !other && !deployment.is_pinned()
        };
        self.keep_only(|deployment| !goes(deployment))
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
