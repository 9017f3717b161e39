//! Measuring: repeated runs, medians with their spread, and a table beside the peer's figures.
//!
//! Whole processes and the daemon's own record of its phases; no clock inside the code measured.

mod cpu;

pub use cpu::CpuRecord;

use crate::harness::Host;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs of one measurement: five are the fewest whose median two outliers cannot move.
pub const RUNS: usize = 5;

/// Several runs of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    times: Vec<Duration>,
}

impl Sample {
    /// The times of some runs.
    #[must_use]
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self { times }
    }

    /// Runs `work` [`RUNS`] times; it returns what is to be counted.
    ///
    /// # Errors
    /// The first that `work` returns.
    pub fn take(mut work: impl FnMut() -> Result<Duration>) -> Result<Self> {
        (0..RUNS).map(|_| work()).collect::<Result<_>>().map(Self::of)
    }

    /// The middle one; zero of none.
    #[must_use]
    pub fn median(&self) -> Duration {
        self.times.get(self.times.len() / 2).copied().unwrap_or_default()
    }

    /// How many times longer than the other.
    #[must_use]
    pub fn ratio(&self, other: &Self) -> f64 {
        self.median().as_secs_f64() / other.median().as_secs_f64().max(f64::EPSILON)
    }
}

/// Median (fastest–slowest) in milliseconds.
impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (first, last) = (self.times.first(), self.times.last());
        let text = format!(
            "{:.1} ms ({:.1}–{:.1})",
            ms(self.median()),
            first.copied().map_or(0.0, ms),
            last.copied().map_or(0.0, ms)
        );
        f.pad(&text)
    }
}

/// One line of a table: what, how long, and what to make of it.
#[expect(clippy::print_stdout, reason = "the measurements' output")]
pub fn row(what: &str, sample: &Sample, remark: &str) {
    println!("{what:<58} {sample:<30} {remark}");
}

/// How long the command takes as a whole process; it must succeed.
///
/// # Errors
/// When it cannot be run or fails; then with what it said.
pub fn time(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output().context("cannot run a command")?;
    let elapsed = start.elapsed();
    if !output.status.success() {
        bail!(
            "{} ended with {}: {}",
            crate::run::line(command),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(elapsed)
}

/// How long `cambium` takes with these arguments on this host.
///
/// # Errors
/// When it fails.
pub fn cambium(host: &Host, arguments: &[&str]) -> Result<Duration> {
    time(&mut host.command(arguments)?)
}

/// From the start of one phase of the newest transaction to the start of another, by the log.
///
/// # Errors
/// When the transaction did not pass through both.
pub fn phases(host: &Host, from: &str, to: &str) -> Result<Duration> {
    let (from, to) = span(host, from, to)?;
    Ok(to.saturating_sub(from))
}

/// When one phase of the newest transaction began and when another did, since 1970, by the log.
///
/// # Errors
/// When the transaction did not pass through both.
pub fn span(host: &Host, from: &str, to: &str) -> Result<(Duration, Duration)> {
    let output = host.command(&["history", "--json", "--limit", "1"])?.output()?;
    let newest: Value = serde_json::from_slice(&output.stdout).context("no history")?;
    let at = |name: &str| -> Option<Duration> {
        let phases = newest["phases"].as_array()?;
        let phase = phases.iter().find(|phase| phase[0] == name)?;
        phase[1].as_u64().map(Duration::from_millis)
    };
    at(from).zip(at(to)).with_context(|| format!("no {from}–{to}: {newest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_between_its_spread() {
        let ms = Duration::from_millis;
        let sample = Sample::of([9, 1, 5, 2, 4].map(ms).to_vec());
        assert_eq!(sample.median(), ms(4));
        assert_eq!(sample.to_string(), "4.0 ms (1.0–9.0)");
        assert!((Sample::of(vec![ms(8)]).ratio(&sample) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_failing_command_is_no_measurement() {
        assert!(time(Command::new("sh").args(["-c", "exit 1"])).is_err());
        assert!(time(&mut Command::new("true")).is_ok());
    }
}
