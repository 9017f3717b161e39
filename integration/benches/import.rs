//! Import of many packages: how many cores it keeps busy.
//!
//! Sixty packages of a few MiB that nothing compresses well are downloaded and imported, not
//! deployed; the daemon's CPU time over the wall time of its importing is the number of cores.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use anyhow::{Context, Result};
use cambium_integration::fixture::base::Flavour;
use cambium_integration::fixture::package::{Entry, Spec};
use cambium_integration::fixture::repository;
use cambium_integration::harness::{Host, Start};
use cambium_integration::measure::{RUNS, Sample, row};
use cambium_integration::run::run;
use std::fs;
use std::time::{Duration, Instant};

/// Packages of one import.
const PACKAGES: usize = 60;

fn main() -> Result<()> {
    let cores = std::thread::available_parallelism()?;
    let (mut wall, mut busy) = (Vec::new(), Vec::new());
    for round in 0..RUNS {
        let mut host = Host::with(Flavour::Tiny, Start::Later)?;
        let repo = host.directory().join("many");
        let packages: Vec<_> = (0..PACKAGES).map(|number| package(round, number)).collect();
        repository::make(&repo, &packages)?;
        host.enable(&[("many", &repo, "gpgcheck=0")])?;
        host.start()?;
        let before = cpu(host.daemon()?.pid())?;
        let names: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
        let start = Instant::now();
        run(&mut host.command(&[&["install", "-y"][..], &names].concat())?)?;
        let elapsed = start.elapsed();
        wall.push(elapsed);
        busy.push(cpu(host.daemon()?.pid())?.saturating_sub(before));
    }
    let (wall, busy) = (Sample::of(wall), Sample::of(busy));
    println!("install of {PACKAGES} packages of 2 MiB, on {cores} cores");
    row("  from the CLI's start to its end", &wall, "");
    row("  CPU time of the daemon", &busy, &format!("cores busy: {:.2}", busy.ratio(&wall)));
    Ok(())
}

/// A package whose bytes repeat nowhere.
fn package(round: usize, number: usize) -> Spec {
    let name = format!("many-{round}-{number}");
    let mut state = (round * PACKAGES + number + 1) as u64;
    let mut bytes = Vec::with_capacity(2 << 20);
    while bytes.len() < 2 << 20 {
        // xorshift64, by Marsaglia: noise that is the same each time.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    let file = |part: usize| {
        let half = bytes.len() / 8;
        Entry::file(format!("/usr/share/{name}/{part}"), &bytes[part * half..(part + 1) * half])
    };
    Spec::new(&name, "1", "1").with((0..8).map(file))
}

/// CPU time that a process has used: fields 14 and 15 of proc_pid_stat(5), in hundredths.
fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("a stat line names its program")?;
    let ticks: Vec<u64> =
        rest.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
}
