//! compose.json: what a compose wrote, for the programs that called it (surface §1.3).

use cambium_model::{Checksum, DiffKind, Nevra, PackageDiff};
use serde_json::{Value, json};

/// Numbers of objects: how many the commit has, how many of them were new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Directory and commit objects of the commit.
    pub metadata_total: u64,
    /// Those that the repository did not have.
    pub metadata_written: u64,
    /// File objects of the commit.
    pub content_total: u64,
    /// Those that the repository did not have.
    pub content_written: u64,
    /// Bytes of the files that were new, unpacked.
    pub content_bytes_written: u64,
}

/// A new commit and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The ref that now names it, if the treefile has one.
    pub treeref: Option<String>,
    /// The commit.
    pub commit: Checksum,
    /// The checksum of its content, whatever its metadata.
    pub content_checksum: Checksum,
    /// Its version.
    pub version: Option<String>,
    /// Its time, in seconds since 1970.
    pub timestamp: u64,
    /// The hash of what it was made from.
    pub inputhash: String,
    /// The commit before it.
    pub parent: Option<Checksum>,
    /// What was written.
    pub counts: Counts,
    /// Packages that changed since the commit before it; empty without one.
    pub changes: Vec<PackageDiff>,
}

impl Report {
    /// The content of compose.json.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut value = json!({
            "ref": self.treeref,
            "ostree-n-metadata-total": self.counts.metadata_total,
            "ostree-n-metadata-written": self.counts.metadata_written,
            "ostree-n-content-total": self.counts.content_total,
            "ostree-n-content-written": self.counts.content_written,
            "ostree-n-cache-hits": 0,
            "ostree-content-bytes-written": self.counts.content_bytes_written,
            "ostree-commit": self.commit.as_str(),
            "ostree-content-checksum": self.content_checksum.as_str(),
            "ostree-version": self.version,
            "ostree-timestamp": timestamp(self.timestamp),
            "rpm-ostree-inputhash": self.inputhash,
        });
        if let Some(keys) = value.as_object_mut() {
            keys.retain(|_, value| !value.is_null());
            if let Some(parent) = &self.parent {
                keys.insert("ostree-parent-commit".to_owned(), json!(parent.as_str()));
                let changes: Vec<Value> = self.changes.iter().map(change).collect();
                keys.insert("pkgdiff".to_owned(), Value::Array(changes));
            }
        }
        format!("{value:#}\n")
    }
}

/// `2026-11-24T17:00:00Z`.
fn timestamp(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

/// One element of `pkgdiff`: name, kind (as D-Bus numbers it), packages before and after.
fn change(diff: &PackageDiff) -> Value {
    let kind = match diff.kind {
        DiffKind::Added => 0,
        DiffKind::Removed => 1,
        DiffKind::Upgraded => 2,
        DiffKind::Downgraded => 3,
    };
    let package = |nevra: &Nevra| json!([nevra.name, nevra.evr.to_string(), nevra.arch]);
    let mut sides = serde_json::Map::new();
    for (key, side) in [("PreviousPackage", &diff.previous), ("NewPackage", &diff.new)] {
        if let Some(nevra) = side {
            sides.insert(key.to_owned(), package(nevra));
        }
    }
    json!([diff.name(), kind, sides])
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_model::diff_packages;

    fn report() -> Report {
        let parse = |list: &[&str]| list.iter().map(|n| n.parse().unwrap()).collect::<Vec<_>>();
        let old = parse(&["bash-5-1.x86_64", "sed-4-1.x86_64"]);
        let new = parse(&["bash-1:5-2.x86_64", "zsh-5-1.x86_64"]);
        Report {
            treeref: Some("realos/12".into()),
            commit: "1".repeat(64).parse().unwrap(),
            content_checksum: "2".repeat(64).parse().unwrap(),
            version: None,
            timestamp: 1_795_539_600,
            inputhash: "3".repeat(128),
            parent: Some("4".repeat(64).parse().unwrap()),
            counts: Counts { content_total: 7, ..Counts::default() },
            changes: diff_packages(&old, &new),
        }
    }

    #[test]
    fn keys_are_those_that_programs_read() {
        let value: Value = serde_json::from_str(&report().to_json()).unwrap();
        assert_eq!(value["ref"], "realos/12");
        assert_eq!(value["ostree-n-content-total"], 7);
        assert_eq!(value["ostree-timestamp"], "2026-11-24T17:00:00Z");
        assert!(value.get("ostree-version").is_none());
        assert_eq!(
            value["pkgdiff"],
            json!([
                ["bash", 2, {"PreviousPackage": ["bash", "5-1", "x86_64"],
                             "NewPackage": ["bash", "1:5-2", "x86_64"]}],
                ["sed", 1, {"PreviousPackage": ["sed", "4-1", "x86_64"]}],
                ["zsh", 0, {"NewPackage": ["zsh", "5-1", "x86_64"]}],
            ])
        );
    }

    #[test]
    fn without_a_parent_there_is_no_difference() {
        let value: Value =
            serde_json::from_str(&Report { parent: None, ..report() }.to_json()).unwrap();
        assert!(value.get("pkgdiff").is_none() && value.get("ostree-parent-commit").is_none());
    }
}
