//! The life of a host that is booted by its own systemd: cambiumd as a package of the base and
//! a service of the system, deployments staged and finalised by a reboot.

use super::Place;
use super::bases::{Bases, REF};
use super::host::{RealHost, STATEROOT, succeeded};
use super::packages::Repositories;
use super::report::Report;
use crate::harness::{Answer, Vm};
use crate::run::run;
use anyhow::{Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a system may take until all its units are up.
const PATIENCE: &str = "60";

/// Lives it.
///
/// # Errors
/// When the host cannot be made; failed steps are in the report.
pub fn live(
    place: &Place,
    repositories: &Repositories,
    bases: &Bases,
    report: &mut Report,
) -> Result<()> {
    let host = RealHost::new(place.temporary("booted")?, bases)?;
    bring_inside(&host, repositories)?;
    let Some(mut vm) = report.step("the release boots", || Vm::boot(host.directory())) else {
        return Ok(());
    };
    let failed = report.failed;
    first_boot(&vm, report);
    if layer(&mut vm, report).is_some() && upgrade(&mut vm, bases, report).is_some() {
        back(&mut vm, report);
        crash(&mut vm, report);
    }
    if report.failed > failed {
        let journal =
            vm.sh("journalctl --no-pager -u cambiumd -n 40; systemctl --failed --no-legend");
        report.note(&format!("the machine's last words:\n{}", journal.out));
    }
    report.step("the disk's repository is whole", || {
        sh(&vm, "ostree fsck --quiet --repo=/sysroot/ostree/repo").map(drop)
    });
    report.step("both file systems are in order", || vm.check_disks());
    Ok(())
}

/// The remote lies below /var already; the packages to layer come beside it.
fn bring_inside(host: &RealHost, repositories: &Repositories) -> Result<()> {
    let layers = host.var().join("layers");
    run(Command::new("cp").args(["-a", "--link"]).arg(&repositories.layers).arg(layers))?;
    let config = host.repo().join("config");
    let text = std::fs::read_to_string(&config)?;
    let outside = host.var().display().to_string();
    std::fs::write(&config, text.replace(&outside, "/var"))?;
    host.write_repos(&super::bases::section("layers", Path::new("/var/layers")))
}

fn sh(vm: &Vm, script: &str) -> Result<Answer> {
    succeeded(vm.sh(script))
}

fn first_boot(vm: &Vm, report: &mut Report) {
    report.step("all its units are up", || running(vm));
    report.step("its socket starts cambiumd with the first client", || {
        let before = vm.sh("systemctl is-active cambiumd.socket cambiumd.service").out;
        ensure!(before == "active\ninactive\n", "before: {before:?}");
        let status = sh(vm, "cambium status")?;
        ensure!(status.out.contains('●'), "no booted deployment in {status}");
        let now = sh(vm, "systemctl is-active cambiumd.service")?;
        ensure!(now.out == "active\n", "{now}");
        Ok(())
    });
    report.step("cambiumd starts by itself, too", || {
        sh(vm, "systemctl stop cambiumd.service && systemctl start cambiumd.service")?;
        sh(vm, "systemctl is-active cambiumd.service && cambium status").map(drop)
    });
    report.step("rpm-ostree's name is answered as well", || sh(vm, "rpm-ostree status").map(drop));
}

/// `systemctl is-system-running` says so, when boot has ended.
fn running(vm: &Vm) -> Result<()> {
    let answer = vm.sh(&format!("timeout {PATIENCE} systemctl is-system-running --wait"));
    let failed =
        vm.sh("systemctl --failed --no-legend --plain; journalctl -b -p err --no-pager -n 30");
    ensure!(answer.out == "running\n", "{answer}\n{}", failed.out);
    Ok(())
}

fn layer(vm: &mut Vm, report: &mut Report) -> Option<()> {
    report.step("an installed package is staged, and not there yet", || {
        sh(vm, "cambium install -y htop")?;
        let status = succeeded(vm.sh("cambium status --json"))?.json();
        ensure!(status["deployments"][0]["staged"] == true, "{:#}", status["deployments"][0]);
        ensure!(vm.sh("rpm -q htop").code != Some(0), "htop is in the booted system");
        let ostree = sh(vm, "ostree admin status")?;
        ensure!(ostree.out.contains("(staged)"), "{ostree}");
        Ok(())
    })?;
    report.step("a reboot brings it", || {
        reboot(vm)?;
        sh(vm, "htop --version")?;
        sh(vm, "rpm -q htop")?;
        // Modification times are all zero in an image; everything else is as packaged.
        sh(vm, "rpm -V --nomtime htop")?;
        running(vm)
    })
}

fn upgrade(vm: &mut Vm, bases: &Bases, report: &mut Report) -> Option<()> {
    report.step("an upgrade to the updates across a reboot", || {
        let before = sh(vm, "ls /usr/lib/modules")?.out;
        let updates = &bases.updates;
        sh(
            vm,
            &format!(
                "rm /var/remote/refs/heads/{REF} && echo {updates} > /var/remote/refs/heads/{REF}"
            ),
        )?;
        sh(vm, "cambium upgrade -y")?;
        reboot(vm)?;
        let now = sh(vm, "ls /usr/lib/modules")?.out;
        ensure!(now != before, "the kernel is still {now}");
        sh(vm, "htop --version")?;
        running(vm)
    })
}

fn back(vm: &mut Vm, report: &mut Report) {
    report.step("a rollback across a reboot", || {
        let before = sh(vm, "ls /usr/lib/modules")?.out;
        sh(vm, "cambium rollback")?;
        reboot(vm)?;
        let now = sh(vm, "ls /usr/lib/modules")?.out;
        ensure!(now != before, "the kernel is still {now}");
        sh(vm, "htop --version")?;
        running(vm)
    });
    report.step("the history tells all of it", || {
        sh(vm, "cambium history --verify")?;
        let history = sh(vm, "cambium history")?;
        for verb in ["install", "upgrade", "rollback"] {
            ensure!(history.out.contains(verb), "no {verb} in {history}");
        }
        Ok(())
    });
}

fn crash(vm: &mut Vm, report: &mut Report) {
    report.step("a killed cambiumd is started again by its socket or its service", || {
        sh(vm, "systemctl kill --signal=KILL cambiumd.service")?;
        sh(vm, "cambium status").map(drop)
    });
    report.step("a crash of the machine boots what was booted", || {
        let booted = root(vm)?;
        vm.kill()?;
        vm.power_on()?;
        ensure!(root(vm)? == booted, "it booted {}", root(vm)?);
        sh(vm, "cambium status")?;
        running(vm)
    });
}

/// The booted deployment's checksum and serial.
fn root(vm: &Vm) -> Result<String> {
    let status = sh(vm, "ostree admin status")?;
    let line = status.out.lines().find(|line| line.starts_with(&format!("* {STATEROOT} ")));
    line.map(str::to_owned).ok_or_else(|| anyhow::anyhow!("nothing is booted in {status}"))
}

/// Reboots; a machine that takes half a minute to shut down hides a unit that does not end.
fn reboot(vm: &mut Vm) -> Result<()> {
    let start = Instant::now();
    vm.reboot()?;
    let took = start.elapsed();
    ensure!(took < Duration::from_secs(80), "the reboot took {took:?}:\n{}", vm.console());
    Ok(())
}

#[cfg(test)]
mod tests {
    // tests/booted.rs walks the same way on the fixture OS, where it is a test of its own.
    #[test]
    fn the_same_life_is_tested_on_the_fixture() {
        let tests = include_str!("../../tests/booted.rs");
        for verb in ["install", "upgrade", "rollback"] {
            assert!(tests.contains(verb), "{verb}");
        }
    }
}
