//! What `cargo xtask install` lays out, judged by the programs that read it.

#![allow(clippy::unwrap_used, reason = "a test")]

use cambium_integration::fixture::programs;
use cambium_integration::run::{output, run};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use xtask::layout::Installation;

/// An installation in a directory of its own, and what was placed.
fn installed() -> (tempfile::TempDir, Vec<String>) {
    let root = tempfile::tempdir().unwrap();
    let cambium = programs::cambium().unwrap();
    let installation =
        Installation { workspace: programs::workspace(), programs: cambium.parent().unwrap() };
    let placed = installation.lay_out(root.path()).unwrap();
    (root, placed)
}

#[test]
fn every_file_is_at_its_place_and_no_other_is_there() {
    let (root, placed) = installed();
    for place in [
        "/usr/bin/cambium",
        "/usr/bin/rpm-ostree",
        "/usr/libexec/cambium/cambiumd",
        "/usr/lib/systemd/system/cambiumd.service",
        "/usr/lib/systemd/system/cambiumd.socket",
        "/usr/lib/systemd/system-preset/90-cambium.preset",
        "/usr/lib/sysusers.d/cambium.conf",
        "/usr/lib/tmpfiles.d/cambium.conf",
        "/usr/share/doc/cambium/config.toml",
        "/usr/share/man/man1/cambium.1",
        "/usr/share/man/man1/cambium-install.1",
        "/usr/share/bash-completion/completions/cambium",
    ] {
        assert!(placed.iter().any(|placed| placed == place), "{place} in {placed:#?}");
    }
    let found: BTreeSet<_> = walkdir::WalkDir::new(root.path())
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| !entry.file_type().is_dir())
        .map(|entry| format!("/{}", entry.path().strip_prefix(root.path()).unwrap().display()))
        .collect();
    assert_eq!(found, placed.iter().cloned().collect());
    for place in &placed {
        let data = fs::metadata(root.path().join(&place[1..])).unwrap();
        let program = place.starts_with("/usr/bin") || place.starts_with("/usr/libexec");
        assert_eq!(
            data.permissions().mode() & 0o777,
            if program { 0o755 } else { 0o644 },
            "{place}"
        );
    }
    // A second installation is the first.
    let cambium = programs::cambium().unwrap();
    let again =
        Installation { workspace: programs::workspace(), programs: cambium.parent().unwrap() };
    assert_eq!(again.lay_out(root.path()).unwrap(), placed);
}

#[test]
fn systemd_accepts_the_units_and_the_preset_enables_the_socket() {
    let (root, _) = installed();
    let units = root.path().join("usr/lib/systemd/system");
    // Units that ours name belong to other packages: stand-ins, since only ours are judged.
    for other in ["sysinit.target", "basic.target", "shutdown.target", "sockets.target"] {
        fs::write(units.join(other), "[Unit]\nDescription=Another package's\n").unwrap();
    }
    let kill = root.path().join("bin/kill");
    fs::create_dir(root.path().join("bin")).unwrap();
    fs::write(&kill, "").unwrap();
    fs::set_permissions(&kill, fs::Permissions::from_mode(0o755)).unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=no"]);
    verify.arg(format!("--root={}", root.path().display()));
    verify.args(["cambiumd.service", "cambiumd.socket"]);
    let said = verify.output().unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success() && !text.contains("cambium"), "{text}");

    let option = format!("--root={}", root.path().display());
    run(Command::new("systemctl").args([&option, "preset", "cambiumd.socket"])).unwrap();
    let link = root.path().join("etc/systemd/system/sockets.target.wants/cambiumd.socket");
    assert!(link.is_symlink());
    let enabled = ["is-enabled", "cambiumd.socket"];
    let enabled = output(Command::new("systemctl").arg(&option).args(enabled)).unwrap();
    assert_eq!(enabled, "enabled");
}

#[test]
fn the_group_and_the_directories_are_made() {
    let (root, _) = installed();
    let option = format!("--root={}", root.path().display());
    fs::create_dir_all(root.path().join("etc")).unwrap();
    run(Command::new("systemd-sysusers").arg(&option)).unwrap();
    let groups = fs::read_to_string(root.path().join("etc/group")).unwrap();
    assert!(groups.lines().any(|line| line.starts_with("cambium:")), "{groups}");
    run(Command::new("systemd-tmpfiles").args([&option, "--create", "cambium.conf"])).unwrap();
    for (path, mode) in
        [("run/cambium", 0o755), ("var/lib/cambium", 0o700), ("var/cache/cambium", 0o755)]
    {
        let data = fs::metadata(root.path().join(path)).unwrap();
        assert_eq!(data.permissions().mode() & 0o777, mode, "{path}");
    }
}

#[test]
fn the_documents_are_what_their_readers_take() {
    let (root, placed) = installed();
    let completion = root.path().join("usr/share/bash-completion/completions/cambium");
    run(Command::new("bash").arg("-n").arg(completion)).unwrap();
    for page in placed.iter().filter(|place| place.ends_with(".1")) {
        let text = fs::read_to_string(root.path().join(&page[1..])).unwrap();
        assert!(text.contains(".TH") && text.contains(".SH NAME"), "{page}");
    }
}
