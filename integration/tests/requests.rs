//! Several clients at once, clients that leave, and cancelling.

#![allow(clippy::unwrap_used, reason = "a test")]

use cambium_integration::harness::{Host, Traces, oracle};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A client whose transaction hangs in a script; returns once the script runs.
fn hanging(host: &Host) -> Child {
    let mut command = host.command(&["install", "hangs", "--progress-fd", "1"]).unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let seen: Vec<_> = lines.map(Result::unwrap).take_while(|l| !l.contains("scripts")).collect();
    let running = child.try_wait().unwrap().is_none();
    assert!(running, "it ended: {seen:#?}");
    child
}

#[test]
fn a_second_request_is_told_who_is_running() {
    let host = Host::new().unwrap();
    let mut first = hanging(&host);
    host.cambium(&["install", "hello"]).fails_with(&["hangs"]);
    let status = host.status();
    assert!(!status["transaction"].is_null(), "{status:#}");
    host.cambium(&["cancel"]).ok();
    assert!(!first.wait().unwrap().success());
    host.cambium(&["install", "hello"]).ok();
}

#[test]
fn a_cancelled_transaction_leaves_nothing() {
    let host = Host::new().unwrap();
    let before = Traces::settled(&host).unwrap();
    let mut client = hanging(&host);
    host.cambium(&["cancel"]).ok();
    assert!(!client.wait().unwrap().success());
    before.assert_unchanged(&host);
    let history = host.cambium(&["history", "--json"]).ok();
    assert!(history.out.contains("cancelled"), "{history}");
}

#[test]
fn a_client_that_is_gone_leaves_its_transaction_running() {
    let host = Host::new().unwrap();
    let mut client = hanging(&host);
    client.kill().unwrap();
    client.wait().unwrap();
    let status = host.status();
    assert!(!status["transaction"].is_null(), "{status:#}");
    host.cambium(&["cancel"]).ok();
}

#[test]
fn an_interrupt_at_the_terminal_cancels() {
    let host = Host::new().unwrap();
    let before = Traces::settled(&host).unwrap();
    let mut client = hanging(&host);
    let pid = client.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert!(!client.wait().unwrap().success());
    before.assert_unchanged(&host);
}

#[test]
fn equal_requests_join_and_both_succeed() {
    let host = Host::new().unwrap();
    let clients: Vec<_> = (0..3).map(|_| host.spawn(&["install", "large"]).unwrap()).collect();
    for client in clients {
        let output = client.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        // Whoever comes when all is done is told that it is.
        assert!(output.status.success() || text.contains("large"), "{text}");
    }
    let packages = oracle::packages(&host.default_root().unwrap()).unwrap();
    assert!(packages.iter().any(|name| name.starts_with("large-")), "{packages:?}");
}

#[test]
fn progress_for_programs_is_json_lines() {
    let host = Host::new().unwrap();
    let answer = host.cambium(&["install", "greeter", "--progress-fd", "2"]).ok();
    let lines: Vec<Value> = answer
        .err
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.len() >= 5, "{answer}");
}
