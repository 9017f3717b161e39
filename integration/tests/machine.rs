//! The harness's machine itself: a deployment of the fixture boots by its own systemd, libostree
//! takes it for booted, staged deployments are finalised by a reboot. No code of cambium's.

#![allow(clippy::unwrap_used, reason = "a test")]

use cambium_integration::fixture::REF;
use cambium_integration::fixture::base::{Edition, Flavour};
use cambium_integration::harness::{Host, Start, Vm};

#[test]
fn a_staged_deployment_is_booted_after_a_reboot_and_survives_a_crash() {
    let host = Host::with(Flavour::Full, Start::Later).unwrap();
    host.bring_inside().unwrap();
    let mut vm = Vm::boot(host.directory()).unwrap();
    let first = host.base().commit(Edition::First).unwrap();
    let second = host.base().commit(Edition::Second).unwrap();
    let status = vm.sh("ostree admin status").ok();
    assert!(status.out.contains(&format!("* fixture {first}.0")), "{status}");
    assert_eq!(vm.sh("rpm -q fixture-release").ok().out, "fixture-release-1.0-1.noarch\n");

    let ran = vm.sh(&format!(
        "ostree --repo=/sysroot/ostree/repo pull fixture {REF}@{second} && \
         ostree admin deploy --stage {second}"
    ));
    assert!(ran.code == Some(0), "{ran}");
    vm.reboot().unwrap();
    let status = vm.sh("ostree admin status").ok();
    assert!(status.out.contains(&format!("* fixture {second}.0")), "{status}\n{}", vm.console());

    vm.sh("echo kept > /etc/kept && sync").ok();
    vm.kill().unwrap();
    vm.power_on().unwrap();
    assert_eq!(vm.sh("cat /etc/kept").ok().out, "kept\n");
    assert_eq!(vm.console().matches("boots").count(), 3, "{}", vm.console());
    let disks = vm
        .sh("stat --file-system --format=%T /sysroot /boot; stat --format=%d /sysroot /boot")
        .ok();
    let lines: Vec<_> = disks.out.lines().collect();
    assert_eq!(lines[..2], ["ext2/ext3"; 2], "{disks}");
    assert_ne!(lines[2], lines[3], "/boot is a file system of its own: {disks}");
    vm.check_disks().unwrap();
}
