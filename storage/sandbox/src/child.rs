//! A confined process from its start to its end: output, time, cancellation, and the certainty
//! that nothing of it is left.

use crate::bounds::{Bounds, Excess};
use crate::bubblewrap::{Prepared, rest};
use crate::output::Tail;
use crate::room::Room;
use crate::{Ended, Error, Outcome, Spec};
use cambium_model::Observer;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::{Duration, Instant};

/// How often a program is asked whether it should go on and keeps its bounds: the delay of a
/// cancel, and what a hostile program gets beyond its bounds.
const TICK: Duration = Duration::from_millis(50);

/// How long a killed sandbox may take to be gone. The kernel reaps a whole pid namespace, which
/// takes long only when a process hangs in the kernel (a dead network file system).
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// Why a program was stopped before its end.
enum Stop {
    Cancelled,
    TimedOut,
    Exceeded(Excess),
}

/// Spawns `prepared` and stays with it to the end.
pub(crate) fn watch(
    spec: &Spec,
    prepared: Prepared,
    observer: &dyn Observer,
) -> Result<Outcome, Error> {
    let Prepared { mut command, mut output, mut status, backend, lifeline } = prepared;
    let failed = |what| move |source| Error::Watch { name: spec.name.clone(), what, source };
    let mut bounds = Bounds::begin(spec, Room::current()).map_err(failed("set the bounds"))?;
    let started = Instant::now();
    let child = command.spawn().map_err(|source| {
        let name = spec.name.clone();
        match lifeline {
            // By then the chroot was entered: it is the tree that lacks the program.
            Some(_) => {
                let program = command.get_program().to_string_lossy();
                Error::Setup { name, output: format!("cannot run {program}: {source}") }
            }
            None => Error::Start { name, source },
        }
    })?;
    // It holds our copies of the pipes' other ends, which would keep them open for ever.
    drop(command);
    let supervised = lifeline.is_some();
    let mut running = Running { child, lifeline, over: false };

    let mut tail = Tail::new(spec.limits.output);
    let mut account = String::new();
    let stop = running
        .follow(
            spec,
            observer,
            started,
            &mut bounds,
            (&mut output, &mut tail),
            (&mut status, &mut account),
        )
        .map_err(failed("read the output"))?;
    let init = sandbox_init(&account);
    if stop.is_some() {
        running.kill();
        bounds.kill();
    }
    running.child.wait().map_err(failed("await the end"))?;
    running.over = true;
    if let Some(init) = init {
        await_end(&init).map_err(failed("await the last process"))?;
    }
    let exceeded = |excess| {
        Err(Error::Exceeded { name: spec.name.clone(), backend, excess, output: tail.text() })
    };
    match stop {
        Some(Stop::Cancelled) => return Err(Error::Cancelled { name: spec.name.clone() }),
        Some(Stop::TimedOut) => {
            let (name, limit) = (spec.name.clone(), spec.limits.time);
            return Err(Error::TimedOut { name, backend, limit, output: tail.text() });
        }
        Some(Stop::Exceeded(excess)) => return exceeded(excess),
        None => {}
    }
    // A quick one is over before the first look.
    let last = bounds.exceeded(None, &|| !observer.cancelled());
    if let Some(excess) = last.map_err(failed("read the bounds"))? {
        return exceeded(excess);
    }
    account += &rest(&mut status).map_err(failed("read the status"))?;
    let Some(code) = number(&account, "exit-code") else {
        let (name, output) = (spec.name.clone(), tail.text().trim_end().to_owned());
        // A supervisor always reports, unless it was killed.
        return Err(if supervised {
            Error::Unwatched { name, output }
        } else {
            Error::Setup { name, output }
        });
    };
    let ended = match code {
        129..=192 => Ended::Signalled(code - 128),
        code => Ended::Exited(code),
    };
    tracing::debug!(script = spec.name, %ended, elapsed = ?started.elapsed(), "sandbox ended");
    let (output, dropped) = (tail.text(), tail.dropped());
    Ok(Outcome { ended, output, dropped, elapsed: started.elapsed(), backend })
}

/// A child that is killed when it is forgotten, on every way out.
struct Running {
    child: Child,
    lifeline: Option<io::PipeWriter>,
    over: bool,
}

impl Running {
    /// Reads until the program ends, has too much of something, its time is up or the observer
    /// cancels.
    fn follow(
        &self,
        spec: &Spec,
        observer: &dyn Observer,
        started: Instant,
        bounds: &mut Bounds,
        (output, tail): (&mut io::PipeReader, &mut Tail),
        (status, account): (&mut io::PipeReader, &mut String),
    ) -> io::Result<Option<Stop>> {
        let process = pidfd_open(pid(&self.child)?, PidfdFlags::empty())?;
        let (mut output_open, mut status_open) = (true, true);
        let mut buffer = [0; 8192];
        let mut looked = started;
        loop {
            if observer.cancelled() {
                return Ok(Some(Stop::Cancelled));
            }
            let Some(left) = spec.limits.time.checked_sub(started.elapsed()) else {
                return Ok(Some(Stop::TimedOut));
            };
            if looked.elapsed() >= TICK {
                looked = Instant::now();
                let init = number(account, "child-pid");
                if let Some(excess) = bounds.exceeded(init, &|| !observer.cancelled())? {
                    return Ok(Some(Stop::Exceeded(excess)));
                }
            }
            let mut fds = vec![PollFd::new(&process, PollFlags::IN)];
            if output_open {
                fds.push(PollFd::new(&*output, PollFlags::IN));
            }
            if status_open {
                fds.push(PollFd::new(&*status, PollFlags::IN));
            }
            wait(&mut fds, left.min(TICK))?;
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(fds);
            let output_ready = output_open && ready[1];
            let status_ready = status_open && ready[1 + usize::from(output_open)];
            if output_ready {
                let count = output.read(&mut buffer)?;
                tail.push(&buffer[..count]);
                output_open = count > 0;
            }
            if status_ready {
                let count = status.read(&mut buffer)?;
                account.push_str(&String::from_utf8_lossy(&buffer[..count]));
                status_open = count > 0;
            }
            // What was written before the end is in the pipes by now: read it first.
            if ready[0] && !output_ready && !status_ready {
                return Ok(None);
            }
        }
    }

    /// Kills bubblewrap's own process; the kernel then kills the sandbox's init
    /// (--die-with-parent), and with it every process of the pid namespace. A supervisor ends
    /// with its lifeline, after it has killed all below it.
    fn kill(&mut self) {
        if self.lifeline.take().is_some() {
            return;
        }
        let killed = pid(&self.child).and_then(|pid| Ok(kill_process_group(pid, Signal::KILL)?));
        if let Err(error) = killed {
            tracing::warn!(%error, "cannot kill a sandbox");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.kill();
        if let Err(error) = self.child.wait() {
            tracing::warn!(%error, "cannot reap a sandbox");
        }
    }
}

fn pid(child: &Child) -> io::Result<Pid> {
    let raw = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    raw.ok_or_else(|| io::Error::other("a process without an id"))
}

/// The sandbox's init, where it is still there.
fn sandbox_init(account: &str) -> Option<OwnedFd> {
    let pid = number(account, "child-pid").and_then(Pid::from_raw)?;
    // An error means that it is gone already: what was to be waited for has happened.
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Waits until a process is gone, and with it, if it is the init of a pid namespace, all others.
fn await_end(process: &OwnedFd) -> io::Result<()> {
    let deadline = Instant::now() + GRACE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(process, PollFlags::IN)];
        wait(&mut fds, left)?;
        if !fds[0].revents().is_empty() {
            return Ok(());
        }
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "a killed process stays"));
        }
    }
}

fn wait(fds: &mut [PollFd<'_>], time: Duration) -> io::Result<()> {
    let time = Timespec::try_from(time).map_err(io::Error::other)?;
    match poll(fds, Some(&time)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The number behind `"key": ` in bubblewrap's account, whose documents hold plain numbers only.
fn number(account: &str, key: &str) -> Option<i32> {
    let (_, rest) = account.split_once(&format!("\"{key}\":"))?;
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_bubblewraps_account() {
        let account = "{ \"child-pid\": 4711, \"pid-namespace\": 7 }\n{ \"exit-code\": 3 }\n";
        assert_eq!(number(account, "child-pid"), Some(4711));
        assert_eq!(number(account, "exit-code"), Some(3));
        assert_eq!(number("{ \"child-pid\": 4711 }", "exit-code"), None);
    }
}
