//! `cargo xtask VERB`: every task around the code, one command each.
//!
//! Owns: which checks there are, in which order they run, and what they need from the machine.
//! Each step prints the command that it runs, so that a person can run it by hand. Deliberately
//! absent: any dependency on the crates of this workspace, so that this program builds in seconds
//! and can install the native libraries that they need.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod check;
mod fuzz;
mod install;
mod setup;
mod shell;
mod tasks;

use anyhow::{Result, bail};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask VERB

  setup             install the native libraries and programs that are missing (apt or dnf)
  build             build cambium and cambiumd
  test [ARGS]       everything that is checked; ARGS go to the test runner
  lint              rustfmt, clippy, the layers, the style, the documentation
  demo              a host's life on a small OS made from this machine's own programs
  realos            the same life on a real distribution (needs ../shared/realos)
  bench [NAME]      the measurements of the README, beside their peers; -- ARGS go to them
  install DESTDIR   binaries, units, man pages and completions, as a package would
  fuzz NAME [SECS]  one of the targets in integration/fuzz, for 60 s where nothing is said
  deny              licences, bans and sources of dependencies (cargo-deny)
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match run(&verb, &rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {verb}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &str, rest: &[String]) -> Result<()> {
    match verb {
        "setup" => setup::run(),
        "build" => tasks::build(tasks::Profile::Dev),
        "test" => check::test(rest),
        "lint" => check::lint(),
        "demo" => tasks::demo(),
        "realos" => tasks::realos(rest),
        "bench" => tasks::bench(rest),
        "install" => match rest {
            [destination] => install::run(destination.as_ref()),
            _ => bail!("install takes one argument, the directory to install below"),
        },
        "fuzz" => fuzz::fuzz(rest),
        "deny" => check::deny(),
        "" | "help" | "-h" | "--help" => {
            print!("{HELP}");
            Ok(())
        }
        _ => bail!("there is no such task\n\n{HELP}"),
    }
}
