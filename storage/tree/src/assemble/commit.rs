//! What a layered commit says of itself: the keys and types that rpm-ostree writes for a client
//! layer (surface §1.10). Numbers are in the host's byte order, as rpm-ostree has them.

use super::Assembly;
use cambium_model::Nevra;
use cambium_ostree::{CommitInfo, Metadata};
use cambium_rpm::PackageListEntry;
use cambium_rpm::scriptlets::NotRun;
use glib::Variant;
use glib::variant::ToVariant;

/// The version of this set of keys.
const CLIENT_LAYER_VERSION: u32 = 6;

/// What a layered commit keeps of its base's metadata: its version, and that it boots.
const INHERITED: [&str; 3] = ["version", "ostree.linux", "ostree.bootable"];

/// The metadata of the layered commit.
pub(super) fn metadata(
    assembly: &Assembly<'_>,
    base: &CommitInfo,
    packages: &[PackageListEntry],
    left_out: &[String],
) -> Metadata {
    let removed = assembly.removed.iter().filter(|nevra| {
        // A package that is replaced is told among the replaced ones.
        !assembly.replaced.iter().any(|(old, _)| old == *nevra)
    });
    let removed = removed.map(|nevra| Variant::from_variant(&nevra_variant(nevra)));
    let replaced = assembly.replaced.iter().map(|(old, new)| {
        let pair = [old, new].map(|nevra| Variant::from_variant(&nevra_variant(nevra)));
        Variant::tuple_from_iter(pair)
    });
    let mut requested = assembly.requested.to_vec();
    requested.sort();
    let metadata = Metadata::new()
        .flag("rpmostree.clientlayer", true)
        .variant("rpmostree.clientlayer_version", CLIENT_LAYER_VERSION.to_variant())
        .strings("rpmostree.packages", &requested)
        .strings::<&str>("rpmostree.modules", &[])
        .variant("rpmostree.removed-base-packages", Variant::array_from_iter::<Variant>(removed))
        .variant(
            "rpmostree.replaced-base-packages",
            Variant::array_from_iter::<(Variant, Variant)>(replaced),
        )
        .variant("rpmostree.replaced-base-remote-packages", glib::VariantDict::new(None).end())
        .variant("rpmostree.rpmmd-repos", repos(assembly))
        .variant("rpmostree.rpmdb.pkglist", package_list(packages))
        .string("rpmostree.state-sha512", assembly.state_sha512);
    // A key of ours, and only where there is something to say: other trees are as rpm-ostree's.
    let metadata = match left_out.is_empty() {
        true => metadata,
        false => metadata.strings(LEFT_OUT, left_out),
    };
    INHERITED.into_iter().fold(metadata, |metadata, key| match base.metadata.get(key) {
        Some(value) => metadata.variant(key, value.clone()),
        None => metadata,
    })
}

/// The scripts that the configuration left out, a line each.
pub(crate) const LEFT_OUT: &str = "cambium.scripts-left-out";

/// The scripts that are left out of a tree, as `vim-9-1.x86_64 post: why`: now, and when the
/// layered commit was made that it begins from.
pub(super) fn left_out<'a>(
    now: impl Iterator<Item = &'a NotRun>,
    start: Option<&CommitInfo>,
) -> Vec<String> {
    let before = start.and_then(|start| start.metadata.get_strings(LEFT_OUT));
    let mut all = before.unwrap_or_default();
    all.extend(now.map(|left| format!("{} {}: {}", left.package, left.script, left.reason)));
    all.sort();
    all.dedup();
    all
}

/// `(sstsss)`: NEVRA, name, epoch, version, release, architecture.
fn nevra_variant(nevra: &Nevra) -> Variant {
    let evr = &nevra.evr;
    (
        nevra.to_string(),
        nevra.name.as_str(),
        u64::from(evr.epoch),
        evr.version.as_str(),
        evr.release.as_str(),
        nevra.arch.as_str(),
    )
        .to_variant()
}

/// `aa{sv}` with `id` and `timestamp`.
fn repos(assembly: &Assembly<'_>) -> Variant {
    let repo = |stamp: &cambium_model::RepoStamp| {
        let entry = glib::VariantDict::new(None);
        entry.insert("id", stamp.id.as_str());
        entry.insert("timestamp", stamp.timestamp);
        entry.end()
    };
    Variant::array_from_iter::<glib::VariantDict>(assembly.repos.iter().map(repo))
}

/// `a(sssss)`: name, epoch, version, release, architecture. The epoch is text, as rpm-ostree has
/// it (`rpmostree_variant_pkgs_from_sack`), so that no byte order matters.
fn package_list(packages: &[PackageListEntry]) -> Variant {
    let entry = |p: &PackageListEntry| {
        (&*p.name, p.epoch.to_string(), &*p.version, &*p.release, &*p.arch).to_variant()
    };
    Variant::array_from_iter::<(String, String, String, String, String)>(packages.iter().map(entry))
}

/// Reads `rpmostree.rpmdb.pkglist`; `None` where it is missing or of an unknown type. Lists with
/// the epoch as a number (`a(stsss)`, in either byte order) exist too and are understood.
pub(crate) fn read_package_list(metadata: &Metadata) -> Option<Vec<Nevra>> {
    type Texts = Vec<(String, String, String, String, String)>;
    type Numbers = Vec<(String, u64, String, String, String)>;
    let list = metadata.get("rpmostree.rpmdb.pkglist")?;
    let nevra = |(name, epoch, version, release, arch)| {
        let evr = cambium_model::Evr { epoch, version, release };
        Nevra { name, evr, arch }
    };
    if let Some(texts) = list.get::<Texts>() {
        let parse = |(n, e, v, r, a): (String, String, String, String, String)| {
            Some(nevra((n, e.parse().ok()?, v, r, a)))
        };
        return texts.into_iter().map(parse).collect();
    }
    let parse = |(n, e, v, r, a): (String, u64, String, String, String)| {
        let epoch = u32::try_from(e).or_else(|_| u32::try_from(e.swap_bytes())).ok()?;
        Some(nevra((n, epoch, v, r, a)))
    };
    list.get::<Numbers>()?.into_iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_model::{Checksum, RepoStamp};
    use cambium_rpm::scriptlets::{Authority, Rules};
    use std::path::Path;

    #[test]
    fn keys_have_rpm_ostrees_types() {
        let base: Checksum = "0".repeat(64).parse().unwrap();
        let info = CommitInfo {
            checksum: base.clone(),
            parent: None,
            version: Some("12.1".into()),
            timestamp: 1,
            subject: String::new(),
            body: String::new(),
            metadata: Metadata::new()
                .string("version", "12.1")
                .flag("ostree.bootable", true)
                .string("ostree.linux", "6.1")
                .string("rpmostree.inputhash", "of the base only"),
            content_checksum: base.clone(),
        };
        let nevra = |text: &str| text.parse::<Nevra>().unwrap();
        let (old, new) = (nevra("b-1-1.noarch"), nevra("b-2-1.noarch"));
        let removed = [nevra("a-1:1-1.noarch"), old.clone()];
        let assembly = Assembly {
            repo: Path::new("/"),
            private: Path::new("/"),
            base: &base,
            extend: None,
            packages: &[],
            removed: &removed,
            replaced: &[(old, new)],
            checkouts: &[],
            requested: &["z".into(), "a".into()],
            repos: &[RepoStamp { id: "r".into(), timestamp: 7 }],
            state_sha512: "s",
            keep: None,
            around: None,
            rules: &Rules::default(),
            limits: cambium_sandbox::Limits::default(),
            backend: None,
            labelling: crate::Labelling::default(),
            timestamp: 1,
        };
        let list = cambium_rpm::package_list(&removed);
        let left = NotRun {
            package: nevra("c-1-1.noarch"),
            script: "post".into(),
            reason: "it hangs".into(),
            by: Authority::Configuration,
        };
        let before = CommitInfo {
            metadata: Metadata::new().strings(LEFT_OUT, &["b-1-1.noarch pre: old"]),
            ..info.clone()
        };
        let left_out = left_out([&left].into_iter(), Some(&before));
        let metadata = metadata(&assembly, &info, &list, &left_out);
        for (key, kind, text) in [
            ("rpmostree.clientlayer", "b", "true"),
            ("rpmostree.clientlayer_version", "u", "6"),
            ("rpmostree.packages", "as", "['a', 'z']"),
            ("rpmostree.modules", "as", "[]"),
            (
                "rpmostree.removed-base-packages",
                "av",
                "[<('a-1:1-1.noarch', 'a', 1, '1', '1', 'noarch')>]",
            ),
            (
                "rpmostree.replaced-base-packages",
                "a(vv)",
                "[(<('b-1-1.noarch', 'b', 0, '1', '1', 'noarch')>, \
                  <('b-2-1.noarch', 'b', 0, '2', '1', 'noarch')>)]",
            ),
            ("rpmostree.replaced-base-remote-packages", "a{sv}", "{}"),
            ("rpmostree.rpmmd-repos", "aa{sv}", "[{'id': <'r'>, 'timestamp': <7>}]"),
            (
                "rpmostree.rpmdb.pkglist",
                "a(sssss)",
                "[('a', '1', '1', '1', 'noarch'), ('b', '0', '1', '1', 'noarch')]",
            ),
            ("rpmostree.state-sha512", "s", "'s'"),
            (LEFT_OUT, "as", "['b-1-1.noarch pre: old', 'c-1-1.noarch post: it hangs']"),
            ("version", "s", "'12.1'"),
            ("ostree.linux", "s", "'6.1'"),
            ("ostree.bootable", "b", "true"),
        ] {
            let value = metadata.get(key).unwrap_or_else(|| panic!("{key} is missing"));
            assert_eq!(value.type_().as_str(), kind, "{key}");
            // Types are compared apart, so the text need not repeat them.
            let printed = value.print(false).replace("uint64 ", "").replace("uint32 ", "");
            let printed = printed.trim_start_matches("@as ").trim_start_matches("@a{sv} ");
            assert_eq!(printed, text, "{key}");
        }
        assert_eq!(metadata.get("rpmostree.inputhash"), None);
        assert_eq!(read_package_list(&metadata).unwrap(), removed);
    }

    #[test]
    fn lists_with_numbers_are_read_in_either_byte_order() {
        for epoch in [2u64, 2u64.swap_bytes()] {
            let list = [("a", epoch, "1", "1", "noarch")].as_slice().to_variant();
            let metadata = Metadata::new().variant("rpmostree.rpmdb.pkglist", list);
            let expected: Nevra = "a-2:1-1.noarch".parse().unwrap();
            assert_eq!(read_package_list(&metadata), Some(vec![expected]));
        }
        let other = Metadata::new().string("rpmostree.rpmdb.pkglist", "x");
        assert_eq!(read_package_list(&other), None);
    }
}
