//! A file that takes a file system's room, so that a disk is really full.

use anyhow::{Context, Result};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The least that a file system gives.
const BLOCK: u64 = 4096;

/// The file; removed when dropped.
#[derive(Debug)]
pub struct Ballast {
    path: PathBuf,
}

impl Ballast {
    /// Leaves this many bytes of the file system that `place` is on.
    ///
    /// # Errors
    /// When there are fewer, or the file cannot be made.
    pub fn leaving(place: &Path, free: u64) -> Result<Self> {
        let path = place.join("ballast");
        let file =
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let ballast = Self { path };
        let mut left = free_bytes(place)?.checked_sub(free).context("there is less already")?;
        // The file system keeps a little of what it calls free for its own records, so the last
        // bytes are taken in ever smaller pieces.
        let (mut at, mut piece) = (0, left);
        while piece >= BLOCK {
            match fallocate(&file, FallocateFlags::empty(), at, piece) {
                Ok(()) => (at, left) = (at + piece, left - piece),
                Err(Errno::NOSPC) => piece /= 2,
                Err(error) => return Err(error).context("cannot fill the disk"),
            }
            piece = piece.min(left);
        }
        Ok(ballast)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        // Where it cannot be removed, the disk stays full and the test says so.
        _ = fs::remove_file(&self.path);
    }
}

/// Bytes that are free on the file system that `place` is on.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn free_bytes(place: &Path) -> Result<u64> {
    let found = statvfs(place).with_context(|| format!("no {}", place.display()))?;
    Ok(found.f_bavail * found.f_frsize)
}
