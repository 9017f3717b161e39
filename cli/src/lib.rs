//! The command line of Cambium, also under the name `rpm-ostree`.
//!
//! Owns: arguments (`args`), what each verb does through the daemon's gRPC interface (`command`),
//! and how it looks (`render`), apart from each other. Deliberately absent: anything that touches
//! a sysroot; the daemon does that. Imports cambium-proto and cambium-model only.

pub mod args;
pub mod command;
pub mod invocation;
pub mod output;
pub mod render;

mod connection;

use args::Cli;
use clap::Parser as _;
use invocation::Invocation;
use output::Output;
use std::ffi::OsString;
use std::process::ExitCode;

/// How a verb ended, apart from errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success,
    /// Nothing changed, or nothing is pending, and the caller asked to be told.
    Code77,
}

/// What a shell says of a program that SIGPIPE ended.
const SIGPIPE_STATUS: u8 = 128 + 13;

/// Runs one command line, `argv[0]` included, and says the process's exit code.
#[must_use]
pub fn run(argv: Vec<OsString>) -> ExitCode {
    let invocation = Invocation::new(&argv);
    match invocation.before_parsing(&argv) {
        Some(invocation::Early::Version) => {
            let text = render::version::yaml(invocation.program);
            return finish(Output::plain().text(&text).map(|()| Exit::Success));
        }
        Some(invocation::Early::Compose(args)) => {
            return finish(Err(command::compose::exec(&args)));
        }
        None => {}
    }
    let cli = match Cli::try_parse_from(invocation.named(argv)) {
        Ok(cli) => cli,
        Err(usage) => {
            // Help goes to stdout and is a success; everything else is an error, and rpm-ostree's
            // code for those is 1.
            let help = !usage.use_stderr();
            let printed = usage.print();
            return if help && printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    };
    finish(command::run(&invocation, cli))
}

fn finish(result: anyhow::Result<Exit>) -> ExitCode {
    match result {
        Ok(Exit::Success) => ExitCode::SUCCESS,
        Ok(Exit::Code77) => ExitCode::from(77),
        Err(error) if error.is::<output::Unheard>() => ExitCode::from(SIGPIPE_STATUS),
        Err(error) => {
            output::report(&error);
            ExitCode::FAILURE
        }
    }
}
