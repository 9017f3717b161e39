//! A worker that panics in the running daemon: its transaction fails and is undone, the same
//! daemon serves the next one with a fresh worker, and the metrics count it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use cambium_integration::harness::whole::{recovered, whole};
use cambium_integration::harness::{Host, Injected, Traces};
use cambium_integration::run::{ostree, output};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// The object that holds the kernel of what boots next.
fn kernel_object(host: &Host) -> PathBuf {
    let root = host.default_root().unwrap();
    let name = root.file_name().unwrap().to_string_lossy().into_owned();
    let commit = name.split('.').next().unwrap();
    let mut list = ostree(&host.repo(), "ls");
    let list = output(list.args(["-C", "-R", commit, "/usr/lib/modules"])).unwrap();
    let line = list.lines().find(|line| line.ends_with("/vmlinuz")).unwrap();
    let is_checksum = |word: &&str| word.len() == 64;
    let checksum = line.split_whitespace().find(is_checksum).unwrap();
    host.repo().join("objects").join(&checksum[..2]).join(format!("{}.file", &checksum[2..]))
}

/// How often the bootloader's worker was replaced.
fn restarts(host: &Host) -> u32 {
    let mut stream = UnixStream::connect(&host.places().metrics).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let name = "worker_restarts_total{worker=\"bootloader\"} ";
    let line = text.lines().find_map(|line| line.split_once(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).1.parse().unwrap()
}

#[test]
fn a_worker_that_panics_fails_its_transaction_and_the_same_daemon_goes_on() {
    let host = Host::new().unwrap();
    host.cambium(&["install", "hello"]).ok();
    let before = Traces::settled(&host).unwrap();
    let pid = host.daemon().unwrap().pid();
    assert_eq!(restarts(&host), 0);

    // The swap hashes the kernel: there the worker's engine reads what no kernel answers.
    let object = kernel_object(&host);
    assert!(object.is_file(), "{}", object.display());
    let injected = Injected::reading_too_much(pid, &object).unwrap();
    for count in 1..=2 {
        let request = ["kargs", "--append=panic=1"];
        host.cambium(&request).fails_with(&["defect", "out of range"]);
        assert_eq!(restarts(&host), count);
        before.assert_unchanged(&host);
    }
    drop(injected);

    let log = host.daemon().unwrap().log();
    assert!(log.contains("worker panicked"), "{log}");
    host.cambium(&["kargs", "--append=panic=1"]).ok();
    assert_eq!((host.daemon().unwrap().pid(), restarts(&host)), (pid, 2));
    host.cambium(&["history", "--verify"]).ok();
    recovered(&host).unwrap();
    whole(&host).unwrap();
}
