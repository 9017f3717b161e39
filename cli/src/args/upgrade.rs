//! `upgrade`

use super::change::{
    ChangeArgs, Extent, FetchArgs, Option77, Order, PackageArgs, UnchangedExit, options,
};
use cambium_model::Change;
use clap::Args;

/// `upgrade`.
#[derive(Debug, Clone, Default, Args)]
pub struct UpgradeArgs {
    /// Permit deployment of chronologically older trees
    #[arg(long)]
    pub allow_downgrade: bool,
    /// Just preview package differences (implies --unchanged-exit-77)
    #[arg(long, conflicts_with_all = ["download_only", "reboot"])]
    pub preview: bool,
    /// Just check if an upgrade is available (implies --unchanged-exit-77)
    #[arg(long, conflicts_with_all = ["preview", "download_only", "reboot"])]
    pub check: bool,
    /// Force an upgrade even if an updates driver is registered
    #[arg(long, hide = true)]
    pub bypass_driver: bool,
    /// The exit code; also by its older name.
    #[command(flatten)]
    pub exit: Option77,
    /// The older name of --unchanged-exit-77
    #[arg(long = "upgrade-unchanged-exit-77", hide = true)]
    pub upgrade_unchanged_exit_77: bool,
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

impl UpgradeArgs {
    /// What is asked for.
    #[must_use]
    pub fn order(&self) -> Order {
        let extent = match (self.check, self.preview) {
            (true, _) => Extent::Check,
            (_, true) => Extent::Preview,
            _ => self.fetch.extent(),
        };
        let looks = matches!(extent, Extent::Check | Extent::Preview);
        let unchanged = match UnchangedExit::requested(self.exit) {
            UnchangedExit::Success if looks || self.upgrade_unchanged_exit_77 => {
                UnchangedExit::Code77
            }
            exit => exit,
        };
        Order {
            change: Change::Upgrade {
                packages: self.packages.change(),
                allow_downgrade: self.allow_downgrade,
            },
            options: options(&self.change, &self.fetch),
            stateroot: self.change.stateroot.clone(),
            extent,
            unchanged,
        }
    }
}
