//! What packagers wrote between two versions: `db diff --changelogs`.

use crate::header::{ChangelogEntry, Header};
use cambium_model::{DiffKind, Nevra, diff_packages};
use std::collections::HashSet;

/// The new entries of one upgraded package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageChangelog {
    /// The package before.
    pub previous: Nevra,
    /// The package after.
    pub new: Nevra,
    /// Entries of the new package that the previous one lacks, newest first as packaged.
    pub entries: Vec<ChangelogEntry>,
}

/// The changelogs of every package that was upgraded between two lists, by name; packages whose
/// changelog says nothing new are left out.
#[must_use]
pub fn changelog_diff(old: &[Header], new: &[Header]) -> Vec<PackageChangelog> {
    let names = |headers: &[Header]| headers.iter().map(|h| h.nevra().clone()).collect::<Vec<_>>();
    let find = |headers: &[Header], nevra: &Nevra| {
        headers.iter().find(|header| header.nevra() == nevra).cloned()
    };
    let mut changelogs = Vec::new();
    for diff in diff_packages(&names(old), &names(new)) {
        let (DiffKind::Upgraded, Some(previous), Some(newer)) =
            (diff.kind, diff.previous, diff.new)
        else {
            continue;
        };
        let (Some(before), Some(after)) = (find(old, &previous), find(new, &newer)) else {
            continue;
        };
        let entries = new_entries(&before, &after);
        if !entries.is_empty() {
            changelogs.push(PackageChangelog { previous, new: newer, entries });
        }
    }
    changelogs
}

/// Compared as a whole and not by time alone: builds add several entries in a day, and rewrite
/// old ones' spelling.
fn new_entries(before: &Header, after: &Header) -> Vec<ChangelogEntry> {
    let old: HashSet<_> = before.changelog().into_iter().collect();
    let newest = old.iter().map(|entry| entry.time).max().unwrap_or(0);
    let mut entries = after.changelog();
    entries.retain(|entry| entry.time >= newest && !old.contains(entry));
    entries
}
