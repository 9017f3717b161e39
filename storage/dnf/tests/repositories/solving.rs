//! What is solved, in which order, and what is refused.

use crate::fixture::{Fixture, createrepo, names, rpm, wants};
use cambium_dnf::{
    Goal, LockInstalled, RepoConfig, Resolution, download, packages, refresh, search, what_provides,
};
use cambium_model::{Matched, PlannedAction, Unobserved};

fn problems(answer: Resolution) -> cambium_dnf::Problems {
    match answer {
        Resolution::Problems(problems) => problems,
        Resolution::Solved(solution) => panic!("{:?}", names(&solution)),
    }
}

#[test]
fn dependencies_come_first() {
    let mut fixture = Fixture::new();
    let packages = [
        rpm("app", "1", &["lib"], &[]),
        rpm("lib", "2", &["core"], &[]),
        rpm("core", "3", &[], &[]),
    ];
    fixture.repo("main", &packages);
    let solution = fixture.solve(&["app"]);
    assert_eq!(names(&solution), ["core-3-1.noarch", "lib-2-1.noarch", "app-1-1.noarch"]);
    let actions: Vec<_> = solution.packages.iter().map(|package| package.action).collect();
    let dependency = PlannedAction::Dependency;
    assert_eq!(actions, [dependency, dependency, PlannedAction::Install]);
    assert_eq!(solution.repos[0].id, "main");
    assert!(solution.packages.iter().all(|package| package.checksum.starts_with("sha256:")));
}

#[test]
fn a_request_may_be_a_name_nevra_glob_capability_or_file() {
    let mut fixture = Fixture::new();
    let packages =
        [rpm("app-a", "1", &[], &["/usr/bin/a"]), rpm("app-b", "1", &[], &["/usr/share/b/file"])];
    fixture.repo("main", &packages);
    for (spec, expected) in [
        ("app-a", &["app-a-1-1.noarch"][..]),
        ("app-a-1-1.noarch", &["app-a-1-1.noarch"]),
        ("app-*", &["app-a-1-1.noarch", "app-b-1-1.noarch"]),
        ("app-b = 1-1", &["app-b-1-1.noarch"]),
        ("/usr/bin/a", &["app-a-1-1.noarch"]),
        // Not in primary metadata: the filelists are loaded for it.
        ("/usr/share/b/file", &["app-b-1-1.noarch"]),
    ] {
        let mut found = names(&fixture.solve(&[spec]));
        found.sort();
        assert_eq!(found, expected, "{spec}");
    }
}

#[test]
fn a_dependency_on_a_file_outside_primary_loads_filelists() {
    let mut fixture = Fixture::new();
    let file = "/usr/share/data/x";
    fixture.repo("main", &[rpm("app", "1", &[file], &[]), rpm("data", "1", &[], &[file])]);
    assert_eq!(names(&fixture.solve(&["app"])), ["data-1-1.noarch", "app-1-1.noarch"]);
}

#[test]
fn what_nothing_offers_is_missing_with_close_names() {
    let mut fixture = Fixture::new();
    fixture.repo("main", &[rpm("strace", "1", &[], &[])]);
    let problems = problems(fixture.resolve(&wants(&["strcae"])));
    assert_eq!(problems.missing, [("strcae".to_owned(), vec!["strace".to_owned()])]);
}

#[test]
fn an_unmet_dependency_is_explained() {
    let mut fixture = Fixture::new();
    fixture.repo("main", &[rpm("app", "1", &["libmissing"], &[])]);
    let problems = problems(fixture.resolve(&wants(&["app"])));
    let text = problems.problems.join("\n");
    assert!(text.contains("nothing provides libmissing needed by app-1-1.noarch"), "{text}");
}

#[test]
fn what_is_installed_is_inactive_and_its_replacement_a_problem_that_names_it() {
    let mut fixture = Fixture::new();
    fixture.install(&[rpm("base", "1", &[], &["/usr/bin/base"])]);
    fixture.repo("main", &[rpm("base", "2", &[], &[]), rpm("app", "1", &["base"], &[])]);
    let solution = fixture.solve(&["base", "app", "/usr/bin/base"]);
    assert_eq!(names(&solution), ["app-1-1.noarch"]);
    assert_eq!(solution.inactive, ["base", "/usr/bin/base"]);
    let problems = problems(fixture.resolve(&wants(&["base-2-1"])));
    let text = problems.problems.join("\n");
    assert!(text.contains("base-1-1.noarch"), "{text}");
    let free = Goal { lock_installed: LockInstalled::Free, ..wants(&["base-2-1"]) };
    let Resolution::Solved(solution) = fixture.resolve(&free) else { panic!("held") };
    assert_eq!(solution.packages[0].action, PlannedAction::Upgrade);
    assert_eq!(solution.packages[0].previous.as_ref().unwrap().to_string(), "base-1-1.noarch");
}

#[test]
fn an_installed_package_is_removed_on_request() {
    let mut fixture = Fixture::new();
    fixture.install(&[rpm("base", "1", &[], &[]), rpm("old", "1", &[], &[])]);
    fixture.repo("main", &[rpm("app", "1", &[], &[])]);
    let goal = Goal { remove: vec!["old".into()], ..wants(&["app"]) };
    let Resolution::Solved(solution) = fixture.resolve(&goal) else { panic!("refused") };
    assert_eq!(
        solution.removed.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["old-1-1.noarch"]
    );
    assert_eq!(names(&solution), ["app-1-1.noarch"]);
}

#[test]
fn the_lower_priority_number_wins_over_the_newer_version() {
    let mut fixture = Fixture::new();
    fixture.repo("newer", &[rpm("app", "2", &[], &[])]);
    fixture.repo("first", &[rpm("app", "1", &[], &[])]);
    assert_eq!(names(&fixture.solve(&["app"])), ["app-2-1.noarch"]);
    fixture.config.repos[1].priority = 1;
    assert_eq!(names(&fixture.solve(&["app"])), ["app-1-1.noarch"]);
}

#[test]
fn excluded_and_not_included_packages_are_not_there() {
    let mut fixture = Fixture::new();
    fixture.repo("main", &[rpm("app", "1", &[], &[]), rpm("tool", "1", &[], &[])]);
    let excluded = Goal { exclude: vec!["app".into()], ..wants(&["app"]) };
    assert_eq!(problems(fixture.resolve(&excluded)).missing[0].0, "app");
    fixture.config.repos[0].excludepkgs = vec!["ap*".into()];
    assert_eq!(problems(fixture.resolve(&wants(&["app"]))).missing[0].0, "app");
    fixture.config.repos[0].excludepkgs.clear();
    fixture.config.repos[0].includepkgs = vec!["tool".into()];
    assert_eq!(problems(fixture.resolve(&wants(&["app"]))).missing[0].0, "app");
    assert_eq!(names(&fixture.solve(&["tool"])), ["tool-1-1.noarch"]);
}

#[test]
fn a_local_rpm_brings_its_dependencies_and_stays_where_it_is() {
    let mut fixture = Fixture::new();
    fixture.repo("main", &[rpm("lib", "1", &[], &[])]);
    let path = fixture.dir.path().join("mine.rpm");
    std::fs::write(&path, rpm("mine", "1", &["lib"], &[])).unwrap();
    let goal = Goal { local_rpms: vec![path.clone()], ..Goal::default() };
    let Resolution::Solved(solution) = fixture.resolve(&goal) else { panic!("refused") };
    assert_eq!(names(&solution), ["lib-1-1.noarch", "mine-1-1.noarch"]);
    let dest = fixture.dir.path().join("rpms");
    let fetched = download(&fixture.config, &solution.packages, &dest, &Unobserved).unwrap();
    assert_eq!(fetched[1].file.as_ref(), Some(&path));
    assert_eq!(fetched[0].file.as_ref(), Some(&dest.join("lib-1-1.noarch.rpm")));
    assert!(dest.join("lib-1-1.noarch.rpm").exists());
}

#[test]
fn lookups_find_by_word_capability_file_and_pattern() {
    let mut fixture = Fixture::new();
    let packages_in = [rpm("editor", "1", &[], &["/usr/bin/ed"]), rpm("edit-data", "1", &[], &[])];
    fixture.repo("main", &packages_in);
    let config = &fixture.config;
    let found = search(config, &["EDITOR".to_owned()], &Unobserved).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].matched, Matched::NameAndSummary);
    assert_eq!(found[0].package.summary, "The editor");
    for (capability, count) in [("editor", 1), ("/usr/bin/ed", 1), ("nothing", 0)] {
        let found = what_provides(config, capability, &Unobserved).unwrap();
        assert_eq!(found.len(), count, "{capability}");
    }
    assert_eq!(packages(config, &["edit*".to_owned()], &Unobserved).unwrap().len(), 2);
}

#[test]
fn refresh_counts_packages_and_sees_new_metadata() {
    let mut fixture = Fixture::new();
    let dir = fixture.repo("main", &[rpm("a", "1", &[], &[])]);
    assert_eq!(refresh(&fixture.config, &Unobserved).unwrap()[0].solvables, 1);
    std::fs::write(dir.join("b.rpm"), rpm("b", "1", &[], &[])).unwrap();
    createrepo(&dir);
    assert_eq!(refresh(&fixture.config, &Unobserved).unwrap()[0].solvables, 2);
}

#[test]
fn repository_files_are_read_with_variables_and_the_enabled_filter() {
    let mut fixture = Fixture::new();
    let dir = fixture.repo("x1", &[rpm("a", "1", &[], &[])]);
    fixture.config.repos.clear();
    let repos = fixture.dir.path().join("repos.d");
    std::fs::create_dir(&repos).unwrap();
    let base = dir.parent().unwrap().display().to_string();
    let text = format!("[off]\nbaseurl=file://{base}/x$releasever\nenabled=0\n");
    std::fs::write(repos.join("off.repo"), text).unwrap();
    fixture.config.repos_dirs.push(repos);
    assert!(refresh(&fixture.config, &Unobserved).unwrap().is_empty());
    fixture.config.enabled_repos = Some(vec!["off".into()]);
    assert_eq!(refresh(&fixture.config, &Unobserved).unwrap()[0].id, "off");
    fixture.config.enabled_repos = Some(vec!["nosuch".into()]);
    assert!(refresh(&fixture.config, &Unobserved).is_err());
    fixture.config.enabled_repos = None;
    fixture.config.repos.push(RepoConfig::new("../evil", "file:///x"));
    assert!(refresh(&fixture.config, &Unobserved).is_err());
}

#[test]
fn repeated_resolutions_do_not_grow() {
    let mut fixture = Fixture::new();
    fixture.install(&[rpm("base", "1", &[], &[])]);
    let many: Vec<_> = (0..40).map(|at| rpm(&format!("p{at}"), "1", &["base"], &[])).collect();
    fixture.repo("main", &many);
    let resident = || {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4
    };
    let run = |times| (0..times).for_each(|_| drop(fixture.solve(&["p*"])));
    run(30);
    let before = resident();
    run(100);
    let grown = resident().saturating_sub(before);
    assert!(grown < 4096, "{grown} KiB in 100 resolutions");
}
