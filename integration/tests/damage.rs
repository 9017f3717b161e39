//! Damaged packages, bad signatures, repositories that let us down: nothing unverified is
//! applied, the error names the culprit, the host stays as it was.

#![allow(clippy::unwrap_used, reason = "a test")]

use cambium_integration::harness::host::repo_text;
use cambium_integration::harness::server::{Fault, Server};
use cambium_integration::harness::{Host, Traces};
use std::fs;

#[track_caller]
fn refused(host: &Host, arguments: &[&str], names: &[&str]) {
    let before = Traces::settled(host).unwrap();
    host.cambium(arguments).fails_with(names);
    before.assert_unchanged(host);
}

#[test]
fn a_package_that_is_not_what_the_metadata_says_is_refused() {
    let host = Host::new().unwrap();
    for name in ["damaged-flipped", "damaged-cut", "damaged-gone"] {
        refused(&host, &["install", name], &[name]);
    }
    host.cambium(&["install", "hello"]).ok();
}

#[test]
fn with_gpgcheck_only_a_good_signature_of_the_right_key_will_do() {
    let host = Host::new().unwrap();
    let more = format!("gpgcheck=1\ngpgkey=file://{}", host.layers().key().display());
    host.enable(&[("signed", &host.layers().signed(), &more)]).unwrap();
    for name in ["signed-not", "signed-by-another", "signed-damaged"] {
        refused(&host, &["install", name], &[name]);
    }
    host.cambium(&["install", "signed-good"]).ok();
}

/// A host whose one repository is served over HTTP.
fn served() -> (Host, Server) {
    let host = Host::new().unwrap();
    let server = Server::start(&host.layers().main()).unwrap();
    // One try and a short patience: the test waits for it.
    let more = "gpgcheck=0\ntimeout=2\nminrate=1000\nretries=1";
    host.write_repos(&repo_text("remote", &server.url(), more)).unwrap();
    (host, server)
}

#[test]
fn a_repository_over_http_works_and_is_asked_for_no_filelists() {
    let (host, server) = served();
    host.cambium(&["install", "links"]).ok();
    let asked = server.requests();
    assert!(asked.iter().any(|path| path.contains("primary")), "{asked:?}");
    assert!(!asked.iter().any(|path| path.contains("filelists")), "{asked:?}");
}

#[test]
fn metadata_that_is_gone_cut_or_changed_is_refused_and_works_once_mended() {
    let (host, server) = served();
    for (part, fault) in [
        ("repomd.xml", Fault::Status(404)),
        ("repomd.xml", Fault::Status(503)),
        ("repomd.xml", Fault::Instead(b"<repomd>".to_vec())),
        ("primary", Fault::Status(404)),
        ("primary", Fault::Half),
        ("primary", Fault::Changed),
    ] {
        server.fault(part, fault);
        refused(&host, &["install", "hello"], &["remote"]);
        server.mend();
    }
    host.cambium(&["install", "hello"]).ok();
}

#[test]
fn a_package_that_is_gone_cut_or_changed_is_refused_and_works_once_mended() {
    let (host, server) = served();
    for fault in [Fault::Status(404), Fault::Half, Fault::Changed] {
        server.fault("hello-1.0", fault);
        refused(&host, &["install", "hello"], &["hello"]);
        server.mend();
    }
    host.cambium(&["install", "hello"]).ok();
}

#[test]
fn metadata_with_a_huge_declared_size_is_refused_before_it_is_read() {
    let (host, server) = served();
    let text = fs::read_to_string(host.layers().main().join("repodata/repomd.xml")).unwrap();
    let mut huge = String::new();
    for line in text.lines() {
        let is_size = line.contains("<size>") || line.contains("<open-size>");
        let value = line.find('>').zip(line.rfind("</")).filter(|_| is_size);
        match value {
            Some((from, to)) => {
                huge += &line[..=from];
                huge += "9000000000000000";
                huge += &line[to..];
            }
            None => huge += line,
        }
        huge.push('\n');
    }
    server.fault("repomd.xml", Fault::Instead(huge.into_bytes()));
    refused(&host, &["install", "hello"], &["remote"]);
}

#[test]
fn a_dead_repository_stops_nothing_that_does_not_need_it() {
    let host = Host::new().unwrap();
    let main = format!("file://{}", host.layers().main().display());
    let dead =
        repo_text("dead", "http://127.0.0.1:1", "gpgcheck=0\nskip_if_unavailable=1\nretries=1");
    host.write_repos(&(repo_text("fixture", &main, "gpgcheck=0") + &dead)).unwrap();
    let answer = host.cambium(&["install", "hello"]).ok();
    assert!(format!("{}{}", answer.out, answer.err).contains("dead"), "{answer}");
}

#[test]
fn a_silent_repository_is_given_up() {
    let (host, server) = served();
    server.fault("repomd.xml", Fault::Silent);
    refused(&host, &["install", "hello"], &["remote"]);
}
