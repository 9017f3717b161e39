//! What a deployment was made from: the typed view of an origin file.
//!
//! The file itself (a GKeyFile beside the deployment, surface §1.6) is read and written by
//! cambium-ostree, which also keeps every key that this view does not name.

use crate::{Checksum, Refspec};
use serde::{Deserialize, Serialize};

/// A package that came from a file rather than from a repository: `sha256:nevra`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LocalPackage {
    /// SHA-256 of the RPM's header, as rpm-ostree writes it.
    pub sha256: String,
    /// Its `name-[epoch:]version-release.arch`.
    pub nevra: String,
}

/// The base that a deployment follows and what its owner changed about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `[origin] refspec`, `baserefspec` or `container-image-reference`.
    pub refspec: Refspec,
    /// `[origin] override-commit`: a commit of the ref that is held.
    pub override_commit: Option<Checksum>,
    /// `[origin] unconfigured-state`: why this host refuses upgrades.
    pub unconfigured_state: Option<String>,
    /// `[packages] requested`: what the user asked for, sorted, as typed.
    pub requested: Vec<String>,
    /// `[packages] requested-local`.
    pub requested_local: Vec<LocalPackage>,
    /// `[packages] requested-local-fileoverride`.
    pub requested_local_fileoverride: Vec<LocalPackage>,
    /// `[overrides] remove`: base packages by name.
    pub override_remove: Vec<String>,
    /// `[overrides] replace-local`.
    pub override_replace_local: Vec<LocalPackage>,
    /// `[rpmostree] regenerate-initramfs`.
    pub regenerate_initramfs: bool,
    /// `[rpmostree] initramfs-args`.
    pub initramfs_args: Vec<String>,
    /// `[rpmostree] initramfs-etc`: files of /etc carried in an overlay initrd.
    pub initramfs_etc: Vec<String>,
    /// `[rpmostree] ex-cliwrap`.
    pub cliwrap: bool,
}

impl Origin {
    /// An origin that follows `refspec` and changes nothing.
    #[must_use]
    pub fn following(refspec: Refspec) -> Self {
        Self {
            refspec,
            override_commit: None,
            unconfigured_state: None,
            requested: Vec::new(),
            requested_local: Vec::new(),
            requested_local_fileoverride: Vec::new(),
            override_remove: Vec::new(),
            override_replace_local: Vec::new(),
            regenerate_initramfs: false,
            initramfs_args: Vec::new(),
            initramfs_etc: Vec::new(),
            cliwrap: false,
        }
    }

    /// Whether a deployment of this origin needs a commit of its own, made on this host.
    #[must_use]
    pub fn needs_assembly(&self) -> bool {
        let Self {
            requested,
            requested_local,
            requested_local_fileoverride,
            override_remove,
            override_replace_local,
            regenerate_initramfs,
            cliwrap,
            ..
        } = self;
        *regenerate_initramfs
            || *cliwrap
            || !(requested.is_empty()
                && requested_local.is_empty()
                && requested_local_fileoverride.is_empty()
                && override_remove.is_empty()
                && override_replace_local.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_the_tree_needs_assembly() {
        let plain = Origin::following("fedora:x/y".parse().unwrap());
        assert!(!plain.needs_assembly());
        assert!(!Origin { initramfs_etc: vec!["/etc/x".into()], ..plain.clone() }.needs_assembly());
        assert!(Origin { requested: vec!["vim".into()], ..plain.clone() }.needs_assembly());
        assert!(Origin { override_remove: vec!["vim".into()], ..plain.clone() }.needs_assembly());
        assert!(Origin { regenerate_initramfs: true, ..plain }.needs_assembly());
    }
}
