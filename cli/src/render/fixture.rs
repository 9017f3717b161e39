//! A host for the tests of this directory: a pending layered deployment, the booted one, and a
//! rollback that follows a container image.

use cambium_model::{
    Checksum, Deployment, DeploymentId, HostState, LocalPackage, Origin, UnlockedState,
};
use cambium_proto::HostView;
use std::collections::BTreeMap;

/// `byte` as all of a checksum.
pub(crate) fn checksum(byte: &str) -> Checksum {
    byte.repeat(32).parse().unwrap()
}

fn deployment(index: u32, byte: &str, refspec: &str) -> Deployment {
    Deployment {
        id: DeploymentId {
            stateroot: "fedora".parse().unwrap(),
            checksum: checksum(byte),
            serial: 0,
        },
        index,
        booted: false,
        staged: false,
        finalization_locked: false,
        pinned: false,
        unlocked: UnlockedState::None,
        origin: Some(Origin::following(refspec.parse().unwrap())),
        base_checksum: checksum(byte),
        version: Some("41.1".into()),
        timestamp: 1_681_951_361,
        base_version: Some("41.1".into()),
        base_timestamp: 1_681_951_361,
        layered: Vec::new(),
        inactive: Vec::new(),
        removed: Vec::new(),
        scripts_left_out: Vec::new(),
        kernel_arguments: vec!["root=UUID=1".into(), "quiet".into()],
        boot_checksum: "ff".repeat(32),
        gpg_verified_remote: false,
        base_metadata: BTreeMap::from([("fedora-coreos.stream".into(), "stable".into())]),
        problem: None,
    }
}

/// The host.
pub(crate) fn host() -> HostView {
    let mut pending = deployment(0, "0a", "fedora:fedora/x86_64/silverblue");
    pending.staged = true;
    pending.base_checksum = checksum("0b");
    pending.layered = vec!["vim-enhanced".into(), "zsh".into()];
    pending.inactive = vec!["bash".into()];
    pending.removed = vec![
        "firefox-110.0-3.x86_64".parse().unwrap(),
        "firefox-langpacks-110.0-3.x86_64".parse().unwrap(),
    ];
    if let Some(origin) = &mut pending.origin {
        origin.requested = vec!["bash".into(), "vim-enhanced".into(), "zsh".into()];
        origin.requested_local =
            vec![LocalPackage { sha256: "00".repeat(32), nevra: "tool-1-1.noarch".into() }];
        origin.override_remove = vec!["firefox".into(), "firefox-langpacks".into()];
    }
    let mut booted = deployment(1, "0b", "fedora:fedora/x86_64/silverblue");
    booted.booted = true;
    booted.pinned = true;
    let mut rollback = deployment(2, "0c", "ostree-unverified-registry:quay.io/x/y:latest");
    rollback.version = None;
    rollback.base_version = None;
    HostView {
        daemon_version: "0.1.0".into(),
        state: HostState {
            sysroot: "/".into(),
            deployments: vec![pending, booted, rollback],
            stateroots: vec!["fedora".parse().unwrap()],
            ..HostState::default()
        },
        transaction: None,
        waiting: 0,
    }
}
