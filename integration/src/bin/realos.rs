//! `cargo xtask realos [host|booted]…`: a host's whole life on a real distribution, below
//! target/realos; both halves without an argument.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use anyhow::{Result, bail};
use cambium_integration::realos::{self, Half};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        bail!("deployments are owned by root: run this as root, or through cargo xtask realos");
    }
    let start = Instant::now();
    let named = std::env::args().skip(1).map(|half| half.parse());
    let mut halves = named.collect::<Result<Vec<Half>>>()?;
    if halves.is_empty() {
        halves = vec![Half::Host, Half::Booted];
    }
    let report = realos::run(&halves)?;
    println!("\nafter {:.0} s", start.elapsed().as_secs_f32());
    println!("{report}");
    Ok(if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
