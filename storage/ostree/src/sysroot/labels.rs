//! Labels of what a deployment has beside its tree: /var, and files of /etc that have none.
//!
//! As libostree: /var of a stateroot is labelled once, by the first deployment that has a policy,
//! and from then on it is the running system's; a stamp says that it was done. On the running
//! system libostree does this itself, when it finalises the staged deployment.

use crate::error::{Result, io};
use crate::labels::{Policy, XATTR, value};
use rustix::fs::XattrFlags;
use rustix::io::Errno;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// libostree's stamp.
const STAMP: &str = "var/.ostree-selabeled";

/// Labels /var of the stateroot at `stateroot` by the policy of the deployment at `deployment`,
/// unless that was done before or there is no policy.
pub(super) fn label_var(stateroot: &Path, deployment: &Path) -> Result<()> {
    let stamp = stateroot.join(STAMP);
    if stamp.symlink_metadata().is_ok() || !stateroot.join("var").is_dir() {
        return Ok(());
    }
    let Some(policy) = Policy::of_directory(deployment)? else { return Ok(()) };
    tracing::info!(stateroot = %stateroot.display(), "labelling /var");
    label_below(&policy, &stateroot.join("var"), "var")?;
    std::fs::write(&stamp, "").map_err(io("write", &stamp))?;
    label_path(&policy, &stamp, STAMP)
}

/// Labels the directory at `at`, which is `path` of the deployment, with all that is in it.
pub(super) fn label_below(policy: &Policy, at: &Path, path: &str) -> Result<()> {
    label_path(policy, at, path)?;
    for entry in std::fs::read_dir(at).map_err(io("list", at))? {
        let entry = entry.map_err(io("list", at))?;
        let inside = format!("{path}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(io("read", entry.path()))?.is_dir() {
            label_below(policy, &entry.path(), &inside)?;
        } else {
            label_path(policy, &entry.path(), &inside)?;
        }
    }
    Ok(())
}

/// Gives what is at `at` the label of `path`; none is taken away.
fn label_path(policy: &Policy, at: &Path, path: &str) -> Result<()> {
    let mode = std::fs::symlink_metadata(at).map_err(io("stat", at))?.mode();
    let Some(label) = policy.label(path, mode)? else { return Ok(()) };
    let label = value(&label);
    let mut present = [0; 256];
    // Most of /etc comes with its labels; reading one is cheaper than journalling another.
    if let Ok(size) = rustix::fs::lgetxattr(at, XATTR, &mut present)
        && present[..size] == label
    {
        return Ok(());
    }
    rustix::fs::lsetxattr(at, XATTR, &label, XattrFlags::empty())
        .map_err(io("set the SELinux label of", at))
}

/// Labels a merged file of /etc that was made where no policy was.
pub(crate) fn label_if_missing(policy: Option<&Policy>, at: &Path, path: &str) -> Result<()> {
    let Some(policy) = policy else { return Ok(()) };
    match rustix::fs::lgetxattr_query(at, XATTR) {
        Err(Errno::NODATA) => label_path(policy, at, path),
        Ok(_) | Err(Errno::NOTSUP) => Ok(()),
        Err(error) => Err(io("read the SELinux label of", at)(error)),
    }
}
