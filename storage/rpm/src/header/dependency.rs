//! Requirements and provides, as far as ordering needs them.

use super::{lossy, tag};
use crate::wire::Blob;
use cambium_model::Evr;

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

/// One requirement or provide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// A package's name, a path, or what a package provides.
    pub name: String,
    /// Its version; meaningless unless `sense` is versioned.
    pub evr: Evr,
    /// How the version is compared.
    pub sense: Sense,
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
