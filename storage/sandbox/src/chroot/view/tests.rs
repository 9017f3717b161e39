//! The way back, from every state in which a process can be killed.

use super::*;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Names the tree to the child process of [`child`].
const TOP: &str = "CAMBIUM_TEST_VIEW";

fn tree() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for sub in ["usr/etc/pam.d", "usr/bin", "usr/share/rpm", "var/lib"] {
        fs::create_dir_all(dir.path().join(sub)).unwrap();
    }
    for file in ["usr/etc/passwd", "usr/bin/systemctl", "usr/share/rpm/db", "var/lib/state"] {
        fs::write(dir.path().join(file), file).unwrap();
    }
    dir
}

/// Every path with what it is.
fn all(top: &Path) -> BTreeMap<String, String> {
    fn below(top: &Path, at: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            let kind = path.symlink_metadata().unwrap().file_type();
            let what = if kind.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if kind.is_dir() {
                below(top, &path, found);
                "directory".to_owned()
            } else {
                fs::read_to_string(&path).unwrap()
            };
            found.insert(name, what);
        }
    }
    let mut found = BTreeMap::new();
    below(top, top, &mut found);
    found
}

#[test]
fn etc_is_at_its_place_while_the_view_lasts_and_back_after() {
    let dir = tree();
    let before = all(dir.path());
    let view = View::enter(dir.path()).unwrap();
    view.put_aside("usr/share/rpm").unwrap();
    view.put_aside("/usr/bin/systemctl").unwrap();
    let inside = dir.path().join(INSIDE);
    assert_eq!(fs::read_to_string(inside.join("etc/passwd")).unwrap(), "usr/etc/passwd");
    assert_eq!(fs::read_link(inside.join("usr/etc")).unwrap(), Path::new("../etc"));
    // Both names are one directory.
    fs::write(inside.join("usr/etc/new"), "new").unwrap();
    assert_eq!(fs::read_to_string(inside.join("etc/new")).unwrap(), "new");
    assert!(!inside.join("usr/share/rpm").exists());
    fs::write(inside.join("usr/bin/systemctl"), "another").unwrap();
    view.leave("demo.post").unwrap();
    let mut expected = before;
    expected.insert("usr/etc/new".to_owned(), "new".to_owned());
    assert_eq!(all(dir.path()), expected);
}

#[test]
fn a_panic_puts_everything_back() {
    let dir = tree();
    let before = all(dir.path());
    let panicked = std::panic::catch_unwind(|| {
        let view = View::enter(dir.path()).unwrap();
        view.put_aside("usr/share/rpm").unwrap();
        panic!("a worker's");
    });
    assert!(panicked.is_err());
    assert_eq!(all(dir.path()), before);
}

#[test]
fn every_state_between_two_steps_is_recognised_and_undone_once() {
    let inside = |path: &str| Path::new(INSIDE).join(path);
    let steps: [&dyn Fn(&Path); 9] = [
        &|top| fs::create_dir(top.join(INSIDE)).unwrap(),
        &|top| fs::rename(top.join("usr"), top.join(inside("usr"))).unwrap(),
        &|top| fs::rename(top.join("var"), top.join(inside("var"))).unwrap(),
        &|top| fs::rename(top.join(inside("usr/etc")), top.join(inside("etc"))).unwrap(),
        &|top| symlink("../etc", top.join(inside("usr/etc"))).unwrap(),
        &|top| fs::create_dir(top.join(ASIDE)).unwrap(),
        &|top| {
            let aside = top.join(ASIDE).join("usr%2Fshare%2Frpm");
            fs::rename(top.join(inside("usr/share/rpm")), aside).unwrap();
        },
        &|top| fs::create_dir(top.join(inside("usr/share/rpm"))).unwrap(),
        // And one of the way back: the link is gone, the directory not yet there.
        &|top| fs::remove_file(top.join(inside("usr/etc"))).unwrap(),
    ];
    for count in 0..=steps.len() {
        let dir = tree();
        let before = all(dir.path());
        steps[..count].iter().for_each(|step| step(dir.path()));
        assert_eq!(View::recover(dir.path()).unwrap(), count > 0, "after {count} steps");
        assert_eq!(all(dir.path()), before, "after {count} steps");
        assert!(!View::recover(dir.path()).unwrap(), "twice after {count} steps");
        assert_eq!(all(dir.path()), before, "twice after {count} steps");
    }
}

/// Not a test by itself: the process that the next one kills.
#[test]
fn child() {
    let Some(top) = std::env::var_os(TOP) else { return };
    let _view = View::enter(Path::new(&top)).unwrap();
    println!("entered");
    // Until it is killed, or its parent is.
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn a_killed_process_leaves_a_link_that_the_next_start_undoes() {
    for signal in [Signal::KILL, Signal::TERM] {
        let dir = tree();
        let before = all(dir.path());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "chroot::view::tests::child", "--nocapture"])
            .env(TOP, dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.ends_with("entered")));
        kill_process(Pid::from_child(&child), signal).unwrap();
        child.wait().unwrap();
        let link = dir.path().join(INSIDE).join("usr/etc");
        assert_eq!(fs::read_link(link).unwrap(), Path::new("../etc"), "{signal:?}");

        // The next start, or the next program without one.
        let view = View::enter(dir.path()).unwrap();
        view.leave("demo.post").unwrap();
        assert_eq!(all(dir.path()), before, "{signal:?}");
        assert!(!View::recover(dir.path()).unwrap());
    }
}

#[test]
fn what_is_replaced_by_a_link_is_refused_and_the_links_target_left_alone() {
    let elsewhere = tree();
    let kept = all(elsewhere.path());
    for (path, target) in [("usr", "usr"), ("etc", "usr/etc"), ("var", "var"), ("usr/etc", "etc")] {
        let dir = tree();
        let view = View::enter(dir.path()).unwrap();
        view.put_aside("usr/share/rpm").unwrap();
        let at = dir.path().join(INSIDE).join(path);
        fs::rename(&at, at.with_extension("moved")).unwrap();
        symlink(elsewhere.path().join(target), &at).unwrap();
        let error = view.leave("demo.post").unwrap_err();
        let message = format!("demo.post replaced /{path}, which must stay where it is");
        assert_eq!(error.to_string(), message);
        assert_eq!(all(elsewhere.path()), kept, "{path}");
    }
}
