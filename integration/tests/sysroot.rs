//! A sysroot that is damaged, or too full: said plainly, nothing made worse.

#![allow(clippy::unwrap_used, reason = "a test")]

use cambium_integration::harness::{Host, Traces, oracle};
use std::fs;

#[test]
fn a_corrupted_origin_file_stops_a_change_and_names_its_deployment() {
    let host = Host::new().unwrap();
    let root = host.default_root().unwrap();
    let origin = format!("{}.origin", root.display());
    let whole = fs::read(&origin).unwrap();
    fs::write(&origin, "[origin\n\0refspec").unwrap();
    let before = Traces::settled(&host).unwrap();
    host.cambium(&["install", "hello"]).fails_with(&[&origin, "mv FILE FILE.damaged"]);
    before.assert_unchanged(&host);
    // The deployment is shown with its problem, and can be changed again once the file is away.
    let status = host.status();
    let problem = status["deployments"][0].to_string();
    assert!(problem.contains(&origin), "{status:#}");
    fs::rename(&origin, format!("{origin}.damaged")).unwrap();
    host.cambium(&["status"]).ok();
    fs::rename(format!("{origin}.damaged"), &origin).unwrap();
    fs::write(&origin, whole).unwrap();
    host.cambium(&["install", "hello"]).ok();
}

#[test]
fn keys_of_an_origin_that_we_do_not_know_are_kept() {
    let host = Host::new().unwrap();
    let origin = |host: &Host| format!("{}.origin", host.default_root().unwrap().display());
    let text = fs::read_to_string(origin(&host)).unwrap() + "\n[somebody-else]\nkey=value\n";
    fs::write(origin(&host), text).unwrap();
    host.cambium(&["install", "hello"]).ok();
    let text = fs::read_to_string(origin(&host)).unwrap();
    assert!(text.contains("[somebody-else]\nkey=value"), "{text}");
}

#[test]
fn without_boot_the_request_fails_before_anything_changes() {
    let host = Host::new().unwrap();
    let boot = host.places().sysroot.join("boot");
    let aside = host.places().sysroot.join("boot-aside");
    fs::rename(&boot, &aside).unwrap();
    host.cambium(&["install", "hello"]).fails_with(&["boot"]);
    fs::rename(&aside, &boot).unwrap();
    oracle::fsck(&host.repo()).unwrap();
    host.cambium(&["install", "hello"]).ok();
}

#[test]
fn too_little_space_is_noticed_before_anything_is_written() {
    let host = Host::new().unwrap();
    let before = Traces::settled(&host).unwrap();
    // More than any disk has left: libostree's own limit, which we honour before we start.
    let config = host.repo().join("config");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[core]", "[core]\nmin-free-space-size=9000000GB")).unwrap();
    host.cambium(&["install", "large"]).fails_with(&["space"]);
    before.assert_unchanged(&host);
}

#[test]
fn a_second_daemon_on_the_same_socket_is_refused() {
    let host = Host::new().unwrap();
    let second = cambium_integration::harness::Daemon::start(host.places());
    let error = second.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("another daemon"), "{error}");
    host.cambium(&["status"]).ok();
}
