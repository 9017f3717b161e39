//! `db list`, `db diff`, `db version`

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `db`.
#[derive(Debug, Args)]
pub struct DbArgs {
    /// The question.
    #[command(subcommand)]
    pub verb: DbVerb,
}

/// What is asked of the package lists.
#[derive(Debug, Subcommand)]
pub enum DbVerb {
    /// Show package changes between two commits
    Diff(DiffArgs),
    /// List packages within commits
    List(ListArgs),
    /// Show rpmdb version of packages within the commits
    Version(VersionArgs),
}

/// `db diff`.
#[derive(Debug, Clone, Default, Args)]
pub struct DiffArgs {
    /// The older commit, ref or deployment (default: the booted one)
    pub from: Option<String>,
    /// The newer commit, ref or deployment (default: the pending one)
    pub to: Option<String>,
    /// Output format
    #[arg(short = 'F', long, value_enum, default_value = "block")]
    pub format: DiffFormat,
    /// Also output RPM changelogs
    #[arg(short, long)]
    pub changelogs: bool,
    /// Path to OSTree repository (defaults to the sysroot's)
    #[arg(short, long, hide = true, value_name = "PATH")]
    pub repo: Option<PathBuf>,
    /// Also output new advisories
    #[arg(short, long, hide = true)]
    pub advisories: bool,
    /// Diff against deployments' base, not layered commits
    #[arg(long)]
    pub base: bool,
}

/// The shape of a difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// Grouped by what happened
    #[default]
    Block,
    /// A line each, with a sign
    Diff,
    /// For programs
    Json,
}

/// `db list`.
#[derive(Debug, Clone, Default, Args)]
pub struct ListArgs {
    /// A commit, ref or deployment; more of them, then patterns of names
    #[arg(required = true, value_name = "REV")]
    pub revision: String,
    /// Patterns of package names
    #[arg(value_name = "PATTERN")]
    pub patterns: Vec<String>,
    /// Path to OSTree repository (defaults to the sysroot's)
    #[arg(short, long, hide = true, value_name = "PATH")]
    pub repo: Option<PathBuf>,
    /// Also list advisories
    #[arg(short, long, hide = true)]
    pub advisories: bool,
}

/// `db version`.
#[derive(Debug, Clone, Default, Args)]
pub struct VersionArgs {
    /// Commits, refs or deployments (default: the one that boots next)
    #[arg(value_name = "REV")]
    pub revisions: Vec<String>,
    /// Path to OSTree repository (defaults to the sysroot's)
    #[arg(short, long, hide = true, value_name = "PATH")]
    pub repo: Option<PathBuf>,
}
