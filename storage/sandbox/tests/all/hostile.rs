//! Scripts that want more than their share, or the host: each fails alone, is named with its
//! last words, and leaves nothing behind.

use super::root::root_in;
use super::script;
use cambium_model::{Observer, Progress, Unobserved};
use cambium_sandbox::{Ended, Error, Excess, Limits, Outcome, in_private_mounts, run};
use rustix::mount::{MountFlags, mount};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Runs `text` with `limits` as the scripts of a transaction run, in a root on a file system of
/// its own, and hands what came of it to `check` with the directory that holds the root.
fn hostile(text: &str, limits: Limits, check: impl Fn(Result<Outcome, Error>, &Path) + Send) {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    in_private_mounts(|| {
        let small = Some(c"size=512m");
        mount("tmpfs", at, "tmpfs", MountFlags::empty(), small).unwrap();
        attempt(at, text, limits, check);
        assert_eq!(processes_that_see(at), [std::process::id()]);
    })
    .unwrap();
    nothing_left(at);
    assert_eq!(fs::read_dir(at).unwrap().count(), 0);
}

/// The same, and then as a program that shares nothing: no control group holds it.
fn hostile_everywhere(
    text: &str,
    limits: Limits,
    check: impl Fn(Result<Outcome, Error>, &Path) + Send + Copy,
) {
    hostile(text, limits, check);
    let dir = tempfile::tempdir().unwrap();
    attempt(dir.path(), text, limits, check);
    nothing_left(dir.path());
}

fn attempt(at: &Path, text: &str, limits: Limits, check: impl Fn(Result<Outcome, Error>, &Path)) {
    let mut root = root_in(at);
    root.written = vec![root.var.clone()];
    fs::write(at.join("outside"), "").unwrap();
    let mut spec = script(&root, text);
    spec.limits = limits;
    check(run(&spec, &Unobserved), at);
    assert!(at.join("outside").exists());
}

fn nothing_left(at: &Path) {
    assert_eq!(processes_that_see(at), Vec::<u32>::new());
    assert_eq!(groups(), Vec::<PathBuf>::new());
}

/// Processes that have mounts of `path`.
fn processes_that_see(path: &Path) -> Vec<u32> {
    let needle = path.display().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let mut tasks = fs::read_dir(entry.path().join("task")).into_iter().flatten().flatten();
        let sees = |task: fs::DirEntry| {
            let mounts = fs::read_to_string(task.path().join("mountinfo")).unwrap_or_default();
            mounts.contains(&needle)
        };
        if tasks.any(sees) {
            found.push(id);
        }
    }
    found
}

/// Control groups of this process's making that are still there.
fn groups() -> Vec<PathBuf> {
    let name = format!("cambium-scripts-{}-", std::process::id());
    let walk = |top: &str| {
        let mut open = vec![PathBuf::from(top)];
        let mut found = Vec::new();
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with(&name) {
                    found.push(entry.path());
                } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    open.push(entry.path());
                }
            }
        }
        found
    };
    walk("/sys/fs/cgroup")
}

/// What went over its bounds, with the output.
fn excess(result: Result<Outcome, Error>) -> (Excess, String) {
    match result {
        Err(Error::Exceeded { name, excess, output, .. }) => {
            assert_eq!(name, "demo.post");
            (excess, output)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_that_never_ends_is_stopped() {
    let limits = Limits { time: Duration::from_millis(300), ..Limits::default() };
    for text in [
        "echo first; while :; do :; done",
        "echo first; trap '' TERM INT HUP QUIT; while :; do sleep 100; done",
    ] {
        hostile_everywhere(text, limits, |result, _| {
            let Err(Error::TimedOut { name, output, .. }) = result else { panic!("{result:?}") };
            assert_eq!((name.as_str(), output.as_str()), ("demo.post", "first\n"));
        });
    }
}

#[test]
fn one_that_forks_without_end_is_stopped() {
    let limits = Limits { processes: 64, ..Limits::default() };
    hostile_everywhere("echo first; f() { f | f & }; f; sleep 100", limits, |result, _| {
        let (excess, output) = excess(result);
        assert_eq!(excess, Excess::Processes(64));
        assert!(output.starts_with("first\n"), "{output}");
    });
}

#[test]
fn one_that_fills_the_disk_is_stopped() {
    let limits = Limits { disk: 32 << 20, ..Limits::default() };
    let fill = "echo first; perl -e 'for (my $i = 0; $i < 60; $i++) { \
                open F, \">/var/f$i\" or exit 1; print F \"x\" x 4194304; close F }'";
    hostile(fill, limits, |result, _| {
        let (excess, output) = excess(result);
        assert_eq!(excess, Excess::Disk(32 << 20));
        assert!(output.starts_with("first\n"), "{output}");
    });
    // Where it may have more than there is, something is left for the others.
    let greedy = "perl -e 'open F, \">/var/f\"; 1 while print F \"x\" x 4194304; sleep 100'";
    hostile(greedy, Limits::default(), |result, _| {
        assert!(matches!(excess(result).0, Excess::Reserve(_)));
    });
}

#[test]
fn one_that_makes_too_many_files_is_stopped() {
    let limits = Limits { files: 1000, ..Limits::default() };
    let many = "perl -e 'for (my $i = 0; $i < 20000; $i++) { open F, \">/var/f$i\"; close F }'";
    hostile(many, limits, |result, _| assert_eq!(excess(result).0, Excess::Files(1000)));
}

#[test]
fn one_file_has_a_size_of_its_own() {
    let limits = Limits { file: 1 << 20, ..Limits::default() };
    let large = "exec perl -e 'open F, \">/var/f\"; print F \"x\" x 2097152; close F'";
    hostile(large, limits, |result, at| {
        assert_eq!(result.unwrap().ended, Ended::Signalled(25));
        assert_eq!(fs::metadata(at.join("var/f")).unwrap().len(), 1 << 20);
    });
}

#[test]
fn memory_is_bounded_where_there_are_control_groups() {
    let dir = tempfile::tempdir().unwrap();
    let root = root_in(dir.path());
    let mut spec = script(&root, "echo first; perl -e '$a = \"x\" x 268435456; sleep 1'");
    spec.limits.memory = 64 << 20;
    let result = in_private_mounts(|| run(&spec, &Unobserved)).unwrap();
    // No hierarchy for memory: nothing to see on this machine.
    if Path::new("/sys/fs/cgroup/memory").exists() {
        let (excess, output) = excess(result);
        assert_eq!(excess, Excess::Memory(64 << 20));
        assert!(output.starts_with("first\n"), "{output}");
    }
    assert_eq!(groups(), Vec::<PathBuf>::new());
}

#[test]
fn what_lies_in_memory_is_bounded() {
    let limits = Limits { tmpfs: 1 << 20, ..Limits::default() };
    for place in ["/", "/tmp/", "/run/", "/dev/shm/"] {
        let text = format!(
            "perl -e 'open F, \">{place}f\"; print F \"x\" x 4194304 or die; close F or die $!'"
        );
        hostile(&text, limits, |result, _| {
            let outcome = result.unwrap();
            assert!(outcome.output.contains("No space"), "{place} {}", outcome.output);
        });
    }
}

#[test]
fn a_flood_of_output_neither_grows_nor_blocks() {
    let limits = Limits { time: Duration::from_millis(300), output: 1000, ..Limits::default() };
    hostile("while :; do echo flood flood flood; done", limits, |result, _| {
        let Err(Error::TimedOut { output, .. }) = result else { panic!("{result:?}") };
        assert!(output.len() <= 1000 && output.contains("flood"), "{output}");
    });
}

#[test]
fn who_kills_everybody_kills_only_itself() {
    for text in ["kill -9 0", "kill -9 -1; exit 5", "kill -9 1; kill -9 $PPID; exit 5"] {
        let limits = Limits { time: Duration::from_secs(60), ..Limits::default() };
        hostile_everywhere(text, limits, |result, _| {
            let ended = result.unwrap().ended;
            assert!(ended != Ended::Exited(0), "{text}: {ended}");
        });
    }
}

#[test]
fn who_deletes_or_replaces_the_root_has_only_its_own() {
    hostile("rm -rf --no-preserve-root / 2>&1", Limits::default(), |result, at| {
        let outcome = result.unwrap();
        assert_eq!(outcome.ended, Ended::Exited(1), "{}", outcome.output);
        assert!(at.join("usr").is_dir() && !at.join("usr/bin/rm").exists());
    });
    for text in [
        "mv /usr /gone && ln -s /tmp /usr",
        "rm -rf /usr; ln -s /tmp /usr",
        "ln -sfn /tmp /usr",
        "mv /etc /tmp/etc",
    ] {
        hostile(text, Limits::default(), |result, at| {
            assert!(result.is_ok());
            for place in ["usr", "var"] {
                let kind = fs::symlink_metadata(at.join(place)).unwrap().file_type();
                assert!(kind.is_dir(), "{text}: {place}");
            }
        });
    }
}

/// Cancels once a file is there.
struct CancelWhenThere(PathBuf);

impl Observer for CancelWhenThere {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        self.0.exists()
    }
}

#[test]
fn a_cancel_stops_the_most_stubborn() {
    for busy in ["while :; do echo flood; done", "f() { f | f & }; f; sleep 100", "sleep 100"] {
        let dir = tempfile::tempdir().unwrap();
        let root = root_in(dir.path());
        let text = format!("trap '' TERM HUP INT; touch /var/began; {busy}");
        let spec = script(&root, &text);
        let observer = CancelWhenThere(root.var.join("began"));
        let result = in_private_mounts(|| run(&spec, &observer)).unwrap();
        assert!(matches!(result, Err(Error::Cancelled { .. })), "{busy}: {result:?}");
        nothing_left(dir.path());
    }
}
