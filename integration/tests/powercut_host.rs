//! A whole transaction on a disk that loses its power at any write: the host boots the old
//! system or the new one, whole; what was acknowledged is kept; recovery leaves nothing behind.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use anyhow::{Context, Result, ensure};
use cambium_integration::fixture::Base;
use cambium_integration::fixture::base::Flavour;
use cambium_integration::harness::whole::{Boots, outcomes, recovered, whole};
use cambium_integration::harness::{Host, Injected, Start, Traces};
use cambium_integration::powercut::{Cut, Disk, Recorder, Replay, Sample, alone};
use std::path::{Path, PathBuf};

/// A request that was acknowledged: how many writes the disk had completed by then, and what boots
/// next since.
#[derive(Debug)]
struct Acknowledged {
    position: usize,
    boots: Boots,
}

/// The requests of this life, in order; the last one removes objects.
const REQUESTS: [&[&str]; 4] = [
    &["install", "scripts"],
    &["kargs", "--append=cut=1"],
    &["rollback"],
    &["cleanup", "--rollback"],
];

/// One recorded life of a host.
struct Life {
    replay: Replay,
    /// Holds what the replay reads.
    _disk: Disk,
    /// Where the disk was mounted, and is again for each cut: a host's files name it.
    place: PathBuf,
    base: fn() -> Base,
    told: Vec<Acknowledged>,
}

impl Life {
    /// Makes a host on a disk, then records `requests` from there on.
    fn record(place: &Path, requests: &[&[&str]], syncs: Syncs) -> Self {
        let base = || Base::get(Flavour::Tiny).unwrap();
        let disk = Disk::new(192).unwrap();
        let mounted = disk.mount_at(place).unwrap();
        drop(Host::made_in(place, base(), Start::Later).unwrap());
        mounted.unmount().unwrap();
        let recorder = disk.record_at(place).unwrap();
        let mut host = Host::found(place, base()).unwrap();
        host.start().unwrap();
        let told = live(&host, requests, &recorder, syncs);
        host.kill().unwrap();
        drop(host);
        let replay = recorder.finish().unwrap();
        Self { replay, _disk: disk, place: place.to_owned(), base, told }
    }

    /// The host as `cut` leaves it, looked at by others and then by a new daemon.
    fn check(&self, cut: Cut, look: Look) -> Result<()> {
        let disk = Disk::cut(&self.replay, cut).unwrap();
        let _mounted = disk.mount_at(&self.place)?;
        let mut host = Host::found(&self.place, (self.base)())?;
        let acknowledged =
            self.told.iter().rposition(|one| one.position <= cut.position()).unwrap_or(0);
        let found = Boots::of(&host)?;
        let old_or_new = &self.told[acknowledged..self.told.len().min(acknowledged + 2)];
        ensure!(
            old_or_new.iter().any(|one| one.boots == found),
            "after {acknowledged} acknowledged requests it boots {found:?}"
        );
        whole(&host).context("before the daemon's start")?;
        if look == Look::WithTheDaemon {
            recovers(&mut host, acknowledged)?;
            ensure!(Boots::of(&host)? == found, "recovery changed what boots next");
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syncs {
    Work,
    DoNothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Only,
    WithTheDaemon,
}

/// Sends the requests; the first entry is the host as it was.
fn live(host: &Host, requests: &[&[&str]], disk: &Recorder, syncs: Syncs) -> Vec<Acknowledged> {
    let pid = host.daemon().unwrap().pid();
    let unsynced = (syncs == Syncs::DoNothing).then(|| Injected::without_syncs(pid).unwrap());
    let told = |position| Acknowledged { position, boots: Boots::of(host).unwrap() };
    let mut all = vec![told(0)];
    for request in requests {
        host.cambium(request).ok();
        let position = disk.position().unwrap();
        all.push(told(position));
        Traces::settled(host).unwrap();
    }
    drop(unsynced);
    all
}

/// A daemon starts, undoes what was left, knows all that was acknowledged; a second start finds
/// nothing more to do.
fn recovers(host: &mut Host, acknowledged: usize) -> Result<()> {
    host.start()?;
    let history = outcomes(host)?;
    let succeeded = history.iter().filter(|one| **one == "succeeded").count();
    ensure!(succeeded >= acknowledged, "of {acknowledged} requests history has {history:?}");
    recovered(host)?;
    let once = Traces::settled(host)?;
    host.kill()?;
    host.start()?;
    let again = outcomes(host)?;
    ensure!(again == history, "history changed by a second start: {history:?}, {again:?}");
    let changes = once.changes(&Traces::settled(host)?);
    ensure!(changes.is_empty(), "a second start changed {changes:#?}");
    host.kill()
}

/// Checks this many cuts and returns what was wrong with which.
fn wrong(life: &Life, look: Look, sample: Sample) -> (usize, Vec<(Cut, String)>) {
    let cuts = life.replay.cuts(0, sample);
    let wrong = cuts.iter().filter_map(|cut| {
        let error = life.check(*cut, look).err()?;
        Some((*cut, format!("{error:#}")))
    });
    (cuts.len(), wrong.collect())
}

#[test]
fn each_request_is_old_or_new_at_any_cut() {
    alone("each_request_is_old_or_new_at_any_cut", || {
        let place = tempfile::tempdir().unwrap();
        let life = Life::record(place.path(), &REQUESTS, Syncs::Work);
        let sample = Sample::from_environment(16);
        let (cuts, wrong) = wrong(&life, Look::WithTheDaemon, sample);
        println!("{cuts} cuts of {} writes", life.replay.entries());
        assert!(wrong.is_empty(), "{} of {cuts} cuts, {sample:?}: {wrong:#?}", wrong.len());
    });
}

#[test]
fn without_syncs_the_damage_is_seen() {
    alone("without_syncs_the_damage_is_seen", || {
        let place = tempfile::tempdir().unwrap();
        let life = Life::record(place.path(), &REQUESTS[..1], Syncs::DoNothing);
        let sample = Sample { points: Some(12), seed: 1 };
        let (cuts, wrong) = wrong(&life, Look::Only, sample);
        println!("{} of {cuts} cuts are damaged: {wrong:#?}", wrong.len());
        assert!(!wrong.is_empty(), "{cuts} cuts without a sync, and no damage is seen");
    });
}
