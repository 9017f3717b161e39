//! A part of a commit, written to a directory of one's own.

use crate::error::{Result, failed};
use crate::repo::Repo;
use crate::repo::files::no_path;
use cambium_model::Checksum;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Whether files share their bytes with the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyPolicy {
    /// Copies (reflinks where the file system has them): may be written.
    Copy,
    /// Hard links where the repository is bare: must never be written.
    HardLink,
}

impl Repo {
    /// Checks `path` of `commit` out as the directory `destination`, which must not exist; its
    /// parent must.
    ///
    /// # Errors
    /// When the path is not a directory of the commit, or something cannot be written.
    pub fn checkout_subpath(
        &self,
        commit: &Checksum,
        path: &str,
        destination: &Path,
        policy: CopyPolicy,
    ) -> Result<()> {
        if self.subtree(commit, path)?.is_none() {
            return Err(no_path(commit, path));
        }
        let mut options = ostree::RepoCheckoutAtOptions {
            subpath: Some(Path::new("/").join(path.trim_start_matches('/'))),
            force_copy: policy == CopyPolicy::Copy,
            ..Default::default()
        };
        if self.mode() != super::RepoMode::Bare {
            options.mode = ostree::RepoCheckoutMode::None;
        }
        self.inner
            .checkout_at(
                Some(&options),
                rustix::fs::CWD.as_raw_fd(),
                destination,
                commit.as_str(),
                gio::Cancellable::NONE,
            )
            .map_err(failed("check out", format!("{path} to {}", destination.display())))
    }
}
