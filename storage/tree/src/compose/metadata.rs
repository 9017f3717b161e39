//! The metadata of a composed commit (surface §1.10, "commit meta (base)").
//!
//! Numbers are big-endian, as rpm-ostree writes those of a base; a client layer's are not.

use super::Error;
use super::treefile::Loaded;
use cambium_model::{Nevra, RepoStamp};
use cambium_ostree::Metadata;
use cambium_rpm::package_list;
use glib::variant::ToVariant;
use serde_json::Value;

/// What a commit says of itself.
pub(crate) struct Facts<'a> {
    /// The treefile that it was made from.
    pub loaded: &'a Loaded,
    /// The hash of its input.
    pub inputhash: &'a str,
    /// Its version.
    pub version: Option<&'a str>,
    /// Its packages.
    pub packages: &'a [Nevra],
    /// Where they came from.
    pub repositories: &'a [RepoStamp],
    /// Its kernel.
    pub kernel: Option<&'a str>,
    /// `--add-metadata-string`.
    pub added: &'a [(String, String)],
}

/// Keys that the treefile adds come first, so that none can replace what the compose knows.
pub(crate) fn of(facts: &Facts<'_>) -> Result<Metadata, Error> {
    let treefile = &facts.loaded.treefile;
    let mut metadata = Metadata::new();
    for (key, value) in &treefile.add_commit_metadata {
        let value = variant(value).ok_or_else(|| Error::CommitMetadata { key: key.clone() })?;
        metadata = metadata.variant(key, big_endian(&value));
    }
    for (key, value) in facts.added {
        metadata = metadata.string(key, value);
    }
    if let Some(version) = facts.version {
        metadata = metadata.string("version", version);
    }
    metadata = metadata
        .string("rpmostree.inputhash", facts.inputhash)
        .variant("rpmostree.rpmmd-repos", big_endian(&repositories(facts.repositories)))
        .variant("rpmostree.rpmdb.pkglist", packages(facts.packages));
    if let Some(kernel) = facts.kernel {
        metadata = metadata.string("ostree.linux", kernel).flag("ostree.bootable", true);
        if !treefile.no_initramfs.unwrap_or(false) {
            metadata = metadata.strings("rpmostree.initramfs-args", &treefile.initramfs_args);
        }
    }
    Ok(metadata)
}

/// `aa{sv}`: `id` and `timestamp` of each repository.
fn repositories(stamps: &[RepoStamp]) -> glib::Variant {
    let stamps = stamps.iter().map(|stamp| {
        let entry = glib::VariantDict::new(None);
        entry.insert("id", stamp.id.as_str());
        entry.insert("timestamp", stamp.timestamp);
        entry.end()
    });
    glib::Variant::array_from_iter_with_type(glib::VariantTy::VARDICT, stamps)
}

/// `a(sssss)`, sorted by name; the epoch as text.
fn packages(packages: &[Nevra]) -> glib::Variant {
    let list = package_list(packages).into_iter();
    let list = list.map(|p| (p.name, p.epoch.to_string(), p.version, p.release, p.arch));
    list.collect::<Vec<_>>().to_variant()
}

fn big_endian(value: &glib::Variant) -> glib::Variant {
    if cfg!(target_endian = "little") { value.byteswap() } else { value.clone() }
}

/// JSON as a GVariant: numbers are `x` or `d`, lists `av`, maps `a{sv}`; `None` for null.
fn variant(value: &Value) -> Option<glib::Variant> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => flag.to_variant(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.to_variant(),
            None => number.as_f64()?.to_variant(),
        },
        Value::String(text) => text.to_variant(),
        Value::Array(list) => {
            let items: Option<Vec<_>> = list
                .iter()
                .map(|item| Some(glib::Variant::from_variant(&variant(item)?)))
                .collect();
            glib::Variant::array_from_iter_with_type(glib::VariantTy::VARIANT, items?)
        }
        Value::Object(map) => {
            let entries = glib::VariantDict::new(None);
            for (key, value) in map {
                entries.insert_value(key, &variant(value)?);
            }
            entries.end()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::treefile::{Externals, Treefile};
    use std::path::PathBuf;

    fn loaded(treefile: Treefile) -> Loaded {
        let externals = Externals::default();
        Loaded { treefile, directory: PathBuf::new(), basearch: "x86_64".into(), externals }
    }

    #[test]
    fn types_are_those_that_clients_read() {
        let mut treefile = Treefile { initramfs_args: vec!["--x".into()], ..Treefile::default() };
        let json = serde_json::json!({"s": "t", "n": 3, "f": 0.5, "b": true, "l": ["a", 1], "m": {"k": "v"}});
        treefile.add_commit_metadata = serde_json::from_value(json).unwrap();
        let nevras: Vec<Nevra> =
            ["b-2:1-1.noarch", "a-1-1.x86_64"].iter().map(|text| text.parse().unwrap()).collect();
        let repositories = [RepoStamp { id: "base".into(), timestamp: 7 }];
        let metadata = of(&Facts {
            loaded: &loaded(treefile),
            inputhash: "h",
            version: Some("12.1"),
            packages: &nevras,
            repositories: &repositories,
            kernel: Some("6.1"),
            added: &[("version".into(), "no".into()), ("extra".into(), "yes".into())],
        })
        .unwrap();
        for (key, printed) in [
            ("version", "'12.1'"),
            ("extra", "'yes'"),
            ("rpmostree.inputhash", "'h'"),
            ("rpmostree.initramfs-args", "['--x']"),
            ("ostree.linux", "'6.1'"),
            ("ostree.bootable", "true"),
            (
                "rpmostree.rpmdb.pkglist",
                "[('a', '0', '1', '1', 'x86_64'), ('b', '2', '1', '1', 'noarch')]",
            ),
            ("s", "'t'"),
            ("n", "3"),
            ("f", "0.5"),
            ("l", "[<'a'>, <int64 1>]"),
            ("m", "{'k': <'v'>}"),
        ] {
            let value = metadata.get(key).unwrap();
            let number = matches!(key, "n" | "f" | "l");
            let value = if number { big_endian(value) } else { value.clone() };
            assert_eq!(value.print(false), printed, "{key}");
        }
        for (key, kind) in [
            ("rpmostree.rpmmd-repos", "aa{sv}"),
            ("rpmostree.rpmdb.pkglist", "a(sssss)"),
            ("rpmostree.initramfs-args", "as"),
        ] {
            assert_eq!(metadata.get(key).unwrap().type_().as_str(), kind, "{key}");
        }
    }

    #[test]
    fn a_tree_without_kernel_is_not_bootable_and_null_is_refused() {
        let mut treefile = Treefile::default();
        let facts = |loaded| Facts {
            loaded,
            inputhash: "h",
            version: None,
            packages: &[],
            repositories: &[],
            kernel: None,
            added: &[],
        };
        let plain = loaded(treefile.clone());
        let metadata = of(&facts(&plain)).unwrap();
        assert!(metadata.get("ostree.bootable").is_none());
        assert!(metadata.get("rpmostree.initramfs-args").is_none());
        assert_eq!(metadata.get("rpmostree.rpmdb.pkglist").unwrap().type_().as_str(), "a(sssss)");
        treefile.add_commit_metadata.insert("k".into(), Value::Null);
        let error = of(&facts(&loaded(treefile))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "add-commit-metadata: the value of 'k' is no commit metadata"
        );
    }
}
