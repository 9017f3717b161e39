//! The packages that a search found, in rpm-ostree's groups.

use super::style::Style;
use cambium_model::{FoundPackage, Matched};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const GROUPS: [(Matched, &str); 3] = [
    (Matched::NameAndSummary, "Name & Summary Matched"),
    (Matched::Name, "Name Matched"),
    (Matched::Summary, "Summary Matched"),
];

/// Each group with its names and summaries; a name once, however many versions there are.
#[must_use]
pub fn text(found: &[FoundPackage], style: Style) -> String {
    if found.is_empty() {
        return "No matches found.\n".to_owned();
    }
    let mut text = String::new();
    for (matched, title) in GROUPS {
        let lines: BTreeSet<_> = found
            .iter()
            .filter(|package| package.matched == matched)
            .map(|package| (&package.package.nevra.name, &package.package.summary))
            .collect();
        if lines.is_empty() {
            continue;
        }
        text.push_str(&format!("\n===== {} =====\n", style.bold(title)));
        for (name, summary) in lines {
            text.push_str(&format!("{name} : {summary}\n"));
        }
    }
    text
}

/// One object for each package, with the keys of rpm-ostree's `Search` (surface §1.4).
#[must_use]
pub fn json(found: &[FoundPackage]) -> Value {
    let one = |found: &FoundPackage| {
        let package = &found.package;
        let nevra = &package.nevra;
        json!({
            "name": nevra.name,
            "epoch": nevra.evr.epoch,
            "version": nevra.evr.version,
            "release": nevra.evr.release,
            "arch": nevra.arch,
            "nevra": nevra.to_string(),
            "evr": nevra.evr.to_string(),
            "summary": package.summary,
            "reponame": package.repository,
            "matched": match found.matched {
                Matched::NameAndSummary => "name-and-summary",
                Matched::Name => "name",
                Matched::Summary => "summary",
            },
        })
    };
    found.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_model::PackageInfo;

    fn found(nevra: &str, matched: Matched) -> FoundPackage {
        let package = PackageInfo {
            nevra: nevra.parse().unwrap(),
            summary: "An editor".into(),
            repository: "base".into(),
            download_bytes: 1,
            installed_bytes: 2,
        };
        FoundPackage { package, matched }
    }

    #[test]
    fn groups_and_names_each_package_once() {
        let all = [
            found("vim-9-1.noarch", Matched::Name),
            found("vim-8-1.noarch", Matched::Name),
            found("nano-1-1.noarch", Matched::Summary),
        ];
        let expected = "\n===== Name Matched =====\nvim : An editor\n\
                        \n===== Summary Matched =====\nnano : An editor\n";
        assert_eq!(text(&all, Style::Plain), expected);
        assert_eq!(text(&[], Style::Plain), "No matches found.\n");
        assert_eq!(json(&all)[1]["nevra"], "vim-8-1.noarch");
        assert_eq!(json(&[]), Value::Array(Vec::new()));
    }
}
