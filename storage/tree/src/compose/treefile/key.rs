//! The keys of the treefile language: which are known, which are supported, and which one was
//! probably meant by a key that is neither.
//!
//! The list is rpm-ostree's (its `docs/treefile.md`). What a key means is [`super::Treefile`]'s.

/// How a key of a treefile is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key<'a> {
    /// A field of [`super::Treefile`].
    Field,
    /// `packages-ARCH`: packages for one architecture.
    PackagesOf(&'a str),
    /// rpm-ostree knows it, this program does not yet.
    Unsupported,
    /// Nobody knows it.
    Unknown,
}

/// Keys that [`super::Treefile`] has a field for, aliases included.
pub(super) const SUPPORTED: &[&str] = &[
    "add-commit-metadata",
    "add-files",
    "arch-include",
    "automatic-version-prefix",
    "automatic-version-suffix",
    "automatic_version_prefix",
    "basearch",
    "boot-location",
    "boot_location",
    "check-groups",
    "check-passwd",
    "default-target",
    "default_target",
    "documentation",
    "edition",
    "etc-group-members",
    "exclude-packages",
    "ignore-removed-groups",
    "ignore-removed-users",
    "ima",
    "include",
    "initramfs-args",
    "machineid-compat",
    "metadata",
    "mutate-os-release",
    "no-initramfs",
    "packages",
    "postprocess",
    "postprocess-script",
    "recommends",
    "ref",
    "releasever",
    "remove-files",
    "repos",
    "rojig",
    "selinux",
    "selinux-label-version",
    "sysusers",
    "tmp-is-dir",
    "units",
    "variables",
];

/// Keys that rpm-ostree knows and that are an error here, by name, until they work.
pub(super) const UNSUPPORTED: &[&str] = &[
    "advisories-metadata",
    "bootstrap_packages",
    "cliwrap",
    "cliwrap-binaries",
    "conditional-include",
    "container",
    "container-cmd",
    "ignore-devices",
    "gpg-key",
    "gpg_key",
    "install-langs",
    "lockfile-repos",
    "opt-usrlocal",
    "ostree-layers",
    "ostree-override-layers",
    "platform-module",
    "preserve-passwd",
    "readonly-executables",
    "remove-from-packages",
    "repo-metadata",
    "repo-packages",
    "repovars",
    "rpmdb",
    "rpmdb-normalize",
];

impl<'a> Key<'a> {
    /// What `name` is.
    pub(super) fn of(name: &'a str) -> Self {
        if SUPPORTED.contains(&name) {
            return Self::Field;
        }
        if UNSUPPORTED.contains(&name) {
            return Self::Unsupported;
        }
        match name.strip_prefix("packages-") {
            // `packages-x86-64` and the like are misspelt, not another architecture.
            Some(arch) if ARCHITECTURES.contains(&arch) => Self::PackagesOf(arch),
            _ => Self::Unknown,
        }
    }
}

/// Base architectures of RPM distributions; the only ones that `packages-ARCH` may name.
const ARCHITECTURES: &[&str] =
    &["aarch64", "armhfp", "i386", "loongarch64", "ppc64", "ppc64le", "riscv64", "s390x", "x86_64"];

/// The known key that differs least from `name`, where it differs by a third at most.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let candidates = SUPPORTED.iter().chain(UNSUPPORTED).copied();
    let (distance, best) = candidates.map(|key| (edits(name, key), key)).min()?;
    (distance * 3 <= name.len().max(best.len())).then_some(best)
}

/// How many letters to insert, drop or replace to get from `a` to `b` (Levenshtein's distance).
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn classifies_by_name() {
        for (name, key) in [
            ("packages", Key::Field),
            ("boot_location", Key::Field),
            ("gpg_key", Key::Unsupported),
            ("packages-x86_64", Key::PackagesOf("x86_64")),
            ("packages-x86-64", Key::Unknown),
            ("packages-", Key::Unknown),
            ("ostree-layers", Key::Unsupported),
            ("pakages", Key::Unknown),
            ("", Key::Unknown),
        ] {
            assert_eq!(Key::of(name), key, "{name}");
        }
    }

    #[test]
    fn suggests_what_was_probably_meant() {
        for (name, meant) in [
            ("pakages", Some("packages")),
            ("post-process", Some("postprocess")),
            ("add-file", Some("add-files")),
            ("initramfs_args", Some("initramfs-args")),
            ("zebra-crossing", None),
            ("", None),
        ] {
            assert_eq!(nearest(name), meant, "{name}");
        }
    }

    proptest! {
        #[test]
        fn distance_is_a_metric(a in "[a-c]{0,6}", b in "[a-c]{0,6}", c in "[a-c]{0,6}") {
            prop_assert_eq!(edits(&a, &b), edits(&b, &a));
            prop_assert_eq!(edits(&a, &b) == 0, a == b);
            prop_assert!(edits(&a, &c) <= edits(&a, &b) + edits(&b, &c));
        }
    }
}
