//! System calls of a running process that are answered otherwise than the kernel would.
//!
//! strace does it, to whatever language or library makes the call, in the very program that ships:
//! no build of its own and no switch that a release would carry along.

use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Every system call that makes something durable. FIFREEZE, by which libostree syncs /boot, is an
/// ioctl like many others and stays.
const SYNCS: &str = "fsync,fdatasync,syncfs,sync,sync_file_range,msync";

/// While this lives the calls are answered so.
#[derive(Debug)]
pub struct Injected {
    strace: Child,
}

impl Injected {
    /// Syncs of a process and of those that it starts succeed and do nothing: by it a test shows
    /// that it would see a sync that is missing.
    ///
    /// # Errors
    /// When strace is not there or may not trace it.
    pub fn without_syncs(pid: u32) -> Result<Self> {
        let mut command = Command::new("strace");
        command.args(["-e", &format!("trace={SYNCS}"), "-e", &format!("inject={SYNCS}:retval=0")]);
        Self::attach(command, pid)
    }

    /// Reads of the file at `path` tell of more bytes than were asked for, which no kernel does and
    /// which no program has to bear: Rust's bounds check panics.
    ///
    /// # Errors
    /// As for [`Self::without_syncs`].
    pub fn reading_too_much(pid: u32, path: &Path) -> Result<Self> {
        let mut command = Command::new("strace");
        command.args(["-e", "trace=read", "-e", "inject=read:retval=1073741824"]);
        command.arg("--trace-path").arg(path);
        Self::attach(command, pid)
    }

    /// Syncs of the file at `path` fail for want of room.
    ///
    /// # Errors
    /// As for [`Self::without_syncs`].
    pub fn syncs_without_room(pid: u32, path: &Path) -> Result<Self> {
        let mut command = Command::new("strace");
        command.args(["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=ENOSPC"]);
        command.arg("--trace-path").arg(path);
        Self::attach(command, pid)
    }

    fn attach(mut command: Command, pid: u32) -> Result<Self> {
        command.args(["--follow-forks", "--quiet=exit", "--output=/dev/null"]);
        command.args(["--attach", &pid.to_string()]).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut strace = command.spawn().context("cannot run strace: cargo xtask setup")?;
        let errors = strace.stderr.take().context("its complaints are a pipe")?;
        let injected = Self { strace };
        let mut errors = BufReader::new(errors);
        let mut said = String::new();
        // It may speak of the path first.
        while !said.contains("attached") {
            let length = errors.read_line(&mut said)?;
            ensure!(length > 0, "strace does not attach to {pid}: {said}");
        }
        // It goes on to tell of each thread, and would wait for a reader.
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        Ok(injected)
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        // The kernel lets a process go whose tracer is gone.
        _ = self.strace.kill();
        _ = self.strace.wait();
    }
}
