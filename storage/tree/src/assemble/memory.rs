//! Directories in memory, for what is only an intermediate result.
//!
//! Owns: when memory is roomy enough, and names by which recovery knows which assembly's
//! directories they are: memory is shared by every program of the machine.

use crate::{Error, Result};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The file system in memory that every Linux has (POSIX shared memory).
const PLACE: &str = "/dev/shm";
/// `f_type` of tmpfs in statfs(2), by linux/magic.h.
const TMPFS: i64 = 0x0102_1994;
/// So much more than the bytes themselves must be free: copies, journals, and everybody else.
const HEADROOM: u64 = 4;

/// A directory in memory with room for `bytes`, for the assemblies that work in `private`; `None`
/// where memory is scarce or there is no such place.
pub(super) fn directory(private: &Path, bytes: u64) -> Result<Option<TempDir>> {
    let place = Path::new(PLACE);
    if !is_roomy(place, bytes) {
        return Ok(None);
    }
    let made = tempfile::Builder::new().prefix(&prefix(private)?).tempdir_in(place);
    match made {
        Ok(made) => Ok(Some(made)),
        Err(error) => {
            // A disk does as well.
            tracing::debug!(%error, "no directory in memory");
            Ok(None)
        }
    }
}

/// Directories in memory that killed assemblies of `private` left.
pub(super) fn leftovers(private: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(PLACE) else { return Ok(Vec::new()) };
    if !private.exists() {
        return Ok(Vec::new());
    }
    let prefix = prefix(private)?;
    let named = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
    };
    // Everybody may make names there: only directories of our own user are ours.
    let user = rustix::process::geteuid().as_raw();
    let own = |path: &PathBuf| {
        path.symlink_metadata().is_ok_and(|found| found.is_dir() && found.uid() == user)
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter(|path| named(path) && own(path)).collect())
}

/// Tells the assemblies of one sysroot from those of another.
fn prefix(private: &Path) -> Result<String> {
    let metadata = fs::metadata(private).map_err(Error::io("stat", private))?;
    Ok(format!("cambium-{:x}-{:x}-", metadata.dev(), metadata.ino()))
}

fn is_roomy(place: &Path, bytes: u64) -> bool {
    let Ok(found) = rustix::fs::statfs(place) else { return false };
    let free = u64::try_from(found.f_bsize).unwrap_or(0).saturating_mul(found.f_bavail);
    let needed = bytes.saturating_mul(HEADROOM);
    let available = fs::read_to_string("/proc/meminfo").ok().and_then(|text| available(&text));
    found.f_type == TMPFS && free >= needed && available.is_some_and(|bytes| bytes >= needed)
}

/// `MemAvailable` of /proc/meminfo in bytes.
fn available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read_in_bytes() {
        let text = "MemTotal:       24683640 kB\nMemAvailable:   23000000 kB\n";
        assert_eq!(available(text), Some(23_000_000 * 1024));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn more_than_there_is_goes_to_the_disk() {
        let private = tempfile::tempdir().unwrap();
        assert!(directory(private.path(), u64::MAX).unwrap().is_none());
        assert!(!is_roomy(Path::new("/proc"), 0));
    }

    #[test]
    fn only_ones_own_leftovers_are_found() {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let made = directory(ours.path(), 1).unwrap();
        let expected: Vec<_> = made.iter().map(|made| made.path().to_owned()).collect();
        assert_eq!(leftovers(ours.path()).unwrap(), expected);
        assert!(leftovers(theirs.path()).unwrap().is_empty());
        let planted = Path::new(PLACE).join(prefix(ours.path()).unwrap() + "planted");
        fs::write(&planted, "by somebody else").unwrap();
        assert_eq!(leftovers(ours.path()).unwrap(), expected);
        fs::remove_file(&planted).unwrap();
        drop(made);
        assert!(leftovers(ours.path()).unwrap().is_empty());
    }
}
