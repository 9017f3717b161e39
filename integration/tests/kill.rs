//! SIGKILL in every phase: the next start finds what was going on, undoes it, says so in the log,
//! and the host boots what it booted.

#![allow(clippy::unwrap_used, reason = "a test")]

use cambium_integration::harness::{Answer, Host, Traces, oracle};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// Kills the daemon once the progress of `arguments` names `phase`; true when it got there.
fn kill_in(host: &mut Host, arguments: &[&str], phase: &str) -> bool {
    let mut command = host.command(arguments).unwrap();
    command.args(["--progress-fd", "1"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut client = command.spawn().unwrap();
    let lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut reached = false;
    for line in lines.map_while(Result::ok) {
        if line.contains(&format!("\"{phase}\"")) {
            reached = true;
            break;
        }
    }
    host.kill().unwrap();
    // It would wait for the daemon to come back.
    client.kill().unwrap();
    client.wait().unwrap();
    reached
}

/// The history once the daemon has found out what its predecessor left; it serves before that.
fn recovered(host: &Host) -> Answer {
    for _ in 0..500 {
        let history = host.cambium(&["history", "--json"]).ok();
        if !history.out.contains("\"outcome\": null") {
            return history;
        }
    }
    host.cambium(&["history", "--json"])
}

#[track_caller]
fn check(phase: &str) {
    let mut host = Host::new().unwrap();
    host.cambium(&["install", "greeter"]).ok();
    let before = Traces::settled(&host).unwrap();
    let root = host.default_root().unwrap();
    let reached = kill_in(&mut host, &["install", "large", "scripts"], phase);
    assert!(reached, "the transaction never came to {phase}");
    host.start().unwrap();
    // The swap is one rename: after it the new deployment is the host's, before it the old.
    let history = recovered(&host);
    if host.default_root().unwrap() == root {
        assert!(history.out.contains("interrupted"), "{history}");
        before.assert_unchanged(&host);
    }
    oracle::fsck(&host.repo()).unwrap();
    for file in oracle::boot_files(&host.places().sysroot).unwrap() {
        assert!(file.exists(), "{phase}: {} is gone", file.display());
    }
    host.cambium(&["history", "--verify"]).ok();
    host.cambium(&["install", "large", "scripts", "--idempotent"]).ok();
}

#[test]
fn killed_while_resolving() {
    check("resolving");
}

#[test]
fn killed_while_fetching() {
    check("fetching");
}

#[test]
fn killed_while_importing() {
    check("importing");
}

#[test]
fn killed_while_assembling() {
    check("assembling");
}

#[test]
fn killed_while_committing() {
    check("committing");
}

#[test]
fn killed_while_deploying() {
    check("deploying");
}

#[test]
fn killed_while_swapping() {
    check("swapping");
}

#[test]
fn recovering_twice_changes_nothing() {
    let mut host = Host::new().unwrap();
    kill_in(&mut host, &["install", "scripts"], "assembling");
    host.start().unwrap();
    recovered(&host).ok();
    let once = Traces::settled(&host).unwrap();
    host.kill().unwrap();
    host.start().unwrap();
    recovered(&host).ok();
    once.assert_unchanged(&host);
}

#[test]
fn a_log_cut_at_any_byte_is_rebuilt_from_the_deployments() {
    let mut host = Host::new().unwrap();
    host.cambium(&["install", "hello"]).ok();
    host.kill().unwrap();
    let log = host.places().state.join("txlog");
    let kept = host.directory().join("log-kept");
    copy(&log, &kept);
    let files: BTreeSet<_> = walkdir::WalkDir::new(&kept)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file() && entry.metadata().unwrap().len() > 0)
        .map(|entry| entry.path().strip_prefix(&kept).unwrap().to_owned())
        .collect();
    assert!(!files.is_empty());
    for file in files {
        let whole = std::fs::read(kept.join(&file)).unwrap();
        for part in 0..4 {
            std::fs::remove_dir_all(&log).unwrap();
            copy(&kept, &log);
            std::fs::write(log.join(&file), &whole[..whole.len() * part / 4]).unwrap();
            host.start().unwrap();
            host.cambium(&["status"]).ok();
            host.cambium(&["history", "--verify"]).ok();
            host.kill().unwrap();
        }
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}
