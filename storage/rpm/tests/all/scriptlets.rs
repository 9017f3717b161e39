//! Which scripts run.

use crate::fixture::{self, builder};
use cambium_rpm::scriptlets::{Operation, plan};
use cambium_rpm::{Error, Header};
use rpm::{PackageBuilder, Scriptlet};

fn header(name: &str, fill: impl FnOnce(&mut PackageBuilder)) -> Header {
    let mut builder = builder(name);
    fill(&mut builder);
    fixture::header(&mut builder)
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
    let plan = plan(&[(&a, Operation::Install), (&b, Operation::Replace)], &[]).unwrap();
    let bodies = |scripts: &[cambium_rpm::scriptlets::Script]| {
        scripts.iter().map(|s| (s.body.clone(), s.argument)).collect::<Vec<_>>()
    };
    assert_eq!(bodies(&plan.pre), [("1".to_owned(), Some(1)), ("4".to_owned(), Some(2))]);
    assert_eq!(bodies(&plan.post), [("2".to_owned(), Some(1))]);
    assert_eq!(bodies(&plan.posttrans), [("3".to_owned(), Some(1))]);
    let left: Vec<_> = plan.not_run.iter().map(|script| script.script.as_str()).collect();
    assert_eq!(left, ["pretrans", "preun", "postun"]);
}

#[test]
fn the_tables_apply() {
    let lua = || Scriptlet::new("error()").prog(vec!["<lua>"]);
    let bash = header("bash", |builder| {
        builder.post_install_script("x");
    });
    let glibc = header("glibc", |builder| {
        builder.post_install_script(lua());
    });
    let packages = [(&bash, Operation::Install), (&glibc, Operation::Install)];
    let plan = plan(&packages, &[]).unwrap();
    assert_eq!(plan.post.len(), 1);
    assert_eq!(plan.post[0].interpreter, ["/bin/sh"]);
    assert!(plan.post[0].body.contains("ldconfig"));
    assert_eq!(plan.not_run.len(), 2);
}

#[test]
fn lua_is_refused_unless_marked() {
    let lua = |text: &str| Scriptlet::new(text).prog(vec!["<lua>"]);
    let refused = header("a", |builder| {
        builder.post_install_script(lua("print(1)"));
    });
    let error = plan(&[(&refused, Operation::Install)], &[]).unwrap_err();
    assert!(matches!(&error, Error::UnsupportedScript { script, .. } if script == "%post"));
    let text = "-- a\n  -- rpm-ostree-skip\nprint(1)";
    let marked = header("a", |builder| {
        builder.post_install_script(lua(text));
    });
    assert!(plan(&[(&marked, Operation::Install)], &[]).unwrap().post.is_empty());
    let late = "\n".repeat(10) + "-- rpm-ostree-skip";
    let late = header("a", |builder| {
        builder.post_install_script(lua(&late));
    });
    assert!(plan(&[(&late, Operation::Install)], &[]).is_err());
}

#[test]
fn triggers_on_packages_are_refused_and_on_their_removal_not() {
    let refused = header("a", |builder| {
        builder.trigger_in("b", None, "x");
    });
    let error = plan(&[(&refused, Operation::Install)], &[]).unwrap_err();
    assert!(matches!(&error, Error::UnsupportedScript { script, .. } if script == "%triggerin"));
    let quiet = header("a", |builder| {
        builder.trigger_un("b", None, "x").file_trigger_in("/usr", None, "x");
    });
    let plan = plan(&[(&quiet, Operation::Install)], &[]).unwrap();
    assert!(plan.triggers.is_empty());
    assert_eq!(plan.not_run.len(), 2);
}

#[test]
fn file_triggers_of_packages_and_base_match_paths_of_the_tree() {
    let trigger = |name: &str, prefix: &str| {
        header(name, |builder| {
            builder.trans_file_trigger_in(prefix, None, "x");
        })
    };
    let (a, base) = (trigger("a", "/usr/lib"), trigger("base", "/usr/share"));
    let plan = plan(&[(&a, Operation::Install)], &[base]).unwrap();
    let names: Vec<_> = plan.triggers.iter().map(|s| s.package.name.as_str()).collect();
    assert_eq!(names, ["a", "base"]);
    let paths = ["/usr/lib/x", "/usr/share/y", "/usr/local/lib/x", "/etc/z", "/usr/libexec/x"];
    assert_eq!(plan.triggers[0].matching(paths), ["/usr/lib/x", "/usr/libexec/x"]);
    let local = trigger("a", "/");
    let plan = cambium_rpm::scriptlets::plan(&[(&local, Operation::Install)], &[]).unwrap();
    assert_eq!(plan.triggers[0].matching(paths), ["/usr/lib/x", "/usr/share/y", "/usr/libexec/x"]);
}
