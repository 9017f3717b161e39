//! Scripts in a chroot: what bubblewrap's tests ask, and what only holds here.

use super::*;
use crate::tests::{root, script};
use crate::{Confinement, Ended, Outcome, Root, run};
use cambium_model::{Observer, Unobserved};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

fn confined(root: &Root, text: &str) -> Spec {
    // The small root has no locales, which perl complains about.
    let text = format!("export PERL_BADLANG=0\n{text}");
    Spec { confinement: Confinement::Chroot, ..script(root, &text) }
}

fn outcome(root: &Root, text: &str) -> Outcome {
    run(&confined(root, text), &Unobserved).unwrap()
}

fn output(root: &Root, text: &str) -> String {
    let outcome = outcome(root, text);
    assert!(outcome.succeeded(), "{text}: {} {}", outcome.ended, outcome.output);
    outcome.output
}

/// The status files of processes whose root is below `top`.
fn processes(top: &Path) -> Vec<String> {
    let inside = |entry: &fs::DirEntry| {
        fs::read_link(entry.path().join("root")).is_ok_and(|root| root.starts_with(top))
    };
    let entries = fs::read_dir("/proc").unwrap().flatten().filter(inside);
    entries.map(|e| fs::read_to_string(e.path().join("status")).unwrap_or_default()).collect()
}

#[test]
fn a_script_sees_the_tree_and_its_arguments_and_writes_to_it() {
    let (dir, root) = root();
    let text = "echo $0 $1; cat; echo new > /etc/made; touch /usr/bin/tool; ls /usr/share/rpm\n\
        echo lost > /made; echo lost > /tmp/made; echo lost > /usr/share/rpm/made; pwd";
    let spec = Spec { stdin: b"listed\n".to_vec(), ..confined(&root, text) };
    let outcome = run(&spec, &Unobserved).unwrap();
    assert_eq!(outcome.output, "/run/cambium-script 1\nlisted\n/\n");
    assert_eq!(fs::read_to_string(dir.path().join("usr/etc/made")).unwrap(), "new\n");
    assert!(dir.path().join("usr/bin/tool").exists());
    let mut left: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["usr", "var"], "nothing else is left, and no etc");
    let rpm: Vec<_> = fs::read_dir(dir.path().join("usr/share/rpm")).unwrap().collect();
    assert_eq!(rpm.len(), 1, "what is masked stays as it was");
}

#[test]
fn the_end_is_told_as_it_was() {
    let (dir, root) = root();
    for (text, ended) in [
        ("exit 0", Ended::Exited(0)),
        ("exit 1", Ended::Exited(1)),
        ("exit 77", Ended::Exited(77)),
        ("kill -9 $$", Ended::Signalled(9)),
        ("kill -15 $$", Ended::Signalled(15)),
    ] {
        assert_eq!(outcome(&root, text).ended, ended, "{text}");
    }
    let mut spec = confined(&root, "");
    spec.program = Program::Command("/usr/bin/missing".into());
    let error = run(&spec, &Unobserved).unwrap_err();
    assert!(
        matches!(&error, Error::Setup { output, .. }
        if output.starts_with("cannot run /usr/bin/missing: No such file")),
        "{error}"
    );
    assert!(dir.path().join("usr/etc").is_dir() && !dir.path().join("etc").exists());
}

#[test]
fn environment_session_devices_and_descriptors_are_those_of_a_sandbox() {
    let (_dir, root) = root();
    let seen = output(&root, "env");
    let mut keys: Vec<_> = seen.lines().filter_map(|l| l.split_once('=')).map(|p| p.0).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        ["HOME", "LANG", "PATH", "PERL_BADLANG", "PWD", "SHLVL", "SYSTEMD_OFFLINE", "_"]
    );
    assert_eq!(output(&root, "[ -e /run/ostree-booted ] && echo yes"), "yes\n");
    // The output has the names that it has on any system.
    assert_eq!(output(&root, "echo a > /dev/stderr; echo b >> /dev/stdout; echo c"), "a\nb\nc\n");
    let text = "echo x > /dev/null; read -N 1 x < /dev/urandom; echo x > /dev/full || echo full\n\
        (: < /dev/tty) 2>/dev/null || echo no terminal; ls /proc /sys /dev/shm /tmp";
    let said = output(&root, text);
    assert!(said.contains("full\nno terminal\n") && said.ends_with("/tmp:\n"), "{said}");
    // Nothing but the three standard descriptors is open.
    let open = "for (3..255) { open(my $f, \"<&=\", $_) and print \"$_ \" }";
    assert_eq!(output(&root, &format!("perl -e '{open}'")), "");
}

/// Each text tries something that must not work; it prints what it was told.
#[test]
fn what_reaches_beyond_the_chroot_is_denied() {
    let (_dir, root) = root();
    let call = |number: libc::c_long, arguments: &str| {
        format!("perl -e '$x=\"x\"; $!=0; syscall({number}, {arguments}); print \"errno \", $!+0'")
    };
    let us = std::process::id();
    let mut cases = vec![
        ("mount -t tmpfs x /tmp 2>&1".to_owned(), "permission denied"),
        ("unshare -m true 2>&1".to_owned(), "not permitted"),
        ("mknod /tmp/sda b 8 0 2>&1".to_owned(), "not permitted"),
        (call(libc::SYS_clone, "0x10000000, 0, 0, 0, 0"), "errno 1"),
        (call(libc::SYS_chroot, "$x"), "errno 1"),
        (call(libc::SYS_bpf, "0, 0, 0"), "errno 1"),
        (call(libc::SYS_io_uring_setup, "0, 0"), "errno 1"),
        (call(libc::SYS_keyctl, "0, 0, 0, 0, 0"), "errno 1"),
        (call(libc::SYS_ptrace, &format!("16, {us}, 0, 0")), "errno 1"),
        (call(libc::SYS_init_module, "0, 0, 0"), "errno 1"),
        (call(libc::SYS_clone3, "0, 0"), "errno 38"),
        (call(0x4000_0000 + 39, "0"), "errno 38"),
        (call(libc::SYS_shmget, "1, 4096, 01666"), "errno 1"),
        (call(libc::SYS_mq_open, "$x, 0, 0, 0"), "errno 1"),
        (call(libc::SYS_prlimit64, &format!("{us}, 7, 0, 0")), "errno 1"),
        (call(libc::SYS_setpriority, &format!("0, {us}, 19")), "errno 1"),
        (call(libc::SYS_kill, "-1, 0"), "errno 1"),
        ("perl -e 'socket(S, 2, 1, 0) or print $!+0'".to_owned(), "97"),
        ("perl -e 'socket(S, 16, 3, 9) or print $!+0'".to_owned(), "97"),
        ("perl -e 'socket(S, 1, 1, 0) and print \"unix\"'".to_owned(), "unix"),
    ];
    if process::can_scope_signals() {
        cases.push((call(libc::SYS_kill, &format!("{us}, 0")), "errno 1"));
        cases.push(("kill -9 $PPID 2>&1".to_owned(), "not permitted"));
    }
    for (text, expected) in cases {
        let outcome = outcome(&root, &text);
        let said = outcome.output.to_lowercase();
        assert!(said.contains(expected), "{text}: {} {said:?}", outcome.ended);
    }
}

/// Looks at the processes inside once the script has made a file, then cancels.
struct Look<'a> {
    top: &'a Path,
    seen: Mutex<Vec<String>>,
}

impl Observer for Look<'_> {
    fn progress(&self, _: cambium_model::Progress) {}

    fn cancelled(&self) -> bool {
        let began = self.top.join(".cambium-root/var/began").exists();
        if began && self.seen.lock().unwrap().is_empty() {
            *self.seen.lock().unwrap() = processes(self.top);
        }
        began
    }
}

#[test]
fn cancelling_kills_everything_inside_wherever_it_hides() {
    let (dir, root) = root();
    let hide = format!(
        "fork and exit; syscall({}); fork and exit; $SIG{{TERM}} = $SIG{{HUP}} = \"IGNORE\"; \
         open my $f, \">\", \"/var/began\"; sleep 600",
        libc::SYS_setsid
    );
    let text = format!("trap '' TERM INT HUP; (sleep 600 &) ; perl -e '{hide}'; sleep 600");
    let observer = Look { top: dir.path(), seen: Mutex::default() };
    let started = Instant::now();
    let error = run(&confined(&root, &text), &observer).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(processes(dir.path()), [""; 0]);

    let seen = observer.seen.into_inner().unwrap();
    assert!(seen.len() >= 3, "the shell, its sleep and perl: {}", seen.len());
    for status in &seen {
        let field = |name: &str| {
            let line = status.lines().find(|l| l.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap()
        };
        // chown 0, dac_override 1, fowner 3, fsetid 4, kill 5, setgid 6, setuid 7, setfcap 31.
        for set in ["CapEff:", "CapPrm:", "CapBnd:"] {
            assert_eq!(u64::from_str_radix(field(set), 16).unwrap(), 0x8000_00fb, "{set}");
        }
        assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1", "2"));
        assert_eq!(field("CapInh:"), "0000000000000000");
    }
}

#[test]
fn time_is_bounded_and_background_processes_do_not_outlive() {
    let (dir, root) = root();
    let mut spec = confined(&root, "echo began; sleep 600 & sleep 600");
    spec.limits.time = Duration::from_millis(300);
    let error = run(&spec, &Unobserved).unwrap_err();
    assert!(matches!(&error, Error::TimedOut { output, .. } if output == "began\n"), "{error}");
    let fork = format!("fork and exit; syscall({}); fork and exit; sleep 600", libc::SYS_setsid);
    let text = format!("sleep 600 >/dev/null 2>&1 & perl -e '{fork}'; exit 3");
    assert_eq!(outcome(&root, &text).ended, Ended::Exited(3));
    assert_eq!(processes(dir.path()), [""; 0]);
}

#[test]
fn a_script_that_kills_its_supervisor_is_told_of_and_ended() {
    let (dir, root) = root();
    let text = "sleep 600 & kill -9 $PPID; echo still here";
    match run(&confined(&root, text), &Unobserved) {
        Ok(outcome) if process::can_scope_signals() => {
            assert!(outcome.output.ends_with("still here\n"), "{}", outcome.output);
        }
        Err(Error::Unwatched { .. }) if !process::can_scope_signals() => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(processes(dir.path()), [""; 0]);
}

#[test]
fn the_root_and_what_lies_in_it_cannot_be_taken_away() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("mark"), "host").unwrap();
    let take = "perl -e 'rename \"/usr\", \"/u\"; symlink \"OUTSIDE\", \"/usr\"'";
    for text in ["rm -rf /etc", "rm -rf /usr/etc", take, "rm -rf /*"] {
        let (dir, mut root) = root();
        fs::copy("/usr/bin/rm", dir.path().join("usr/bin/rm")).unwrap();
        root.masked.clear();
        let text = text.replace("OUTSIDE", outside.path().to_str().unwrap());
        let error = run(&confined(&root, &text), &Unobserved).unwrap_err();
        assert!(matches!(&error, Error::Replaced { .. }), "{text}: {error}");
        assert_eq!(error.kind(), cambium_model::FailureKind::Script);
    }
    assert_eq!(fs::read_to_string(outside.path().join("mark")).unwrap(), "host");
}

#[test]
fn files_can_be_replaced_and_directories_shown_for_a_while() {
    let (dir, mut root) = root();
    let tool = dir.path().join("usr/bin/tool");
    fs::write(&tool, "#!/bin/sh\necho real\n").unwrap();
    fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let before = tool.metadata().unwrap().ino();
    let wrapper = b"#!/bin/sh\necho wrapped\nexec /run/tool\n".to_vec();
    root.replaced.push(crate::Replacement { target: "/usr/bin/tool".into(), content: wrapper });
    let (source, target) = (tool.clone(), PathBuf::from("/run/tool"));
    root.binds.push(Bind { source, target, access: Access::ReadOnly });
    let scratch = dir.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let target = PathBuf::from("/tmp/work");
    root.binds.push(Bind { source: scratch.clone(), target, access: Access::ReadWrite });
    let text = "tool; echo more >> /run/tool; echo other > /usr/bin/tool; echo x > /tmp/work/made";
    assert_eq!(output(&root, text), "wrapped\nreal\n");
    assert_eq!(fs::read_to_string(&tool).unwrap(), "#!/bin/sh\necho real\n");
    assert_eq!(tool.metadata().unwrap().ino(), before);
    assert_eq!(fs::read_to_string(scratch.join("made")).unwrap(), "x\n");
}
