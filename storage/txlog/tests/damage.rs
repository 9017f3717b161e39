//! A log that is cut, torn, flipped or killed at every place: never a panic, never a silent loss.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use cambium_model::{Change, CleanupScope, Initiator, Options, Phase, Request, TransactionId};
use cambium_txlog::{Log, Opened, Verification};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn request() -> Request {
    Request {
        stateroot: None,
        change: Change::Cleanup(CleanupScope::default()),
        options: Options::default(),
        initiator: Initiator::default(),
    }
}

/// Writes record `number` (from 1): begins and phases in turn.
fn write(log: &Log, number: u64) {
    let id = TransactionId::new(((number - 1) / 2).to_string());
    if number % 2 == 1 {
        log.begin(&id, &request(), number).unwrap();
    } else {
        log.enter(&id, Phase::Fetching, number).unwrap();
    }
}

/// The directory of a log and its bytes after each of `records` records, from none.
fn states(records: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let log = Log::open(&path).unwrap().into_log();
    let read = || (fs::read(path.join("db")).unwrap(), fs::read(path.join("witness")).unwrap());
    let mut states = vec![read()];
    for number in 1..=records {
        write(&log, number);
        states.push(read());
    }
    states
}

/// A log's directory with these files, as a machine would find it after a restart.
fn restored(db: &[u8], witness: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    Log::open(&path).unwrap();
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    fs::write(path.join("db"), db).unwrap();
    fs::write(path.join("witness"), witness).unwrap();
    (dir, path)
}

/// The records of an intact log; `None` where it was moved aside, which is the other right answer.
fn reopened(path: &Path, what: &str) -> Option<u64> {
    match Log::open(path).unwrap_or_else(|error| panic!("{what}: {error}")) {
        Opened::Intact(log) => {
            let Verification::Intact(verified) = log.verify().unwrap() else {
                panic!("{what}: opened as intact but does not verify");
            };
            Some(verified.records)
        }
        Opened::Rebuilt { log, aside, why } => {
            assert!(aside.join("db").exists() && !why.is_empty(), "{what}");
            assert_eq!(log.records().unwrap(), 0, "{what}");
            None
        }
        Opened::Fresh(_) => panic!("{what}: taken for a new log"),
    }
}

/// Where two contents differ: from the first to behind the last byte.
fn difference(old: &[u8], new: &[u8]) -> std::ops::Range<usize> {
    let differ = |at: &usize| old.get(*at) != new.get(*at);
    let first = (0..new.len()).find(differ).unwrap_or(0);
    let last = (0..new.len()).rev().find(differ).map_or(0, |at| at + 1);
    first..last
}

#[test]
fn a_write_that_was_torn_anywhere_loses_nothing_acknowledged() {
    let states = states(5);
    for (number, pair) in (0_u64..).zip(states.windows(2)) {
        let ((old, witness), (new, seen)) = (&pair[0], &pair[1]);
        let range = difference(old, new);
        assert!(!range.is_empty(), "record {} is in the file", number + 1);
        for cut in range.clone().step_by(29).chain([range.end]) {
            let mut torn = new[..cut].to_vec();
            torn.extend(old.get(cut..).unwrap_or_default());
            let (_dir, path) = restored(&torn, witness);
            let what = format!("record {} torn at {cut} of {range:?}", number + 1);
            let records = reopened(&path, &what);
            assert!(records == Some(number) || records == Some(number + 1), "{what}: {records:?}");
        }
        let (_dir, path) = restored(old, seen);
        assert_eq!(reopened(&path, "a witness ahead of its database"), None);
    }
}

#[test]
fn a_cut_database_is_whole_or_moved_aside() {
    let states = states(5);
    let (db, witness) = states.last().unwrap();
    let used = db.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let near = (0..used.min(db.len())).step_by(used / 150 + 1);
    for length in near.chain([used - 1, used, db.len() - 1, db.len()]) {
        let (_dir, path) = restored(&db[..length.min(db.len())], witness);
        let records = reopened(&path, &format!("cut to {length} bytes"));
        assert!(matches!(records, None | Some(5)), "cut to {length} bytes: {records:?}");
    }
    let (_dir, path) = restored(db, witness);
    assert_eq!(reopened(&path, "whole"), Some(5));
}

#[test]
fn a_flipped_bit_is_harmless_or_the_log_is_moved_aside() {
    let states = states(4);
    let (db, witness) = states.last().unwrap();
    let used: Vec<usize> = (0..db.len()).filter(|at| db[*at] != 0).collect();
    for (round, at) in used.iter().step_by(used.len() / 150 + 1).enumerate() {
        let mut flipped = db.clone();
        flipped[*at] ^= 1 << (round % 8);
        let (_dir, path) = restored(&flipped, witness);
        let records = reopened(&path, &format!("bit {} of byte {at}", round % 8));
        assert!(matches!(records, None | Some(4)), "byte {at}: {records:?}");
    }
    for at in 0..52 {
        let mut flipped = witness.clone();
        flipped[at] ^= 1;
        let (_dir, path) = restored(db, &flipped);
        assert!(matches!(reopened(&path, "witness"), None | Some(4)));
    }
}

#[test]
fn a_missing_file_is_noticed() {
    for name in ["db", "witness", "conf"] {
        let states = states(3);
        let (_dir, path) = restored(&states[3].0, &states[3].1);
        fs::remove_file(path.join(name)).unwrap();
        let records = reopened(&path, name);
        assert!(matches!(records, None | Some(3)), "without {name}: {records:?}");
    }
}

/// The test starts itself as the writer: `WRITER` names the directory.
const WRITER: &str = "CAMBIUM_TXLOG_WRITER";

#[test]
fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    if let Some(path) = std::env::var_os(WRITER) {
        let log = Log::open(Path::new(&path)).unwrap().into_log();
        for number in 1.. {
            write(&log, number);
            writeln!(std::io::stdout(), "\nacknowledged {number}").unwrap();
        }
    }
    for kill_after in 1..=12_u64 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let name = "a_killed_writer_loses_nothing_that_it_acknowledged";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(WRITER, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut numbers = lines.filter_map(|line| {
            line.strip_prefix("acknowledged ").and_then(|number| number.parse::<u64>().ok())
        });
        let reached = numbers.by_ref().find(|number| *number == kill_after);
        assert_eq!(reached, Some(kill_after));
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = numbers.last().unwrap_or(kill_after);
        let records = reopened(&path, "killed").unwrap();
        assert!(
            records == acknowledged || records == acknowledged + 1,
            "{acknowledged} acknowledged, {records} kept"
        );
    }
}
