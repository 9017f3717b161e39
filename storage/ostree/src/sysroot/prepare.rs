//! A deployment's directory, made whole under a name that nothing boots.
//!
//! Owns: everything that takes time and can fail: checkout or patch, /etc, origin. What remains
//! for [`Sysroot::swap`] is one rename. A directory reaches `ostree/deploy` only when it is whole
//! and synced; until a boot entry or the staged record names it, recovery removes it.

use super::{Sysroot, labels, state};
use crate::error::{Error, Result, failed, io};
use crate::etc::{self, EtcConflict};
use crate::labels::Policy;
use crate::origin::render_origin;
use crate::repo::Repo;
use crate::spare::{Spares, sync_directory, sync_filesystem};
use crate::writer::TEMPORARY_PREFIX;
use cambium_model::{
    Checksum, DeploymentId, Observer, Origin, PreparedDeployment, Progress, Stateroot,
};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;

/// A deployment to make.
#[derive(Debug, Clone)]
pub struct DeployRequest {
    /// The stateroot that it belongs to.
    pub stateroot: Stateroot,
    /// The commit, complete in the repository.
    pub commit: Checksum,
    /// What it was made from.
    pub origin: Origin,
    /// The text of the origin file before, whose other keys are kept.
    pub previous_origin: Option<String>,
    /// The deployment whose /etc and kernel arguments are carried on.
    pub merge: Option<DeploymentId>,
    /// Its kernel arguments; `None` for those of the merge deployment.
    pub kernel_arguments: Option<Vec<String>>,
}

impl Sysroot {
    /// Makes the deployment's directory. Where the sysroot is not the running system, local
    /// changes of /etc are merged now; else libostree does it at shutdown. Hold the lock.
    ///
    /// # Errors
    /// When something named is not there or cannot be made. Nothing has a deployment's name then.
    pub fn prepare(
        &self,
        request: &DeployRequest,
        observer: &dyn Observer,
    ) -> Result<PreparedDeployment> {
        self.reload()?;
        let place = self.deploy_directory(&request.stateroot);
        if !place.parent().is_some_and(Path::is_dir) {
            return Err(Error::NotFound { what: format!("The stateroot {}", request.stateroot) });
        }
        std::fs::create_dir_all(&place).map_err(io("create", &place))?;
        let repo = self.repo()?;
        let merge = request.merge.as_ref().map(|id| self.find(id)).transpose()?;
        let kernel_arguments = match &request.kernel_arguments {
            Some(arguments) => arguments.clone(),
            None => merge.as_ref().map(state::kernel_arguments).unwrap_or_default(),
        };
        if !repo.can_boot(&request.commit)? {
            let what = format!("The commit {} has no kernel", request.commit.short());
            return Err(Error::Precondition { what });
        }
        let id = DeploymentId {
            stateroot: request.stateroot.clone(),
            checksum: request.commit.clone(),
            serial: next_serial(&place, &request.commit)?,
        };

        let text = format!("Checking out tree {}", &request.commit.as_str()[..7]);
        observer.progress(Progress::TaskBegin { text });
        let made = Spares::of(&repo).make(&request.commit, observer)?;
        let result = self.finish(&repo, request, &made, &id);
        if result.is_err()
            && let Err(error) = std::fs::remove_dir_all(&made)
        {
            tracing::warn!(path = %made.display(), %error, "a half-made deployment stays for recovery");
        }
        result?;
        observer.progress(Progress::TaskEnd { text: String::new() });
        Ok(PreparedDeployment { id, kernel_arguments })
    }

    fn finish(
        &self,
        repo: &Repo,
        request: &DeployRequest,
        made: &Path,
        id: &DeploymentId,
    ) -> Result<()> {
        let policy = default_etc(repo, &request.commit, made)?;
        let stateroot = self.path().join("ostree/deploy").join(id.stateroot.as_str());
        if let (Some(merge), false) = (&request.merge, self.is_booted()) {
            let old = self.deployment_path(merge);
            let changes = etc::local_changes(&old.join("usr/etc"), &old.join("etc"))?;
            etc::apply(&changes, &old.join("etc"), &made.join("etc"), policy.as_deref())?;
            // systemd's "needs update" conditions compare with this stamp.
            remove_if_there(&made.join("etc/.updated"))?;
            remove_if_there(&stateroot.join("var/.updated"))?;
        }
        if !self.is_booted() {
            labels::label_var(&stateroot, made)?;
        }
        let origin = render_origin(&request.origin, request.previous_origin.as_deref())?;
        let place = self.deploy_directory(&id.stateroot);
        let path = self.origin_path(id);
        // A name by which recovery knows it for ours.
        let mut file = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .tempfile_in(repo.path().join("tmp"))
            .map_err(io("create", &path))?;
        file.write_all(origin.as_bytes()).map_err(io("write", &path))?;
        rustix::fs::fchmod(file.as_file(), rustix::fs::Mode::from_raw_mode(0o644))
            .map_err(io("change the mode of", &path))?;
        file.as_file().sync_all().map_err(io("sync", &path))?;
        sync_filesystem(made)?;
        file.persist(&path).map_err(|error| io("write", &path)(error.error))?;
        let target = self.deployment_path(id);
        std::fs::rename(made, &target).map_err(io("rename to", &target))?;
        sync_directory(&place)
    }

    /// Which local changes of /etc would win over changes that `commit` brings, if it were
    /// deployed over `merge`. Changes nothing.
    ///
    /// # Errors
    /// When a deployment or object cannot be read.
    pub fn etc_conflicts(
        &self,
        merge: &DeploymentId,
        commit: &Checksum,
    ) -> Result<Vec<EtcConflict>> {
        let old = self.deployment_path(merge);
        let changes = etc::local_changes(&old.join("usr/etc"), &old.join("etc"))?;
        etc::conflicts(&self.repo()?, &changes, &merge.checksum, commit)
    }
}

/// The first serial that no directory of this commit has, bootable or not.
fn next_serial(place: &Path, commit: &Checksum) -> Result<u32> {
    let mut next = 0;
    for entry in std::fs::read_dir(place).map_err(io("list", place))? {
        let name = entry.map_err(io("list", place))?.file_name();
        let name = name.to_string_lossy();
        let serial = name.strip_prefix(commit.as_str()).and_then(|rest| rest.strip_prefix('.'));
        // An origin file without its directory holds the number, too.
        let serial = serial.map(|rest| rest.strip_suffix(".origin").unwrap_or(rest));
        if let Some(serial) = serial.and_then(|serial| serial.parse::<u32>().ok()) {
            next = next.max(serial + 1);
        }
    }
    Ok(next)
}

/// /etc as the tree ships it: copies, so that an editor cannot reach an object, labelled by the
/// tree's own policy where it has one, which is the answer.
///
/// Labelled by us, though libostree's checkout can: it has the kernel label directories as it
/// creates them, so that those have none where the kernel has no SELinux, and it asks libselinux
/// for each file, which takes longer than all else that a small change does.
fn default_etc(repo: &Repo, commit: &Checksum, made: &Path) -> Result<Option<Arc<Policy>>> {
    let etc = made.join("etc");
    match std::fs::remove_dir(&etc) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            // libostree refuses a tree with a filled /etc, too.
            return Err(io("replace", etc)(error));
        }
        _ => {}
    }
    if repo.subtree(commit, "usr/etc")?.is_none() {
        return Ok(None);
    }
    let directory = crate::checkout::open_directory(made)?;
    let options = ostree::RepoCheckoutAtOptions {
        force_copy: true,
        subpath: Some("/usr/etc".into()),
        ..Default::default()
    };
    repo.raw()
        .checkout_at(
            Some(&options),
            directory.as_raw_fd(),
            "etc",
            commit.as_str(),
            gio::Cancellable::NONE,
        )
        .map_err(failed("copy /usr/etc to", made.display()))?;
    // The deployment has both now, and libostree looks for a policy in /etc first.
    let policy = Policy::of_directory(made)?;
    if let Some(policy) = &policy {
        labels::label_below(policy, &etc, "etc")?;
    }
    Ok(policy)
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io("remove", path)(error))
        }
        _ => Ok(()),
    }
}
