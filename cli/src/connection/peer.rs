//! A private daemon: a child on a socket of its own, gone when the command is.

use anyhow::{Context as _, Result};
use cambium_model::{Failure, FailureKind};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// Where the daemon is installed.
const INSTALLED: &str = "/usr/libexec/cambium/cambiumd";

/// How long the child may take until its socket answers: recovery of a large sysroot included.
const READY: Duration = Duration::from_secs(30);

/// Between two looks at the socket; a start takes some 50 ms.
const LOOK: Duration = Duration::from_millis(5);

/// How long the child may take to end; a transaction that cannot stop is waited for.
const ENDED: Duration = Duration::from_secs(90);

/// Lines of the child's log that an error shows.
const LOG_LINES: usize = 10;

/// The child and the directory of its socket.
#[derive(Debug)]
pub(crate) struct Peer {
    child: Child,
    place: TempDir,
    socket: PathBuf,
}

/// The daemon's binary: `$CAMBIUMD`, beside this program, or where it is installed.
///
/// # Errors
/// When it is in none of these places.
pub(crate) fn find_daemon() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os("CAMBIUMD").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("cambiumd"));
    let places = beside.into_iter().chain([PathBuf::from(INSTALLED)]);
    places.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        Failure::new(FailureKind::NotFound, format!("cambiumd is not at '{INSTALLED}'"))
            .advise("Install it, or name it in the environment variable CAMBIUMD.")
    })
}

impl Peer {
    /// Starts a daemon for `sysroot`.
    pub(crate) fn start(sysroot: &Path) -> Result<Self> {
        let daemon = find_daemon()?;
        let place = tempfile::Builder::new().prefix("cambium-peer-").tempdir()?;
        let socket = place.path().join("socket");
        let child = Command::new(&daemon)
            .arg("--sysroot")
            .arg(sysroot)
            .arg("--socket")
            .arg(&socket)
            .args(["--no-dbus", "--metrics", "off"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(place.path().join("log"))?)
            // Ctrl-C is for this program, which cancels; the child ends when it is told.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start '{}'", daemon.display()))?;
        Ok(Self { child, place, socket })
    }

    /// The path of its socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The first connection.
    pub(crate) async fn wait_until_ready(&mut self) -> Result<UnixStream> {
        let give_up = Instant::now() + READY;
        loop {
            match UnixStream::connect(&self.socket).await {
                Ok(stream) => return Ok(stream),
                Err(error) if Instant::now() > give_up => {
                    return Err(error).context("the private daemon does not answer");
                }
                Err(_) => {}
            }
            if let Some(status) = self.child.try_wait()? {
                let what = format!("the private daemon ended at once ({status})");
                let mut failure = Failure::new(FailureKind::Unavailable, what);
                let log = std::fs::read(self.place.path().join("log"))?;
                let log = String::from_utf8_lossy(&log);
                let lines: Vec<_> = log.lines().collect();
                let last = lines.len().saturating_sub(LOG_LINES);
                failure.causes.extend(lines[last..].iter().map(ToString::to_string));
                return Err(failure.into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks the child to end and waits for it.
    pub(crate) async fn stop(self) -> Result<()> {
        let Self { mut child, place, socket: _ } = self;
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)
                .context("cannot stop the private daemon")?;
        }
        match tokio::time::timeout(ENDED, child.wait()).await {
            Ok(status) => {
                status?;
                Ok(place.close()?)
            }
            Err(_) => {
                child.kill().await?;
                let what = "the private daemon did not stop and was killed";
                Err(Failure::new(FailureKind::Timeout, what)
                    .advise("The next start undoes what it left.")
                    .into())
            }
        }
    }
}
