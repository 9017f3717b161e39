//! plan.proto.

use super::{WireEnum, wire_enum};
use crate::decode::{list, messages, optional, parse, required};
use crate::{DecodeError, v1};
use cambium_model::{
    Advisory, Plan, PlannedAction, PlannedPackage, ScriptNotice, Severity, SpaceNeed,
};
use std::convert::Infallible;

wire_enum!(PlannedAction { Install, Dependency, Keep, Upgrade, Downgrade, Remove });
wire_enum!(Severity { None, Low, Moderate, Important, Critical });

/// For parts that every message of their kind can be read as.
impl From<Infallible> for DecodeError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<&Plan> for v1::Plan {
    fn from(plan: &Plan) -> Self {
        let Plan {
            unchanged,
            base,
            base_version,
            base_timestamp,
            previous_base,
            previous_base_version,
            base_diff,
            packages,
            inactive,
            download_bytes,
            disk,
            boot,
            scripts,
            scripts_unknown,
            advisories,
            warnings,
            next_default,
            removed_deployments,
            removed_refs,
            removed_paths,
            freed_bytes,
            problem,
        } = plan;
        Self {
            unchanged: *unchanged,
            base: base.to_string(),
            base_version: base_version.clone(),
            base_timestamp: *base_timestamp,
            previous_base: previous_base.to_string(),
            previous_base_version: previous_base_version.clone(),
            base_diff: messages(base_diff),
            packages: messages(packages),
            inactive: inactive.clone(),
            download_bytes: *download_bytes,
            disk: Some(disk.into()),
            boot: Some(boot.into()),
            scripts: messages(scripts),
            scripts_unknown: *scripts_unknown,
            advisories: messages(advisories),
            warnings: warnings.clone(),
            next_default: next_default.clone(),
            removed_deployments: removed_deployments.clone(),
            removed_refs: removed_refs.clone(),
            removed_paths: removed_paths.clone(),
            freed_bytes: *freed_bytes,
            problem: problem.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<v1::Plan> for Plan {
    type Error = DecodeError;

    fn try_from(wire: v1::Plan) -> Result<Self, Self::Error> {
        Ok(Self {
            unchanged: wire.unchanged,
            base: parse(&wire.base, "Plan.base")?,
            base_version: wire.base_version,
            base_timestamp: wire.base_timestamp,
            previous_base: parse(&wire.previous_base, "Plan.previous_base")?,
            previous_base_version: wire.previous_base_version,
            base_diff: list(wire.base_diff)?,
            packages: list(wire.packages)?,
            inactive: wire.inactive,
            download_bytes: wire.download_bytes,
            disk: required(wire.disk, "Plan.disk")?,
            boot: required(wire.boot, "Plan.boot")?,
            scripts: list(wire.scripts)?,
            scripts_unknown: wire.scripts_unknown,
            advisories: list(wire.advisories)?,
            warnings: wire.warnings,
            next_default: wire.next_default,
            removed_deployments: wire.removed_deployments,
            removed_refs: wire.removed_refs,
            removed_paths: wire.removed_paths,
            freed_bytes: wire.freed_bytes,
            problem: optional(wire.problem)?,
        })
    }
}

impl From<&PlannedPackage> for v1::PlannedPackage {
    fn from(package: &PlannedPackage) -> Self {
        let PlannedPackage {
            action,
            nevra,
            repository,
            location,
            checksum,
            download_bytes,
            installed_bytes,
            previous,
        } = package;
        Self {
            action: v1::PlannedAction::from(*action).into(),
            nevra: Some(nevra.into()),
            repository: repository.clone(),
            location: location.clone(),
            checksum: checksum.clone(),
            download_bytes: *download_bytes,
            installed_bytes: *installed_bytes,
            previous: previous.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<v1::PlannedPackage> for PlannedPackage {
    type Error = DecodeError;

    fn try_from(wire: v1::PlannedPackage) -> Result<Self, Self::Error> {
        Ok(Self {
            action: PlannedAction::from_wire(wire.action, "PlannedPackage.action")?,
            nevra: required(wire.nevra, "PlannedPackage.nevra")?,
            repository: wire.repository,
            location: wire.location,
            checksum: wire.checksum,
            download_bytes: wire.download_bytes,
            installed_bytes: wire.installed_bytes,
            previous: optional(wire.previous)?,
        })
    }
}

impl From<&ScriptNotice> for v1::ScriptNotice {
    fn from(script: &ScriptNotice) -> Self {
        let ScriptNotice { package, kind, interpreter, left_out } = script.clone();
        Self { package, kind, interpreter, left_out }
    }
}

impl From<v1::ScriptNotice> for ScriptNotice {
    fn from(wire: v1::ScriptNotice) -> Self {
        let v1::ScriptNotice { package, kind, interpreter, left_out } = wire;
        Self { package, kind, interpreter, left_out }
    }
}

impl From<&Advisory> for v1::Advisory {
    fn from(advisory: &Advisory) -> Self {
        let Advisory { id, kind, severity, packages } = advisory;
        Self {
            id: id.clone(),
            kind: kind.clone(),
            severity: v1::Severity::from(*severity).into(),
            packages: messages(packages),
        }
    }
}

impl TryFrom<v1::Advisory> for Advisory {
    type Error = DecodeError;

    fn try_from(wire: v1::Advisory) -> Result<Self, Self::Error> {
        let v1::Advisory { id, kind, severity, packages } = wire;
        let severity = Severity::from_wire(severity, "Advisory.severity")?;
        Ok(Self { id, kind, severity, packages: list(packages)? })
    }
}

impl From<&SpaceNeed> for v1::SpaceNeed {
    fn from(need: &SpaceNeed) -> Self {
        let SpaceNeed { needed, free } = *need;
        Self { needed, free }
    }
}

impl From<v1::SpaceNeed> for SpaceNeed {
    fn from(wire: v1::SpaceNeed) -> Self {
        let v1::SpaceNeed { needed, free } = wire;
        Self { needed, free }
    }
}
