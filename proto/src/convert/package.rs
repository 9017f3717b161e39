//! package.proto.

use super::{WireEnum, wire_enum};
use crate::decode::{list, messages, optional, required};
use crate::{DecodeError, v1};
use cambium_model::{
    DiffKind, Evr, FoundPackage, Matched, Nevra, PackageDiff, PackageDiffs, PackageInfo,
};

wire_enum!(Matched { NameAndSummary, Name, Summary });
wire_enum!(DiffKind { Added, Removed, Upgraded, Downgraded });

impl From<&Nevra> for v1::Nevra {
    fn from(nevra: &Nevra) -> Self {
        let Nevra { name, evr: Evr { epoch, version, release }, arch } = nevra.clone();
        Self { name, epoch, version, release, arch }
    }
}

impl TryFrom<v1::Nevra> for Nevra {
    type Error = DecodeError;

    fn try_from(wire: v1::Nevra) -> Result<Self, Self::Error> {
        let v1::Nevra { name, epoch, version, release, arch } = wire;
        if name.is_empty() {
            return Err(DecodeError::Missing { field: "Nevra.name" });
        }
        Ok(Self { name, evr: Evr { epoch, version, release }, arch })
    }
}

impl From<&PackageInfo> for v1::PackageInfo {
    fn from(info: &PackageInfo) -> Self {
        let PackageInfo { nevra, summary, repository, download_bytes, installed_bytes } = info;
        Self {
            nevra: Some(nevra.into()),
            summary: summary.clone(),
            repository: repository.clone(),
            download_bytes: *download_bytes,
            installed_bytes: *installed_bytes,
        }
    }
}

impl TryFrom<v1::PackageInfo> for PackageInfo {
    type Error = DecodeError;

    fn try_from(wire: v1::PackageInfo) -> Result<Self, Self::Error> {
        let v1::PackageInfo { nevra, summary, repository, download_bytes, installed_bytes } = wire;
        let nevra = required(nevra, "PackageInfo.nevra")?;
        Ok(Self { nevra, summary, repository, download_bytes, installed_bytes })
    }
}

impl From<&FoundPackage> for v1::FoundPackage {
    fn from(found: &FoundPackage) -> Self {
        let FoundPackage { package, matched } = found;
        Self { package: Some(package.into()), matched: v1::Matched::from(*matched).into() }
    }
}

impl TryFrom<v1::FoundPackage> for FoundPackage {
    type Error = DecodeError;

    fn try_from(wire: v1::FoundPackage) -> Result<Self, Self::Error> {
        let v1::FoundPackage { package, matched } = wire;
        Ok(Self {
            package: required(package, "FoundPackage.package")?,
            matched: Matched::from_wire(matched, "FoundPackage.matched")?,
        })
    }
}

impl From<&PackageDiff> for v1::PackageDiff {
    fn from(diff: &PackageDiff) -> Self {
        let PackageDiff { kind, previous, new } = diff;
        Self {
            kind: v1::DiffKind::from(*kind).into(),
            previous: previous.as_ref().map(Into::into),
            new: new.as_ref().map(Into::into),
        }
    }
}

/// Holds the kind to the sides: a package that was added has no past.
impl TryFrom<v1::PackageDiff> for PackageDiff {
    type Error = DecodeError;

    fn try_from(wire: v1::PackageDiff) -> Result<Self, Self::Error> {
        let v1::PackageDiff { kind, previous, new } = wire;
        let kind = DiffKind::from_wire(kind, "PackageDiff.kind")?;
        if kind != DiffKind::Added && previous.is_none() {
            return Err(DecodeError::Missing { field: "PackageDiff.previous" });
        }
        if kind != DiffKind::Removed && new.is_none() {
            return Err(DecodeError::Missing { field: "PackageDiff.new" });
        }
        Ok(Self { kind, previous: optional(previous)?, new: optional(new)? })
    }
}

impl From<&PackageDiffs> for v1::PackageDiffs {
    fn from(diffs: &PackageDiffs) -> Self {
        let PackageDiffs { from, to, diffs, changelogs } = diffs;
        let changelog = |(name, entries): &(String, Vec<String>)| v1::Changelog {
            name: name.clone(),
            entries: entries.clone(),
        };
        Self {
            from: from.clone(),
            to: to.clone(),
            diffs: messages(diffs),
            changelogs: changelogs.iter().map(changelog).collect(),
        }
    }
}

impl TryFrom<v1::PackageDiffs> for PackageDiffs {
    type Error = DecodeError;

    fn try_from(wire: v1::PackageDiffs) -> Result<Self, Self::Error> {
        let v1::PackageDiffs { from, to, diffs, changelogs } = wire;
        let changelogs = changelogs.into_iter().map(|log| (log.name, log.entries)).collect();
        Ok(Self { from, to, diffs: list(diffs)?, changelogs })
    }
}
