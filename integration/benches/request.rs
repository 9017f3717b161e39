//! A whole request, from the CLI's start to its end, on a base of 52,000 paths: one small package,
//! with and without a spare checkout, and the daemon's memory.
//!
//! Wanted: at most 1.2 s with a spare, 3 s without, 80 MiB at the peak, and the memory given back.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use anyhow::Result;
use cambium_integration::fixture::Base;
use cambium_integration::harness::{Host, Start, Traces};
use cambium_integration::measure::{RUNS, Sample, cambium, row};

fn main() -> Result<()> {
    println!("one small package onto 52,000 paths: the whole request");
    let fresh = || -> Result<Host> {
        let directory = tempfile::Builder::new().prefix("cambium-").tempdir()?;
        Host::of_base(directory, Base::grown(52_000)?, Start::Now)
    };
    // A fresh host has no spare yet.
    let mut without = Vec::new();
    let mut with = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..RUNS {
        let host = fresh()?;
        without.push(cambium(&host, &["install", "-y", "links"])?);
        Traces::settled(&host)?;
        with.push(cambium(&host, &["install", "-y", "privileges"])?);
        Traces::settled(&host)?;
        memory.push(host.daemon()?.memory()?);
    }
    row("  the first request, no spare checkout", &Sample::of(without), "wanted ≤ 3000 ms");
    row("  the second, with a spare", &Sample::of(with), "wanted ≤ 1200 ms");
    for memory in memory {
        println!("  daemon: {memory} (wanted ≤ 80)");
    }
    Ok(())
}
