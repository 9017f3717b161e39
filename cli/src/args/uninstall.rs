//! `uninstall PKG…`

use super::change::Order;
use super::install::LayeringArgs;
use cambium_model::{Failure, Options, PackageChange};
use clap::Args;

/// `uninstall`.
#[derive(Debug, Clone, Default, Args)]
pub struct UninstallArgs {
    /// Layered packages
    #[arg(value_name = "PKG")]
    pub packages: Vec<String>,
    /// Overlay additional package
    #[arg(long, value_name = "PKG")]
    pub install: Vec<String>,
    /// Remove all overlayed additional packages
    #[arg(long)]
    pub all: bool,
    /// Do nothing if package is not requested
    #[arg(long)]
    pub idempotent: bool,
    /// Allow inactive package requests
    #[arg(long)]
    pub allow_inactive: bool,
    /// Options of what package operations share.
    #[command(flatten)]
    pub layering: LayeringArgs,
}

impl UninstallArgs {
    /// What is asked for.
    ///
    /// # Errors
    /// When no package is named, or an option cannot be followed.
    pub fn order(&self) -> Result<Order, Failure> {
        let packages = PackageChange {
            install: self.install.clone(),
            uninstall: self.packages.clone(),
            uninstall_all: self.all,
        };
        self.layering.order(packages, |options| Options {
            idempotent: self.idempotent,
            allow_inactive: self.allow_inactive,
            ..options
        })
    }
}
