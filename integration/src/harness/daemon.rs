//! A `cambiumd` process: started, waited for, killed.
//!
//! It is ready when it says so to its service manager, which is us: no waiting in the dark.

use super::ready::Readiness;
use crate::fixture::programs;
use crate::run::line;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a start may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a daemon keeps its things: all below one directory.
#[derive(Debug, Clone)]
pub struct Places {
    /// The sysroot that it serves.
    pub sysroot: PathBuf,
    /// Its control socket.
    pub socket: PathBuf,
    /// Its metrics' socket.
    pub metrics: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
    /// Its transaction log's directory.
    pub state: PathBuf,
    /// Its caches.
    pub cache: PathBuf,
    /// What it prints.
    pub log: PathBuf,
    notify: PathBuf,
}

impl Places {
    /// The places below `directory`.
    #[must_use]
    pub fn below(directory: &Path) -> Self {
        Self {
            sysroot: directory.join("sysroot"),
            socket: directory.join("control"),
            metrics: directory.join("metrics"),
            config: directory.join("config.toml"),
            state: directory.join("state"),
            cache: directory.join("cache"),
            log: directory.join("daemon.log"),
            notify: directory.join("notify"),
        }
    }
}

/// Memory of a process, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// Of that, what is the process's own. The rest are pages of files.
    pub anonymous: u64,
    /// Resident at most since it began.
    pub peak: u64,
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let Self { resident, anonymous, peak } = *self;
        let file = mib(resident.saturating_sub(anonymous));
        let (resident, own, peak) = (mib(resident), mib(anonymous), mib(peak));
        write!(
            f,
            "{resident:.1} MiB resident ({own:.1} own, {file:.1} of files), at most {peak:.1}"
        )
    }
}

/// A running daemon. It is killed when this is dropped.
pub struct Daemon {
    child: Child,
    log: PathBuf,
    /// From exec to the moment when it said that it is ready.
    pub ready_after: Duration,
}

impl Daemon {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// When it is not built, ends at once, or does not become ready; then with its log.
    pub fn start(places: &Places) -> Result<Self> {
        Self::start_with(places, |_| {})
    }

    /// As [`Daemon::start`], with the command changed first.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(places: &Places, change: impl FnOnce(&mut Command)) -> Result<Self> {
        remove_if_there(&places.notify)?;
        let readiness = Readiness::listen(&places.notify)?;
        let log = File::options().create(true).append(true).open(&places.log)?;
        let mut command = Command::new(programs::cambiumd()?);
        command.arg("--sysroot").arg(&places.sysroot);
        command.arg("--socket").arg(&places.socket);
        command.arg("--config").arg(&places.config);
        command.arg("--metrics").arg(format!("unix:{}", places.metrics.display()));
        command.arg("--state-dir").arg(&places.state);
        command.arg("--cache-dir").arg(&places.cache);
        command.arg("--no-dbus").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.env("NOTIFY_SOCKET", &places.notify).env("NO_COLOR", "1");
        change(&mut command);
        let start = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot run `{}`", line(&command)))?;
        let mut daemon = Self { child, log: places.log.clone(), ready_after: Duration::ZERO };
        let log = || fs::read_to_string(&places.log).unwrap_or_default();
        readiness.wait(&mut daemon.child, "cambiumd", PATIENCE, log)?;
        daemon.ready_after = start.elapsed();
        Ok(daemon)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its memory as the kernel counts it.
    ///
    /// # Errors
    /// When it is gone.
    pub fn memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .context("the daemon is gone")?;
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        let memory = || {
            Some(Memory {
                resident: field("VmRSS:")?,
                anonymous: field("RssAnon:")?,
                peak: field("VmHWM:")?,
            })
        };
        memory().context("the kernel does not count its memory")
    }

    /// SIGKILL, as the kernel's out-of-memory killer would; waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("cannot kill the daemon")?;
        self.child.wait().context("cannot wait for the daemon")?;
        Ok(())
    }

    /// SIGTERM, as systemd would; waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be signalled or waited for.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.child.wait().context("cannot wait for the daemon")
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid =
            i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, signal).context("cannot signal the daemon")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be gone already; a zombie is reaped either way.
        _ = self.child.kill();
        if let Ok(status) = self.child.wait()
            && status.core_dumped()
        {
            tracing_note(&self.log);
        }
    }
}

/// A crash is worth a word even where the test did not ask.
#[expect(clippy::print_stderr, reason = "seen in the test's output")]
fn tracing_note(log: &Path) {
    eprintln!("cambiumd crashed; its log is {}", log.display());
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
