//! What a request would do, for the confirmation on a terminal and for `--dry-run`.

use super::numbers::{bytes, time};
use super::style::Style;
use super::{diff, status::Detail};
use cambium_model::{PackageDiffs, Plan, PlannedAction, PlannedPackage, Severity, SpaceNeed};

/// The groups of layered packages, what matters most first. Kept packages are only counted.
const GROUPS: [(PlannedAction, &str); 5] = [
    (PlannedAction::Install, "Installing"),
    (PlannedAction::Dependency, "Installing as dependencies"),
    (PlannedAction::Upgrade, "Upgrading"),
    (PlannedAction::Downgrade, "Downgrading"),
    (PlannedAction::Remove, "Removing"),
];

/// The whole receipt.
#[must_use]
pub fn text(plan: &Plan, style: Style) -> String {
    let mut text = String::new();
    if plan.base != plan.previous_base {
        let version = |version: &Option<String>| version.as_deref().unwrap_or("?").to_owned();
        text.push_str(&format!(
            "{} {} ({}) -> {} ({})\n",
            style.bold("Base:"),
            version(&plan.previous_base_version),
            plan.previous_base.short(),
            version(&plan.base_version),
            plan.base.short(),
        ));
        let counts = diff::summary(&plan.base_diff);
        if !counts.is_empty() {
            text.push_str(&format!("  {counts}\n"));
        }
    }
    for (action, title) in GROUPS {
        let group: Vec<_> = plan.packages.iter().filter(|p| p.action == action).collect();
        if !group.is_empty() {
            text.push_str(&format!("{}\n", style.bold(&format!("{title} {}:", count(&group)))));
            table(&mut text, &group);
        }
    }
    let kept = plan.packages.iter().filter(|p| p.action == PlannedAction::Keep).count();
    if kept > 0 {
        text.push_str(&format!("Keeping {kept} layered package{}\n", plural(kept)));
    }
    if !plan.inactive.is_empty() {
        text.push_str(&format!("Inactive requests: {}\n", plan.inactive.join(" ")));
    }
    if !plan.scripts.is_empty() || plan.scripts_unknown > 0 {
        let unknown = match plan.scripts_unknown {
            0 => String::new(),
            count => format!(" (not known yet for {count} package{})", plural(count as usize)),
        };
        text.push_str(&format!("{}{unknown}\n", style.bold("Scripts that will run:")));
        for script in &plan.scripts {
            let what = match script.left_out.as_str() {
                "" => script.interpreter.clone(),
                reason => format!("will not run: {reason}"),
            };
            text.push_str(&format!("  {}.{} {what}\n", script.package, script.kind));
        }
    }
    advisories(&mut text, plan);
    order_and_removals(&mut text, plan, style);
    totals(&mut text, plan, style);
    if plan.unchanged && text.is_empty() {
        text.push_str("Nothing would change.\n");
    }
    for warning in &plan.warnings {
        text.push_str(&format!("{} {warning}\n", style.yellow("warning:")));
    }
    text
}

/// What a rollback and a cleanup do.
fn order_and_removals(text: &mut String, plan: &Plan, style: Style) {
    if let Some(deployment) = &plan.next_default {
        text.push_str(&format!("{} {deployment}\n", style.bold("Boots next:")));
    }
    for (noun, names) in [
        ("deployment", &plan.removed_deployments),
        ("ref", &plan.removed_refs),
        ("path", &plan.removed_paths),
    ] {
        if !names.is_empty() {
            let title = format!("Removing {} {noun}{}:", names.len(), plural(names.len()));
            text.push_str(&format!("{}\n", style.bold(&title)));
            names.iter().for_each(|name| text.push_str(&format!("  {name}\n")));
        }
    }
    if plan.freed_bytes > 0 {
        text.push_str(&format!("Will free: {}\n", bytes(plan.freed_bytes)));
    }
}

fn count(group: &[&PlannedPackage]) -> String {
    format!("{} package{}", group.len(), plural(group.len()))
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Name with version, repository and size in columns.
fn table(text: &mut String, group: &[&PlannedPackage]) {
    let rows: Vec<_> = group
        .iter()
        .map(|package| {
            let name = match &package.previous {
                Some(previous) => {
                    format!("{} {} -> {}", package.nevra.name, previous.evr, package.nevra.evr)
                }
                None => package.nevra.to_string(),
            };
            (name, package.repository.as_str(), bytes(package.installed_bytes))
        })
        .collect();
    let width = |of: fn(&(String, &str, String)) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (name, repository, size) =
        (width(|row| row.0.len()), width(|row| row.1.len()), width(|row| row.2.len()));
    for row in &rows {
        text.push_str(&format!("  {:<name$}  {:<repository$}  {:>size$}\n", row.0, row.1, row.2));
    }
}

fn advisories(text: &mut String, plan: &Plan) {
    if plan.advisories.is_empty() {
        return;
    }
    let security: Vec<_> = plan.advisories.iter().filter(|a| a.kind == "security").collect();
    let worst = security.iter().map(|advisory| advisory.severity).max().unwrap_or_default();
    let worst = match worst {
        Severity::None => "",
        Severity::Low => ", at worst low",
        Severity::Moderate => ", at worst moderate",
        Severity::Important => ", at worst important",
        Severity::Critical => ", at worst critical",
    };
    let all = plan.advisories.len();
    text.push_str(&format!("Advisories: {all} ({} security{worst})\n", security.len()));
}

fn totals(text: &mut String, plan: &Plan, style: Style) {
    if plan.download_bytes > 0 {
        text.push_str(&format!("Will download: {}\n", bytes(plan.download_bytes)));
    }
    for (label, SpaceNeed { needed, free }) in [("Disk", plan.disk), ("/boot", plan.boot)] {
        if needed > 0 {
            let short = if needed > free { style.red(" (too little)") } else { String::new() };
            text.push_str(&format!(
                "{label}: {} needed, {} free{short}\n",
                bytes(needed),
                bytes(free)
            ));
        }
    }
}

/// `AvailableUpdate:` as `status` and `upgrade --check` show it; the packages too where `detail`
/// asks for them.
#[must_use]
pub fn available(plan: &Plan, detail: Detail) -> String {
    const LABEL_WIDTH: usize = 16;
    let mut text = "AvailableUpdate:\n".to_owned();
    let mut line = |label: &str, value: &str| {
        text.push_str(&format!("{label:>LABEL_WIDTH$}: {value}\n"));
    };
    let made = time(plan.base_timestamp);
    match &plan.base_version {
        Some(version) => line("Version", &format!("{version} ({made})")),
        None => line("Timestamp", &made),
    }
    line("Commit", plan.base.as_str());
    let mut diffs = plan.base_diff.clone();
    diffs.extend(layered(plan));
    diffs.sort_by(|a, b| a.name().cmp(b.name()));
    let counts = diff::summary(&diffs);
    if !counts.is_empty() {
        line("Diff", &counts);
    }
    if detail == Detail::Verbose {
        let (from, to) = (plan.previous_base.to_string(), plan.base.to_string());
        text.push_str(&diff::block(&PackageDiffs { from, to, diffs, changelogs: Vec::new() }));
    }
    text
}

/// The layered packages that change, as differences.
fn layered(plan: &Plan) -> impl Iterator<Item = cambium_model::PackageDiff> + '_ {
    use cambium_model::DiffKind;
    plan.packages.iter().filter_map(|package| {
        let kind = match package.action {
            PlannedAction::Keep => return None,
            PlannedAction::Install | PlannedAction::Dependency => DiffKind::Added,
            PlannedAction::Upgrade => DiffKind::Upgraded,
            PlannedAction::Downgrade => DiffKind::Downgraded,
            PlannedAction::Remove => DiffKind::Removed,
        };
        let removed = kind == DiffKind::Removed;
        let previous = if removed { Some(package.nevra.clone()) } else { package.previous.clone() };
        let new = (!removed).then(|| package.nevra.clone());
        Some(cambium_model::PackageDiff { kind, previous, new })
    })
}

#[cfg(test)]
mod tests;
