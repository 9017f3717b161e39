//! Packages as lists and as differences of lists.

use crate::Nevra;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A package that a repository offers or a commit holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageInfo {
    /// Its full name.
    pub nevra: Nevra,
    /// One line of what it is.
    pub summary: String,
    /// The repository's id; empty for an installed package.
    pub repository: String,
    /// Bytes to download; 0 for an installed package.
    pub download_bytes: u64,
    /// Bytes on disk.
    pub installed_bytes: u64,
}

/// A package that was found, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPackage {
    /// The package.
    pub package: PackageInfo,
    /// Where the words matched.
    pub matched: Matched,
}

/// Where a search's words matched, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Matched {
    /// In name and summary.
    NameAndSummary,
    /// In the name.
    Name,
    /// In the summary.
    Summary,
}

/// How a package differs between two lists. The order is the one that clients expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiffKind {
    /// Only in the newer list.
    Added,
    /// Only in the older list.
    Removed,
    /// In both, newer in the newer list.
    Upgraded,
    /// In both, older in the newer list.
    Downgraded,
}

/// One package that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageDiff {
    /// How.
    pub kind: DiffKind,
    /// The package in the older list.
    pub previous: Option<Nevra>,
    /// The package in the newer list.
    pub new: Option<Nevra>,
}

/// The difference of two commits' packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageDiffs {
    /// The older commit.
    pub from: String,
    /// The newer commit.
    pub to: String,
    /// What differs, by name.
    pub diffs: Vec<PackageDiff>,
    /// New changelog entries by package name, newest first, where they were asked for.
    pub changelogs: Vec<(String, Vec<String>)>,
}

impl PackageDiff {
    /// The package's name; the same on both sides.
    #[must_use]
    pub fn name(&self) -> &str {
        self.new.as_ref().or(self.previous.as_ref()).map_or("", |nevra| &nevra.name)
    }
}

/// What changed from `old` to `new`, sorted by name. Packages are matched by name and
/// architecture, then by name alone (a package that became noarch is an upgrade); a name with
/// several versions (installonly kernels) matches highest to highest.
#[must_use]
pub fn diff_packages(old: &[Nevra], new: &[Nevra]) -> Vec<PackageDiff> {
    let mut by_name: BTreeMap<&str, (Vec<&Nevra>, Vec<&Nevra>)> = BTreeMap::new();
    for nevra in old {
        by_name.entry(&nevra.name).or_default().0.push(nevra);
    }
    for nevra in new {
        by_name.entry(&nevra.name).or_default().1.push(nevra);
    }
    let mut diffs = Vec::new();
    for (mut old, mut new) in by_name.into_values() {
        old.retain(|nevra| match new.iter().position(|other| other == nevra) {
            Some(same) => {
                new.remove(same);
                false
            }
            None => true,
        });
        for sides in [&mut old, &mut new] {
            sides.sort_by(|a, b| b.evr.cmp(&a.evr));
        }
        let mut pairs = Vec::new();
        for same_arch in [true, false] {
            old.retain(|previous| {
                let found = new.iter().position(|n| !same_arch || n.arch == previous.arch);
                found.map(|at| pairs.push((*previous, new.remove(at)))).is_none()
            });
        }
        let mut push = |kind, previous: Option<&Nevra>, new: Option<&Nevra>| {
            diffs.push(PackageDiff { kind, previous: previous.cloned(), new: new.cloned() });
        };
        for (previous, new) in pairs {
            let kind =
                if new.evr < previous.evr { DiffKind::Downgraded } else { DiffKind::Upgraded };
            push(kind, Some(previous), Some(new));
        }
        old.into_iter().for_each(|previous| push(DiffKind::Removed, Some(previous), None));
        new.into_iter().for_each(|new| push(DiffKind::Added, None, Some(new)));
    }
    diffs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &[&str], new: &[&str], expected: &[(DiffKind, &str)]) {
        let parse = |list: &[&str]| list.iter().map(|n| n.parse().unwrap()).collect::<Vec<_>>();
        let diffs = diff_packages(&parse(old), &parse(new));
        let found: Vec<_> = diffs.iter().map(|d| (d.kind, d.name())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn names_what_changed() {
        check(
            &["a-1-1.noarch", "b-1-1.noarch", "c-2-1.noarch", "d-1-1.noarch"],
            &["a-1-1.noarch", "b-2-1.noarch", "c-1-1.noarch", "e-1-1.noarch"],
            &[
                (DiffKind::Upgraded, "b"),
                (DiffKind::Downgraded, "c"),
                (DiffKind::Removed, "d"),
                (DiffKind::Added, "e"),
            ],
        );
    }

    #[test]
    fn a_change_of_architecture_is_one_change() {
        check(&["a-1-1.x86_64"], &["a-2-1.noarch"], &[(DiffKind::Upgraded, "a")]);
    }

    #[test]
    fn multilib_matches_by_architecture() {
        check(
            &["a-1-1.i686", "a-1-1.x86_64"],
            &["a-2-1.x86_64", "a-2-1.i686"],
            &[(DiffKind::Upgraded, "a"), (DiffKind::Upgraded, "a")],
        );
    }

    #[test]
    fn equal_lists_differ_in_nothing() {
        check(&["a-1-1.noarch", "a-2-1.noarch"], &["a-2-1.noarch", "a-1-1.noarch"], &[]);
    }
}
