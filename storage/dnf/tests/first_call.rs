//! What only the first call of a process shows; alone in its binary, so that it is the first.

#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "repositories/fixture.rs"]
mod fixture;

use fixture::{Fixture, rpm};

/// libsolv reads rpm's configuration again when it first opens a database.
#[test]
fn the_first_call_reads_the_roots_own_rpmdb_and_makes_no_other() {
    let mut fixture = Fixture::new();
    fixture.install(&[rpm("base", "1", &[], &[])]);
    fixture.repo("main", &[rpm("app", "1", &["base"], &[])]);
    assert_eq!(fixture.solve(&["base"]).inactive, ["base"]);
    let root = fixture.dir.path().join("root");
    let made: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(made, ["usr"]);
}
