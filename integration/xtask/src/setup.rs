//! Installs the native packages that are missing, as root or through sudo.
//!
//! It asks the package manager's own database what is there, and says what it is about to do.
//! Nothing is downloaded but packages of the machine's own distribution. The table is `package`.

use crate::shell::{self, command, has};
use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};
use xtask::package::{For, PACKAGES};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Apt,
    Dnf,
}

/// Installs what is missing; says so where nothing is.
pub(crate) fn run_quietly_if_complete() -> Result<()> {
    let manager = manager()?;
    let missing = missing(manager)?;
    if missing.is_empty() {
        println!("native packages: all {} are there", names(manager).count());
        return Ok(());
    }
    println!("missing: {}", missing.join(" "));
    install(manager, &missing)
}

/// `cargo xtask setup`.
pub(crate) fn run() -> Result<()> {
    shell::step("Native packages");
    for (purpose, why) in
        [(For::Building, "to build"), (For::Running, "to run"), (For::Testing, "to test")]
    {
        let of: Vec<_> =
            PACKAGES.iter().filter(|p| p.needed == purpose).map(|p| name(manager(), p)).collect();
        println!("{why}: {}", of.join(" ").trim());
    }
    run_quietly_if_complete()
}

fn name(manager: Result<Manager>, package: &xtask::package::Native) -> &'static str {
    match manager {
        Ok(Manager::Dnf) => package.dnf,
        _ => package.apt,
    }
}

fn manager() -> Result<Manager> {
    if has("apt-get") && has("dpkg-query") {
        Ok(Manager::Apt)
    } else if has("dnf") && has("rpm") {
        Ok(Manager::Dnf)
    } else {
        bail!(
            "neither apt nor dnf is here; install what integration/xtask/src/package.rs lists \
             under your distribution's names"
        )
    }
}

fn names(manager: Manager) -> impl Iterator<Item = &'static str> {
    PACKAGES.iter().map(move |p| name(Ok(manager), p)).filter(|name| !name.is_empty())
}

fn missing(manager: Manager) -> Result<Vec<&'static str>> {
    let mut missing = Vec::new();
    for name in names(manager) {
        if !installed(manager, name)? {
            missing.push(name);
        }
    }
    Ok(missing)
}

fn installed(manager: Manager, name: &str) -> Result<bool> {
    let mut query = match manager {
        Manager::Apt => command("dpkg-query", &["-W", "-f=${db:Status-Status}", name]),
        Manager::Dnf => command("rpm", &["-q", "--whatprovides", name]),
    };
    let output = query.stderr(Stdio::null()).output().context("cannot ask for packages")?;
    Ok(match manager {
        Manager::Apt => output.stdout == b"installed",
        Manager::Dnf => output.status.success(),
    })
}

fn install(manager: Manager, missing: &[&str]) -> Result<()> {
    match manager {
        Manager::Apt => {
            shell::run(&mut as_root("apt-get", &["update", "-q"])?)?;
            let mut arguments = vec!["install", "-q", "-y", "--no-install-recommends"];
            arguments.extend(missing);
            shell::run(as_root("apt-get", &arguments)?.env("DEBIAN_FRONTEND", "noninteractive"))
        }
        Manager::Dnf => {
            let mut arguments = vec!["install", "-y", "--setopt=install_weak_deps=False"];
            arguments.extend(missing);
            shell::run(&mut as_root("dnf", &arguments)?)
        }
    }
}

/// The command itself for root, else through sudo.
fn as_root(program: &str, arguments: &[&str]) -> Result<Command> {
    if is_root()? {
        return Ok(command(program, arguments));
    }
    if !has("sudo") {
        bail!("`{program}` needs root, and there is no sudo: run this as root");
    }
    Ok(command("sudo", &[&[program], arguments].concat()))
}

/// Whether we are root.
pub(crate) fn is_root() -> Result<bool> {
    Ok(shell::output(&mut command("id", &["-u"]))? == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_database_is_asked() {
        let manager = manager().unwrap();
        assert!(installed(manager, "bash").unwrap());
        assert!(!installed(manager, "no-such-package-anywhere").unwrap());
    }

    #[test]
    fn both_tables_name_the_libraries() {
        for (manager, name) in [(Manager::Apt, "libostree-dev"), (Manager::Dnf, "ostree-devel")] {
            assert!(names(manager).any(|n| n == name), "{manager:?}");
        }
    }
}
