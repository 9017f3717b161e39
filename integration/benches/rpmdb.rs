//! What a large rpmdb adds to the assembly of one small package: 900 packages with a rpmdb of
//! some 10 and of some 100 MiB, on the same machine in the same run.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use anyhow::Result;
use cambium_integration::large::tree::Size;
use cambium_integration::large::{LargeHost, LargeTree};
use cambium_integration::measure::{RUNS, Sample, row};
use std::time::Duration;

fn main() -> Result<()> {
    let mut medians = Vec::new();
    for (name, header_bytes) in [("rpmdb-10", 2_000), ("rpmdb-100", 100_000)] {
        let tree = LargeTree::get(name, Size { packages: 865, files_each: 10, header_bytes })?;
        let host = LargeHost::new(&tree)?;
        let (all, rpmdb) = assemblies(&host)?;
        println!("{}", tree.describe()?);
        row("  assemble and commit", &all, "");
        row("  of it copy, change and object of the rpmdb", &rpmdb, "");
        medians.push(all.median());
    }
    if let [small, large] = medians.as_slice() {
        println!("the larger one adds {:.1} ms", (large.as_secs_f64() - small.as_secs_f64()) * 1e3);
    }
    Ok(())
}

/// All steps of each assembly, and the rpmdb's alone.
fn assemblies(host: &LargeHost) -> Result<(Sample, Sample)> {
    let (mut all, mut rpmdb) = (Vec::new(), Vec::new());
    for number in 0..=RUNS {
        let package = format!("small-{number}");
        host.cambium(&["install", "-y", &package])?;
        // The first reads what later ones find in the page cache.
        if number > 0 {
            let steps = host.last_assembly()?;
            let sum = |own: fn(&str) -> bool| -> Duration {
                steps.iter().filter(|(step, _)| own(step)).map(|(_, time)| *time).sum()
            };
            all.push(sum(|_| true));
            rpmdb.push(sum(|step| matches!(step, "Prepare" | "Rpmdb")));
        }
        host.await_spare()?;
        host.cambium(&["uninstall", "-y", &package])?;
        host.await_spare()?;
    }
    Ok((Sample::of(all), Sample::of(rpmdb)))
}
