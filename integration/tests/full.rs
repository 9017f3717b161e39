//! Disks that are really full, each at another place: said with the file system, what is needed
//! and free, and what to do; nothing changed, nothing left; and once there is room it works, by
//! the same daemon.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use cambium_integration::fixture::Base;
use cambium_integration::fixture::base::{Edition, Flavour};
use cambium_integration::harness::ballast::free_bytes;
use cambium_integration::harness::whole::whole;
use cambium_integration::harness::{Answer, Ballast, Host, Injected, Start, Traces, oracle};
use cambium_integration::powercut::{Disk, Mounted, alone};
use cambium_integration::run::{ostree, run};
use std::fs;
use std::path::Path;
use std::process::Command;

const MIB: u64 = 1 << 20;

/// A host of which one directory is a disk of its own.
struct Crowded {
    host: Host,
    _mounted: Mounted,
    _disk: Disk,
    _directory: tempfile::TempDir,
}

impl Crowded {
    /// The directory at `place` within the host's own becomes a disk of so many MiB, with what
    /// was in it. Then the daemon starts.
    fn new(place: impl Fn(&Host) -> std::path::PathBuf, mebibytes: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let base = Base::get(Flavour::Tiny).unwrap();
        let mut host = Host::made_in(directory.path(), base, Start::Later).unwrap();
        // What libostree keeps free would hide that the disk is full.
        run(ostree(&host.repo(), "config").args(["set", "core.min-free-space-percent", "0"]))
            .unwrap();
        let place = place(&host);
        fs::create_dir_all(&place).unwrap();
        let disk = Disk::new(mebibytes).unwrap();
        let aside = disk.mount().unwrap();
        run(Command::new("cp").arg("-a").arg(place.join(".")).arg(aside.path())).unwrap();
        aside.unmount().unwrap();
        let mounted = disk.mount_at(&place).unwrap();
        host.start().unwrap();
        Self { host, _mounted: mounted, _disk: disk, _directory: directory }
    }
}

/// A failed request that says that a file system is full, which, and what to do.
#[track_caller]
fn says_full(answer: Answer, what: &str, place: &Path) -> Answer {
    let answer = answer.code(1);
    let text = answer.err.to_lowercase();
    assert!(text.contains("space") || text.contains("full"), "{what}: {answer}");
    assert!(answer.err.contains(&place.display().to_string()), "{what}: {answer}");
    let advised = text.contains("free") || text.contains("cleanup");
    assert!(advised, "{what}: what is to be done? {answer}");
    answer
}

/// From nothing free upwards: each amount of room fails in another step of import, commit and
/// deployment, until one is enough.
#[test]
fn a_full_sysroot_fails_cleanly_wherever_it_fills_up() {
    alone("a_full_sysroot_fails_cleanly_wherever_it_fills_up", || {
        let crowded = Crowded::new(|host| host.places().sysroot.clone(), 160);
        let host = &crowded.host;
        let sysroot = &host.places().sysroot;
        let before = Traces::settled(host).unwrap();
        let mut refused = 0;
        for step in 0.. {
            let free = step * MIB;
            let ballast =
                Ballast::leaving(sysroot, free.min(free_bytes(sysroot).unwrap())).unwrap();
            let answer = host.cambium(&["install", "large", "scripts"]);
            if answer.code == Some(0) {
                break;
            }
            let what = format!("with {free} bytes free");
            println!("{what}: {}", says_full(answer, &what, sysroot).err);
            refused += 1;
            before.assert_unchanged(host);
            drop(ballast);
            before.assert_unchanged(host);
        }
        assert!(refused > 1, "it fitted with {refused} MiB");
        whole(host).unwrap();
        Traces::settled(host).unwrap();
        host.cambium(&["uninstall", "large", "scripts"]).ok();
        whole(host).unwrap();
    });
}

#[test]
fn a_full_boot_is_found_before_the_swap_and_old_entries_stay() {
    alone("a_full_boot_is_found_before_the_swap_and_old_entries_stay", || {
        let crowded = Crowded::new(|host| host.places().sysroot.join("boot"), 16);
        let host = &crowded.host;
        let boot = host.places().sysroot.join("boot");
        host.publish(Edition::Second).unwrap();
        let root = host.default_root().unwrap();
        let ballast = Ballast::leaving(&boot, 0).unwrap();
        let before = Traces::settled(host).unwrap();
        says_full(host.cambium(&["upgrade"]), "upgrade", &boot);
        before.assert_unchanged(host);
        assert_eq!(host.default_root().unwrap(), root);
        drop(ballast);
        host.cambium(&["upgrade"]).ok();
        assert_ne!(host.default_root().unwrap(), root);
        whole(host).unwrap();
    });
}

/// No kernel is new, yet the boot entries themselves want a few bytes.
#[test]
fn a_full_boot_without_room_for_an_entry_fails_cleanly_too() {
    alone("a_full_boot_without_room_for_an_entry_fails_cleanly_too", || {
        let crowded = Crowded::new(|host| host.places().sysroot.join("boot"), 16);
        let host = &crowded.host;
        let boot = host.places().sysroot.join("boot");
        let ballast = Ballast::leaving(&boot, 0).unwrap();
        let before = Traces::settled(host).unwrap();
        says_full(host.cambium(&["kargs", "--append=full=1"]), "kargs", &boot);
        before.assert_unchanged(host);
        drop(ballast);
        host.cambium(&["kargs", "--append=full=1"]).ok();
        assert!(oracle::boot_options(&host.places().sysroot).unwrap().contains("full=1"));
        whole(host).unwrap();
    });
}

#[test]
fn a_log_without_room_stops_requests_and_takes_them_again() {
    alone("a_log_without_room_stops_requests_and_takes_them_again", || {
        let crowded = Crowded::new(|host| host.places().state.clone(), 8);
        let host = &crowded.host;
        let state = host.places().state.clone();
        host.cambium(&["install", "hello"]).ok();
        let before = Traces::settled(host).unwrap();
        let ballast = Ballast::leaving(&state, 0).unwrap();
        // The database takes its room in large pieces: what is left of one is used up first, by
        // requests that are logged and then fail for another reason.
        let nothing = "no-such-package-".repeat(6000);
        let mut answer = host.cambium(&["install", &nothing]);
        for _ in 0..200 {
            if !answer.err.contains("not found") {
                break;
            }
            answer = host.cambium(&["install", &nothing]);
        }
        says_full(answer, "the log", &state);
        drop(ballast);
        host.cambium(&["kargs", "--append=room=1"]).ok();
        assert!(oracle::boot_options(&host.places().sysroot).unwrap().contains("room=1"));
        host.cambium(&["history", "--verify"]).ok();
        assert_eq!(Traces::settled(host).unwrap().left_behind(), before.left_behind());
        whole(host).unwrap();
    });
}

/// After a failed sync nobody knows what is on the disk: the log is read anew, for the next
/// request already.
#[test]
fn a_log_that_cannot_be_synced_takes_the_next_request() {
    let host = Host::new().unwrap();
    host.cambium(&["install", "hello"]).ok();
    let before = Traces::settled(&host).unwrap();
    let database = host.places().state.join("txlog/db");
    let pid = host.daemon().unwrap().pid();
    let injected = Injected::syncs_without_room(pid, &database).unwrap();
    says_full(host.cambium(&["kargs", "--append=room=1"]), "the log", &database);
    before.assert_unchanged(&host);
    drop(injected);
    host.cambium(&["kargs", "--append=room=1"]).ok();
    host.cambium(&["history", "--verify"]).ok();
    whole(&host).unwrap();
}

#[test]
fn a_full_cache_fails_the_download_and_works_once_there_is_room() {
    alone("a_full_cache_fails_the_download_and_works_once_there_is_room", || {
        let crowded = Crowded::new(|host| host.places().cache.clone(), 8);
        let host = &crowded.host;
        let cache = host.places().cache.clone();
        let before = Traces::settled(host).unwrap();
        let ballast = Ballast::leaving(&cache, 0).unwrap();
        says_full(host.cambium(&["install", "large"]), "install", &cache);
        before.assert_unchanged(host);
        drop(ballast);
        host.cambium(&["install", "hello"]).ok();
        whole(host).unwrap();
    });
}
