//! The rules of the running log, and tampering with the database below it.

use super::*;
use crate::chunk;
use crate::hash::RecordHash;
use crate::verify::Verified;
use crate::verify_export;
use cambium_model::{Change, CleanupScope, Initiator, Options};
use tempfile::TempDir;

fn request(agent: &str) -> Request {
    Request {
        stateroot: None,
        change: Change::Cleanup(CleanupScope::default()),
        options: Options::default(),
        initiator: Initiator { agent: agent.into(), ..Initiator::default() },
    }
}

fn id(name: impl ToString) -> TransactionId {
    TransactionId::new(name.to_string())
}

fn open(dir: &TempDir, transactions: usize) -> Log {
    Log::open_with(&dir.path().join("log"), Retention { transactions }).unwrap().into_log()
}

fn run(log: &Log, name: impl ToString, now: u64) {
    let id = id(name);
    log.begin(&id, &request("test"), now).unwrap();
    log.enter(&id, Phase::Assembling, now + 1).unwrap();
    log.finish(&id, &Outcome::Cancelled, &DeploymentChange::default(), now + 2).unwrap();
}

fn verified(log: &Log) -> Verified {
    match log.verify().unwrap() {
        Verification::Intact(verified) => verified,
        Verification::Broken(broken) => panic!("{}: {broken}", broken.record),
    }
}

#[test]
fn a_transaction_is_told_as_it_went() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 10);
    run(&log, "a", 100);
    let entry = log.get(&id("a")).unwrap();
    assert_eq!((entry.started, entry.finished), (100, Some(102)));
    assert_eq!(entry.phases, [PhaseEntered { phase: Phase::Assembling, at: 101 }]);
    assert_eq!(entry.outcome, Some(Outcome::Cancelled));
    assert_eq!(entry.initiator.agent, "test");
    assert_eq!(log.records().unwrap(), 3);
}

#[test]
fn what_the_state_machine_forbids_is_refused_and_leaves_no_record() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 10);
    let nothing = DeploymentChange::default();
    assert!(matches!(log.enter(&id("x"), Phase::Fetching, 0), Err(Error::Unknown(_))));
    run(&log, "a", 0);
    assert!(matches!(log.begin(&id("a"), &request(""), 0), Err(Error::Duplicate(_))));
    assert!(matches!(log.enter(&id("a"), Phase::Swapping, 0), Err(Error::Illegal { .. })));
    log.begin(&id("b"), &request(""), 0).unwrap();
    log.enter(&id("b"), Phase::Swapping, 0).unwrap();
    let back = log.enter(&id("b"), Phase::Fetching, 0);
    assert!(matches!(back, Err(Error::Illegal { .. })));
    let late = log.finish(&id("b"), &Outcome::Cancelled, &nothing, 0);
    assert!(matches!(late, Err(Error::Illegal { .. })));
    assert_eq!(log.records().unwrap(), 5);
}

#[test]
fn a_dropped_past_leaves_a_chain_that_verifies_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 8);
    log.note(NoteReason::Imported, Vec::new(), 0).unwrap();
    for number in 0..30 {
        run(&log, number, number);
    }
    let before = verified(&log);
    assert!(before.first > 1 && before.records <= 9 * 3 + 3, "{before:?}");
    assert!(log.notes().unwrap().is_empty(), "the note was before the cut");
    let newest: Vec<_> = log.history(8, Cursor::Newest).unwrap();
    assert_eq!(
        newest.iter().map(|e| e.started).collect::<Vec<_>>(),
        [29, 28, 27, 26, 25, 24, 23, 22]
    );
    drop(log);
    let log = open(&dir, 8);
    assert_eq!(verified(&log), before);
    assert!(matches!(log.get(&id(0)), Err(Error::Unknown(_))));
    run(&log, "after", 99);
    let mut export = Vec::new();
    log.export(&mut export).unwrap();
    assert_eq!(verify_export(&export[..]).unwrap(), Verification::Intact(verified(&log)));
}

#[test]
fn an_unfinished_transaction_is_never_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 2);
    log.begin(&id("old"), &request("x"), 0).unwrap();
    for number in 0..10 {
        run(&log, number, 1);
    }
    let unfinished = log.unfinished().unwrap();
    assert_eq!(unfinished.len(), 1);
    assert_eq!((&unfinished[0].id, unfinished[0].phase), (&id("old"), Phase::Queued));
    assert_eq!(unfinished[0].request.as_deref(), Some(&request("x")));
}

#[test]
fn a_log_whose_creation_was_cut_short_is_still_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    std::fs::create_dir(&path).unwrap();
    assert!(matches!(Log::open(&path), Ok(Opened::Fresh(_))), "only its directory was made");
    assert!(matches!(Log::open(&path), Ok(Opened::Fresh(_))), "and nothing was written since");
    let log = Log::open(&path).unwrap().into_log();
    log.note(NoteReason::Imported, Vec::new(), 1).unwrap();
    drop(log);
    assert!(matches!(Log::open(&path), Ok(Opened::Intact(_))));
}

#[test]
fn a_second_opener_is_told_that_the_log_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 2);
    let second = Log::open(&dir.path().join("log"));
    assert!(matches!(second, Err(Error::Locked { .. })), "{second:?}");
    drop(log);
    open(&dir, 2);
}

#[test]
fn after_a_failed_write_no_other_is_taken_and_reading_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 2);
    run(&log, "a", 0);
    log.state().writes = Writes::Refused;
    assert!(matches!(log.begin(&id("b"), &request(""), 0), Err(Error::Stopped)));
    assert_eq!(log.get(&id("a")).unwrap().started, 0);
}

#[test]
fn a_record_of_many_chunks_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let agent = "é".repeat(100_000);
    let log = open(&dir, 2);
    log.begin(&id("big"), &request(&agent), 0).unwrap();
    drop(log);
    let log = open(&dir, 2);
    assert_eq!(log.get(&id("big")).unwrap().initiator.agent, agent);
    assert_eq!(verified(&log).records, 1);
}

/// Changes the database below a log of four records, and says what `verify` and reopening find.
fn tampered(change: impl FnOnce(&sled::Db, &Log)) -> (Verification, Opened, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 10);
    run(&log, "a", 0);
    log.begin(&id("b"), &request("b"), 3).unwrap();
    let db = log.state().store.db.clone();
    change(&db, &log);
    db.flush().unwrap();
    let found = log.verify().unwrap();
    drop((db, log));
    let opened = Log::open(&dir.path().join("log")).unwrap();
    (found, opened, dir)
}

fn check_found(at: u64, change: impl FnOnce(&sled::Db, &Log)) {
    let (found, opened, _dir) = tampered(change);
    match found {
        Verification::Broken(broken) => assert_eq!(broken.record, at, "{broken}"),
        Verification::Intact(_) => panic!("tampering with record {at} was not found"),
    }
    let Opened::Rebuilt { log, aside, .. } = opened else { panic!("opened in spite of it") };
    assert!(aside.ends_with("log.damaged-1") && aside.join("db").exists());
    assert_eq!(log.records().unwrap(), 0);
}

#[test]
fn every_changed_removed_or_inserted_record_is_found() {
    for number in 1..=4 {
        let key = chunk::key(number, 0);
        check_found(number, |db, _| {
            let mut frame = db.get(&key).unwrap().unwrap().to_vec();
            *frame.last_mut().unwrap() ^= 1;
            db.insert(&key, frame).unwrap();
        });
        check_found(number, |db, _| drop(db.remove(&key).unwrap()));
        // A frame that is whole but says something else: the next record, or the head, tells.
        let told_by = if number == 4 { 4 } else { number + 1 };
        check_found(told_by, |db, _| {
            let mut frame = Frame::decode(&db.get(&key).unwrap().unwrap()).unwrap();
            frame.payload = br#"{"schema":9,"at":0,"event":{}}"#.to_vec();
            db.insert(&key, frame.encode()).unwrap();
        });
    }
    check_found(5, |db, _| drop(db.insert(b"s", b"x").unwrap()));
    check_found(0, |db, _| drop(db.insert(chunk::ANCHOR, b"x").unwrap()));
}

#[test]
fn every_changed_line_of_an_export_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 10);
    run(&log, "a", 1);
    run(&log, "b", 5);
    let mut export = Vec::new();
    log.export(&mut export).unwrap();
    let text = String::from_utf8(export).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let broken =
        |text: &str| matches!(verify_export(text.as_bytes()).unwrap(), Verification::Broken(_));
    assert!(!broken(&text));
    assert_eq!(lines.len(), 8);
    for at in 0..lines.len() {
        let mut removed = lines.clone();
        removed.remove(at);
        assert!(broken(&removed.join("\n")), "line {at} removed");
        for (place, digit) in lines[at].char_indices().filter(|(_, c)| c.is_ascii_digit()) {
            let other = if digit == '1' { "2" } else { "1" };
            let mut changed = lines.clone();
            let line = format!("{}{other}{}", &lines[at][..place], &lines[at][place + 1..]);
            changed[at] = &line;
            assert!(broken(&changed.join("\n")), "{line}");
        }
    }
    assert!(broken(""));
    assert!(broken(&format!("{text}{}", lines[1])), "a record after the end");
}

#[test]
fn the_head_names_the_last_record() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, 10);
    assert_eq!(verified(&log), Verified { records: 0, first: 1, head: RecordHash::NONE });
    run(&log, "a", 1);
    let frame = log.state().store.read(3).unwrap();
    assert_eq!(verified(&log).head, RecordHash::of(&frame));
}

/// Every variant of what a record may hold, as version 1 wrote it: `tests/data/v1.jsonl`.
const VERSION_1: &str = include_str!("../../tests/data/v1.jsonl");

/// The frames of version 1 in hex, byte for byte: `tests/data/v1.frames`.
const VERSION_1_FRAMES: &str = include_str!("../../tests/data/v1.frames");

#[test]
fn records_of_version_1_are_read_from_checked_in_files() {
    let exported = verify_export(VERSION_1.as_bytes()).unwrap();
    let mut chain = Chain::after(Head::EMPTY);
    let mut index = Index::default();
    for line in VERSION_1_FRAMES.lines() {
        let digits = line.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let frame: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        let (number, decoded) = chain.follow(&frame).unwrap();
        assert!(matches!(decoded, Decoded::Known(_)), "record {number} is not understood");
        index.take(number, &decoded);
    }
    assert_eq!(exported, Verification::Intact(chain.verified()));
    assert_eq!(index.transactions(), 9);
    assert_eq!(index.notes().len(), 3);
    let unfinished: Vec<_> =
        index.unfinished().map(|(id, track)| (id.as_str(), track.phase)).collect();
    assert_eq!(
        unfinished,
        [("5", Phase::Swapping), ("6", Phase::Queued), ("7", Phase::Queued), ("8", Phase::Queued)]
    );
}
