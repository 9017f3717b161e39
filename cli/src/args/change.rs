//! The options that verbs which change the host share, and what any of them comes to: an order.

use cambium_model::{Change, Failure, FailureKind, Options, PackageChange, Stateroot};
use clap::Args;

/// What a verb's arguments ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The change.
    pub change: Change,
    /// How it is carried out.
    pub options: Options,
    /// Whom it is for; `None` for the default stateroot.
    pub stateroot: Option<Stateroot>,
    /// How far to go.
    pub extent: Extent,
    /// The exit code where nothing changed.
    pub unchanged: UnchangedExit,
}

/// How far an order goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// To the end.
    Carry,
    /// Only the plan is shown (`--dry-run`).
    Plan,
    /// Only whether there is an update, and its packages (`--preview`).
    Preview,
    /// Only whether there is an update (`--check`).
    Check,
}

/// The exit code where nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnchangedExit {
    /// 0.
    Success,
    /// 77 (`--unchanged-exit-77`).
    Code77,
}

impl UnchangedExit {
    /// By whether the option was given.
    #[must_use]
    pub fn requested(option: Option77) -> Self {
        if option.unchanged_exit_77 { Self::Code77 } else { Self::Success }
    }
}

/// `--unchanged-exit-77`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Option77 {
    /// If no new deployment made, exit 77
    #[arg(long = "unchanged-exit-77")]
    pub unchanged_exit_77: bool,
}

/// Options of every verb that makes a deployment.
#[derive(Debug, Clone, Default, Args)]
pub struct ChangeArgs {
    /// Operate on provided STATEROOT
    #[arg(long, visible_alias = "os", value_name = "STATEROOT")]
    pub stateroot: Option<Stateroot>,
    /// Initiate a reboot after operation is complete
    #[arg(short, long)]
    pub reboot: bool,
    /// Prevent automatic deployment finalization on shutdown
    #[arg(long)]
    pub lock_finalization: bool,
    /// Wait for the running transaction rather than be refused
    #[arg(long)]
    pub wait: bool,
}

/// Options of every verb that may assemble a tree from packages.
#[derive(Debug, Clone, Default, Args)]
pub struct FetchArgs {
    /// Do not download latest ostree and RPM data
    #[arg(short = 'C', long)]
    pub cache_only: bool,
    /// Just download latest ostree and RPM data, don't deploy
    #[arg(long, conflicts_with = "cache_only")]
    pub download_only: bool,
    /// Exit after printing the transaction
    #[arg(short = 'n', long, conflicts_with = "download_only")]
    pub dry_run: bool,
    /// Assemble from the base even where the current layers could be extended
    #[arg(long)]
    pub rebuild: bool,
}

impl FetchArgs {
    /// How far the order goes.
    #[must_use]
    pub fn extent(&self) -> Extent {
        if self.dry_run { Extent::Plan } else { Extent::Carry }
    }
}

/// `--install` and `--uninstall` beside another change.
#[derive(Debug, Clone, Default, Args)]
pub struct PackageArgs {
    /// Overlay additional package
    #[arg(long, value_name = "PKG")]
    pub install: Vec<String>,
    /// Remove overlayed additional package
    #[arg(long, value_name = "PKG")]
    pub uninstall: Vec<String>,
}

impl PackageArgs {
    /// The change of packages.
    #[must_use]
    pub fn change(&self) -> PackageChange {
        PackageChange {
            install: self.install.clone(),
            uninstall: self.uninstall.clone(),
            uninstall_all: false,
        }
    }
}

/// The options of `change` and `fetch` together.
#[must_use]
pub fn options(change: &ChangeArgs, fetch: &FetchArgs) -> Options {
    Options {
        cache_only: fetch.cache_only,
        download_only: fetch.download_only,
        rebuild: fetch.rebuild,
        ..plain_options(change)
    }
}

/// The options of `change` alone.
#[must_use]
pub fn plain_options(change: &ChangeArgs) -> Options {
    Options {
        lock_finalization: change.lock_finalization,
        reboot: change.reboot,
        wait: change.wait,
        ..Options::default()
    }
}

/// An option of rpm-ostree that this version takes but cannot follow. To ignore it would report a
/// success that is none.
#[must_use]
pub fn not_supported(option: &str, instead: &str) -> Failure {
    Failure::new(FailureKind::InvalidRequest, format!("'{option}' is not supported"))
        .advise(instead)
}

/// A command line that contradicts itself.
#[must_use]
pub fn invalid(what: impl Into<String>) -> Failure {
    Failure::new(FailureKind::InvalidRequest, what)
}
