//! Which scripts run. What rpm itself does with the same packages is compared in cambium-tree.

use crate::fixture::{self, builder};
use cambium_model::Nevra;
use cambium_rpm::Header;
use cambium_rpm::scriptlets::{
    Authority, Occasion, Operation, Rules, Script, ScriptAction, ScriptClass, ScriptPlan,
    ScriptRule, plan,
};
use rpm::{PackageBuilder, Scriptlet};

fn header(name: &str, fill: impl FnOnce(&mut PackageBuilder)) -> Header {
    let mut builder = builder(name);
    fill(&mut builder);
    fixture::header(&mut builder)
}

fn planned(packages: &[(&Header, Operation)], installed: &[Header]) -> ScriptPlan {
    planned_by(packages, installed, &[], &Rules::default())
}

fn planned_by(
    packages: &[(&Header, Operation)],
    installed: &[Header],
    removed: &[Nevra],
    rules: &Rules,
) -> ScriptPlan {
    plan(&Occasion { packages, installed: &Vec::from(installed), removed, rules }).unwrap()
}

fn bodies(scripts: &[Script]) -> Vec<String> {
    let text = |s: &Script| {
        let numbers: String = s.arguments.iter().map(|number| format!(" {number}")).collect();
        format!("{}{numbers}", s.body)
    };
    scripts.iter().map(text).collect()
}

#[test]
fn classes_run_in_order_with_their_argument() {
    let a = header("a", |builder| {
        builder.pre_install_script("1").post_install_script("2").post_trans_script("3");
        builder.pre_uninstall_script("x").post_uninstall_script("x").pre_trans_script("x");
    });
    let b = header("b", |builder| {
        builder.pre_install_script("4");
    });
    let plan = planned(&[(&a, Operation::Install), (&b, Operation::Replace)], &[]);
    assert_eq!(bodies(&plan.pre), ["1 1", "4 2"]);
    assert_eq!(bodies(&plan.post), ["2 1"]);
    assert_eq!(bodies(&plan.posttrans), ["3 1"]);
    assert_eq!(plan.pre.iter().map(|script| script.turn).collect::<Vec<_>>(), [0, 1]);
    let left: Vec<_> = plan.not_run.iter().map(|script| script.script.as_str()).collect();
    assert_eq!(left, ["pretrans", "preun", "postun"]);
    assert!(plan.not_run.iter().all(|left| left.by == Authority::Assembly));
}

#[test]
fn the_list_applies_and_the_configuration_before_it() {
    let lua = || Scriptlet::new("error()").prog(vec!["<lua>"]);
    let bash = header("bash", |builder| {
        builder.post_install_script("x");
    });
    let authselect = header("authselect-libs", |builder| {
        builder.pre_install_script(lua());
    });
    let packages = [(&bash, Operation::Install), (&authselect, Operation::Install)];
    let plan = planned(&packages, &[]);
    assert!(plan.post.is_empty());
    assert_eq!(plan.pre[0].interpreter, ["/bin/sh"]);
    assert_eq!(plan.not_run.len(), 2);

    let rule = |package: &str, classes: &[ScriptClass], action| ScriptRule {
        package: package.into(),
        classes: classes.to_vec(),
        action,
        interpreter: vec![],
        body: String::new(),
        reason: String::new(),
    };
    let rules = Rules::with(vec![
        rule("bash", &[ScriptClass::Post], ScriptAction::Run),
        rule("authselect*", &[], ScriptAction::Skip),
    ]);
    let plan = planned_by(&packages, &[], &[], &rules);
    assert_eq!(bodies(&plan.post), ["x 1"]);
    assert!(plan.pre.is_empty());
    assert_eq!(plan.not_run.len(), 1);
    assert_eq!(plan.not_run[0].by, Authority::Configuration);
    assert_eq!(plan.not_run[0].reason, "the configuration says so");
}

#[test]
fn lua_runs_unless_its_packager_marked_it() {
    let lua = |text: &str| Scriptlet::new(text).prog(vec!["<lua>"]);
    let check = |text: &str, runs: bool| {
        let package = header("a", |builder| {
            builder.post_install_script(lua(text));
        });
        let plan = planned(&[(&package, Operation::Install)], &[]);
        assert_eq!(plan.post.iter().filter(|script| script.is_lua()).count() == 1, runs, "{text}");
    };
    check("print(1)", true);
    check("-- a\n  -- rpm-ostree-skip\nprint(1)", false);
    check(&("\n".repeat(10) + "-- rpm-ostree-skip"), true);
}

#[test]
fn triggers_run_where_their_condition_holds() {
    let installed = header("installed", |builder| {
        builder.trigger_in("a", None, "of installed").trigger_un("a", None, "x");
        builder.trigger_in("other", None, "x");
    });
    let a = header("a", |builder| {
        builder.trigger_in("installed", None, "of a");
        builder.trigger_in("b", None, "a on b");
    });
    let b = header("b", |_| {});
    let packages = [(&a, Operation::Install), (&b, Operation::Install)];
    let plan = planned(&packages, std::slice::from_ref(&installed));
    assert_eq!(bodies(&plan.post), ["of installed 1 1", "of a 1 1", "a on b 1 1"]);
    let turns: Vec<_> = plan.post.iter().map(|script| script.turn).collect();
    assert_eq!(turns, [0, 0, 1]);
    assert!(plan.post.iter().all(|script| !script.must_succeed()));

    // A replaced package is counted until its replacement is complete, a removed one never.
    let replaced = [(&a, Operation::Replace), (&b, Operation::Install)];
    let before = [installed.clone(), a.clone()];
    let removed = [a.nevra().clone()];
    let plan = planned_by(&replaced, &before, &removed, &Rules::default());
    assert_eq!(bodies(&plan.post)[..2], ["of installed 1 2".to_owned(), "of a 2 1".to_owned()]);
    let removed = [installed.nevra().clone()];
    let plan = planned_by(&packages, &[installed], &removed, &Rules::default());
    assert_eq!(bodies(&plan.post), ["a on b 1 1"]);
}

#[test]
fn file_triggers_of_packages_and_base_match_paths_of_the_tree() {
    let trigger = |name: &str, prefix: &str| {
        header(name, |builder| {
            builder.trans_file_trigger_in(prefix, None, "x");
        })
    };
    let (a, base) = (trigger("a", "/usr/lib"), trigger("base", "/usr/share"));
    let plan = planned(&[(&a, Operation::Install)], &[base]);
    let names: Vec<_> = plan.triggers.iter().map(|s| s.package.name.as_str()).collect();
    assert_eq!(names, ["base", "a"]);
    let paths = ["/usr/lib/x", "/usr/share/y", "/usr/local/lib/x", "/etc/z", "/usr/libexec/x"];
    assert_eq!(plan.triggers[1].matching(paths), ["/usr/lib/x", "/usr/libexec/x"]);
    let local = trigger("a", "/");
    let plan = planned(&[(&local, Operation::Install)], &[]);
    assert_eq!(plan.triggers[0].matching(paths), ["/usr/lib/x", "/usr/share/y", "/usr/libexec/x"]);
}
