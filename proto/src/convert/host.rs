//! host.proto.

use super::{WireEnum, wire_enum};
use crate::decode::{list, messages, optional, parse, parse_optional};
use crate::{DecodeError, HostView, v1};
use cambium_model::{
    Deployment, DeploymentId, HostState, LocalPackage, Origin, ScriptSandbox, UnlockedState,
};

wire_enum!(UnlockedState { None, Development, Hotfix, Transient });

impl From<&HostView> for v1::HostStatus {
    fn from(view: &HostView) -> Self {
        let HostView { daemon_version, state, transaction, waiting } = view;
        let HostState {
            sysroot,
            deployments,
            stateroots,
            finalize_failure,
            repo_bytes,
            free_bytes,
            metadata_timestamp,
            sandbox,
        } = state;
        Self {
            daemon_version: daemon_version.clone(),
            sysroot: sysroot.clone(),
            deployments: messages(deployments),
            stateroots: stateroots.iter().map(ToString::to_string).collect(),
            finalize_failure: finalize_failure.clone(),
            repo_bytes: *repo_bytes,
            free_bytes: *free_bytes,
            metadata_timestamp: *metadata_timestamp,
            sandbox: sandbox.as_ref().map(Into::into),
            transaction: transaction.as_ref().map(Into::into),
            waiting: *waiting,
        }
    }
}

impl TryFrom<v1::HostStatus> for HostView {
    type Error = DecodeError;

    fn try_from(wire: v1::HostStatus) -> Result<Self, Self::Error> {
        let stateroot = |name: &String| parse(name, "HostStatus.stateroots");
        Ok(Self {
            daemon_version: wire.daemon_version,
            state: HostState {
                sysroot: wire.sysroot,
                deployments: list(wire.deployments)?,
                stateroots: wire.stateroots.iter().map(stateroot).collect::<Result<_, _>>()?,
                finalize_failure: wire.finalize_failure,
                repo_bytes: wire.repo_bytes,
                free_bytes: wire.free_bytes,
                metadata_timestamp: wire.metadata_timestamp,
                sandbox: wire.sandbox.map(Into::into),
            },
            transaction: optional(wire.transaction)?,
            waiting: wire.waiting,
        })
    }
}

impl From<&ScriptSandbox> for v1::ScriptSandbox {
    fn from(ScriptSandbox { name, reason }: &ScriptSandbox) -> Self {
        Self { name: name.clone(), reason: reason.clone() }
    }
}

impl From<v1::ScriptSandbox> for ScriptSandbox {
    fn from(v1::ScriptSandbox { name, reason }: v1::ScriptSandbox) -> Self {
        Self { name, reason }
    }
}

impl From<&Deployment> for v1::Deployment {
    fn from(deployment: &Deployment) -> Self {
        let Deployment {
            id: DeploymentId { stateroot, checksum, serial },
            index,
            booted,
            staged,
            finalization_locked,
            pinned,
            unlocked,
            origin,
            base_checksum,
            version,
            timestamp,
            base_version,
            base_timestamp,
            layered,
            inactive,
            removed,
            scripts_left_out,
            kernel_arguments,
            boot_checksum,
            gpg_verified_remote,
            base_metadata,
            problem,
        } = deployment;
        Self {
            stateroot: stateroot.to_string(),
            checksum: checksum.to_string(),
            serial: *serial,
            index: *index,
            booted: *booted,
            staged: *staged,
            finalization_locked: *finalization_locked,
            pinned: *pinned,
            unlocked: v1::UnlockedState::from(*unlocked).into(),
            origin: origin.as_ref().map(Into::into),
            base_checksum: base_checksum.to_string(),
            version: version.clone(),
            timestamp: *timestamp,
            base_version: base_version.clone(),
            base_timestamp: *base_timestamp,
            layered: layered.clone(),
            inactive: inactive.clone(),
            removed: messages(removed),
            scripts_left_out: scripts_left_out.clone(),
            kernel_arguments: kernel_arguments.clone(),
            boot_checksum: boot_checksum.clone(),
            gpg_verified_remote: *gpg_verified_remote,
            base_metadata: base_metadata.clone(),
            problem: problem.clone(),
        }
    }
}

impl TryFrom<v1::Deployment> for Deployment {
    type Error = DecodeError;

    fn try_from(wire: v1::Deployment) -> Result<Self, Self::Error> {
        Ok(Self {
            id: DeploymentId {
                stateroot: parse(&wire.stateroot, "Deployment.stateroot")?,
                checksum: parse(&wire.checksum, "Deployment.checksum")?,
                serial: wire.serial,
            },
            index: wire.index,
            booted: wire.booted,
            staged: wire.staged,
            finalization_locked: wire.finalization_locked,
            pinned: wire.pinned,
            unlocked: UnlockedState::from_wire(wire.unlocked, "Deployment.unlocked")?,
            origin: optional(wire.origin)?,
            base_checksum: parse(&wire.base_checksum, "Deployment.base_checksum")?,
            version: wire.version,
            timestamp: wire.timestamp,
            base_version: wire.base_version,
            base_timestamp: wire.base_timestamp,
            layered: wire.layered,
            inactive: wire.inactive,
            removed: list(wire.removed)?,
            scripts_left_out: wire.scripts_left_out,
            kernel_arguments: wire.kernel_arguments,
            boot_checksum: wire.boot_checksum,
            gpg_verified_remote: wire.gpg_verified_remote,
            base_metadata: wire.base_metadata,
            problem: wire.problem,
        })
    }
}

impl From<&Origin> for v1::Origin {
    fn from(origin: &Origin) -> Self {
        let Origin {
            refspec,
            override_commit,
            unconfigured_state,
            requested,
            requested_local,
            requested_local_fileoverride,
            override_remove,
            override_replace_local,
            regenerate_initramfs,
            initramfs_args,
            initramfs_etc,
            cliwrap,
        } = origin;
        Self {
            refspec: refspec.to_string(),
            override_commit: override_commit.as_ref().map(ToString::to_string),
            unconfigured_state: unconfigured_state.clone(),
            requested: requested.clone(),
            requested_local: messages(requested_local),
            requested_local_fileoverride: messages(requested_local_fileoverride),
            override_remove: override_remove.clone(),
            override_replace_local: messages(override_replace_local),
            regenerate_initramfs: *regenerate_initramfs,
            initramfs_args: initramfs_args.clone(),
            initramfs_etc: initramfs_etc.clone(),
            cliwrap: *cliwrap,
        }
    }
}

impl TryFrom<v1::Origin> for Origin {
    type Error = DecodeError;

    fn try_from(wire: v1::Origin) -> Result<Self, Self::Error> {
        Ok(Self {
            refspec: parse(&wire.refspec, "Origin.refspec")?,
            override_commit: parse_optional(wire.override_commit, "Origin.override_commit")?,
            unconfigured_state: wire.unconfigured_state,
            requested: wire.requested,
            requested_local: list(wire.requested_local)?,
            requested_local_fileoverride: list(wire.requested_local_fileoverride)?,
            override_remove: wire.override_remove,
            override_replace_local: list(wire.override_replace_local)?,
            regenerate_initramfs: wire.regenerate_initramfs,
            initramfs_args: wire.initramfs_args,
            initramfs_etc: wire.initramfs_etc,
            cliwrap: wire.cliwrap,
        })
    }
}

impl From<&LocalPackage> for v1::LocalPackage {
    fn from(package: &LocalPackage) -> Self {
        let LocalPackage { sha256, nevra } = package.clone();
        Self { sha256, nevra }
    }
}

impl From<v1::LocalPackage> for LocalPackage {
    fn from(wire: v1::LocalPackage) -> Self {
        let v1::LocalPackage { sha256, nevra } = wire;
        Self { sha256, nevra }
    }
}
