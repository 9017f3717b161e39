//! What the commit of an imported package says of it, and the package list of a tree.
//!
//! Plain values: cambium-tree writes them as GVariants with the keys and types named here
//! (surface §1.10).

use crate::header::Header;
use cambium_model::Nevra;

/// `rpmostree.repo`: where a package came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryStamp {
    /// The repository's id.
    pub id: String,
    /// When its metadata was made, in seconds since 1970.
    pub timestamp: u64,
}

/// The metadata of a pkg commit, but for `rpmostree.sepolicy`, which is the tree's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportMetadata {
    /// `rpmostree.metadata` (`ay`): lead, signature and header.
    pub metadata: Vec<u8>,
    /// `rpmostree.metadata_sha256` (`s`): the cache key.
    pub metadata_sha256: String,
    /// `rpmostree.nevra` (`(sstsss)`): NEVRA, name, epoch, version, release, architecture.
    pub nevra: (String, String, u64, String, String, String),
    /// `rpmostree.repo` (`a{sv}` with `id` `s` and `timestamp` `t`).
    pub repository: Option<RepositoryStamp>,
    /// `rpmostree.repodata_checksum` (`s`): checksum of the file as `sha256:HEX`.
    pub repodata_checksum: Option<String>,
    /// `rpmostree.nodocs` (`b`).
    pub nodocs: bool,
}

impl ImportMetadata {
    /// `rpmostree.unpack_version` (`u`).
    pub const UNPACK_VERSION: u32 = 1;
    /// `rpmostree.unpack_minor_version` (`u`): another one makes a cached import stale.
    pub const UNPACK_MINOR_VERSION: u32 = 6;

    /// The values that a package's header gives; `None` for a header of the rpmdb, which lacks
    /// the bytes of the file.
    #[must_use]
    pub fn of(header: &Header) -> Option<Self> {
        let nevra = header.nevra();
        Some(Self {
            metadata: header.metadata()?.to_vec(),
            metadata_sha256: header.metadata_sha256()?,
            nevra: (
                nevra.to_string(),
                nevra.name.clone(),
                u64::from(nevra.evr.epoch),
                nevra.evr.version.clone(),
                nevra.evr.release.clone(),
                nevra.arch.clone(),
            ),
            repository: None,
            repodata_checksum: None,
            nodocs: false,
        })
    }
}

/// An element of `rpmostree.rpmdb.pkglist` (`a(sssss)`, the epoch as text).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageListEntry {
    /// Name.
    pub name: String,
    /// Epoch, 0 where there is none.
    pub epoch: u64,
    /// Version.
    pub version: String,
    /// Release.
    pub release: String,
    /// Architecture.
    pub arch: String,
}

/// The package list of a tree. Sorted by name (then EVR and architecture): a list that is not
/// makes clients show every package as added and removed. Keys of the rpmdb are left out.
#[must_use]
pub fn package_list<'a>(packages: impl IntoIterator<Item = &'a Nevra>) -> Vec<PackageListEntry> {
    let mut sorted: Vec<_> = packages.into_iter().filter(|n| n.name != "gpg-pubkey").collect();
    sorted.sort();
    sorted
        .into_iter()
        .map(|nevra| PackageListEntry {
            name: nevra.name.clone(),
            epoch: u64::from(nevra.evr.epoch),
            version: nevra.evr.version.clone(),
            release: nevra.evr.release.clone(),
            arch: nevra.arch.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_by_name_then_version() {
        let texts = [
            "b-1-1.noarch",
            "a-10-1.noarch",
            "a-9-1.noarch",
            "gpg-pubkey-1-1.(none)",
            "B-2:1-1.noarch",
        ];
        let packages: Vec<Nevra> = texts.iter().map(|n| n.parse().unwrap()).collect();
        let list = package_list(&packages);
        let found: Vec<_> = list.iter().map(|e| (&*e.name, e.epoch, &*e.version)).collect();
        assert_eq!(found, [("B", 2, "1"), ("a", 0, "9"), ("a", 0, "10"), ("b", 0, "1")]);
    }
}
