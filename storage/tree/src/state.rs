//! The fingerprint of what a tree is assembled from: rpm-ostree's `rpmostree.state-sha512`.
//!
//! Equal inputs give an equal tree, so a caller compares the fingerprint with that of the current
//! commit before any work. Pure: nothing is read.

use cambium_model::{Checksum, Nevra};
use sha2::{Digest, Sha512};

/// Everything that decides what an assembly makes, apart from this program itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateInputs<'a> {
    /// The base.
    pub base: &'a Checksum,
    /// Layered packages with the SHA-256 of their metadata (lead, signature, header), in any order.
    pub packages: &'a [(&'a Nevra, &'a str)],
    /// Base packages that go, in any order.
    pub removed: &'a [Nevra],
    /// What the user asked for, as typed.
    pub requested: &'a [String],
    /// Anything else that changes the tree, as `key=value` (`initramfs-args=…`), in any order.
    pub settings: &'a [String],
}

/// Raised whenever the same inputs begin to give another tree: an assembly made before an update
/// of this program is then made anew.
const VERSION: u8 = 1;

/// SHA-512 of the inputs in lower-case hex.
#[must_use]
pub fn state_sha512(inputs: &StateInputs<'_>) -> String {
    let mut hash = Sha512::new();
    hash.update([VERSION]);
    let mut section = |name: &str, mut items: Vec<String>| {
        items.sort();
        for text in std::iter::once(name).chain(items.iter().map(String::as_str)) {
            // Lengths keep neighbours apart: ["ab"] and ["a", "b"] differ.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.update(u64::MAX.to_be_bytes());
    };
    section("base", vec![inputs.base.to_string()]);
    let package = |(nevra, sha256): &(&Nevra, &str)| format!("{nevra} {sha256}");
    section("packages", inputs.packages.iter().map(package).collect());
    section("removed", inputs.removed.iter().map(Nevra::to_string).collect());
    section("requested", inputs.requested.to_vec());
    section("settings", inputs.settings.to_vec());
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        let base: Checksum = "0".repeat(64).parse().unwrap();
        let other: Checksum = "1".repeat(64).parse().unwrap();
        let (a, b): (Nevra, Nevra) =
            ("a-1-1.noarch".parse().unwrap(), "b-1-1.noarch".parse().unwrap());
        let packages = [(&a, "aa"), (&b, "bb")];
        let turned = [(&b, "bb"), (&a, "aa")];
        let requested = ["a".to_owned(), "b".to_owned()];
        let joined = ["ab".to_owned()];
        let inputs = StateInputs {
            base: &base,
            packages: &packages,
            removed: &[],
            requested: &requested,
            settings: &[],
        };
        let reference = state_sha512(&inputs);
        assert_eq!(reference.len(), 128);
        assert_eq!(state_sha512(&StateInputs { packages: &turned, ..inputs.clone() }), reference);
        let removed = [a.clone()];
        let changed = [(&a, "aa"), (&b, "cc")];
        let variants = [
            StateInputs { base: &other, ..inputs.clone() },
            StateInputs { packages: &packages[..1], ..inputs.clone() },
            StateInputs { packages: &changed, ..inputs.clone() },
            StateInputs { removed: &removed, ..inputs.clone() },
            StateInputs { requested: &joined, ..inputs.clone() },
            StateInputs { requested: &[], settings: &requested, ..inputs.clone() },
        ];
        let all: BTreeSet<_> = variants.iter().map(state_sha512).chain([reference]).collect();
        assert_eq!(all.len(), variants.len() + 1);
    }
}
