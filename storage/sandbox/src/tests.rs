//! The sandbox as scripts meet it: a real root made from the machine's shell, real bubblewrap.

#[path = "../tests/all/root.rs"]
mod root;

use super::*;
use cambium_model::Unobserved;
pub(crate) use root::root;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub(crate) fn script(root: &Root, text: &str) -> Spec {
    Spec {
        name: "demo.post".to_owned(),
        confinement: Confinement::Namespaces,
        root: root.clone(),
        program: Program::Script {
            interpreter: vec!["/bin/sh".to_owned()],
            text: text.as_bytes().to_vec(),
        },
        arguments: vec!["1".to_owned()],
        stdin: Vec::new(),
        environment: Vec::new(),
        limits: Limits::default(),
    }
}

fn output(root: &Root, text: &str) -> String {
    let outcome = run(&script(root, text), &Unobserved).unwrap();
    assert!(outcome.succeeded(), "{text}: {} {}", outcome.ended, outcome.output);
    outcome.output
}

#[test]
fn a_script_sees_the_tree_and_its_arguments_and_writes_to_it() {
    let (dir, root) = root();
    let text = "echo $0 $1; cat; echo new > /etc/made; touch /usr/bin/tool; ls /usr/share/rpm";
    let spec = Spec { stdin: b"listed\n".to_vec(), ..script(&root, text) };
    let outcome = run(&spec, &Unobserved).unwrap();
    assert_eq!(outcome.output, "/run/cambium-script 1\nlisted\n");
    assert_eq!(fs::read_to_string(dir.path().join("usr/etc/made")).unwrap(), "new\n");
    assert!(dir.path().join("usr/bin/tool").exists());
    // Nothing of the sandbox itself is left behind in the tree.
    assert!(!dir.path().join("usr/run").exists() && !dir.path().join("run").exists());
}

#[test]
fn the_end_is_told_as_it_was() {
    let (_dir, root) = root();
    for (text, ended) in [
        ("exit 0", Ended::Exited(0)),
        ("exit 1", Ended::Exited(1)),
        ("exit 77", Ended::Exited(77)),
        ("kill -9 $$", Ended::Signalled(9)),
        ("kill -15 $$", Ended::Signalled(15)),
    ] {
        let outcome = run(&script(&root, text), &Unobserved).unwrap();
        assert_eq!(outcome.ended, ended, "{text}");
    }
}

#[test]
fn environment_is_clean_and_the_session_new() {
    let (_dir, root) = root();
    let seen = output(&root, "env");
    let keys: BTreeSet<_> = seen.lines().filter_map(|l| l.split_once('=')).map(|p| p.0).collect();
    let shell = ["OLDPWD", "PWD", "SHLVL", "_"];
    let ours = ["HOME", "LANG", "PATH", "SYSTEMD_OFFLINE"];
    let known: BTreeSet<_> = shell.into_iter().chain(ours).collect();
    assert!(keys.is_subset(&known), "{keys:?}");
    assert!(ours.iter().all(|key| keys.contains(key)), "{keys:?}");
    assert_eq!(output(&root, "[ -e /run/ostree-booted ] && echo $$"), "2\n");
}

/// Each text tries something that must not work; it prints what it was told.
#[test]
fn what_reaches_beyond_the_sandbox_is_denied() {
    let (_dir, root) = root();
    let call = |number: libc::c_long| {
        format!("perl -e '$!=0; my $r = syscall({number}, 0, 0, 0, 0, 0); print \"errno \", $!+0'")
    };
    let clone = libc::SYS_clone;
    let cases = [
        ("mount -t tmpfs x /tmp 2>&1".to_owned(), "permission denied"),
        ("unshare -m true 2>&1".to_owned(), "not permitted"),
        ("mknod /tmp/sda b 8 0 2>&1".to_owned(), "not permitted"),
        ("echo x > /proc/sys/kernel/core_pattern 2>&1".to_owned(), "read-only"),
        ("echo 0 > /proc/sys/vm/overcommit_memory 2>&1".to_owned(), "read-only"),
        ("ls /usr/share/rpm; touch /usr/share/rpm/y 2>&1".to_owned(), "read-only"),
        (format!("perl -e 'syscall({clone}, 0x10000000, 0, 0, 0, 0); print $!+0'"), "1"),
        (call(libc::SYS_bpf), "errno 1"),
        (call(libc::SYS_io_uring_setup), "errno 1"),
        (call(libc::SYS_keyctl), "errno 1"),
        (call(libc::SYS_ptrace), "errno 1"),
        (call(libc::SYS_init_module), "errno 1"),
        (call(libc::SYS_kexec_load), "errno 1"),
        (call(libc::SYS_clone3), "errno 38"),
        (call(0x4000_0000 + 39), "errno 38"),
        ("perl -e 'socket(S, 2, 1, 0) or print $!+0'".to_owned(), "97"),
        ("perl -e 'socket(S, 16, 3, 9) or print $!+0'".to_owned(), "97"),
        ("perl -e 'socket(S, 1, 1, 0) and print \"unix\"'".to_owned(), "unix"),
    ];
    for (text, expected) in cases {
        let outcome = run(&script(&root, &text), &Unobserved).unwrap();
        let said = outcome.output.to_lowercase();
        assert!(said.contains(expected), "{text}: {} {said:?}", outcome.ended);
    }
}

#[test]
fn capabilities_and_limits_are_those_of_the_design() {
    let (_dir, root) = root();
    let status = output(&root, "cat /proc/self/status");
    let field = |name: &str| {
        let line = status.lines().find(|l| l.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    // chown 0, dac_override 1, fowner 3, fsetid 4, kill 5, setgid 6, setuid 7, setfcap 31.
    for set in ["CapEff:", "CapPrm:"] {
        assert_eq!(u64::from_str_radix(&field(set), 16).unwrap(), 0x8000_00fb, "{set}");
    }
    // bubblewrap leaves the bounding set alone; without new privileges nothing comes back from it.
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
    let limits = output(&root, "cat /proc/self/limits");
    let core = limits.lines().find(|l| l.starts_with("Max core")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"));
    // Only these descriptors: nothing of the daemon's leaks in.
    assert_eq!(
        output(&root, "exec 2>&1; echo /proc/self/fd/*"),
        "/proc/self/fd/0 \
        /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/255 /proc/self/fd/3\n"
    );
}

#[test]
fn output_is_bounded_and_keeps_its_end() {
    let (_dir, root) = root();
    let mut spec = script(&root, "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done");
    spec.limits.output = 100;
    let outcome = run(&spec, &Unobserved).unwrap();
    assert!(outcome.output.len() <= 100 && outcome.output.ends_with("line 2999\n"));
    assert!(outcome.dropped > 20_000);
}

#[test]
fn time_is_bounded_and_background_processes_do_not_outlive() {
    let (_dir, root) = root();
    let mut spec = script(&root, "echo began; sleep 600 & sleep 600");
    spec.limits.time = Duration::from_millis(300);
    let started = Instant::now();
    let error = run(&spec, &Unobserved).unwrap_err();
    assert!(matches!(&error, Error::TimedOut { output, .. } if output == "began\n"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20));

    let outcome = run(&script(&root, "sleep 600 >/dev/null 2>&1 & exit 3"), &Unobserved).unwrap();
    assert_eq!(outcome.ended, Ended::Exited(3));
    assert!(outcome.elapsed < Duration::from_secs(20));
}

/// Cancels as soon as the script has made a file.
struct CancelWhenThere(PathBuf, AtomicBool);

impl Observer for CancelWhenThere {
    fn progress(&self, _: cambium_model::Progress) {}

    fn cancelled(&self) -> bool {
        let there = self.0.exists();
        self.1.fetch_or(there, Ordering::Relaxed);
        there
    }
}

#[test]
fn cancelling_kills_everything_inside() {
    let (dir, root) = root();
    let mark = dir.path().join("var/began");
    let observer = CancelWhenThere(mark, AtomicBool::new(false));
    let text = "trap '' TERM INT HUP; touch /var/began; (sleep 600 & sleep 600) & sleep 600";
    let error = run(&script(&root, text), &observer).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    assert_eq!(error.kind(), cambium_model::FailureKind::Cancelled);
    assert!(observer.1.load(Ordering::Relaxed));
    // No process holds the tree any more.
    let holds = |entry: &fs::DirEntry| {
        let root = fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default();
        root.contains(dir.path().to_str().unwrap())
    };
    let left: Vec<_> = fs::read_dir("/proc").unwrap().flatten().filter(holds).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_sandbox_that_cannot_be_made_is_an_error_of_its_own() {
    let (dir, mut root) = root();
    root.usr = dir.path().join("missing");
    let error = run(&script(&root, "exit 0"), &Unobserved).unwrap_err();
    assert!(matches!(&error, Error::Setup { output, .. } if output.contains("missing")), "{error}");
}

#[test]
fn files_can_be_replaced_and_bound_for_a_while() {
    let (dir, mut root) = root();
    let tool = dir.path().join("usr/bin/tool");
    fs::write(&tool, "#!/bin/sh\necho real\n").unwrap();
    fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let wrapper = b"#!/bin/sh\necho wrapped\nexec /run/tool\n".to_vec();
    root.replaced.push(Replacement { target: "/usr/bin/tool".into(), content: wrapper });
    let (source, target) = (tool.clone(), PathBuf::from("/run/tool"));
    root.binds.push(Bind { source, target, access: Access::ReadOnly });
    assert_eq!(output(&root, "tool"), "wrapped\nreal\n");
    assert_eq!(fs::read_to_string(tool).unwrap(), "#!/bin/sh\necho real\n");
}

#[test]
fn private_mounts_are_seen_by_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let inside = in_private_mounts(|| {
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", dir.path(), "tmpfs", flags, None).unwrap();
        fs::write(dir.path().join("x"), "").unwrap();
        fs::read_dir(dir.path()).unwrap().count()
    });
    assert_eq!(inside.unwrap(), 1);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
