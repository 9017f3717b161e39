//! What is asked without changing anything: status, plan, differences, history, search, metrics.

#![allow(clippy::unwrap_used, reason = "a test")]

use cambium_integration::fixture::base::Edition;
use cambium_integration::harness::{Host, Traces};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

#[test]
fn status_shows_base_layer_and_requested_packages() {
    let host = Host::new().unwrap();
    host.cambium(&["install", "greeter"]).ok();
    let status = host.status();
    let deployment = &status["deployments"][0];
    assert_eq!(deployment["requested-packages"][0], "greeter", "{status:#}");
    assert_eq!(deployment["osname"], "fixture");
    assert_eq!(deployment["base-checksum"], host.base().commit(Edition::First).unwrap());
    let text = host.cambium(&["status"]).ok().out;
    for part in ["State: idle", "Deployments:", "Version: 1.0", "LayeredPackages: greeter"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_plan_names_packages_and_sizes_and_changes_nothing() {
    let host = Host::new().unwrap();
    let before = Traces::settled(&host).unwrap();
    let answer = host.cambium(&["install", "--dry-run", "greeter", "scripts"]).ok();
    for name in ["greeter", "libgreet", "greet-data", "scripts", "Exiting because of '--dry-run'"] {
        assert!(answer.out.contains(name), "{name} in {answer}");
    }
    before.assert_unchanged(&host);
    host.publish(Edition::Second).unwrap();
    let answer = host.cambium(&["upgrade", "--preview"]).ok();
    assert!(answer.out.contains("2.0"), "{answer}");
    before.assert_unchanged(&host);
}

#[test]
fn a_dry_run_of_rollback_and_cleanup_says_what_would_change_and_is_right() {
    let host = Host::new().unwrap();
    host.cambium(&["install", "hello"]).ok();
    let status = host.status();
    let id = |at: usize| status["deployments"][at]["id"].as_str().unwrap().to_owned();
    let before = Traces::settled(&host).unwrap();
    let answer = host.cambium(&["rollback", "--dry-run"]).ok();
    assert!(answer.out.contains(&format!("Boots next: {}", id(1))), "{answer}");
    let answer = host.cambium(&["cleanup", "--dry-run", "-r"]).ok();
    assert!(answer.out.contains(&id(1)) && !answer.out.contains(&id(0)), "{answer}");
    before.assert_unchanged(&host);
    host.cambium(&["rollback"]).ok();
    let answer = host.cambium(&["cleanup", "--dry-run", "-r"]).ok();
    for part in [&id(0), "Removing 1 deployment:", "rpmostree/pkg/hello/", "Will free: "] {
        assert!(answer.out.contains(part), "{part} in {answer}");
    }
    host.cambium(&["cleanup", "-r"]).ok();
    assert_eq!(host.status()["deployments"].as_array().unwrap().len(), 1);
    let answer = host.cambium(&["cleanup", "--dry-run", "-pr"]).ok();
    assert!(answer.out.contains("Nothing would change"), "{answer}");
}

#[test]
fn the_package_difference_of_two_deployments() {
    let host = Host::new().unwrap();
    host.publish(Edition::Second).unwrap();
    host.cambium(&["upgrade", "--install", "hello"]).ok();
    let (first, second) =
        (host.base().commit(Edition::First).unwrap(), host.base().commit(Edition::Second).unwrap());
    let text = host.cambium(&["db", "diff", &first, &second]).ok().out;
    for part in [
        "Upgraded:",
        "fixture-tools 1.0-1 -> 1.1-1",
        "Removed:",
        "fixture-old",
        "Added:",
        "fixture-new",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let list = host.cambium(&["db", "list", &first]).ok().out;
    assert!(list.contains("fixture-old-1-1.noarch"), "{list}");
    host.cambium(&["db", "version", &first]).ok();
}

#[test]
fn history_tells_what_was_asked_and_what_came_of_it() {
    let host = Host::new().unwrap();
    host.cambium(&["install", "hello"]).ok();
    host.cambium(&["install", "fails"]).fails_with(&["fails"]);
    let answer = host.cambium(&["history", "--json"]).ok();
    let entries: Vec<serde_json::Value> =
        serde_json::Deserializer::from_str(&answer.out).into_iter().map(Result::unwrap).collect();
    assert_eq!(entries.len(), 2, "{answer}");
    assert!(entries[0].to_string().contains("failed"), "{answer}");
    assert!(entries[1].to_string().contains("succeeded"), "{answer}");
    host.cambium(&["history", "--verify"]).ok();
}

#[test]
fn history_outlives_the_daemon() {
    let mut host = Host::new().unwrap();
    host.cambium(&["install", "hello"]).ok();
    host.kill().unwrap();
    host.start().unwrap();
    let answer = host.cambium(&["history"]).ok();
    assert!(answer.out.contains("install hello"), "{answer}");
}

#[test]
fn search_finds_names_and_summaries() {
    let host = Host::new().unwrap();
    let answer = host.cambium(&["search", "greet"]).ok();
    for name in ["greeter", "libgreet", "greet-data"] {
        assert!(answer.out.contains(name), "{name} in {answer}");
    }
}

/// The head and the body of one answer.
fn scrape(host: &Host, header: &str) -> (String, String) {
    let mut stream = UnixStream::connect(&host.places().metrics).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\n{header}Connection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    (head.to_owned(), unchunked(head, body))
}

#[test]
fn metrics_are_what_prometheus_reads() {
    let host = Host::new().unwrap();
    host.cambium(&["install", "hello"]).ok();
    let (head, body) = scrape(&host, "Accept: application/openmetrics-text\r\n");
    assert!(head.contains("openmetrics-text"), "{head}");
    assert!(body.trim_end().ends_with("# EOF"), "{body}");
    for name in
        ["cambium_transactions_total", "cambium_layered_packages", "cambium_worker_restarts_total"]
    {
        assert!(body.contains(name), "{name} in {body}");
    }
    let (head, body) = scrape(&host, "");
    assert!(head.contains("text/plain"), "{head}");
    let Ok(mut promtool) = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        // Debian has it in the package prometheus, which starts a server: setup leaves it out.
        return;
    };
    promtool.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn unchunked(head: &str, body: &str) -> String {
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return body.to_owned();
    }
    let mut rest = body;
    let mut whole = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole += &after[..size];
        rest = after[size..].trim_start_matches("\r\n");
    }
    whole
}
