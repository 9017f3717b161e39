//! A host's whole life through the daemon, each step judged by ostree and rpm themselves.

#![allow(clippy::unwrap_used, reason = "a test")]

use cambium_integration::fixture::base::Edition;
use cambium_integration::harness::{Host, oracle};
use std::fs;

/// What holds after every step: the repository is whole, what boots next exists.
#[track_caller]
fn check(host: &Host) {
    oracle::fsck(&host.repo()).unwrap();
    for file in oracle::boot_files(&host.places().sysroot).unwrap() {
        assert!(file.exists(), "the boot loader names {}", file.display());
    }
}

/// The packages of the deployment that boots next, as rpm lists them.
fn packages(host: &Host) -> Vec<String> {
    oracle::packages(&host.default_root().unwrap()).unwrap()
}

fn has(host: &Host, package: &str) -> bool {
    packages(host).iter().any(|name| name == package)
}

#[test]
fn install_upgrade_uninstall_and_roll_back() {
    let host = Host::new().unwrap();
    let base = packages(&host);

    host.cambium(&["install", "greeter"]).ok();
    check(&host);
    for package in ["greeter-2.1-4.noarch", "libgreet-3.0-1.noarch", "greet-data-1-7.noarch"] {
        assert!(has(&host, package), "{package} in {:?}", packages(&host));
    }
    assert_eq!(packages(&host).len(), base.len() + 3);
    let root = host.default_root().unwrap();
    assert_eq!(
        fs::read_to_string(root.join("usr/share/greet/words")).unwrap(),
        "words='good morning'\n"
    );
    assert_eq!(oracle::verify(&root, &["greeter", "libgreet"]).unwrap(), Vec::<String>::new());

    host.publish(Edition::Second).unwrap();
    host.cambium(&["upgrade"]).ok();
    check(&host);
    assert!(has(&host, "fixture-tools-1.1-1.noarch") && has(&host, "greeter-2.1-4.noarch"));
    assert!(!has(&host, "fixture-old-1-1.noarch") && has(&host, "fixture-new-1-1.noarch"));

    host.cambium(&["uninstall", "greeter"]).ok();
    check(&host);
    assert!(!has(&host, "greeter-2.1-4.noarch") && !has(&host, "libgreet-3.0-1.noarch"));
    assert!(has(&host, "fixture-tools-1.1-1.noarch"));

    host.cambium(&["rollback"]).ok();
    check(&host);
    let status = host.status();
    assert_eq!(status["deployments"].as_array().unwrap().len(), 2, "{status:#}");
}

#[test]
fn uninstalling_everything_gives_the_base_commit_back() {
    let host = Host::new().unwrap();
    let base = host.base().commit(Edition::First).unwrap();
    host.cambium(&["install", "hello"]).ok();
    host.cambium(&["uninstall", "hello"]).ok();
    check(&host);
    let root = host.default_root().unwrap();
    assert!(root.file_name().unwrap().to_string_lossy().starts_with(&base), "{}", root.display());
}

#[test]
fn the_layered_commit_differs_from_its_base_by_the_package_alone() {
    let host = Host::new().unwrap();
    let base = host.base().commit(Edition::First).unwrap();
    host.cambium(&["install", "links"]).ok();
    let root = host.default_root().unwrap();
    let name = root.file_name().unwrap().to_string_lossy().into_owned();
    let layered = name.split('.').next().unwrap();
    let differences = oracle::diff(&host.repo(), &base, layered).unwrap();
    let expected = ["absolute", "dangling", "relative", "target", "up"];
    let expected = expected.map(|name| format!("A    /usr/share/links/{name}"));
    for line in &expected {
        assert!(differences.contains(line), "{line} in {differences:#?}");
    }
    let known = |line: &&String| {
        expected.contains(line)
            || line.ends_with("/usr/share/links")
            || line.contains("/usr/lib/sysimage")
    };
    let others: Vec<_> = differences.iter().filter(|line| !known(line)).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn local_changes_below_etc_survive_an_upgrade() {
    let host = Host::new().unwrap();
    let etc = |host: &Host| host.default_root().unwrap().join("etc");
    fs::write(etc(&host).join("fixture-tools.conf"), "mine\n").unwrap();
    fs::write(etc(&host).join("added-by-me"), "x").unwrap();
    fs::remove_file(etc(&host).join("hosts")).unwrap();
    host.publish(Edition::Second).unwrap();
    host.cambium(&["upgrade"]).ok();
    check(&host);
    assert_eq!(fs::read_to_string(etc(&host).join("fixture-tools.conf")).unwrap(), "mine\n");
    assert!(etc(&host).join("added-by-me").exists() && !etc(&host).join("hosts").exists());
    assert!(has(&host, "fixture-tools-1.1-1.noarch"));
}

#[test]
fn an_upgrade_takes_newer_layered_packages_too() {
    let host = Host::new().unwrap();
    host.cambium(&["install", "hello"]).ok();
    assert!(has(&host, "hello-1.0-1.noarch"));
    let (main, updates) = (host.layers().main(), host.layers().updates());
    host.enable(&[("fixture", &main, "gpgcheck=0"), ("updates", &updates, "gpgcheck=0")]).unwrap();
    host.cambium(&["upgrade"]).ok();
    check(&host);
    assert!(has(&host, "hello-2.0-1.noarch"), "{:?}", packages(&host));
}

#[test]
fn nothing_to_do_is_said_and_has_its_exit_code() {
    let host = Host::new().unwrap();
    host.cambium(&["install", "hello"]).ok();
    let before = host.default_root().unwrap();
    let answer = host.cambium(&["install", "hello", "--idempotent", "--unchanged-exit-77"]);
    let _ = answer.code(77);
    let answer = host.cambium(&["upgrade", "--unchanged-exit-77"]).code(77);
    assert!(answer.out.contains("No upgrade available."), "{answer}");
    let _ = host.cambium(&["upgrade", "--check"]).code(77);
    host.publish(Edition::Second).unwrap();
    host.cambium(&["upgrade", "--check"]).ok();
    assert_eq!(host.default_root().unwrap(), before);
}

#[test]
fn a_version_and_a_checksum_can_be_deployed() {
    let host = Host::new().unwrap();
    host.publish(Edition::Second).unwrap();
    host.cambium(&["upgrade"]).ok();
    let first = host.base().commit(Edition::First).unwrap();
    host.cambium(&["deploy", "1.0"]).ok();
    let name = |host: &Host| host.default_root().unwrap().display().to_string();
    assert!(name(&host).contains(&first), "{}", name(&host));
    let second = host.base().commit(Edition::Second).unwrap();
    host.cambium(&["deploy", &second]).ok();
    assert!(name(&host).contains(&second), "{}", name(&host));
    check(&host);
}
