//! Composing the real OS from its packages, beside dnf + dracut + `ostree commit` (the
//! compose-tree.sh of ../shared/realos) with the same packages, and composing it again.
//!
//! Wanted: faster than the peer; where nothing changed, next to nothing (rpm-ostree: 0.37 s).
//! RUNS in the environment says how often; a cold compose takes half a minute.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use anyhow::{Context, Result};
use cambium_integration::fixture::programs;
use cambium_integration::measure::{RUNS, Sample, row, time};
use cambium_integration::realos::{Place, bases, packages};
use cambium_integration::run::{ostree, output, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The ref that the treefile names.
const REF: &str = bases::REF;

fn main() -> Result<()> {
    let place = match Place::find() {
        Ok(place) => place,
        Err(error) => {
            println!("compose: not measured: {error:#}");
            return Ok(());
        }
    };
    println!("composing some 215 packages into an archive repository");
    let repository = packages::release(&place)?;
    let runs = std::env::var("RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    let (mut ours, mut peers, mut commits) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = None;
    for _ in 0..runs {
        // In turn, so that a machine that grows busier does so for both.
        let compose = Compose::new(&place, &repository)?;
        ours.push(time(&mut compose.command()?)?);
        commits.push(output(ostree(&compose.repo(), "rev-parse").arg(REF))?);
        peers.push(peer(&place, &repository)?);
        last = Some(compose);
    }
    let compose = last.context("RUNS is at least 1")?;
    let ours = Sample::of(ours);
    let peer = Sample::of(peers);
    row("  cambium compose tree, nothing cached", &ours, "");
    row("  dnf + dracut + ostree commit", &peer, &format!("peer / ours: {:.1}", peer.ratio(&ours)));
    let anew = (0..runs).map(|_| time(compose.command()?.args(["--force-nocache", "--no-parent"])));
    row("  cambium, packages imported", &Sample::of(anew.collect::<Result<_>>()?), "");
    let again = Sample::take(|| time(&mut compose.command()?))?;
    row("  cambium, nothing changed", &again, "");
    commits.push(output(ostree(&compose.repo(), "rev-parse").arg(REF))?);
    commits.dedup();
    println!("  commits of all composes: {} (wanted: 1)", commits.len());
    Ok(())
}

/// A repository, a cache and a treefile of their own.
struct Compose {
    directory: tempfile::TempDir,
}

impl Compose {
    fn new(place: &Place, repository: &Path) -> Result<Self> {
        let directory = place.temporary("bench-compose")?;
        let compose = Self { directory };
        run(ostree(&compose.repo(), "init").arg("--mode=archive"))?;
        let include = place.treefiles.join("treefile.yaml");
        fs::write(compose.treefile(), format!("include: {}\n", include.display()))?;
        let section = bases::section("realos", repository);
        fs::write(compose.directory.path().join("realos.repo"), section)?;
        Ok(compose)
    }

    fn repo(&self) -> PathBuf {
        self.directory.path().join("repo")
    }

    fn treefile(&self) -> PathBuf {
        self.directory.path().join("os.yaml")
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(programs::cambium()?);
        command.args(["compose", "tree", "--unified-core", "--repo"]).arg(self.repo());
        command.arg("--cachedir").arg(self.directory.path().join("cache"));
        // The time is part of the commit: equal input is to give an equal commit.
        command.env("SOURCE_DATE_EPOCH", "1795000000").arg(self.treefile());
        Ok(command)
    }
}

/// How long the peer takes for the same packages.
fn peer(place: &Place, repository: &Path) -> Result<std::time::Duration> {
    let directory = place.temporary("bench-peer")?;
    let mut command = Command::new("bash");
    command.arg(place.scripts.join("compose-tree.sh")).arg(directory.path());
    time(command.args([REF, "12.1"]).arg(repository))
}
