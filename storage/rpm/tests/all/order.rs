//! Install order over real headers.

use crate::fixture;
use cambium_rpm::{Header, install_order};
use rpm::Dependency;

type Need = (&'static str, fn(&'static str) -> Dependency, &'static str);

fn check(names: &[&'static str], needs: &[Need], expected: &[&str]) {
    let build = |name: &&'static str| {
        let mut builder = fixture::builder(name);
        fixture::file(&mut builder, &format!("/usr/bin/{name}"), name);
        for (package, make, need) in needs {
            if package == name {
                builder.requires(make(need));
            }
        }
        fixture::header(&mut builder)
    };
    let mut headers: Vec<Header> = names.iter().map(build).collect();
    for _ in 0..2 {
        let order = install_order(&headers).unwrap();
        let found: Vec<_> = order.iter().map(|at| &*headers[*at].nevra().name).collect();
        assert_eq!(found, expected);
        headers.reverse();
    }
}

#[test]
fn dependencies_come_first_whatever_the_order_of_input() {
    let any: fn(&'static str) -> Dependency = |name| Dependency::any(name);
    check(&["a", "b", "c"], &[("a", any, "b"), ("b", any, "c")], &["c", "b", "a"]);
    check(&["a", "b"], &[("a", any, "/bin/b")], &["b", "a"]);
    check(&["a", "b"], &[], &["a", "b"]);
}

#[test]
fn in_a_cycle_what_scripts_need_comes_first() {
    let any: fn(&'static str) -> Dependency = |name| Dependency::any(name);
    let post: fn(&'static str) -> Dependency = |name| Dependency::script_post(name);
    check(&["a", "b"], &[("a", any, "b"), ("b", any, "a")], &["a", "b"]);
    check(&["a", "b"], &[("a", post, "b"), ("b", any, "a")], &["b", "a"]);
}

#[test]
fn a_version_that_does_not_fit_is_no_provider() {
    let newer: fn(&'static str) -> Dependency = |name| Dependency::greater(name, "2");
    let fits: fn(&'static str) -> Dependency = |name| Dependency::greater_eq(name, "1");
    check(&["a", "b"], &[("a", newer, "b")], &["a", "b"]);
    check(&["a", "b"], &[("a", fits, "b")], &["b", "a"]);
}
