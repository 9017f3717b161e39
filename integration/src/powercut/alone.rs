//! Namespaces of its own for a test that mounts and starts daemons.
//!
//! The test runs its own program again under `unshare`, as the first process of a process
//! namespace: when it ends, however it ends, the kernel ends what it started and unmounts what it
//! mounted, and loop devices free themselves. Shared memory is its own, too, so that no image of a
//! killed test stays there.

use rustix::mount::{MountFlags, mount};
use std::path::Path;
use std::process::Command;

/// Names the test that runs inside already.
const INSIDE: &str = "CAMBIUM_POWERCUT_INSIDE";

/// Programs and devices that the recorded disk needs, each with what to do where it is missing.
const NEEDED: &[(&str, &str)] = &[
    ("/dev/fuse", "load the kernel's module: modprobe fuse"),
    ("/dev/loop-control", "load the kernel's module: modprobe loop"),
    ("qemu-storage-daemon", "install qemu-utils (apt) or qemu-img (dnf): cargo xtask setup"),
    ("mkfs.ext4", "install e2fsprogs: cargo xtask setup"),
    ("losetup", "install mount (apt) or util-linux (dnf): cargo xtask setup"),
    ("unshare", "install util-linux: cargo xtask setup"),
];

/// Runs `body` in mount and process namespaces of its own. `test` is the name of the calling
/// test, as its test program knows it.
///
/// # Panics
/// When the machine lacks something, saying what to install, or when the body did; then with all
/// that it printed.
#[track_caller]
#[expect(clippy::panic, reason = "a test's own check")]
pub fn alone(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some_and(|inside| inside == test) {
        let options = MountFlags::NOSUID | MountFlags::NODEV;
        if let Err(error) = mount("tmpfs", "/dev/shm", "tmpfs", options, None) {
            panic!("no shared memory of its own: {error}");
        }
        return body();
    }
    let missing: Vec<_> = NEEDED.iter().filter(|(name, _)| !is_there(name)).collect();
    assert!(missing.is_empty(), "the cut of power needs what is not here: {missing:#?}");
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => panic!("cannot tell where this test is: {error}"),
    };
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]);
    command.arg("--mount-proc").arg(program).args([test, "--exact", "--nocapture"]);
    let output = match command.env(INSIDE, test).output() {
        Ok(output) => output,
        Err(error) => panic!("cannot run unshare: {error}"),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}\n{errors}", output.status);
    // A name that no test has would pass by running none.
    assert!(said.contains("1 passed"), "{test} is not a test of this program: {said}");
}

fn is_there(name: &str) -> bool {
    if name.starts_with('/') {
        return Path::new(name).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|directory| directory.join(name).is_file())
}
