//! `deploy REVISION`

use super::change::{
    ChangeArgs, Extent, FetchArgs, Option77, Order, PackageArgs, UnchangedExit, invalid,
    not_supported, options,
};
use cambium_model::{Change, Failure, Options};
use clap::Args;

/// `deploy`.
#[derive(Debug, Clone, Default, Args)]
pub struct DeployArgs {
    /// A version, version=VERSION, a commit checksum, or revision=CHECKSUM
    pub revision: String,
    /// Just preview package differences
    #[arg(long, conflicts_with_all = ["download_only", "reboot"])]
    pub preview: bool,
    /// Do not check if commit belongs on the same branch
    #[arg(long)]
    pub skip_branch_check: bool,
    /// Forbid deployment of chronologically older trees
    #[arg(long)]
    pub disallow_downgrade: bool,
    /// Force a deploy even if an updates driver is registered
    #[arg(long, hide = true)]
    pub bypass_driver: bool,
    /// Register the calling agent as the driver for updates
    #[arg(long, hide = true, value_name = "DRIVERNAME")]
    pub register_driver: Option<String>,
    /// The exit code.
    #[command(flatten)]
    pub exit: Option77,
    /// Packages changed along with it.
    #[command(flatten)]
    pub packages: PackageArgs,
    /// Shared with every change.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Shared with every assembly.
    #[command(flatten)]
    pub fetch: FetchArgs,
}

impl DeployArgs {
    /// What is asked for.
    ///
    /// # Errors
    /// When the revision is empty, or an option cannot be followed.
    pub fn order(&self) -> Result<Order, Failure> {
        if self.register_driver.is_some() {
            return Err(not_supported(
                "--register-driver",
                "This version has no update drivers: whoever may change the host may deploy.",
            ));
        }
        if self.revision.is_empty() {
            return Err(invalid("deploy needs a revision"));
        }
        let extent = if self.preview { Extent::Preview } else { self.fetch.extent() };
        Ok(Order {
            change: Change::Deploy {
                revision: self.revision.clone(),
                packages: self.packages.change(),
            },
            options: Options {
                skip_branch_check: self.skip_branch_check,
                disallow_downgrade: self.disallow_downgrade,
                ..options(&self.change, &self.fetch)
            },
            stateroot: self.change.stateroot.clone(),
            extent,
            unchanged: UnchangedExit::requested(self.exit),
        })
    }
}
