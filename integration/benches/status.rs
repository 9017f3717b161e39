//! A status against a running daemon, the daemon's start, and its memory at rest.
//!
//! Wanted: status at most 10 ms, ready at most 100 ms after exec, at most 20 MiB resident.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use anyhow::Result;
use cambium_integration::harness::{Daemon, Host, Traces};
use cambium_integration::measure::{Sample, cambium, row};

/// Short things are run more often: their spread is larger than themselves.
const MANY: usize = 50;

fn main() -> Result<()> {
    println!("status, start, memory at rest");
    let mut host = Host::new()?;
    cambium(&host, &["status"])?;
    Traces::settled(&host)?;
    let status: Result<Vec<_>> = (0..MANY).map(|_| cambium(&host, &["status"])).collect();
    row("  cambium status", &Sample::of(status?), "wanted ≤ 10 ms");
    let (resident, _) = host.daemon()?.memory()?;
    println!("  resident: {:.1} MiB (wanted ≤ 20)", resident as f64 / 1024.0);
    host.kill()?;
    let ready = Sample::take(|| Ok(Daemon::start(host.places())?.ready_after))?;
    row("  from exec to ready", &ready, "wanted ≤ 100 ms");
    Ok(())
}
