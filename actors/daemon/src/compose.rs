//! `cambiumd compose`: images are made offline, by the engines alone; no actor and no socket
//! takes part. `cambium compose` runs this program with the same arguments.

#![allow(clippy::print_stdout, clippy::print_stderr)] // This is a command-line tool.

use crate::config::Config;
use anyhow::{Context as _, Result, bail};
use cambium_model::{Checksum, Failure, Observer, Progress};
use cambium_tree::compose::{
    Cache, ComposeOptions, Composed, Extent, Parent, Report, compose_tree,
};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// What is made.
#[derive(Debug, Subcommand)]
pub(crate) enum Compose {
    /// Make a commit from a treefile
    Tree(Box<Tree>),
}

/// `compose tree`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "rpm-ostree's own options")]
pub(crate) struct Tree {
    /// The treefile, in YAML or JSON
    treefile: PathBuf,
    /// The repository that gets the commit
    #[arg(short, long, value_name = "REPO")]
    repo: Option<PathBuf>,
    /// Where metadata and imported packages are kept
    #[arg(long, value_name = "DIR")]
    cachedir: Option<PathBuf>,
    /// Where temporary directories are made
    #[arg(long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// Accepted: there is no other mode
    #[arg(long, alias = "ex-unified-core")]
    unified_core: bool,
    /// Make a new commit even where nothing changed
    #[arg(long)]
    force_nocache: bool,
    /// Resolve and list the packages only
    #[arg(long)]
    dry_run: bool,
    /// Print the merged treefile only
    #[arg(long)]
    print_only: bool,
    /// Touch this file when there is a new commit
    #[arg(long, value_name = "FILE")]
    touch_if_changed: Option<PathBuf>,
    /// Write a description of the compose as JSON
    #[arg(long, value_name = "FILE")]
    write_composejson_to: Option<PathBuf>,
    /// Write the commit's checksum, and leave the ref where it is
    #[arg(long, value_name = "FILE")]
    write_commitid_to: Option<PathBuf>,
    /// Add a string to the commit's metadata
    #[arg(long, value_name = "KEY=VALUE")]
    add_metadata_string: Vec<String>,
    /// The commit before
    #[arg(long, value_name = "REV", conflicts_with = "no_parent")]
    parent: Option<String>,
    /// No commit before
    #[arg(long)]
    no_parent: bool,
}

/// Runs `compose`.
///
/// # Errors
/// When the image cannot be made.
pub(crate) fn run(command: Compose) -> Result<ExitCode> {
    crate::telemetry::start("warn")?;
    let Compose::Tree(tree) = command;
    let options = options(*tree)?;
    match compose_tree(&options, &Lines).map_err(describe)? {
        Composed::Printed(json) => println!("{json}"),
        Composed::DryRun(packages) => packages.iter().for_each(|package| println!("{package}")),
        Composed::Unchanged(commit) => {
            println!("No apparent changes since previous commit; use --force-nocache to override");
            println!("{commit}");
        }
        Composed::Committed(report) => tell(&report),
    }
    Ok(ExitCode::SUCCESS)
}

fn options(tree: Tree) -> Result<ComposeOptions> {
    let parent = match (tree.parent, tree.no_parent) {
        (Some(text), _) => Parent::Commit(text.parse::<Checksum>().context("--parent")?),
        (None, true) => Parent::None,
        (None, false) => Parent::OfRef,
    };
    let pair = |text: String| match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => bail!("--add-metadata-string takes KEY=VALUE, not '{text}'"),
    };
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok();
    let epoch = epoch.map(|text| text.parse().context("SOURCE_DATE_EPOCH is no number"));
    Ok(ComposeOptions {
        treefile: tree.treefile,
        repo: tree.repo,
        cachedir: tree.cachedir,
        workdir: tree.workdir,
        extent: match (tree.print_only, tree.dry_run) {
            (true, _) => Extent::PrintOnly,
            (false, true) => Extent::DryRun,
            (false, false) => Extent::Commit,
        },
        cache: if tree.force_nocache { Cache::Ignore } else { Cache::Use },
        parent,
        add_metadata: tree.add_metadata_string.into_iter().map(pair).collect::<Result<_>>()?,
        touch_if_changed: tree.touch_if_changed,
        write_composejson_to: tree.write_composejson_to,
        write_commitid_to: tree.write_commitid_to,
        limits: Config::read(None)?.sandbox.limits(),
        source_date_epoch: epoch.transpose()?,
        backend: None,
    })
}

/// A failure as the user reads it: what, why, and what to do.
fn describe(error: cambium_tree::compose::Error) -> anyhow::Error {
    let failure = Failure::from(error);
    match failure.advice.as_str() {
        "" => anyhow::anyhow!("{failure}"),
        advice => anyhow::anyhow!("{failure}\n{advice}"),
    }
}

fn tell(report: &Report) {
    println!("{}", report.to_json());
}

/// Progress as lines. Composes run in build systems: a bar would be noise there.
struct Lines;

impl Observer for Lines {
    fn progress(&self, progress: Progress) {
        match progress {
            Progress::TaskBegin { text } | Progress::Message { text } => eprintln!("{text}"),
            Progress::TaskEnd { text } if !text.is_empty() => eprintln!("  {text}"),
            Progress::Warning { text } => eprintln!("warning: {text}"),
            _ => {}
        }
    }

    fn cancelled(&self) -> bool {
        false
    }
}
