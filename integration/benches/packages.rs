//! Whole requests on a base of 900 packages and 52,000 paths, with an rpmdb as large as such a
//! base has: one small package with and without a spare checkout, kernel arguments, memory.
//!
//! Wanted: at most 1.2 s with a spare, 3 s without, 0.3 s for kernel arguments, 80 MiB at the peak.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use anyhow::Result;
use cambium_integration::large::tree::Size;
use cambium_integration::large::{LargeHost, LargeTree};
use cambium_integration::measure::{RUNS, Sample, row};
use std::time::Duration;

/// With the tiny OS: 900 packages, 52,000 paths, an rpmdb of 44 MiB.
const SIZE: Size = Size { packages: 865, files_each: 56, header_bytes: 40_000 };

fn main() -> Result<()> {
    let tree = LargeTree::get("900", SIZE)?;
    println!("one small package: {}", tree.describe()?);
    let host = LargeHost::new(&tree)?;
    // The first request on a host reads what later ones find in caches.
    install(&host, 0)?;
    let with: Result<Vec<_>> = (1..=RUNS).map(|number| install(&host, number)).collect();
    row("  install, spare checkout", &Sample::of(with?), "wanted ≤ 1200 ms");
    report_memory(&host)?;
    let without: Result<Vec<_>> = (1..=RUNS)
        .map(|number| {
            host.remove_spares()?;
            install(&host, RUNS + number)
        })
        .collect();
    row("  install, no spare", &Sample::of(without?), "wanted ≤ 3000 ms");
    for (step, time) in host.last_assembly()? {
        println!("    of it {step:<10} {:>7.1} ms", time.as_secs_f64() * 1e3);
    }
    let mut number = 0;
    let kargs = Sample::take(|| {
        number += 1;
        let time = host.cambium(&["kargs", &format!("--append=bench={number}")])?;
        host.await_spare()?;
        Ok(time)
    })?;
    row("  kernel arguments, spare checkout", &kargs, "wanted ≤ 300 ms");
    report_memory(&host)
}

/// Installs a package that the host never saw, and takes it away again.
fn install(host: &LargeHost, number: usize) -> Result<Duration> {
    let package = format!("small-{number}");
    let time = host.cambium(&["install", "-y", &package])?;
    host.await_spare()?;
    host.cambium(&["uninstall", "-y", &package])?;
    host.await_spare()?;
    Ok(time)
}

fn report_memory(host: &LargeHost) -> Result<()> {
    println!("  daemon: {} (wanted ≤ 80)", host.daemon().memory()?);
    Ok(())
}
