//! Import of many packages: how many cores it keeps busy.
//!
//! Sixty packages of a MiB that nothing compresses well, installed for good; then the layer list
//! of ../shared/realos, where its packages were made before (`cargo xtask realos` does), up to the
//! end of its import: what comes after that is another measurement's. The daemon's CPU time over
//! the wall time of its importing is the number of cores.
//!
//! Wanted: both cores of two.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use anyhow::{Context, Result};
use cambium_integration::fixture::base::Flavour;
use cambium_integration::fixture::package::{Entry, Spec};
use cambium_integration::fixture::repository;
use cambium_integration::harness::{Host, Start};
use cambium_integration::measure::{CpuRecord, RUNS, Sample, row, span};
use cambium_integration::realos::Place;
use cambium_integration::realos::packages::layer_list;
use std::path::Path;

/// Packages of one import.
const PACKAGES: usize = 60;

fn main() -> Result<()> {
    let cores = std::thread::available_parallelism()?;
    println!("importing, on {cores} cores");
    let made = tempfile::tempdir()?;
    let packages: Vec<_> = (0..PACKAGES).map(package).collect();
    repository::make(made.path(), &packages)?;
    let names: Vec<_> = packages.iter().map(|package| package.name.clone()).collect();
    measure(&format!("{PACKAGES} packages of 1 MiB"), made.path(), &names)?;
    let layers = Place::find().map(|place| (place.layers(), place));
    match layers {
        Ok((layers, place)) if layers.is_dir() => {
            measure("the layer list of realos", &layers, &layer_list(&place)?)
        }
        _ => {
            println!("  (the layer list of realos is not made: cargo xtask realos)");
            Ok(())
        }
    }
}

fn measure(what: &str, repo: &Path, names: &[String]) -> Result<()> {
    let (mut wall, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let mut host = Host::with(Flavour::Tiny, Start::Later)?;
        host.enable(&[("many", repo, "gpgcheck=0")])?;
        host.start()?;
        let record = CpuRecord::of(host.daemon()?.pid());
        let mut install = host.command(&["install", "-y"])?;
        // Whether it can be assembled on this base is not asked here.
        install.args(names).output().context("cannot run cambium")?;
        let (from, to) = span(&host, "importing", "assembling")?;
        wall.push(to.saturating_sub(from));
        busy.push(record.end().used(from, to).context("the daemon was not watched")?);
    }
    let (wall, busy) = (Sample::of(wall), Sample::of(busy));
    row(&format!("  {what}"), &wall, "");
    row("  CPU time of the daemon", &busy, &format!("cores busy: {:.2}", busy.ratio(&wall)));
    Ok(())
}

/// A package whose bytes repeat nowhere.
fn package(number: usize) -> Spec {
    let name = format!("many-{number}");
    let mut state = number as u64 + 1;
    let mut bytes = Vec::with_capacity(1 << 20);
    while bytes.len() < 1 << 20 {
        // xorshift64, by Marsaglia: noise that is the same each time.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    let file =
        |(part, bytes): (usize, &[u8])| Entry::file(format!("/usr/share/{name}/{part}"), bytes);
    Spec::new(&name, "1", "1").with(bytes.chunks(128 << 10).enumerate().map(file))
}
