//! Assemble + commit of one small package onto trees of 10,000, 40,000 and 160,000 files, beside
//! the full path of ostree's own: a hard-link checkout and a commit of the same change.
//!
//! Wanted: less than 1.5× from the smallest to the largest, below 0.5 s at 160,000. Arguments that
//! are numbers stand for other sizes: `cargo xtask bench layering -- 160000`.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use anyhow::Result;
use cambium_integration::fixture::Base;
use cambium_integration::fixture::base::Edition;
use cambium_integration::harness::{Host, Start, Traces};
use cambium_integration::measure::{Sample, cambium, phases, row};
use cambium_integration::run::{ostree, run};
use std::fs;
use std::time::Instant;

fn main() -> Result<()> {
    println!("layering one small package without scripts: assemble + commit");
    let mut samples = Vec::new();
    let asked: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let sizes = if asked.is_empty() { vec![10_000, 40_000, 160_000] } else { asked };
    for files in sizes {
        let base = Base::grown(files)?;
        let commit = base.commit(Edition::First)?;
        let directory = tempfile::Builder::new().prefix("cambium-").tempdir()?;
        let host = Host::of_base(directory, base, Start::Now)?;
        let ours = Sample::take(|| {
            cambium(&host, &["install", "-y", "links"])?;
            let took = phases(&host, "assembling", "deploying")?;
            cambium(&host, &["uninstall", "-y", "links"])?;
            Traces::settled(&host)?;
            Ok(took)
        })?;
        let peer = Sample::take(|| full_path(&host, &commit))?;
        let remark = format!("full path / ours: {:.1}", peer.ratio(&ours));
        row(&format!("  {files} files, cambium"), &ours, "");
        row(&format!("  {files} files, ostree checkout -H + commit"), &peer, &remark);
        samples.push(ours);
    }
    if let [smallest, .., largest] = samples.as_slice() {
        println!(
            "  growth from smallest to largest: {:.2} (wanted < 1.5)",
            largest.ratio(smallest)
        );
    }
    Ok(())
}

/// What a layering tool without a metadata merge does: everything is linked, walked and committed.
fn full_path(host: &Host, commit: &str) -> Result<std::time::Duration> {
    let work = tempfile::tempdir_in(host.directory())?;
    let tree = work.path().join("tree");
    let start = Instant::now();
    run(ostree(&host.repo(), "checkout").args(["-H", commit]).arg(&tree))?;
    fs::create_dir(tree.join("usr/share/links"))?;
    fs::write(tree.join("usr/share/links/target"), "target")?;
    let mut arguments = std::ffi::OsString::from("--tree=dir=");
    arguments.push(&tree);
    let mut command = ostree(&host.repo(), "commit");
    run(command.args(["--orphan", "--link-checkout-speedup", "--subject=x"]).arg(arguments))?;
    Ok(start.elapsed())
}
