//! The kernel of a tree: its boot checksum and the room that it takes on /boot.
//!
//! Rule: libostree's `get_kernel_from_tree`: the first `usr/lib/modules/KVER` that has a
//! `vmlinuz`; the checksum covers kernel, initramfs and devicetree one after the other. An older
//! layout in `usr/lib/ostree-boot` carries the checksum in its file names and wins where present.
//! Trees with a directory of devicetrees (`dtb/`) are refused.

use crate::error::{Error, Result, io};
use crate::repo::{FileKind, Repo};
use crate::tree::Node;
use cambium_model::Checksum;
use openssl::sha::Sha256;
use std::io::Read;

/// The kernel that a commit boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Its version, the name of its module directory; empty in the older layout.
    pub version: String,
    /// libostree's boot checksum, by which /boot/ostree is named.
    pub boot_checksum: String,
    /// Bytes that kernel, initramfs and devicetree take on /boot.
    pub boot_bytes: u64,
}

const MODULES: &str = "usr/lib/modules";
const LEGACY: &str = "usr/lib/ostree-boot";

/// Files that the checksum covers, each with the names it may have.
const PARTS: [&[&str]; 3] = [&["vmlinuz"], &["initramfs.img", "initramfs"], &["devicetree"]];

impl Repo {
    /// The kernel of a commit; `None` where it has none and cannot boot.
    ///
    /// # Errors
    /// When an object cannot be read or the layout is not known.
    pub fn kernel(&self, commit: &Checksum) -> Result<Option<Kernel>> {
        if let Some(kernel) = self.legacy_kernel(commit)? {
            return Ok(Some(kernel));
        }
        let Some(version) = self.kernel_version(commit)? else { return Ok(None) };
        let at = format!("{MODULES}/{version}");
        if self.lookup(commit, &format!("{at}/dtb"))?.is_some() {
            let what = format!("{at}/dtb of commit {} is not supported", commit.short());
            return Err(Error::Precondition { what });
        }
        let mut hash = Sha256::new();
        let mut boot_bytes = 0;
        for names in PARTS {
            for name in names {
                let path = format!("{at}/{name}");
                if let Some(Node::File(file)) = self.lookup(commit, &path)? {
                    boot_bytes += self.feed(&file, &mut hash)?;
                    break;
                }
            }
        }
        let boot_checksum = crate::object::Id(hash.finish()).to_string();
        Ok(Some(Kernel { version, boot_checksum, boot_bytes }))
    }

    /// Whether a commit has a kernel. Unlike [`Self::kernel`] this reads no file.
    pub(super) fn can_boot(&self, commit: &Checksum) -> Result<bool> {
        let legacy = matches!(self.lookup(commit, LEGACY)?, Some(Node::Directory(_)));
        Ok(legacy || self.kernel_version(commit)?.is_some())
    }

    fn kernel_version(&self, commit: &Checksum) -> Result<Option<String>> {
        let Some(Node::Directory(_)) = self.lookup(commit, MODULES)? else { return Ok(None) };
        for version in self.list(commit, MODULES)?.into_keys() {
            let path = format!("{MODULES}/{version}/vmlinuz");
            if matches!(self.lookup(commit, &path)?, Some(Node::File(_))) {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    fn feed(&self, file: &Checksum, hash: &mut Sha256) -> Result<u64> {
        let mut reader = self.open_object(file)?;
        let (mut chunk, mut total) = (vec![0; 256 << 10], 0);
        loop {
            let n = reader.read(&mut chunk).map_err(io("read", self.loose_path(file)))?;
            if n == 0 {
                return Ok(total);
            }
            hash.update(&chunk[..n]);
            total += n as u64;
        }
    }

    fn legacy_kernel(&self, commit: &Checksum) -> Result<Option<Kernel>> {
        let Some(Node::Directory(_)) = self.lookup(commit, LEGACY)? else { return Ok(None) };
        let (mut boot_checksum, mut boot_bytes) = (None, 0);
        for name in self.list(commit, LEGACY)?.into_keys() {
            let Some((kind, sum)) = name.rsplit_once('-') else { continue };
            if sum.parse::<Checksum>().is_err() {
                continue;
            }
            if kind.starts_with("vmlinuz") {
                boot_checksum = Some(sum.to_owned());
            }
            if let Some(Node::File(file)) = self.lookup(commit, &format!("{LEGACY}/{name}"))?
                && let FileKind::Regular { size } = self.file_info(&file)?.kind
            {
                boot_bytes += size;
            }
        }
        Ok(boot_checksum.map(|boot_checksum| Kernel {
            version: String::new(),
            boot_checksum,
            boot_bytes,
        }))
    }
}
