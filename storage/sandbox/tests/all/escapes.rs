//! Every way out that `probe.c` knows, tried inside; and outside, to see that it can work.

use super::probe::{Bait, build, compare, table};
use super::root::root;
use super::spec;
use cambium_model::Unobserved;
use cambium_sandbox::{Confinement, Program, Root, in_private_mounts, run};
use std::path::Path;
use std::process::Command;

fn tried_in(root: &Root, bait: &Bait) -> String {
    tried_by(Confinement::Namespaces, root, bait)
}

fn tried_by(confinement: Confinement, root: &Root, bait: &Bait) -> String {
    let probes = table();
    let program = Program::Command("/usr/bin/probe".into());
    let mut spec = spec(root, program, bait.arguments(&probes));
    spec.confinement = confinement;
    spec.limits.output = 1 << 20;
    let outcome = run(&spec, &Unobserved).unwrap();
    assert!(outcome.succeeded(), "{}: {}", outcome.ended, outcome.output);
    outcome.output
}

#[test]
fn every_way_out_of_the_namespaces_is_closed() {
    let (dir, root) = root();
    build(&dir.path().join("usr/bin/probe"));
    let bait = Bait::lay();
    // Once with a network namespace for it alone, once with that of a room.
    compare(&tried_in(&root, &bait), &table(), "namespaces");
    let said = in_private_mounts(|| tried_in(&root, &bait)).unwrap();
    compare(&said, &table(), "namespaces");
}

#[test]
fn every_way_out_of_the_chroot_is_closed_that_can_be() {
    let (dir, root) = root();
    build(&dir.path().join("usr/bin/probe"));
    let bait = Bait::lay();
    compare(&tried_by(Confinement::Chroot, &root, &bait), &table(), "container");
}

#[test]
fn the_probe_finds_open_what_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("probe");
    build(&program);
    let bait = Bait::lay();
    let open: Vec<_> =
        table().into_iter().filter(|probe| probe.of("plain root") != ["-"]).collect();
    assert!(open.len() > 40, "only {} probes can be checked", open.len());
    compare(&as_root(&program, bait.arguments(&open)), &open, "plain root");
}

/// Without a sandbox, but where its mounts are nobody else's and with a descriptor too many.
fn as_root(program: &Path, arguments: Vec<String>) -> String {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "exec \"$0\" \"$@\" 9</dev/null"]);
    let output = command.arg(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
