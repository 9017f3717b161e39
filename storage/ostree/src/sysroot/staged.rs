//! The deployment that waits for shutdown: `/run/ostree/staged-deployment`.
//!
//! Format: what libostree's `ostree_sysroot_stage_tree` writes, `a{sv}` with `target` and
//! `merge-deployment` (each `a{sv}`: name, osname, bootcsum), `kargs` (`as`) and, where there are
//! some, `overlay-initrds` (`as`), in this order. libostree's `ostree-finalize-staged.service`
//! reads it, merges /etc and swaps the bootloader.

use crate::error::{Result, io};
use cambium_model::DeploymentId;
use glib::variant::ToVariant;
use std::io::Write;
use std::path::Path;

/// The record.
pub(super) const FILE: &str = "/run/ostree/staged-deployment";

/// Present while finalisation is to wait.
pub(super) const LOCKED: &str = "/run/ostree/staged-deployment-locked";

/// A deployment as the record names it.
pub(super) struct Named<'a> {
    pub(super) id: &'a DeploymentId,
    pub(super) boot_checksum: &'a str,
}

/// What the record says.
pub(super) struct Record<'a> {
    pub(super) target: Named<'a>,
    pub(super) merge: Option<Named<'a>>,
    pub(super) kernel_arguments: &'a [String],
    pub(super) overlay_initrds: &'a [String],
}

impl Record<'_> {
    pub(super) fn variant(&self) -> glib::Variant {
        let mut entries = vec![("target", named(&self.target))];
        if let Some(merge) = &self.merge {
            entries.push(("merge-deployment", named(merge)));
        }
        entries.push(("kargs", self.kernel_arguments.to_variant()));
        if !self.overlay_initrds.is_empty() {
            entries.push(("overlay-initrds", self.overlay_initrds.to_variant()));
        }
        dictionary(entries)
    }
}

fn named(deployment: &Named<'_>) -> glib::Variant {
    let DeploymentId { stateroot, checksum, serial } = deployment.id;
    dictionary(vec![
        ("name", format!("{checksum}.{serial}").to_variant()),
        ("osname", stateroot.as_str().to_variant()),
        ("bootcsum", deployment.boot_checksum.to_variant()),
    ])
}

/// An `a{sv}` that keeps the order of its keys, which a `VariantDict` does not.
fn dictionary(entries: Vec<(&str, glib::Variant)>) -> glib::Variant {
    let entries = entries.into_iter().map(|(key, value)| {
        glib::Variant::from_dict_entry(&key.to_variant(), &glib::Variant::from_variant(&value))
    });
    glib::Variant::array_from_iter_with_type(glib::VariantTy::VARDICT.element(), entries)
}

/// Writes the record in one rename. /run is not durable, so nothing is synced.
pub(super) fn write(variant: &glib::Variant) -> Result<()> {
    let directory = Path::new("/run/ostree");
    std::fs::create_dir_all(directory).map_err(io("create", directory))?;
    let mut file =
        tempfile::NamedTempFile::new_in(directory).map_err(io("create a file in", directory))?;
    file.write_all(variant.data()).map_err(io("write", file.path()))?;
    rustix::fs::fchmod(file.as_file(), rustix::fs::Mode::from_raw_mode(0o644))
        .map_err(io("change the mode of", file.path()))?;
    file.persist(FILE).map(|_| ()).map_err(|error| io("write", FILE)(error.error))
}
