//! Which boot loader a sysroot has, told as libostree tells it: by what libostree's back ends
//! keep as symbolic links. Reads only; the repository's `sysroot.bootloader` setting, which
//! overrides this, is the caller's to read.

use cambium_model::{Failure, FailureKind};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A boot loader, by how libostree must treat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bootloader {
    /// syslinux or extlinux: `syslinux.cfg` is made from the entries.
    Syslinux,
    /// GRUB 2 with a `grub.cfg` that is made from the entries.
    Grub2,
    /// U-Boot: `uEnv.txt` is made from the entries.
    UBoot,
    /// One that reads the entries itself; nothing else is written.
    BlsOnly,
    /// None that is known, and no entries.
    None,
}

impl Bootloader {
    /// The name in metrics and the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syslinux => "syslinux",
            Self::Grub2 => "grub2",
            Self::UBoot => "uboot",
            Self::BlsOnly => "bls",
            Self::None => "none",
        }
    }
}

/// A part of /boot that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}")]
pub struct DetectError {
    /// The path.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl DetectError {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        FailureKind::Unavailable
    }
}

impl From<DetectError> for Failure {
    fn from(error: DetectError) -> Self {
        Self::from_error(error.kind(), &error)
    }
}

/// The boot loader of the sysroot at `sysroot`, in libostree's order of preference.
///
/// # Errors
/// When a part of its /boot cannot be read; what does not exist is an answer.
pub fn detect(sysroot: &Path) -> Result<Bootloader, DetectError> {
    let boot = sysroot.join("boot");
    if is_link(&boot.join("syslinux/syslinux.cfg"))? {
        return Ok(Bootloader::Syslinux);
    }
    for config in ["grub2/grub.cfg", "grub/grub.cfg"] {
        if is_link(&boot.join(config))? {
            return Ok(Bootloader::Grub2);
        }
    }
    for vendor in entries(&boot.join("efi/EFI"))? {
        if is_link(&vendor.join("grub.cfg"))? {
            return Ok(Bootloader::Grub2);
        }
    }
    if is_link(&boot.join("loader/uEnv.txt"))? {
        return Ok(Bootloader::UBoot);
    }
    let found = entries(&boot.join("loader/entries"))?;
    let bls = found.iter().any(|path| path.extension().is_some_and(|name| name == "conf"));
    Ok(if bls { Bootloader::BlsOnly } else { Bootloader::None })
}

fn absent(error: &io::Error) -> bool {
    [Errno::NOENT, Errno::NOTDIR].iter().any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}

fn is_link(path: &Path) -> Result<bool, DetectError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_symlink()),
        Err(error) if absent(&error) => Ok(false),
        Err(source) => Err(DetectError { path: path.to_owned(), source }),
    }
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, DetectError> {
    let failed = |source| DetectError { path: dir.to_owned(), source };
    match fs::read_dir(dir) {
        Ok(entries) => {
            entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
        }
        Err(error) if absent(&error) => Ok(Vec::new()),
        Err(source) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Detects with these links and files below /boot.
    fn check(links: &[&str], files: &[&str], expected: Bootloader) {
        let root = tempfile::tempdir().unwrap();
        for path in links.iter().chain(files) {
            let path = root.path().join("boot").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if links.iter().any(|link| path.ends_with(link)) {
                symlink("../loader/target", &path).unwrap();
            } else {
                fs::write(&path, "").unwrap();
            }
        }
        assert_eq!(detect(root.path()).unwrap(), expected, "{links:?} {files:?}");
    }

    #[test]
    fn links_tell_the_loader_and_entries_the_rest() {
        let entry = "loader/entries/ostree-1.conf";
        check(&[], &[], Bootloader::None);
        check(&[], &["loader/entries/README"], Bootloader::None);
        check(&[], &[entry], Bootloader::BlsOnly);
        check(&["syslinux/syslinux.cfg"], &[entry], Bootloader::Syslinux);
        check(&["grub2/grub.cfg"], &[entry], Bootloader::Grub2);
        check(&["grub/grub.cfg"], &[], Bootloader::Grub2);
        check(&["efi/EFI/fedora/grub.cfg"], &[entry], Bootloader::Grub2);
        check(&["loader/uEnv.txt"], &[entry], Bootloader::UBoot);
        check(&["syslinux/syslinux.cfg", "grub2/grub.cfg"], &[], Bootloader::Syslinux);
    }

    #[test]
    fn a_config_that_is_a_plain_file_reads_the_entries_itself() {
        let files = ["grub2/grub.cfg", "loader/entries/ostree-1.conf"];
        check(&[], &files, Bootloader::BlsOnly);
    }
}
