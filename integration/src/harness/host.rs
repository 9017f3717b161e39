//! A throw-away host: a sysroot with the fixture's base deployed, and a daemon on it.
//!
//! The sysroot is not the running system's, so the daemon deploys at once instead of staging.
//! Everything is below one temporary directory, which goes with the host.

use super::answer::Answer;
use super::daemon::{Daemon, Places};
use crate::fixture::base::{Edition, Flavour};
use crate::fixture::{Base, Layers, REF, programs};
use crate::run::{line, ostree, run};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The stateroot of every host here.
pub const STATEROOT: &str = "fixture";

/// Whether a new host's daemon runs at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It does.
    Now,
    /// The test changes something first, then calls [`Host::start`].
    Later,
}

/// A host.
pub struct Host {
    // Dropped first: the daemon must be gone before its directory is.
    daemon: Option<Daemon>,
    places: Places,
    remote: PathBuf,
    layers: Layers,
    base: Base,
    directory: PathBuf,
    /// Removes the directory, unless it is another's.
    _owned: Option<TempDir>,
}

impl Host {
    /// A host on the tiny OS with its daemon running.
    ///
    /// # Errors
    /// When the fixture cannot be made or the daemon not started.
    pub fn new() -> Result<Self> {
        Self::with(Flavour::Tiny, Start::Now)
    }

    /// A host on this OS.
    ///
    /// # Errors
    /// When the fixture cannot be made or the daemon not started.
    pub fn with(flavour: Flavour, start: Start) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("cambium-").tempdir()?;
        Self::in_directory(directory, flavour, start)
    }

    /// A host below a directory that exists, which is removed with it.
    ///
    /// # Errors
    /// When the fixture cannot be made or the daemon not started.
    pub fn in_directory(directory: TempDir, flavour: Flavour, start: Start) -> Result<Self> {
        Self::of_base(directory, Base::get(flavour)?, start)
    }

    /// A host on this base, below a directory that is removed with it.
    ///
    /// # Errors
    /// When the fixture cannot be made or the daemon not started.
    pub fn of_base(directory: TempDir, base: Base, start: Start) -> Result<Self> {
        let mut host = Self::made_in(directory.path(), base, start)?;
        host._owned = Some(directory);
        Ok(host)
    }

    /// A host on this base, below a directory that exists and stays.
    ///
    /// # Errors
    /// When the fixture cannot be made or the daemon not started.
    pub fn made_in(directory: &Path, base: Base, start: Start) -> Result<Self> {
        let mut host = Self::found(directory, base)?;
        host.make_remote()?;
        host.publish(Edition::First)?;
        host.deploy()?;
        fs::write(&host.places.config, "")?;
        host.enable(&[("fixture", &host.layers.main(), "gpgcheck=0")])?;
        if start == Start::Now {
            host.start()?;
        }
        Ok(host)
    }

    /// The host of this base that is below this directory already. No daemon is started, and the
    /// directory stays.
    ///
    /// # Errors
    /// When the fixture cannot be made.
    pub fn found(directory: &Path, base: Base) -> Result<Self> {
        Ok(Self {
            daemon: None,
            places: Places::below(directory),
            remote: directory.join("remote"),
            layers: Layers::get()?,
            base,
            directory: directory.to_owned(),
            _owned: None,
        })
    }

    /// A repository of our own that shows the fixture's objects: publishing is writing a ref.
    fn make_remote(&self) -> Result<()> {
        run(ostree(&self.remote, "init").arg("--mode=bare"))?;
        let objects = self.remote.join("objects");
        fs::remove_dir_all(&objects)?;
        symlink(self.base.repository().join("objects"), objects)?;
        Ok(())
    }

    fn deploy(&self) -> Result<()> {
        let sysroot = &self.places.sysroot;
        fs::create_dir(sysroot)?;
        run(Command::new("ostree").args(["admin", "init-fs"]).arg(sysroot))?;
        run(self.admin("os-init").arg(STATEROOT))?;
        // The bootloader backend is chosen by what is found on the machine, unless it is said.
        run(ostree(&self.repo(), "config").args(["set", "sysroot.bootloader", "none"]))?;
        let url = format!("file://{}", self.remote.display());
        run(ostree(&self.repo(), "remote").args(["add", "--no-gpg-verify", "fixture", &url]))?;
        run(ostree(&self.repo(), "pull").args(["fixture", REF]))?;
        let refspec = format!("fixture:{REF}");
        let os = format!("--os={STATEROOT}");
        run(self.admin("deploy").args([&os, "--karg=root=UUID=0", "--karg=rw", &refspec]))
    }

    /// The real `ostree admin` on this sysroot.
    #[must_use]
    pub fn admin(&self, verb: &str) -> Command {
        let mut command = Command::new("ostree");
        let mut option = std::ffi::OsString::from("--sysroot=");
        option.push(&self.places.sysroot);
        command.args(["admin", verb]).arg(option);
        command
    }

    /// Makes this edition the newest of the remote's ref.
    ///
    /// # Errors
    /// When the ref cannot be written.
    pub fn publish(&self, edition: Edition) -> Result<()> {
        let path = self.remote.join("refs/heads").join(REF);
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        fs::write(&path, self.base.commit(edition)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes /etc/yum.repos.d of the default deployment: name, directory and further lines.
    ///
    /// # Errors
    /// When there is no deployment or the file cannot be written.
    pub fn enable(&self, repositories: &[(&str, &Path, &str)]) -> Result<()> {
        let text: Vec<_> = repositories
            .iter()
            .map(|(name, directory, more)| {
                repo_text(name, &format!("file://{}", directory.display()), more)
            })
            .collect();
        self.write_repos(&text.concat())
    }

    /// Writes the one file in /etc/yum.repos.d as it is.
    ///
    /// # Errors
    /// When there is no deployment or the file cannot be written.
    pub fn write_repos(&self, text: &str) -> Result<()> {
        let directory = self.default_root()?.join("etc/yum.repos.d");
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("fixture.repo"), text).context("cannot write a .repo file")
    }

    /// Starts the daemon.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(&mut self) -> Result<()> {
        self.daemon = None;
        self.daemon = Some(Daemon::start(&self.places)?);
        Ok(())
    }

    /// SIGKILLs the daemon, if it runs.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.daemon.take().map_or(Ok(()), Daemon::kill)
    }

    /// The running daemon.
    ///
    /// # Errors
    /// When none runs.
    pub fn daemon(&self) -> Result<&Daemon> {
        self.daemon.as_ref().context("no daemon runs on this host")
    }

    /// `cambium` with these arguments, to its end, asking nothing.
    ///
    /// # Panics
    /// When it cannot be run at all.
    #[track_caller]
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test's own tool; there is nothing to go on with")]
    pub fn cambium(&self, arguments: &[&str]) -> Answer {
        let mut command = self.command(arguments).expect("cambium is built");
        let output = command.output().expect("cambium can be run");
        Answer::new(line(&command), &output)
    }

    /// `cambium`, running on while the test does something else.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, arguments: &[&str]) -> Result<Child> {
        let mut command = self.command(arguments)?;
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().context("cannot start cambium")
    }

    /// Brings the remote and the packages to layer onto the disk, below /var, since a machine that
    /// boots this sysroot sees nothing outside of it.
    ///
    /// # Errors
    /// When they cannot be copied.
    pub fn bring_inside(&self) -> Result<()> {
        let var = self.places.sysroot.join("ostree/deploy").join(STATEROOT).join("var");
        let copy = |from: &Path, to: &str| {
            run(Command::new("cp").args(["-a", "--link"]).arg(from).arg(var.join(to)))
        };
        copy(&self.base.repository(), "remote")?;
        fs::copy(
            self.remote.join("refs/heads").join(REF),
            var.join("remote/refs/heads").join(REF),
        )?;
        copy(&self.layers.main(), "layers")?;
        run(ostree(&self.repo(), "config").args([
            "set",
            "remote \"fixture\".url",
            "file:///var/remote",
        ]))?;
        self.write_repos(&repo_text("fixture", "file:///var/layers", "gpgcheck=0"))
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

    /// The status as the CLI's JSON has it.
    #[track_caller]
    #[must_use]
    pub fn status(&self) -> serde_json::Value {
        self.cambium(&["status", "--json"]).ok().json()
    }

    /// Where everything of this host is.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The sysroot's repository.
    #[must_use]
    pub fn repo(&self) -> PathBuf {
        self.places.sysroot.join("ostree/repo")
    }

    /// The remote's repository.
    #[must_use]
    pub fn remote(&self) -> &Path {
        &self.remote
    }

    /// The packages to layer.
    #[must_use]
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The base OS.
    #[must_use]
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// The temporary directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The root of the deployment that boots next.
    ///
    /// # Errors
    /// When nothing is deployed.
    pub fn default_root(&self) -> Result<PathBuf> {
        let deployments = super::oracle::deployments(&self.places.sysroot)?;
        deployments.into_iter().next().context("nothing is deployed")
    }
}

/// One section of a .repo file.
#[must_use]
pub fn repo_text(name: &str, url: &str, more: &str) -> String {
    // Tests change repositories under the daemon's feet: its metadata is never fresh enough.
    format!("[{name}]\nname={name}\nbaseurl={url}\nenabled=1\nmetadata_expire=0\n{more}\n\n")
}

impl Drop for Host {
    fn drop(&mut self) {
        self.daemon = None;
        // libostree makes a deployment's root immutable, which also keeps us from removing it.
        let Ok(deployments) = super::oracle::deployment_directories(&self.places.sysroot) else {
            return;
        };
        // Where chattr fails the directory stays behind, which the next line of a log shows.
        _ = Command::new("chattr").arg("-i").args(deployments).output();
    }
}
