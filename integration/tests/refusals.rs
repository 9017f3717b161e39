//! Requests and packages that are refused: each with an error that names what and why, the host
//! as it was.

#![allow(clippy::unwrap_used, reason = "a test")]

use cambium_integration::harness::{Host, Traces};
use std::path::Path;

/// The command fails, naming each of `names`, and changes nothing.
#[track_caller]
fn check(arguments: &[&str], names: &[&str]) {
    let host = Host::new().unwrap();
    let before = Traces::settled(&host).unwrap();
    host.cambium(arguments).fails_with(names);
    before.assert_unchanged(&host);
    host.cambium(&["status"]).ok();
}

#[test]
fn a_package_that_does_not_exist_is_named_with_close_names() {
    check(&["install", "greter"], &["greter", "greeter"]);
}

#[test]
fn an_unsolvable_request_says_what_is_missing() {
    check(&["install", "needs-broken"], &["needs-nothing-there", "no-such-capability"]);
}

#[test]
fn packages_that_conflict_are_both_named() {
    check(&["install", "hello", "enemy"], &["hello", "enemy"]);
}

#[test]
fn a_file_conflict_names_the_path_and_both_owners() {
    let names = ["usr/share/clash/file", "clash-one", "clash-two"];
    check(&["install", "clash-one", "clash-two"], &names);
}

#[test]
fn a_file_conflict_with_the_base_names_its_owner_too() {
    let names = ["usr/bin/fixture-tool-2", "clash-base", "fixture-tools"];
    check(&["install", "clash-base"], &names);
}

#[test]
fn a_path_that_climbs_out_is_refused() {
    check(&["install", "climbs"], &["climbs", "escaped"]);
    assert!(!Path::new("/escaped").exists());
}

#[test]
fn a_file_below_a_link_of_its_own_package_is_refused() {
    check(&["install", "climbs-by-link"], &["climbs-by-link"]);
    assert!(!Path::new("/etc/escaped").exists());
}

#[test]
fn an_unsupported_top_level_path_is_named() {
    check(&["install", "elsewhere"], &["elsewhere", "weird"]);
}

#[test]
fn a_package_of_the_base_cannot_be_replaced_by_a_layer() {
    check(&["install", "fixture-tools-9"], &["fixture-tools"]);
}

#[test]
fn what_was_not_asked_for_cannot_be_removed() {
    check(&["uninstall", "hello"], &["hello"]);
}

#[test]
fn an_unknown_stateroot_is_named() {
    check(&["upgrade", "--stateroot=nowhere"], &["nowhere"]);
}

#[test]
fn an_unknown_revision_and_an_unknown_ref_are_named() {
    check(&["deploy", "9.9"], &["9.9"]);
    check(&["deploy", &"ab".repeat(32)], &["abab"]);
    check(&["rebase", "fixture:no/such/ref"], &["no/such/ref"]);
}

#[test]
fn a_rollback_without_a_second_deployment_is_refused() {
    check(&["rollback"], &["rollback"]);
}

#[test]
fn packages_given_as_files_or_urls_are_told_from_names() {
    check(&["install", "./x.rpm"], &["./x.rpm", "file or URL", "cannot be layered yet"]);
    check(&["install", "https://example.org/x.rpm"], &["https://example.org/x.rpm", "yet"]);
}
