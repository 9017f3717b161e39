//! From a goal to packages in install order, or to why there are none.

use crate::ffi::{Package, Sack, Solved, Solver};
use crate::metadata::Wanted;
use crate::session::{self, Scope, Session};
use crate::{
    Advisories, Config, Error, Filelists, Goal, LockInstalled, Problems, Resolution, Result,
    Upgrade, close_names,
};
use cambium_model::{Advisory, Nevra, Observer, PlannedAction, PlannedPackage, Progress, Solution};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Finds the packages that `goal` needs.
///
/// A dead repository is a warning in the solution; where the goal has none without it, the answer
/// is [`Error::Unavailable`].
pub fn resolve(config: &Config, goal: &Goal, observer: &dyn Observer) -> Result<Resolution> {
    let _held = cambium_native::hold();
    let mut wanted = Wanted { filelists: false, updateinfo: goal.advisories == Advisories::Load };
    let mut answer = attempt(config, goal, wanted, observer);
    if let Ok((Resolution::Problems(problems), _)) = &answer
        && config.filelists == Filelists::WhenNeeded
        && needs_filelists(problems)
    {
        wanted.filelists = true;
        answer = attempt(config, goal, wanted, observer);
    }
    cambium_native::give_memory_back();
    match answer? {
        (Resolution::Problems(_), Some(unavailable)) => Err(unavailable),
        (resolution, _) => Ok(resolution),
    }
}

/// Whether a path that primary metadata does not hold may be what is missing.
fn needs_filelists(problems: &Problems) -> bool {
    problems.missing.iter().any(|(spec, _)| spec.starts_with('/'))
        || problems.problems.iter().any(|text| text.contains("nothing provides /"))
}

fn attempt(
    config: &Config,
    goal: &Goal,
    wanted: Wanted,
    observer: &dyn Observer,
) -> Result<(Resolution, Option<Error>)> {
    let session = session::open(config, wanted, Scope::Everything, observer)?;
    if observer.cancelled() {
        return Err(Error::Cancelled);
    }
    observer.progress(Progress::TaskBegin { text: "Resolving dependencies".to_owned() });
    let resolution = solve(config, goal, &session);
    observer.progress(Progress::TaskEnd { text: String::new() });
    Ok((resolution?, session.unavailable()))
}

fn solve(config: &Config, goal: &Goal, session: &Session) -> Result<Resolution> {
    let sack = &session.sack;
    for pattern in &goal.exclude {
        sack.exclude(&sack.best(pattern).available());
    }
    let mut solver = Solver::new(sack);
    let mut removed = BTreeSet::new();
    for spec in &goal.remove {
        let packages = sack.best(spec).installed().packages();
        if packages.is_empty() {
            return Err(Error::NotInstalled(spec.clone()));
        }
        for package in packages {
            solver.remove(&package);
            removed.insert(package.id());
        }
    }
    let mut inactive = Vec::new();
    let mut missing = Vec::new();
    for spec in &goal.install {
        match request(sack, &mut solver, spec)? {
            Request::Asked => {}
            Request::Inactive => inactive.push(spec.clone()),
            Request::Missing => missing.push((spec.clone(), close_to(sack, spec))),
        }
    }
    if !missing.is_empty() {
        return Ok(Resolution::Problems(Problems { problems: Vec::new(), missing }));
    }
    for path in &goal.local_rpms {
        let package = sack.add_rpm(path).ok_or_else(|| Error::LocalRpm(path.clone()))?;
        solver.install(&package);
    }
    if goal.upgrade == Upgrade::All {
        solver.upgrade_all();
    }
    let base = sack.query().installed().packages();
    if goal.lock_installed == LockInstalled::Locked {
        for package in base.iter().filter(|package| !removed.contains(&package.id())) {
            solver.lock(package).map_err(|message| Error::Library {
                doing: format!("cannot hold {}", package.nevra()),
                message,
            })?;
        }
    }
    match solver.run(config.weak_deps) {
        Err(text) => Ok(Resolution::Problems(Problems {
            problems: explanations(&text),
            missing: Vec::new(),
        })),
        Ok(solved) => {
            Ok(Resolution::Solved(solution(session, goal, &solver, solved, &base, inactive)))
        }
    }
}

enum Request {
    Asked,
    Inactive,
    Missing,
}

fn request<'s>(sack: &'s Sack, solver: &mut Solver<'s>, spec: &str) -> Result<Request> {
    let found = sack.best(spec);
    if found.is_empty() {
        return Ok(Request::Missing);
    }
    if !sack.best(spec).installed().is_empty() {
        return Ok(Request::Inactive);
    }
    let cannot = |message| Error::Library { doing: format!("cannot request '{spec}'"), message };
    if !spec.contains(['*', '?', '[']) {
        return solver.install_spec(sack, spec).map_err(cannot).map(|()| Request::Asked);
    }
    // One selector would ask for any one of the names that a pattern matches.
    let names: BTreeSet<String> = found.packages().iter().map(Package::name).collect();
    for name in names {
        solver.install_spec(sack, &name).map_err(cannot)?;
    }
    Ok(Request::Asked)
}

/// Names near `spec`, among those that begin like it: a whole archive would be much memory.
fn close_to(sack: &Sack, spec: &str) -> Vec<String> {
    let Some(first) = spec.chars().next().filter(|first| first.is_alphanumeric()) else {
        return Vec::new();
    };
    let packages = sack.best(&format!("{first}*")).packages();
    let names: BTreeSet<String> = packages.iter().map(Package::name).collect();
    close_names::close(spec, names.iter().map(String::as_str))
}

/// libdnf's message: a head line, then a problem a paragraph.
fn explanations(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut found: Vec<String> = Vec::new();
    for line in lines.filter(|line| !line.starts_with("Could not depsolve")) {
        match line.strip_prefix("- ") {
            Some(more) if !found.is_empty() => {
                if let Some(last) = found.last_mut() {
                    last.push_str("; ");
                    last.push_str(more);
                }
            }
            _ => {
                let plain = line
                    .strip_prefix("Problem")
                    .map_or(line, |rest| rest.split_once(": ").map_or(line, |(_, text)| text));
                found.push(plain.to_owned());
            }
        }
    }
    found
}

fn solution(
    session: &Session,
    goal: &Goal,
    solver: &Solver<'_>,
    solved: Solved<'_>,
    base: &[Package<'_>],
    inactive: Vec<String>,
) -> Solution {
    let installed: HashMap<String, Nevra> =
        base.iter().map(|package| (package.name(), package.nevra())).collect();
    let mut planned: HashMap<i32, PlannedPackage> = HashMap::new();
    let mut all = Vec::new();
    let groups = [
        (solved.installs, PlannedAction::Install),
        (solved.upgrades, PlannedAction::Upgrade),
        (solved.downgrades, PlannedAction::Downgrade),
    ];
    for (packages, action) in groups {
        for package in packages {
            let action = match action {
                PlannedAction::Install if !solver.is_wanted(&package) => PlannedAction::Dependency,
                action => action,
            };
            planned.insert(package.id(), plan(&package, action, &installed));
            all.push(package);
        }
    }
    let advisories = if goal.advisories == Advisories::Load { advisories(&all) } else { vec![] };
    let ordered = session.sack.order(&all);
    let mut packages: Vec<_> = ordered.iter().filter_map(|id| planned.remove(id)).collect();
    let mut rest: Vec<_> = planned.into_values().collect();
    rest.sort_by(|a, b| a.nevra.cmp(&b.nevra));
    packages.extend(rest);
    let mut removed: Vec<Nevra> = solved.removed.iter().map(Package::nevra).collect();
    removed.sort();
    removed.dedup();
    Solution {
        packages,
        inactive,
        removed,
        repos: session.stamps.clone(),
        advisories,
        warnings: session.warnings.clone(),
        unchanged: false,
    }
}

fn plan(
    package: &Package<'_>,
    action: PlannedAction,
    installed: &HashMap<String, Nevra>,
) -> PlannedPackage {
    let replaces = matches!(action, PlannedAction::Upgrade | PlannedAction::Downgrade);
    let nevra = package.nevra();
    let base_url = package.base_url();
    let location = match base_url.contains("://") {
        true => format!("{}/{}", base_url.trim_end_matches('/'), package.location()),
        false => package.location(),
    };
    PlannedPackage {
        action,
        repository: package.repo(),
        location,
        checksum: package.checksum(),
        download_bytes: package.download_bytes(),
        installed_bytes: package.installed_bytes(),
        previous: installed.get(&nevra.name).filter(|_| replaces).cloned(),
        nevra,
    }
}

fn advisories(packages: &[Package<'_>]) -> Vec<Advisory> {
    let mut found: BTreeMap<String, Advisory> = BTreeMap::new();
    for package in packages {
        for (id, kind, severity) in package.advisories() {
            let advisory = found.entry(id.clone()).or_insert_with(|| Advisory {
                id,
                kind: kind.to_owned(),
                severity,
                packages: Vec::new(),
            });
            advisory.packages.push(package.nevra());
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanations_are_one_a_problem() {
        let text = "Could not depsolve transaction; 2 problems detected:\n Problem 1: conflicting \
                    requests\n  - nothing provides /x needed by a-1-1.noarch\n Problem 2: b is held";
        assert_eq!(
            explanations(text),
            ["conflicting requests; nothing provides /x needed by a-1-1.noarch", "b is held"]
        );
    }
}
