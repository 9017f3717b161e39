//! The transaction log on a disk that loses its power at any write: it opens, it verifies, and
//! nothing that was acknowledged before is missing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use cambium_integration::harness::Injected;
use cambium_integration::powercut::{Cut, Disk, Recorder, Replay, Sample, alone};
use cambium_model::{
    Change, Initiator, Options, Outcome, PackageChange, Phase, Request, TransactionId,
};
use cambium_txlog::{Cursor, DeploymentChange, Log, Opened, Retention, Verification};
use std::path::Path;

/// Small enough that the log drops old transactions several times within a test.
const KEPT: usize = 6;
const RETENTION: Retention = Retention { transactions: KEPT };

/// What was acknowledged of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Begun,
    Entered(usize),
    Finished,
}

/// `step` of transaction `number` was acknowledged when the disk had completed `position` writes.
#[derive(Debug, Clone, Copy)]
struct Acknowledged {
    position: usize,
    number: usize,
    step: Step,
}

const PHASES: [Phase; 3] = [Phase::Resolving, Phase::Assembling, Phase::Swapping];

fn id(number: usize) -> TransactionId {
    TransactionId::new(format!("{number:04}"))
}

/// A request of some hundred bytes, or of several of the database's chunks.
fn request(number: usize) -> Request {
    let names = if number.is_multiple_of(5) { 900 } else { 3 };
    let install = (0..names).map(|name| format!("package-{number}-{name}")).collect();
    Request {
        stateroot: None,
        change: Change::Packages(PackageChange { install, ..PackageChange::default() }),
        options: Options::default(),
        initiator: Initiator::default(),
    }
}

/// A life of the log: opened once for each of `openings`, with so many transactions in it.
fn live(recorder: &Recorder, log: &Path, openings: &[usize]) -> Vec<Acknowledged> {
    let mut acknowledged = Vec::new();
    let mut next = 0;
    for transactions in openings {
        let log = Log::open_with(log, RETENTION).unwrap().into_log();
        for number in next..next + transactions {
            let mut note = |step| {
                let position = recorder.position().unwrap();
                acknowledged.push(Acknowledged { position, number, step });
            };
            log.begin(&id(number), &request(number), number as u64).unwrap();
            note(Step::Begun);
            for (nth, phase) in PHASES.into_iter().enumerate() {
                log.enter(&id(number), phase, number as u64).unwrap();
                note(Step::Entered(nth));
            }
            let outcome = Outcome::Unchanged { summary: "nothing".to_owned() };
            log.finish(&id(number), &outcome, &DeploymentChange::default(), 9).unwrap();
            note(Step::Finished);
        }
        next += transactions;
    }
    acknowledged
}

/// What is wrong with the log as a cut leaves it; `None` for nothing.
fn defect(replay: &Replay, cut: Cut, place: &str, told: &[Acknowledged]) -> Option<String> {
    let disk = Disk::cut(replay, cut).unwrap();
    let mounted = disk.mount().unwrap();
    let path = mounted.path().join(place);
    let told: Vec<_> = told.iter().filter(|one| one.position <= cut.position()).collect();
    let log = match Log::open_with(&path, RETENTION) {
        Ok(Opened::Intact(log) | Opened::Fresh(log)) => log,
        // Before anything was acknowledged there is nothing to lose.
        Ok(Opened::Rebuilt { log, .. }) if told.is_empty() => log,
        Ok(Opened::Rebuilt { why, .. }) => return Some(format!("moved aside: {why}")),
        Err(error) => return Some(format!("does not open: {error}")),
    };
    let Verification::Intact(_) = log.verify().unwrap() else {
        return Some("does not verify".to_owned());
    };
    let newest = told.iter().map(|one| one.number).max().unwrap_or(0);
    for one in &told {
        if one.number + KEPT <= newest {
            continue;
        }
        let Ok(entry) = log.get(&id(one.number)) else {
            return Some(format!("{one:?} is lost"));
        };
        let whole = match one.step {
            Step::Begun => entry.request == request(one.number),
            Step::Entered(nth) => entry.phases.get(nth).map(|p| p.phase) == Some(PHASES[nth]),
            Step::Finished => entry.finished == Some(9),
        };
        if !whole {
            return Some(format!("{one:?} is not as it was: {entry:?}"));
        }
    }
    // It goes on: whatever the cut left, another transaction can be logged and is found again.
    log.begin(&id(9999), &request(1), 1).unwrap();
    drop(log);
    let again = Log::open_with(&path, RETENTION).unwrap().into_log();
    let newest = again.history(1, Cursor::Newest).unwrap();
    (newest[0].id != id(9999)).then(|| "does not go on".to_owned())
}

/// Records `live` on a new disk and cuts the power at a sample of all its writes. Returns how many
/// cuts there were and what was wrong with which.
fn cut(openings: &[usize], points: usize, syncs: Syncs) -> (usize, Vec<(Cut, String)>) {
    let disk = Disk::new(24).unwrap();
    let recorder = disk.record().unwrap();
    let own = std::process::id();
    let unsynced = (syncs == Syncs::DoNothing).then(|| Injected::without_syncs(own).unwrap());
    let told = live(&recorder, &recorder.path().join("var/txlog"), openings);
    drop(unsynced);
    let replay = recorder.finish().unwrap();
    let sample = Sample::from_environment(points);
    let cuts = replay.cuts(0, sample);
    let telling = |cut: &&Cut| told.iter().any(|one| one.position <= cut.position());
    let telling = cuts.iter().filter(telling).count();
    println!("{sample:?}: {} cuts of {} writes", cuts.len(), replay.entries());
    assert!(telling * 2 > cuts.len(), "only {telling} of {} cuts could lose anything", cuts.len());
    let wrong = cuts.iter().filter_map(|cut| {
        let what = defect(&replay, *cut, "var/txlog", &told)?;
        Some((*cut, what))
    });
    (cuts.len(), wrong.collect())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syncs {
    Work,
    DoNothing,
}

#[test]
fn a_new_log_loses_nothing_acknowledged_at_any_cut() {
    alone("a_new_log_loses_nothing_acknowledged_at_any_cut", || {
        let (cuts, wrong) = cut(&[3], 100, Syncs::Work);
        assert!(wrong.is_empty(), "{} of {cuts} cuts: {wrong:#?}", wrong.len());
    });
}

#[test]
fn a_log_that_drops_its_past_loses_nothing_acknowledged_at_any_cut() {
    alone("a_log_that_drops_its_past_loses_nothing_acknowledged_at_any_cut", || {
        // Reopened in between: sled writes its snapshot then and begins other segments.
        let (cuts, wrong) = cut(&[12, 1, 15], 120, Syncs::Work);
        assert!(wrong.is_empty(), "{} of {cuts} cuts: {wrong:#?}", wrong.len());
    });
}

/// The other two would pass by looking away; this one would not.
#[test]
fn without_syncs_the_loss_is_seen() {
    alone("without_syncs_the_loss_is_seen", || {
        let (cuts, wrong) = cut(&[3], 20, Syncs::DoNothing);
        println!("{} of {cuts} cuts: {wrong:#?}", wrong.len());
        assert!(!wrong.is_empty(), "{cuts} cuts without a sync lost nothing");
    });
}
