//! The states that a cut of power may leave, built from a disk and a log of writes.
//!
//! Picks are made by a seeded generator, so that a failure can be looked at again.

use super::log::{Entry, WriteLog};
use crate::run::run;
use anyhow::{Context, Result};
use fastrand::Rng;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The largest piece that a disk writes whole.
const PAGE: u64 = 4096;

/// A moment at which the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// After this many entries, all of which reached the disk.
    After(usize),
    /// After this many entries; of those behind the last flush only some reached the disk, some of
    /// them in part. The number chooses which.
    Losing(usize, u64),
}

impl Cut {
    /// How many entries the disk had been given.
    #[must_use]
    pub fn position(&self) -> usize {
        match self {
            Self::After(at) | Self::Losing(at, _) => *at,
        }
    }
}

/// How many cuts are looked at, and which.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// At most so many; `None` for every prefix and as many lossy cuts.
    pub points: Option<usize>,
    /// What the picks are made from.
    pub seed: u64,
}

impl Sample {
    /// `CAMBIUM_POWERCUT_POINTS` (a number, or `all`) and `CAMBIUM_POWERCUT_SEED`, else these
    /// points.
    #[must_use]
    pub fn from_environment(points: usize) -> Self {
        let text = |name| std::env::var(name).unwrap_or_default();
        let points = match text("CAMBIUM_POWERCUT_POINTS").as_str() {
            "all" => None,
            number => Some(number.parse().unwrap_or(points)),
        };
        Self { points, seed: text("CAMBIUM_POWERCUT_SEED").parse().unwrap_or(1) }
    }
}

/// A disk as it was before, and what was written since.
#[derive(Debug)]
pub struct Replay {
    before: PathBuf,
    log: WriteLog,
}

impl Replay {
    pub(super) fn new(before: PathBuf, log: WriteLog) -> Self {
        Self { before, log }
    }

    /// How many entries the log has.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.log.entries().len()
    }

    /// Cuts spread evenly over the entries from `from` on, half of them lossy.
    #[must_use]
    pub fn cuts(&self, from: usize, sample: Sample) -> Vec<Cut> {
        let mut rng = Rng::with_seed(sample.seed);
        let width = (self.entries() + 1).saturating_sub(from);
        let strata = sample.points.map_or(width, |points| (points / 2).clamp(1, width.max(1)));
        let mut cuts = Vec::with_capacity(strata * 2);
        for stratum in 0..strata {
            let (low, high) = (width * stratum / strata, width * (stratum + 1) / strata);
            cuts.push(Cut::After(from + rng.usize(low..high.max(low + 1))));
            cuts.push(Cut::Losing(from + rng.usize(low..high.max(low + 1)), rng.u64(..)));
        }
        cuts
    }

    /// Writes the disk as this cut leaves it to a new file at `to`.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn image(&self, cut: Cut, to: &Path) -> Result<()> {
        run(Command::new("cp").args(["--sparse=always", "--"]).arg(&self.before).arg(to))?;
        let file = File::options().write(true).open(to).context("cannot write an image")?;
        let entries = &self.log.entries()[..cut.position()];
        match cut {
            Cut::After(_) => entries.iter().try_for_each(|entry| self.apply(&file, entry)),
            Cut::Losing(_, seed) => {
                let flushed = entries.iter().rposition(Entry::flushes).unwrap_or(0);
                let (durable, pending) = entries.split_at(flushed);
                durable.iter().try_for_each(|entry| self.apply(&file, entry))?;
                let mut rng = Rng::with_seed(seed);
                for entry in pending {
                    self.apply_perhaps(&file, entry, &mut rng)?;
                }
                Ok(())
            }
        }
    }

    fn apply(&self, file: &File, entry: &Entry) -> Result<()> {
        let bytes = self.log.bytes(entry)?;
        file.write_all_at(&bytes, entry.at).context("cannot write an image")
    }

    /// Half of the pending writes reach the disk, a quarter of the rest but for some pages.
    fn apply_perhaps(&self, file: &File, entry: &Entry, rng: &mut Rng) -> Result<()> {
        if entry.is_durable() || rng.bool() {
            return self.apply(file, entry);
        }
        if rng.u8(..4) != 0 {
            return Ok(());
        }
        let bytes = self.log.bytes(entry)?;
        let mut at = entry.at;
        let end = entry.at + entry.length;
        while at < end {
            let next = ((at / PAGE + 1) * PAGE).min(end);
            if rng.bool() {
                let range = usize::try_from(at - entry.at)?..usize::try_from(next - entry.at)?;
                file.write_all_at(&bytes[range], at).context("cannot write an image")?;
            }
            at = next;
        }
        Ok(())
    }
}
