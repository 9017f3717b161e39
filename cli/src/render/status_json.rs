//! `status --json`: the keys and types of rpm-ostree's deployment dictionary (surface §1.4, §1.7).
//!
//! Lists that this version has no source for are there and empty, as clients demand; what would
//! have to be invented (signatures) is left out.

use cambium_model::{Deployment, LocalPackage, Nevra, Refspec, UnlockedState};
use cambium_proto::HostView;
use serde_json::{Map, Value, json};

use super::status::{Which, shown};

/// The whole document.
#[must_use]
pub fn document(view: &HostView, which: Which) -> Value {
    let transaction = view.transaction.as_ref().map(|transaction| {
        let initiator = &transaction.request.initiator;
        let sender = format!("client(id:{} uid:{})", initiator.agent, initiator.uid);
        json!([transaction.request.change.verb(), sender, format!("/{}", transaction.id)])
    });
    json!({
        "deployments": shown(view, which).map(deployment).collect::<Vec<_>>(),
        "transaction": transaction,
        "cached-update": null,
        "update-driver": null,
    })
}

/// One deployment.
#[must_use]
pub fn deployment(deployment: &Deployment) -> Value {
    let id = &deployment.id;
    let origin = deployment.origin.as_ref();
    let layered = deployment.base_checksum != id.checksum;
    let mut map = Map::new();
    let mut set = |key: &str, value: Value| {
        map.insert(key.to_owned(), value);
    };
    set("id", json!(id.to_string()));
    set("osname", json!(id.stateroot));
    set("checksum", json!(id.checksum));
    set("serial", json!(id.serial));
    set("index", json!(deployment.index));
    set("booted", json!(deployment.booted));
    set("staged", json!(deployment.staged));
    set("finalization-locked", json!(deployment.finalization_locked));
    set("pinned", json!(deployment.pinned));
    set("unlocked", json!(unlocked(deployment.unlocked)));

    let none = Vec::new();
    let texts = |list: Option<&Vec<String>>| json!(list.unwrap_or(&none));
    let locals = |list: Option<&Vec<LocalPackage>>| {
        Value::from(list.map_or_else(Vec::new, |l| l.iter().map(|p| json!(p.nevra)).collect()))
    };
    set("requested-packages", texts(origin.map(|o| &o.requested)));
    set("requested-local-packages", locals(origin.map(|o| &o.requested_local)));
    // The second spelling is what rpmostree-client-go reads.
    for key in ["requested-local-fileoverride-packages", "requested-local-file-override-packages"] {
        set(key, locals(origin.map(|o| &o.requested_local_fileoverride)));
    }
    set("requested-base-removals", texts(origin.map(|o| &o.override_remove)));
    set("requested-base-local-replacements", locals(origin.map(|o| &o.override_replace_local)));
    set("requested-base-remote-replacements", json!([]));
    set("requested-modules", json!([]));
    set("modules", json!([]));
    set("regenerate-initramfs", json!(origin.is_some_and(|o| o.regenerate_initramfs)));
    if let Some(origin) = origin {
        if !origin.initramfs_args.is_empty() {
            set("initramfs-args", json!(origin.initramfs_args));
        }
        if !origin.initramfs_etc.is_empty() {
            set("initramfs-etc", json!(origin.initramfs_etc));
        }
        set("cliwrap", json!(origin.cliwrap));
    }

    if let Some(version) = &deployment.version {
        set("version", json!(version));
    }
    set("timestamp", json!(deployment.timestamp));
    if layered {
        set("base-checksum", json!(deployment.base_checksum));
        if let Some(version) = &deployment.base_version {
            set("base-version", json!(version));
        }
        set("base-timestamp", json!(deployment.base_timestamp));
    }
    set("base-commit-meta", json!(deployment.base_metadata));
    set("layered-commit-meta", layered_metadata(deployment, layered));
    if let Some(end) = deployment.base_metadata.get("ostree.endoflife") {
        set("endoflife", json!(end));
    }
    match origin.map(|o| &o.refspec) {
        Some(Refspec::Container(image)) => {
            set("container-image-reference", json!(image));
            if let Some(digest) = deployment.base_metadata.get("ostree.manifest-digest") {
                set("container-image-reference-digest", json!(digest));
            }
        }
        Some(refspec) => set("origin", json!(refspec.to_string())),
        None => {}
    }
    if let Some(problem) = &deployment.problem {
        set("problem", json!(problem));
    }
    set("gpg-enabled", json!(deployment.gpg_verified_remote));
    set("packages", json!(deployment.layered));
    set("base-removals", deployment.removed.iter().map(removal).collect());
    set("base-local-replacements", json!([]));
    set("base-remote-replacements", json!({}));
    map.into()
}

/// What every commit that was made on the host says of itself; `null` where there is none.
fn layered_metadata(deployment: &Deployment, layered: bool) -> Value {
    if !layered {
        return Value::Null;
    }
    let mut map = Map::new();
    map.insert("rpmostree.clientlayer".to_owned(), json!(true));
    if let Some(version) = &deployment.version {
        map.insert("version".to_owned(), json!(version));
    }
    map.into()
}

/// `[nevra, name, epoch, version, release, arch]`.
fn removal(nevra: &Nevra) -> Value {
    let evr = &nevra.evr;
    json!([nevra.to_string(), nevra.name, evr.epoch, evr.version, evr.release, nevra.arch])
}

fn unlocked(state: UnlockedState) -> &'static str {
    match state {
        UnlockedState::None => "none",
        UnlockedState::Development => "development",
        UnlockedState::Hotfix => "hotfix",
        UnlockedState::Transient => "transient",
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::host;
    use super::*;

    #[test]
    fn a_layered_deployment_has_every_key_with_its_type() {
        let value = &document(&host(), Which::All)["deployments"][0];
        let expected = json!({
            "id": format!("fedora-{}.0", "0a".repeat(32)),
            "osname": "fedora",
            "checksum": "0a".repeat(32),
            "serial": 0,
            "index": 0,
            "booted": false,
            "staged": true,
            "finalization-locked": false,
            "pinned": false,
            "unlocked": "none",
            "requested-packages": ["bash", "vim-enhanced", "zsh"],
            "requested-local-packages": ["tool-1-1.noarch"],
            "requested-local-fileoverride-packages": [],
            "requested-local-file-override-packages": [],
            "requested-base-removals": ["firefox", "firefox-langpacks"],
            "requested-base-local-replacements": [],
            "requested-base-remote-replacements": [],
            "requested-modules": [],
            "modules": [],
            "regenerate-initramfs": false,
            "cliwrap": false,
            "version": "41.1",
            "timestamp": 1_681_951_361,
            "base-checksum": "0b".repeat(32),
            "base-version": "41.1",
            "base-timestamp": 1_681_951_361,
            "base-commit-meta": {"fedora-coreos.stream": "stable"},
            "layered-commit-meta": {"rpmostree.clientlayer": true, "version": "41.1"},
            "origin": "fedora:fedora/x86_64/silverblue",
            "gpg-enabled": false,
            "packages": ["vim-enhanced", "zsh"],
            "base-removals": [
                ["firefox-110.0-3.x86_64", "firefox", 0, "110.0", "3", "x86_64"],
                ["firefox-langpacks-110.0-3.x86_64", "firefox-langpacks", 0, "110.0", "3", "x86_64"],
            ],
            "base-local-replacements": [],
            "base-remote-replacements": {},
        });
        assert_eq!(value, &expected);
    }

    #[test]
    fn a_base_deployment_has_no_base_keys_and_a_container_its_own() {
        let document = document(&host(), Which::All);
        let deployments = document["deployments"].as_array().unwrap();
        assert_eq!(deployments.len(), 3);
        assert!(deployments[1].get("base-checksum").is_none());
        assert_eq!(deployments[1]["layered-commit-meta"], Value::Null);
        let image = "ostree-unverified-registry:quay.io/x/y:latest";
        assert_eq!(deployments[2]["container-image-reference"], image);
        assert!(deployments[2].get("origin").is_none());
        assert!(deployments[2].get("version").is_none());
        for key in ["transaction", "cached-update", "update-driver"] {
            assert_eq!(document.get(key), Some(&Value::Null), "{key}");
        }
    }

    #[test]
    fn booted_filters() {
        let document = document(&host(), Which::Booted);
        let deployments = document["deployments"].as_array().unwrap();
        assert_eq!(deployments.len(), 1);
        assert_eq!(deployments[0]["booted"], true);
    }

    #[test]
    fn an_unreadable_origin_leaves_the_demanded_lists() {
        let mut view = host();
        view.state.deployments[0].origin = None;
        let value = &document(&view, Which::All)["deployments"][0];
        for key in ["requested-packages", "requested-local-packages", "modules"] {
            assert_eq!(value[key], json!([]), "{key}");
        }
        assert_eq!(value["regenerate-initramfs"], false);
    }
}
