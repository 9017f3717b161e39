//! A reboot, asked of the init system.

use super::Host;
use super::error::{Error, Result};
use std::path::Path;
use std::process::Command;

impl Host {
    /// Asks systemd to reboot: services end, and a staged deployment is finalised on the way.
    ///
    /// # Errors
    /// When this is not the running system, or systemd refuses (an inhibitor, for instance).
    pub fn reboot(&self) -> Result<()> {
        if self.config.sysroot != Path::new("/") {
            let what = format!("'{}' is not the running system", self.config.sysroot.display());
            return Err(Error::Reboot { why: what });
        }
        let output = Command::new("systemctl")
            .args(["--check-inhibitors=yes", "reboot"])
            .env("PATH", "/usr/sbin:/usr/bin")
            .output()
            .map_err(super::error::io("run", Path::new("systemctl")))?;
        if output.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::Reboot { why })
    }
}
