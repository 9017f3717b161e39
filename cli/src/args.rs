//! What may be typed: one file for each verb, options and texts as rpm-ostree has them (surface
//! §1.1, §1.2).
//!
//! Owns: argument structs and their pure reading into a change of cambium-model. Deliberately
//! absent: connections, output, what a verb does.

pub mod cancel;
pub mod change;
pub mod cleanup;
pub mod db;
pub mod deploy;
pub mod generate_docs;
pub mod history;
pub mod install;
pub mod kargs;
pub mod rebase;
pub mod refresh_md;
pub mod reload;
pub mod rollback;
pub mod search;
pub mod status;
pub mod uninstall;
pub mod upgrade;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "cambium",
    about = "Package layering for image-based hosts",
    disable_version_flag = true,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Options that every verb takes.
    #[command(flatten)]
    pub global: Global,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options that every verb takes, before or after it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every verb")]
pub struct Global {
    /// Avoid printing most informational messages
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print version information and exit
    #[arg(long)]
    pub version: bool,
    /// The daemon's control socket
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Use system root DIR (default: /)
    #[arg(long, global = true, value_name = "DIR")]
    pub sysroot: Option<PathBuf>,
    /// Run a private daemon for this command rather than talk to the system's
    #[arg(long, global = true, conflicts_with = "socket")]
    pub peer: bool,
    /// Print JSON rather than text
    #[arg(long, global = true)]
    pub json: bool,
    /// Write progress as JSON lines to this file descriptor
    #[arg(long, global = true, value_name = "N")]
    pub progress_fd: Option<i32>,
    /// Answer yes to every question
    #[arg(short = 'y', long, visible_alias = "yes", global = true)]
    pub assumeyes: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Get the version of the booted system
    Status(status::StatusArgs),
    /// Overlay additional packages
    #[command(alias = "pkg-add")]
    Install(install::InstallArgs),
    /// Remove overlayed additional packages
    #[command(alias = "remove", alias = "pkg-remove")]
    Uninstall(uninstall::UninstallArgs),
    /// Perform a system upgrade
    #[command(alias = "update")]
    Upgrade(upgrade::UpgradeArgs),
    /// Deploy a specific commit
    Deploy(deploy::DeployArgs),
    /// Switch to a different tree
    Rebase(rebase::RebaseArgs),
    /// Revert to the previously booted tree
    Rollback(rollback::RollbackArgs),
    /// Query or modify kernel arguments
    Kargs(kargs::KargsArgs),
    /// Clear cached/pending data
    Cleanup(cleanup::CleanupArgs),
    /// Cancel an active transaction
    Cancel(cancel::CancelArgs),
    /// Commands to query the RPM database
    #[command(alias = "rpm")]
    Db(db::DbArgs),
    /// Show past transactions
    History(history::HistoryArgs),
    /// Search for packages
    Search(search::SearchArgs),
    /// Generate rpm repo metadata
    #[command(alias = "makecache")]
    RefreshMd(refresh_md::RefreshMdArgs),
    /// Reload configuration
    Reload(reload::ReloadArgs),
    /// Commands to compose a tree
    Compose(Forwarded),
    /// Experimental commands of rpm-ostree that have a home here
    #[command(hide = true)]
    Ex(ExArgs),
    /// Write man pages and completions
    #[command(hide = true)]
    GenerateDocs(generate_docs::GenerateDocsArgs),
}

/// Arguments that another program reads.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Forwarded {
    /// As `cambiumd compose` takes them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARG")]
    pub args: Vec<std::ffi::OsString>,
}

/// `ex`.
#[derive(Debug, Args)]
pub struct ExArgs {
    /// The experimental verb.
    #[command(subcommand)]
    pub verb: ExVerb,
}

/// What rpm-ostree keeps below `ex`.
#[derive(Debug, Subcommand)]
pub enum ExVerb {
    /// Show past transactions
    History(history::HistoryArgs),
}

#[cfg(test)]
mod tests;
