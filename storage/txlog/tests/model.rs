//! Random sequences against a model in memory, with the log reopened in between.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use cambium_model::{
    Change, CleanupScope, Event, Failure, FailureKind, Initiator, Options, Outcome, Phase, Request,
    TransactionId,
};
use cambium_txlog::{
    Cursor, DeploymentChange, Entry, Error, Log, NoteReason, Opened, PhaseEntered, Retention,
    Verification, verify_export,
};
use proptest::prelude::*;
use std::path::Path;

#[derive(Debug, Clone)]
enum Step {
    Begin(u8),
    Enter(u8, Phase),
    Finish(u8, Outcome),
    Note,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        Just(Outcome::Cancelled),
        Just(Outcome::Unchanged { summary: "nothing".into() }),
        Just(Outcome::Succeeded { deployment: Some("os-1.0".into()), summary: String::new() }),
        Just(Outcome::Failed(Failure::new(FailureKind::NoSpace, "disk full"))),
        Just(Outcome::Interrupted { phase: Phase::Swapping }),
    ];
    prop_oneof![
        3 => (0u8..12).prop_map(Step::Begin),
        5 => (0u8..12, 0usize..9).prop_map(|(id, at)| Step::Enter(id, Phase::ALL[at])),
        4 => (0u8..12, outcome).prop_map(|(id, outcome)| Step::Finish(id, outcome)),
        1 => Just(Step::Note),
        1 => Just(Step::Reopen),
    ]
}

fn request(id: u8) -> Request {
    Request {
        stateroot: None,
        change: Change::Cleanup(CleanupScope::default()),
        options: Options { reboot: id.is_multiple_of(2), ..Options::default() },
        initiator: Initiator { uid: u32::from(id), ..Initiator::default() },
    }
}

/// What the log should say: entries in the order of their begin, and how many records.
#[derive(Debug, Default)]
struct Model {
    entries: Vec<Entry>,
    notes: usize,
    records: u64,
}

impl Model {
    fn find(&mut self, id: u8) -> Option<(&mut Entry, Phase)> {
        let entry = self.entries.iter_mut().find(|entry| entry.id == name(id))?;
        let last = entry.phases.last().map_or(Phase::Queued, |entered| entered.phase);
        let phase = if entry.outcome.is_some() { Phase::Finished } else { last };
        Some((entry, phase))
    }

    /// Applies `step` at `now`; whether the log should take it.
    fn apply(&mut self, step: &Step, now: u64) -> bool {
        match step {
            Step::Begin(id) => {
                if self.find(*id).is_some() {
                    return false;
                }
                let request = request(*id);
                self.entries.push(Entry {
                    id: name(*id),
                    initiator: request.initiator.clone(),
                    request,
                    started: now,
                    finished: None,
                    phases: Vec::new(),
                    outcome: None,
                    deployments: DeploymentChange::default(),
                });
            }
            Step::Enter(id, next) => {
                let Some((entry, phase)) = self.find(*id) else { return false };
                if phase.on(Event::Enter(*next)).is_err() {
                    return false;
                }
                entry.phases.push(PhaseEntered { phase: *next, at: now });
            }
            Step::Finish(id, outcome) => {
                let Some((entry, phase)) = self.find(*id) else { return false };
                let late = *outcome == Outcome::Cancelled && !phase.can_cancel();
                if phase == Phase::Finished || late {
                    return false;
                }
                entry.outcome = Some(outcome.clone());
                entry.finished = Some(now);
            }
            Step::Note => self.notes += 1,
            Step::Reopen => return true,
        }
        self.records += 1;
        true
    }
}

fn name(id: u8) -> TransactionId {
    TransactionId::new(format!("t{id}"))
}

fn open(dir: &Path) -> Log {
    match Log::open_with(dir, Retention { transactions: 100 }).unwrap() {
        Opened::Fresh(log) | Opened::Intact(log) => log,
        Opened::Rebuilt { why, .. } => panic!("{why}"),
    }
}

fn apply(log: &Log, step: &Step, now: u64) -> Result<(), Error> {
    match step {
        Step::Begin(id) => log.begin(&name(*id), &request(*id), now),
        Step::Enter(id, phase) => log.enter(&name(*id), *phase, now),
        Step::Finish(id, outcome) => {
            log.finish(&name(*id), outcome, &DeploymentChange::default(), now)
        }
        Step::Note => log.note(NoteReason::Foreign, Vec::new(), now),
        Step::Reopen => Ok(()),
    }
}

fn check(log: &Log, model: &Model) {
    assert_eq!(log.records().unwrap(), model.records);
    assert_eq!(log.notes().unwrap().len(), model.notes);
    let newest_first: Vec<Entry> = model.entries.iter().rev().cloned().collect();
    // Two at a time, so that every cursor is used.
    let mut paged = log.history(2, Cursor::Newest).unwrap();
    while let Some(last) = paged.last().map(|entry| entry.id.clone()) {
        let page = log.history(2, Cursor::Before(&last)).unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, newest_first);
    let unfinished = log.unfinished().unwrap();
    let running: Vec<_> = model.entries.iter().filter(|entry| entry.outcome.is_none()).collect();
    assert_eq!(unfinished.len(), running.len());
    for (found, expected) in unfinished.iter().zip(running) {
        let phase = expected.phases.last().map_or(Phase::Queued, |entered| entered.phase);
        assert_eq!((&found.id, found.phase), (&expected.id, phase));
        assert_eq!(found.request.as_deref(), Some(&expected.request));
    }
    let verified = log.verify().unwrap();
    assert!(matches!(verified, Verification::Intact(v) if v.records == model.records));
    let mut export = Vec::new();
    log.export(&mut export).unwrap();
    assert_eq!(verify_export(&export[..]).unwrap(), verified);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn the_log_says_what_a_model_in_memory_says(steps in prop::collection::vec(step(), 0..60)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/log");
        let mut log = open(&path);
        let mut model = Model::default();
        for (now, step) in (0_u64..).zip(&steps) {
            let expected = model.apply(step, now);
            prop_assert_eq!(apply(&log, step, now).is_ok(), expected, "{:?}", step);
            if matches!(step, Step::Reopen) {
                check(&log, &model);
                drop(log);
                log = open(&path);
            }
        }
        check(&log, &model);
        drop(log);
        check(&open(&path), &model);
    }
}
