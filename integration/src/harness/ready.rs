//! Waits for a daemon to say by sd_notify(3) that it is ready, as a service manager does.

use anyhow::{Context, Result, bail};
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

/// Where a daemon's messages arrive.
pub(super) struct Readiness(UnixDatagram);

impl Readiness {
    /// Listens at `path`, which the daemon is told as `NOTIFY_SOCKET`.
    pub(super) fn listen(path: &Path) -> Result<Self> {
        let notify = UnixDatagram::bind(path).context("cannot be a service manager")?;
        notify.set_read_timeout(Some(Duration::from_millis(50)))?;
        Ok(Self(notify))
    }

    /// Returns once `child`, which people know as `name`, is ready. Fails with what it has printed
    /// when it ends instead, or lets `patience` pass.
    pub(super) fn wait(
        &self,
        child: &mut Child,
        name: &str,
        patience: Duration,
        log: impl Fn() -> String,
    ) -> Result<()> {
        let start = Instant::now();
        let mut message = [0; 4096];
        while start.elapsed() < patience {
            match self.0.recv(&mut message) {
                Ok(length) => {
                    let text = String::from_utf8_lossy(&message[..length]);
                    if text.lines().any(|line| line == "READY=1") {
                        return Ok(());
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if let Some(status) = child.try_wait()? {
                        bail!("{name} cannot run here, it ended with {status}:\n{}", log());
                    }
                }
                Err(error) => return Err(error).with_context(|| format!("cannot hear {name}")),
            }
        }
        bail!("{name} was not ready after {patience:?}:\n{}", log())
    }
}
