//! SIGKILL at any moment, not only where one phase ends: a seeded row of kills during installs,
//! upgrades and uninstalls, with everything checked after each.
//!
//! `CAMBIUM_KILLS=200 cargo nextest run -p cambium-integration --test kill_anytime` kills more
//! often, `CAMBIUM_KILLS_SEED=N` at other moments.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use cambium_integration::fixture::base::Edition;
use cambium_integration::harness::whole::{Boots, outcomes, recovered, whole};
use cambium_integration::harness::{Host, oracle};
use fastrand::Rng;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Kills in the usual run.
const KILLS: usize = 9;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A change of the host that can be made and undone again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Packages,
    Base,
    KernelArguments,
}

const CHANGES: [Change; 3] = [Change::Packages, Change::Base, Change::KernelArguments];

impl Change {
    /// Whether what boots next has it.
    fn is_made(self, host: &Host) -> bool {
        let has = |name: &str| {
            let packages = oracle::packages(&host.default_root().unwrap()).unwrap();
            packages.iter().any(|package| package.starts_with(name))
        };
        match self {
            Self::Packages => has("large-"),
            Self::Base => has("fixture-tools-1.1-"),
            Self::KernelArguments => {
                oracle::boot_options(&host.places().sysroot).unwrap().contains("killed=1")
            }
        }
    }

    /// What to ask for to make it, or to undo it.
    fn request(self, host: &Host) -> &'static [&'static str] {
        match (self, self.is_made(host)) {
            (Self::Packages, false) => &["install", "large", "scripts"],
            (Self::Packages, true) => &["uninstall", "large", "scripts"],
            (Self::KernelArguments, false) => &["kargs", "--append=killed=1"],
            (Self::KernelArguments, true) => &["kargs", "--delete=killed=1"],
            (Self::Base, made) => {
                let next = if made { Edition::First } else { Edition::Second };
                host.publish(next).unwrap();
                &["upgrade", "--allow-downgrade"]
            }
        }
    }
}

/// Whether the client was told of success before the daemon was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Success,
    Nothing,
}

/// Sends a request and kills the daemon `after` a while, or once the client has its answer.
fn killed(host: &mut Host, request: &[&str], after: Duration) -> Told {
    let mut command = host.command(request).unwrap();
    let client = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pid = client.id();
    let (done, answered) = mpsc::channel();
    let waiter = std::thread::spawn(move || {
        let mut client = client;
        let status = client.wait().unwrap();
        // Nobody listens any more where the kill came first.
        _ = done.send(status.success());
    });
    let told = match answered.recv_timeout(after) {
        Ok(true) => Told::Success,
        Ok(false) | Err(_) => Told::Nothing,
    };
    host.kill().unwrap();
    // A client whose daemon is gone would wait for the next one.
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    waiter.join().unwrap();
    told
}

#[test]
fn killed_at_any_moment_the_host_is_old_or_new_and_recovers() {
    let seed = number("CAMBIUM_KILLS_SEED", 1);
    let kills = usize::try_from(number("CAMBIUM_KILLS", KILLS as u64)).unwrap();
    let mut rng = Rng::with_seed(seed);
    let mut host = Host::new().unwrap();
    host.cambium(&["install", "greeter"]).ok();
    // How long each takes undisturbed.
    let usual = CHANGES.map(|change| {
        let request = change.request(&host);
        let start = Instant::now();
        host.cambium(request).ok();
        start.elapsed()
    });
    let (mut old, mut new) = (0, 0);
    for kill in 0..kills {
        let change = CHANGES[kill % CHANGES.len()];
        let before = CHANGES.map(|change| change.is_made(&host));
        let request = change.request(&host);
        let after = usual[kill % CHANGES.len()].mul_f64(rng.f64() * 1.2);
        let what = format!("seed {seed}, kill {kill}: {request:?} after {after:?}");
        let told = killed(&mut host, request, after);

        let found = Boots::of(&host).unwrap();
        whole(&host).unwrap_or_else(|error| panic!("{what}: {error:#}"));
        host.start().unwrap();
        let outcomes = outcomes(&host).unwrap_or_else(|error| panic!("{what}: {error:#}"));
        recovered(&host).unwrap_or_else(|error| panic!("{what}: {error:#}"));
        assert_eq!(Boots::of(&host).unwrap(), found, "{what}: recovery changed what boots");
        let now = CHANGES.map(|change| change.is_made(&host));
        for (other, (before, now)) in CHANGES.into_iter().zip(before.into_iter().zip(now)) {
            assert!(other == change || before == now, "{what}: it is a mix, {other:?} changed");
        }
        let made = change.is_made(&host) != before[kill % CHANGES.len()];
        if made {
            new += 1;
        } else {
            old += 1;
            assert_eq!(told, Told::Nothing, "{what}: success was told before it was true");
        }
        if told == Told::Success {
            assert_eq!(outcomes[0], "succeeded", "{what}");
        }
    }
    println!("{kills} kills: {old} times the old system boots, {new} times the new");
}
