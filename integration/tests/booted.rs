//! In a booted system: cambiumd as its own package and its own service, staged deployments, a
//! reboot into them, a rollback.

#![allow(clippy::unwrap_used, reason = "a test")]

use cambium_integration::fixture::base::{Edition, Flavour};
use cambium_integration::harness::{Host, Start, Vm};

#[test]
fn a_booted_host_layers_reboots_upgrades_and_rolls_back() {
    let host = Host::with(Flavour::Full, Start::Later).unwrap();
    host.bring_inside().unwrap();
    let mut vm = Vm::boot(host.directory()).unwrap();
    assert!(vm.sh("rpm -q cambium").ok().out.starts_with("cambium-"));
    let status = vm.sh("cambium status").ok();
    assert!(status.out.contains("● fixture:fixture/x86_64/base"), "{status}");
    assert_eq!(vm.sh("systemctl is-active cambiumd.service").out, "active\n");

    vm.sh("cambium install greeter").ok();
    let status = vm.sh("cambium status --json").ok().json();
    assert_eq!(status["deployments"][0]["staged"], true, "{status:#}");
    assert_eq!(vm.sh("rpm -q greeter").code, Some(1), "nothing changes before the reboot");
    vm.reboot().unwrap();
    assert_eq!(vm.sh("rpm -q greeter").ok().out, "greeter-2.1-4.noarch\n");
    assert_eq!(vm.sh("greeter").ok().out, "good morning\n");
    assert!(vm.sh("rpm -V --nomtime greeter libgreet").ok().out.is_empty());

    let second = host.base().commit(Edition::Second).unwrap();
    vm.sh(&format!("echo {second} > /var/remote/refs/heads/fixture/x86_64/base")).ok();
    vm.sh("cambium upgrade").ok();
    vm.reboot().unwrap();
    assert_eq!(vm.sh("rpm -q fixture-release").ok().out, "fixture-release-2.0-1.noarch\n");
    assert_eq!(vm.sh("greeter").ok().out, "good morning\n");

    vm.sh("cambium rollback").ok();
    vm.reboot().unwrap();
    assert_eq!(vm.sh("rpm -q fixture-release").ok().out, "fixture-release-1.0-1.noarch\n");
    assert_ne!(vm.sh("systemctl is-failed cambiumd.service").out, "failed\n");
    vm.sh("cambium history --verify").ok();
}

#[test]
fn a_crash_with_a_staged_deployment_boots_what_was_booted() {
    let host = Host::with(Flavour::Full, Start::Later).unwrap();
    host.bring_inside().unwrap();
    let mut vm = Vm::boot(host.directory()).unwrap();
    vm.sh("cambium install greeter && sync").ok();
    vm.kill().unwrap();
    vm.power_on().unwrap();
    assert_eq!(vm.sh("rpm -q greeter").code, Some(1));
    vm.sh("cambium status").ok();
    vm.sh("cambium install greeter").ok();
    vm.reboot().unwrap();
    assert_eq!(vm.sh("greeter").ok().out, "good morning\n");
}
