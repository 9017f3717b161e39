//! A sysroot with a real base deployed, and a `cambiumd` on it.

#![expect(clippy::print_stdout, reason = "commands are shown as one would type them")]

use super::bases::{Bases, REF};
use crate::fixture::programs;
use crate::harness::daemon::Places;
use crate::harness::{Answer, Daemon, oracle};
use crate::run::{line, ostree, run};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The stateroot.
pub const STATEROOT: &str = "realos";

/// A host.
pub struct RealHost {
    // Dropped first: the daemon must be gone before its directory is.
    daemon: Option<Daemon>,
    places: Places,
    directory: TempDir,
}

impl RealHost {
    /// A sysroot below `directory` with the release deployed; no daemon runs yet.
    ///
    /// # Errors
    /// When ostree cannot deploy it.
    pub fn new(directory: TempDir, bases: &Bases) -> Result<Self> {
        let host = Self { daemon: None, places: Places::below(directory.path()), directory };
        let sysroot = &host.places.sysroot;
        fs::create_dir(sysroot)?;
        run(Command::new("ostree").args(["admin", "init-fs"]).arg(sysroot))?;
        run(host.admin("os-init").arg(STATEROOT))?;
        // The bootloader backend is chosen by what is found on the machine, unless it is said.
        run(ostree(&host.repo(), "config").args(["set", "sysroot.bootloader", "none"]))?;
        // The remote lies below /var: a machine that boots this sysroot sees nothing outside.
        let remote = host.remote();
        run(Command::new("cp").args(["-a", "--link"]).arg(bases.repository()).arg(&remote))?;
        host.publish(&bases.release)?;
        let url = format!("file://{}", remote.display());
        run(ostree(&host.repo(), "remote").args(["add", "--no-gpg-verify", "realos", &url]))?;
        run(ostree(&host.repo(), "pull").args(["realos", REF]))?;
        let (os, refspec) = (format!("--os={STATEROOT}"), format!("realos:{REF}"));
        run(host.admin("deploy").args([&os, "--karg=root=UUID=0", "--karg=rw", &refspec]))?;
        fs::write(&host.places.config, "")?;
        Ok(host)
    }

    /// The real `ostree admin` on this sysroot.
    #[must_use]
    pub fn admin(&self, verb: &str) -> Command {
        let mut option = std::ffi::OsString::from("--sysroot=");
        option.push(&self.places.sysroot);
        let mut command = Command::new("ostree");
        command.args(["admin", verb]).arg(option);
        command
    }

    /// /var of the host.
    #[must_use]
    pub fn var(&self) -> PathBuf {
        self.places.sysroot.join("ostree/deploy").join(STATEROOT).join("var")
    }

    fn remote(&self) -> PathBuf {
        self.var().join("remote")
    }

    /// Makes the commit the newest of the remote's ref.
    ///
    /// # Errors
    /// When the ref cannot be written.
    pub fn publish(&self, commit: &str) -> Result<()> {
        let path = self.remote().join("refs/heads").join(REF);
        // It is a hard link into the cache, so it is replaced, not written.
        fs::remove_file(&path).with_context(|| format!("cannot replace {}", path.display()))?;
        fs::write(&path, format!("{commit}\n"))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes the one file in /etc/yum.repos.d of the deployment that boots next.
    ///
    /// # Errors
    /// When there is no deployment or the file cannot be written.
    pub fn write_repos(&self, text: &str) -> Result<()> {
        let directory = self.default_root()?.join("etc/yum.repos.d");
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("realos.repo"), text).context("cannot write a .repo file")
    }

    /// Starts the daemon, in place of one that runs.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(&mut self) -> Result<&Daemon> {
        self.daemon = None;
        Ok(self.daemon.insert(Daemon::start(&self.places)?))
    }

    /// SIGKILLs the daemon.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.daemon.take().map_or(Ok(()), Daemon::kill)
    }

    /// What the daemon logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.places.log).unwrap_or_default()
    }

    /// `cambium` with these arguments to its end, shown; anything but success is an error.
    ///
    /// # Errors
    /// When it fails, with all that it said.
    pub fn cambium(&self, arguments: &[&str]) -> Result<Answer> {
        println!("$ cambium {}", shortened(arguments));
        let mut command = self.command(arguments)?;
        let output = command.output().context("cannot run cambium")?;
        succeeded(Answer::new(line(&command), &output))
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

    /// The sysroot's repository.
    #[must_use]
    pub fn repo(&self) -> PathBuf {
        self.places.sysroot.join("ostree/repo")
    }

    /// The sysroot.
    #[must_use]
    pub fn sysroot(&self) -> &Path {
        &self.places.sysroot
    }

    /// The directory of everything.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The root of the deployment that boots next.
    ///
    /// # Errors
    /// When nothing is deployed.
    pub fn default_root(&self) -> Result<PathBuf> {
        let deployments = oracle::deployments(&self.places.sysroot)?;
        deployments.into_iter().next().context("nothing is deployed")
    }
}

/// The answer of a command that succeeded.
///
/// # Errors
/// When it did not, with all that it said.
pub fn succeeded(answer: Answer) -> Result<Answer> {
    match answer.code {
        Some(0) => Ok(answer),
        _ => bail!("{answer}"),
    }
}

fn shortened(arguments: &[&str]) -> String {
    let line = arguments.join(" ");
    match line.char_indices().nth(100) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

impl Drop for RealHost {
    fn drop(&mut self) {
        self.daemon = None;
        // libostree makes a deployment's root immutable, which also keeps us from removing it.
        let Ok(roots) = oracle::deployment_directories(&self.places.sysroot) else { return };
        // Where chattr fails the directory stays behind, which the next line of a log shows.
        _ = Command::new("chattr").arg("-i").args(roots).output();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_line_is_cut() {
        assert_eq!(shortened(&["install", "vim"]), "install vim");
        assert_eq!(shortened(&["é".repeat(200).as_str()]).chars().count(), 101);
    }
}
