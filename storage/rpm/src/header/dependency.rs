//! Requirements and provides, as far as ordering needs them.

use super::{lossy, tag};
use crate::wire::Blob;
use cambium_model::Evr;
use std::cmp::Ordering;

/// How a dependency's version is compared, and for what it is needed.
/// Source: rpmsenseFlags_e in rpm's rpmds.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sense(pub u32);

impl Sense {
    const LESS: u32 = 1 << 1;
    const GREATER: u32 = 1 << 2;
    const EQUAL: u32 = 1 << 3;
    const PREREQ: u32 = 1 << 6;
    const SCRIPT_PRE: u32 = 1 << 9;
    const SCRIPT_POST: u32 = 1 << 10;

    /// Needed before a script of the package runs: `Requires(pre)`, `Requires(post)`.
    #[must_use]
    pub fn before_scripts(self) -> bool {
        self.0 & (Self::PREREQ | Self::SCRIPT_PRE | Self::SCRIPT_POST) != 0
    }

    /// Whether a version is named at all.
    #[must_use]
    pub fn versioned(self) -> bool {
        self.0 & (Self::LESS | Self::GREATER | Self::EQUAL) != 0
    }
}

/// One requirement or provide, or what a trigger waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// A package's name, a path, or what a package provides.
    pub name: String,
    /// Its version; meaningless unless `sense` is versioned.
    pub evr: Evr,
    /// How the version is compared.
    pub sense: Sense,
}

impl Dependency {
    /// Whether a package of this EVR is one that is meant; its name is the caller's to compare.
    /// A condition without a release holds for every release. Source: rpm's `rpmdsCompare`.
    #[must_use]
    pub fn accepts(&self, evr: &Evr) -> bool {
        if !self.sense.versioned() {
            return true;
        }
        let mut wanted = self.evr.clone();
        let mut found = evr.clone();
        if wanted.release.is_empty() {
            found.release.clear();
        }
        // The order tells spellings apart that rpm holds equal (`1.0`, `1_0`): here they are one.
        for evr in [&mut wanted, &mut found] {
            for part in [&mut evr.version, &mut evr.release] {
                *part = part.replace('_', ".");
            }
        }
        let bit = match found.cmp(&wanted) {
            Ordering::Less => Sense::LESS,
            Ordering::Greater => Sense::GREATER,
            Ordering::Equal => Sense::EQUAL,
        };
        self.sense.0 & bit != 0
    }
}

pub(super) fn read(blob: &Blob, [names, versions, flags]: tag::Dependencies) -> Vec<Dependency> {
    let mut versions = blob.strings(versions);
    let mut flags = blob.numbers(flags).into_iter();
    // Versions and flags may be missing in old headers: then nothing is compared.
    blob.strings(names)
        .map(|name| Dependency {
            name: lossy(name),
            evr: Evr::parse(&versions.next().map(lossy).unwrap_or_default()),
            sense: Sense(flags.next().unwrap_or(0) as u32),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_far_as_they_are_named() {
        for (sense, wanted, found, expected) in [
            (0, "", "7-1", true),
            (Sense::LESS, "5", "4-9", true),
            (Sense::LESS, "5", "5-1", false),
            (Sense::LESS | Sense::EQUAL, "5", "5-99", true),
            (Sense::EQUAL, "5-1", "5-2", false),
            (Sense::GREATER, "5-1", "5-2", true),
            (Sense::GREATER, "5", "1:1-1", true),
            (Sense::EQUAL, "1.0", "1_0-1", true),
            (Sense::LESS, "1.0", "1.0~rc1-1", true),
        ] {
            let evr = Evr::parse(wanted);
            let dependency = Dependency { name: "x".into(), evr, sense: Sense(sense) };
            assert_eq!(dependency.accepts(&Evr::parse(found)), expected, "{found} for {wanted}");
        }
    }
}
