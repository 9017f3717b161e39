//! `cambiumd`: the daemon.
//!
//! Owns: the command line, the order of start and stop. Everything else is in a file of its own:
//! `memory`, `config`, `telemetry`, `socket`, `wiring` (the one file that knows every actor), `service`.

#![allow(clippy::print_stderr)] // The last word of a program that could not start.

mod compose;
mod config;
mod memory;
mod places;
mod service;
mod socket;
mod telemetry;
mod wiring;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// The host's image and package daemon.
#[derive(Debug, Parser)]
#[command(name = "cambiumd", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    serve: Serve,
    #[command(subcommand)]
    command: Option<Command>,
}

/// How the daemon serves.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// The sysroot to serve; the booted system's by default
    #[arg(long, value_name = "DIR", default_value = "/")]
    sysroot: PathBuf,
    /// Read this configuration alone
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen on this Unix socket
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Do not go on the system bus
    #[arg(long)]
    no_dbus: bool,
    /// Serve metrics on ADDRESS:PORT or unix:PATH; "off" for nowhere
    #[arg(long, value_name = "ADDR")]
    metrics: Option<String>,
    /// Keep the transaction log here
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Cache metadata and packages here
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
}

/// What the program does instead of serving.
#[derive(Debug, Subcommand)]
enum Command {
    /// Make images
    Compose {
        #[command(subcommand)]
        command: compose::Compose,
    },
}

fn main() -> ExitCode {
    memory::set_up();
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Some(Command::Compose { command }) => compose::run(command),
        None => service::run(&arguments.serve).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
