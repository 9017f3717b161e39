//! `install PKG…`

use super::change::{
    ChangeArgs, FetchArgs, Option77, Order, UnchangedExit, invalid, not_supported, options,
};
use cambium_model::{Change, Failure, Options, PackageChange};
use clap::Args;

/// `install`.
#[derive(Debug, Clone, Default, Args)]
pub struct InstallArgs {
    /// Packages by name, NEVRA, provide or path
    #[arg(value_name = "PKG")]
    pub packages: Vec<String>,
    /// Remove overlayed additional package
    #[arg(long, value_name = "PKG")]
    pub uninstall: Vec<String>,
    /// Do nothing if package already requested
    #[arg(long)]
    pub idempotent: bool,
    /// Allow inactive package requests
    #[arg(long)]
    pub allow_inactive: bool,
    /// Options of what package operations share.
    #[command(flatten)]
    pub layering: LayeringArgs,
}

/// Options that `install` and `uninstall` share.
#[derive(Debug, Clone, Default, Args)]
pub struct LayeringArgs {
    /// Shared with every change.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Shared with every assembly.
    #[command(flatten)]
    pub fetch: FetchArgs,
    /// The exit code.
    #[command(flatten)]
    pub exit: Option77,
    /// Apply changes to both pending deployment and running filesystem tree
    #[arg(short = 'A', long, hide = true)]
    pub apply_live: bool,
    /// Allow package to replace files from other packages
    #[arg(long, hide = true)]
    pub force_replacefiles: bool,
    /// Enable the repository (container builds only)
    #[arg(long, hide = true, value_name = "REPO")]
    pub enablerepo: Vec<String>,
    /// Disable the repository (container builds only)
    #[arg(long, hide = true, value_name = "REPO")]
    pub disablerepo: Vec<String>,
    /// Set the release version (container builds only)
    #[arg(long, hide = true, value_name = "VERSION")]
    pub releasever: Option<String>,
}

impl LayeringArgs {
    /// The order for `packages`.
    pub(super) fn order(
        &self,
        packages: PackageChange,
        more: impl FnOnce(Options) -> Options,
    ) -> Result<Order, Failure> {
        if packages.is_empty() {
            return Err(invalid("At least one package must be specified"));
        }
        if self.apply_live {
            return Err(not_supported(
                "--apply-live",
                "Without it the change takes effect at the next boot.",
            ));
        }
        if self.force_replacefiles {
            return Err(not_supported(
                "--force-replacefiles",
                "A file conflict names both owners; remove one of them.",
            ));
        }
        if !(self.enablerepo.is_empty() && self.disablerepo.is_empty()) || self.releasever.is_some()
        {
            return Err(not_supported(
                "--enablerepo/--disablerepo/--releasever",
                "They are for container builds; on a host edit /etc/yum.repos.d.",
            ));
        }
        Ok(Order {
            change: Change::Packages(packages),
            options: more(options(&self.change, &self.fetch)),
            stateroot: self.change.stateroot.clone(),
            extent: self.fetch.extent(),
            unchanged: UnchangedExit::requested(self.exit),
        })
    }
}

impl InstallArgs {
    /// What is asked for.
    ///
    /// # Errors
    /// When no package is named, or an option cannot be followed.
    pub fn order(&self) -> Result<Order, Failure> {
        let packages = PackageChange {
            install: self.packages.clone(),
            uninstall: self.uninstall.clone(),
            uninstall_all: false,
        };
        self.layering.order(packages, |options| Options {
            idempotent: self.idempotent,
            allow_inactive: self.allow_inactive,
            ..options
        })
    }
}
