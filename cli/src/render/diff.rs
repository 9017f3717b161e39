//! How the packages of two trees differ: rpm-ostree's block, line and JSON formats.

use cambium_model::{DiffKind, Nevra, PackageDiff, PackageDiffs};
use serde_json::{Value, json};

/// The groups in the order in which rpm-ostree prints them.
const GROUPS: [(DiffKind, &str); 4] = [
    (DiffKind::Upgraded, "Upgraded:"),
    (DiffKind::Downgraded, "Downgraded:"),
    (DiffKind::Removed, "Removed:"),
    (DiffKind::Added, "Added:"),
];

/// `Upgraded:` and so on with the packages below; nothing where nothing differs.
#[must_use]
pub fn block(diffs: &PackageDiffs) -> String {
    let mut text = String::new();
    for (kind, title) in GROUPS {
        let group: Vec<_> = diffs.diffs.iter().filter(|diff| diff.kind == kind).collect();
        if group.is_empty() {
            continue;
        }
        text.push_str(&format!("{title}\n"));
        for diff in group {
            text.push_str(&format!("  {}\n", entry(diff)));
            for (_, entries) in diffs.changelogs.iter().filter(|(name, _)| name == diff.name()) {
                for line in entries.iter().flat_map(|entry| entry.lines()) {
                    text.push_str(&format!("    {line}\n"));
                }
            }
        }
    }
    text
}

fn entry(diff: &PackageDiff) -> String {
    match (&diff.previous, &diff.new) {
        (Some(previous), Some(new)) if previous.arch == new.arch => {
            format!("{} {} -> {}", diff.name(), previous.evr, new.evr)
        }
        (Some(previous), Some(new)) => {
            format!(
                "{} {}.{} -> {}.{}",
                diff.name(),
                previous.evr,
                previous.arch,
                new.evr,
                new.arch
            )
        }
        (Some(only), None) | (None, Some(only)) => only.to_string(),
        (None, None) => String::new(),
    }
}

/// A line for each side: `-` gone, `+` new, `!` before and `=` after.
#[must_use]
pub fn lines(diffs: &PackageDiffs) -> String {
    let mut text = String::new();
    for diff in &diffs.diffs {
        match (&diff.previous, &diff.new) {
            (Some(previous), Some(new)) => text.push_str(&format!("!{previous}\n={new}\n")),
            (Some(previous), None) => text.push_str(&format!("-{previous}\n")),
            (None, Some(new)) => text.push_str(&format!("+{new}\n")),
            (None, None) => {}
        }
    }
    text
}

/// `pkgdiff` is `[[name, kind, {PreviousPackage: [name, evr, arch], NewPackage: […]}]]`, the kind a
/// number: 0 added, 1 removed, 2 upgraded, 3 downgraded.
#[must_use]
pub fn json(diffs: &PackageDiffs) -> Value {
    json!({
        "ostree-commit-from": diffs.from,
        "ostree-commit-to": diffs.to,
        "pkgdiff": packages(&diffs.diffs),
        "advisories": [],
    })
}

/// The value of `pkgdiff`.
#[must_use]
pub fn packages(diffs: &[PackageDiff]) -> Value {
    let side = |nevra: &Nevra| json!([nevra.name, nevra.evr.to_string(), nevra.arch]);
    let one = |diff: &PackageDiff| {
        let mut sides = serde_json::Map::new();
        if let Some(previous) = &diff.previous {
            sides.insert("PreviousPackage".into(), side(previous));
        }
        if let Some(new) = &diff.new {
            sides.insert("NewPackage".into(), side(new));
        }
        let kind = match diff.kind {
            DiffKind::Added => 0,
            DiffKind::Removed => 1,
            DiffKind::Upgraded => 2,
            DiffKind::Downgraded => 3,
        };
        json!([diff.name(), kind, sides])
    };
    diffs.iter().map(one).collect()
}

/// `3 upgraded, 1 added`.
#[must_use]
pub fn summary(diffs: &[PackageDiff]) -> String {
    let counted = |kind, word| match diffs.iter().filter(|diff| diff.kind == kind).count() {
        0 => None,
        count => Some(format!("{count} {word}")),
    };
    let parts: Vec<_> = [
        counted(DiffKind::Upgraded, "upgraded"),
        counted(DiffKind::Downgraded, "downgraded"),
        counted(DiffKind::Removed, "removed"),
        counted(DiffKind::Added, "added"),
    ]
    .into_iter()
    .flatten()
    .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_model::diff_packages;

    fn diffs() -> PackageDiffs {
        let parse = |list: &[&str]| list.iter().map(|n| n.parse().unwrap()).collect::<Vec<_>>();
        let old = parse(&["a-1-1.noarch", "b-1:1-1.noarch", "c-2-1.noarch", "d-1-1.x86_64"]);
        let new = parse(&["a-1-1.noarch", "b-1:2-1.noarch", "c-1-1.noarch", "e-1-1.x86_64"]);
        let entry = "* Mon Jan 01 2026 A <a@b> - 2-1\n- Mend it".to_owned();
        PackageDiffs {
            from: "0a".repeat(32),
            to: "0b".repeat(32),
            diffs: diff_packages(&old, &new),
            changelogs: vec![("b".into(), vec![entry])],
        }
    }

    #[test]
    fn the_block_groups_as_rpm_ostree_does() {
        let expected = "Upgraded:\n  b 1:1-1 -> 1:2-1\n    * Mon Jan 01 2026 A <a@b> - 2-1\n    \
                        - Mend it\nDowngraded:\n  c 2-1 -> 1-1\nRemoved:\n  d-1-1.x86_64\nAdded:\n  \
                        e-1-1.x86_64\n";
        assert_eq!(block(&diffs()), expected);
        let none = PackageDiffs { diffs: Vec::new(), ..diffs() };
        assert_eq!(block(&none), "");
    }

    #[test]
    fn lines_carry_their_sign() {
        let expected = "!b-1:1-1.noarch\n=b-1:2-1.noarch\n!c-2-1.noarch\n=c-1-1.noarch\n\
                        -d-1-1.x86_64\n+e-1-1.x86_64\n";
        assert_eq!(lines(&diffs()), expected);
    }

    #[test]
    fn json_has_the_keys_and_numbers_that_exporters_read() {
        let value = json(&diffs());
        assert_eq!(value["ostree-commit-from"], "0a".repeat(32));
        assert_eq!(
            value["pkgdiff"][0],
            json!(["b", 2, {
                "PreviousPackage": ["b", "1:1-1", "noarch"],
                "NewPackage": ["b", "1:2-1", "noarch"],
            }])
        );
        let kinds: Vec<_> = (0..4).map(|at| value["pkgdiff"][at][1].clone()).collect();
        assert_eq!(kinds, [2, 3, 1, 0]);
        assert_eq!(value["pkgdiff"][3][2], json!({"NewPackage": ["e", "1-1", "x86_64"]}));
    }

    #[test]
    fn the_summary_counts() {
        let diffs = diffs();
        assert_eq!(summary(&diffs.diffs), "1 upgraded, 1 downgraded, 1 removed, 1 added");
        assert_eq!(summary(&diffs.diffs[..1]), "1 upgraded");
        assert_eq!(summary(&[]), "");
    }
}
