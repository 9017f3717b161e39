//! A log that is cut, torn, flipped, stale or killed at every place: never a panic, never a silent
//! loss.
//!
//! Every file of the log's directory is damaged: sled's `db` (headers of segments and messages,
//! keys, chunks of records, padding), its `conf` and snapshots, and the witness. The usual run
//! looks at each place where a record begins or ends and at a sample of the rest;
//! `CAMBIUM_DAMAGE=all cargo nextest run -p cambium-txlog --test damage` at every byte.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use cambium_model::{Change, CleanupScope, Initiator, Options, Phase, Request, TransactionId};
use cambium_txlog::{Log, Opened, Verification};
use std::collections::{BTreeMap, BTreeSet};
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

/// Every file of a log's directory.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// In memory: nothing here is about the disk, and a disk would sync for each try.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap()
}

fn read(path: &Path) -> Files {
    let mut files = Files::new();
    let mut open = vec![path.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                open.push(entry);
            } else {
                let name = entry.strip_prefix(path).unwrap().to_owned();
                files.insert(name, fs::read(entry).unwrap());
            }
        }
    }
    files
}

/// The files of a log after each of `records` records, from none; it is reopened before the last
/// two, since sled writes a snapshot then.
fn states(records: u64) -> Vec<Files> {
    let dir = scratch();
    let path = dir.path().join("log");
    let mut log = Log::open(&path).unwrap().into_log();
    let mut states = vec![read(&path)];
    for number in 1..=records {
        if number + 1 == records {
            drop(log);
            log = Log::open(&path).unwrap().into_log();
        }
        write(&log, number);
        states.push(read(&path));
    }
    states
}

/// A log's directory with these files, as a machine would find it after a restart.
fn restored(files: &Files) -> (TempDir, PathBuf) {
    let dir = scratch();
    let path = dir.path().join("log");
    fs::create_dir_all(path.join("blobs")).unwrap();
    for (name, bytes) in files {
        fs::write(path.join(name), bytes).unwrap();
    }
    (dir, path)
}

/// The same files with one of them changed.
fn with(files: &Files, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Files {
    let mut files = files.clone();
    change(files.get_mut(Path::new(name)).unwrap());
    files
}

/// The places of `file` to be damaged: its beginning and end, where each record's bytes begin and
/// end, and a sample of all that is not zero; all of them where that is asked for.
fn places(states: &[Files], name: &str) -> BTreeSet<usize> {
    let file = &states.last().unwrap()[Path::new(name)];
    let used: Vec<usize> = (0..file.len()).filter(|at| file[*at] != 0).collect();
    if std::env::var("CAMBIUM_DAMAGE").is_ok_and(|which| which == "all") {
        return used.into_iter().collect();
    }
    let mut places: BTreeSet<usize> = used.iter().copied().step_by(used.len() / 120 + 1).collect();
    places.extend(0..file.len().min(48));
    for pair in states.windows(2) {
        if let (Some(old), Some(new)) = (pair[0].get(Path::new(name)), pair[1].get(Path::new(name)))
        {
            let range = difference(old, new);
            for edge in [range.start, range.end] {
                places.extend(edge.saturating_sub(6)..edge + 6);
            }
        }
    }
    places.retain(|at| *at < file.len());
    places
}

/// The records of an intact or new log; `None` where it was moved aside, which is the other right answer.
fn reopened(path: &Path, what: &str) -> Option<u64> {
    match Log::open(path).unwrap_or_else(|error| panic!("{what}: {error}")) {
        Opened::Intact(log) => {
            let Verification::Intact(verified) = log.verify().unwrap() else {
                panic!("{what}: opened as intact but does not verify");
            };
            Some(verified.records)
        }
        Opened::Rebuilt { log, aside, why } => {
            assert!(aside.is_dir() && !why.is_empty(), "{what}");
            assert_eq!(log.records().unwrap(), 0, "{what}");
            None
        }
        Opened::Fresh(_) => Some(0),
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
    let states = states(6);
    let name = Path::new("db");
    for (number, pair) in (0_u64..).zip(states.windows(2)) {
        let (old, new) = (&pair[0][name], &pair[1][name]);
        let range = difference(old, new);
        assert!(!range.is_empty(), "record {} is in the file", number + 1);
        // A record in another segment is far from the one before it.
        let near = range.start..range.end.min(range.start + 64);
        let far = range.clone().step_by(range.len() / 60 + 1);
        for cut in near.chain(far).chain([range.end]) {
            let torn = with(&pair[0], "db", |db| {
                db.resize(new.len().max(db.len()), 0);
                db[..cut].copy_from_slice(&new[..cut]);
            });
            let (_dir, path) = restored(&torn);
            let what = format!("record {} torn at {cut} of {range:?}", number + 1);
            let records = reopened(&path, &what);
            assert!(records == Some(number) || records == Some(number + 1), "{what}: {records:?}");
        }
        let seen = pair[1][Path::new("witness")].clone();
        let (_dir, path) = restored(&with(&pair[0], "witness", |witness| *witness = seen));
        assert_eq!(reopened(&path, "a witness ahead of its database"), None);
    }
}

/// Damages each file in each of its places by `damage`: all records are there, or the log was moved
/// aside.
#[track_caller]
fn check(damage: impl Fn(&mut Vec<u8>, usize)) {
    let states = states(5);
    let whole = states.last().unwrap();
    let (_dir, path) = restored(whole);
    assert_eq!(reopened(&path, "whole"), Some(5));
    let mut aside = 0;
    for file in whole.keys() {
        let name = file.to_str().unwrap();
        for at in places(&states, name) {
            let (_dir, path) = restored(&with(whole, name, |bytes| damage(bytes, at)));
            let what = format!("byte {at} of {name}");
            let records = reopened(&path, &what);
            assert!(matches!(records, None | Some(5)), "{what}: {records:?}");
            aside += u32::from(records.is_none());
        }
    }
    assert!(aside > 0, "no damage was ever seen");
}

#[test]
fn a_file_cut_at_any_byte_is_whole_or_the_log_is_moved_aside() {
    check(|bytes, at| bytes.truncate(at));
}

#[test]
fn a_flipped_bit_is_harmless_or_the_log_is_moved_aside() {
    check(|bytes, at| bytes[at] ^= 1 << (at % 8));
}

#[test]
fn a_zeroed_sector_is_harmless_or_the_log_is_moved_aside() {
    check(|bytes, at| {
        let sector = at / 512 * 512;
        let end = (sector + 512).min(bytes.len());
        bytes[sector..end].fill(0);
    });
}

#[test]
fn a_file_of_an_earlier_time_is_harmless_or_the_log_is_moved_aside() {
    let states = states(6);
    let whole = states.last().unwrap();
    for (age, old) in states.iter().rev().enumerate().skip(1) {
        for (file, bytes) in old {
            let name = file.to_str().unwrap();
            let mut mixed = whole.clone();
            mixed.insert(file.clone(), bytes.clone());
            let (_dir, path) = restored(&mixed);
            let what = format!("{name} of {age} records before");
            let records = reopened(&path, &what);
            assert!(matches!(records, None | Some(6)), "{what}: {records:?}");
        }
    }
}

#[test]
fn a_missing_file_is_noticed() {
    let states = states(3);
    let whole = states.last().unwrap();
    for file in whole.keys() {
        let mut files = whole.clone();
        files.remove(file);
        let (_dir, path) = restored(&files);
        let what = format!("without {}", file.display());
        let records = reopened(&path, &what);
        assert!(matches!(records, None | Some(3)), "{what}: {records:?}");
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
