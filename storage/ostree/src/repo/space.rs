//! Room on file systems, asked before something is written.

use crate::error::{Error, Result, failed, io};
use crate::repo::Repo;
use std::path::Path;

/// Bytes that an unprivileged writer could still take from the file system of `path`.
pub(crate) fn free_bytes(path: &Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(path).map_err(io("ask for the free space of", path))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

impl Repo {
    /// Bytes free on the repository's file system.
    ///
    /// # Errors
    /// When the file system cannot be asked.
    pub fn free_bytes(&self) -> Result<u64> {
        free_bytes(&self.path)
    }

    /// Refuses work that would not fit: `estimate` bytes on top of the reserve that the
    /// repository's configuration keeps free (`min-free-space-percent` or `-size`).
    ///
    /// # Errors
    /// [`Error::NoSpace`].
    pub fn require_space(&self, estimate: u64) -> Result<()> {
        let reserve = self
            .inner
            .min_free_space_bytes()
            .map_err(failed("read the reserve of", self.path.display()))?;
        let (needed, free) = (reserve.saturating_add(estimate), self.free_bytes()?);
        if needed > free {
            return Err(Error::NoSpace { on: self.path.display().to_string(), needed, free });
        }
        Ok(())
    }
}
