//! A throw-away host on a large tree, and what is measured on it.

use super::tree::{LargeTree, REF};
use crate::fixture::programs;
use crate::harness::daemon::Places;
use crate::harness::host::STATEROOT;
use crate::harness::{Daemon, oracle};
use crate::run::{ostree, run};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the daemon may take to tidy up before a measurement gives up on it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A host whose base is a large tree. The sysroot is not the running system's, so requests end
/// deployed rather than staged: the dearer of the two.
pub struct LargeHost {
    // Dropped first: the daemon must be gone before its directory is.
    daemon: Daemon,
    places: Places,
    _directory: TempDir,
}

impl LargeHost {
    /// Deploys the tree below the target directory and starts a daemon on it.
    ///
    /// # Errors
    /// When it cannot be deployed or the daemon not started.
    pub fn new(tree: &LargeTree) -> Result<Self> {
        // Beside the fixture: files are linked from there.
        let below = crate::fixture::cache::directory()?;
        let directory = tempfile::Builder::new().prefix("bench-").tempdir_in(below)?;
        let places = Places::below(directory.path());
        deploy(&places.sysroot, tree)?;
        fs::write(&places.config, "")?;
        let roots = oracle::deployments(&places.sysroot)?;
        let repos = roots.first().context("nothing is deployed")?.join("etc/yum.repos.d");
        fs::create_dir_all(&repos)?;
        let url = tree.small_packages();
        let text = format!("[small]\nname=small\nbaseurl=file://{}\ngpgcheck=0\n", url.display());
        fs::write(repos.join("bench.repo"), text)?;
        let daemon = Daemon::start(&places)?;
        Ok(Self { daemon, places, _directory: directory })
    }

    /// The command, not yet run.
    ///
    /// # Errors
    /// When it is not built.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(programs::cambium()?);
        command.arg("--socket").arg(&self.places.socket).args(arguments);
        command.stdin(Stdio::null()).env("NO_COLOR", "1");
        Ok(command)
    }

    /// Runs `cambium` with these arguments; the time from its start to its end.
    ///
    /// # Errors
    /// When it fails.
    pub fn cambium(&self, arguments: &[&str]) -> Result<Duration> {
        let mut command = self.command(arguments)?;
        let start = Instant::now();
        run(&mut command)?;
        Ok(start.elapsed())
    }

    /// Waits until the last transaction has been tidied up: until the commit that boots next has
    /// its spare checkout.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn await_spare(&self) -> Result<()> {
        let roots = oracle::deployments(&self.places.sysroot)?;
        let root = roots.first().context("nothing is deployed")?;
        let name = root.file_name().context("a deployment has a name")?.to_string_lossy();
        let (commit, _) = name.split_once('.').context("a deployment has a serial")?;
        let spare = self.spares().join(commit);
        let start = Instant::now();
        while !spare.is_dir() {
            if start.elapsed() > PATIENCE {
                bail!("no spare after {PATIENCE:?}:\n{}", self.daemon.log());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // The spare is nearly the last thing. What comes after it (memory given back) is counted
        // to whoever comes next; a moment keeps that out of the numbers.
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    }

    /// Removes the spare checkouts, as on a host that never had one.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub fn remove_spares(&self) -> Result<()> {
        fs::remove_dir_all(self.spares()).context("cannot remove the spare checkouts")
    }

    fn spares(&self) -> PathBuf {
        self.places.sysroot.join("ostree/repo/extensions/cambium/spare")
    }

    /// The steps of the last assembly, as the daemon's log has them.
    ///
    /// # Errors
    /// When there was none.
    pub fn last_assembly(&self) -> Result<Vec<(String, Duration)>> {
        let log = self.daemon.log();
        let line = log.lines().rev().find(|line| line.contains("assembled"));
        let line = line.context("the daemon's log has no assembly")?;
        let (_, steps) = line.split_once("steps: [").context("the assembly has no steps")?;
        let (steps, _) = steps.split_once(']').context("the steps have no end")?;
        steps.split("), ").map(|step| parse_step(step.trim_matches(['(', ')']))).collect()
    }

    /// The running daemon.
    #[must_use]
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }
}

/// `Rpmdb, 81.791612ms`
fn parse_step(text: &str) -> Result<(String, Duration)> {
    let (name, time) = text.split_once(", ").context("a step has a time")?;
    let digits = time.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match &time[digits.len()..] {
        "s" => 1.0,
        "ms" => 1e-3,
        "µs" => 1e-6,
        "ns" => 1e-9,
        unit => bail!("no unit of time: {unit}"),
    };
    Ok((name.to_owned(), Duration::try_from_secs_f64(digits.parse::<f64>()? * factor)?))
}

fn deploy(sysroot: &Path, tree: &LargeTree) -> Result<()> {
    fs::create_dir(sysroot)?;
    run(Command::new("ostree").args(["admin", "init-fs"]).arg(sysroot))?;
    let mut option = std::ffi::OsString::from("--sysroot=");
    option.push(sysroot);
    let admin = |verb: &str| {
        let mut command = Command::new("ostree");
        command.args(["admin", verb]).arg(&option);
        command
    };
    run(admin("os-init").arg(STATEROOT))?;
    let repo = sysroot.join("ostree/repo");
    run(ostree(&repo, "config").args(["set", "sysroot.bootloader", "none"]))?;
    let url = format!("file://{}", tree.repository().display());
    run(ostree(&repo, "remote").args(["add", "--no-gpg-verify", "fixture", &url]))?;
    run(ostree(&repo, "pull").args(["--disable-fsync", "fixture", REF]))?;
    let os = format!("--os={STATEROOT}");
    let refspec = format!("fixture:{REF}");
    run(admin("deploy").args([&os, "--karg=root=UUID=0", "--karg=rw", &refspec]))?;
    // The making of the host must not be paid for by what is measured on it.
    run(&mut Command::new("sync"))
}

impl Drop for LargeHost {
    fn drop(&mut self) {
        let Ok(deployments) = oracle::deployment_directories(&self.places.sysroot) else {
            return;
        };
        // Where this fails the directory stays behind, which the target directory shows.
        _ = Command::new("chattr").arg("-i").args(deployments).output();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_in_every_unit() {
        for (text, expected) in [
            ("Rpmdb, 81.5ms", 81.5),
            ("Commit, 1.5s", 1500.0),
            ("Merge, 500µs", 0.5),
            ("Prepare, 1000ns", 0.001),
        ] {
            let (_, time) = parse_step(text).unwrap();
            let milliseconds = time.as_secs_f64() * 1e3;
            assert!((milliseconds - expected).abs() < 1e-6, "{text}: {milliseconds}");
        }
        assert!(parse_step("Rpmdb").is_err() && parse_step("Rpmdb, 5h").is_err());
    }
}
