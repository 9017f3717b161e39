//! A status against a running daemon, the daemon's start, and its memory at rest.
//!
//! Wanted: status at most 10 ms, ready at most 100 ms after exec, at most 20 MiB resident.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use anyhow::Result;
use cambium_integration::harness::{Daemon, Host, Traces};
use cambium_integration::measure::{Sample, cambium, row};
use std::time::Duration;

/// Short things are run more often: their spread is larger than themselves.
const MANY: usize = 50;

fn main() -> Result<()> {
    println!("status, start, memory at rest");
    let mut host = Host::new()?;
    cambium(&host, &["status"])?;
    Traces::settled(&host)?;
    let status: Result<Vec<_>> = (0..MANY).map(|_| cambium(&host, &["status"])).collect();
    row("  cambium status", &Sample::of(status?), "wanted ≤ 10 ms");
    println!("  right after them: {} (wanted ≤ 20)", host.daemon()?.memory()?);
    host.kill()?;
    let idle = Daemon::start(host.places())?;
    // What recovery does is not announced; a status that is answered after it says nothing either.
    std::thread::sleep(Duration::from_secs(2));
    println!("  two seconds after a start: {} (wanted ≤ 20)", idle.memory()?);
    idle.kill()?;
    let ready = Sample::take(|| Ok(Daemon::start(host.places())?.ready_after))?;
    row("  from exec to ready", &ready, "wanted ≤ 100 ms");
    Ok(())
}
