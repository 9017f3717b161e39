//! `rollback`

use super::change::{Extent, Order, UnchangedExit};
use cambium_model::{Change, Options, Stateroot};
use clap::Args;

/// `rollback`.
#[derive(Debug, Clone, Default, Args)]
pub struct RollbackArgs {
    /// Operate on provided STATEROOT
    #[arg(long, visible_alias = "os", value_name = "STATEROOT")]
    pub stateroot: Option<Stateroot>,
    /// Initiate a reboot after operation is complete
    #[arg(short, long)]
    pub reboot: bool,
    /// Say what would change, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Wait for the running transaction rather than be refused
    #[arg(long)]
    pub wait: bool,
}

impl RollbackArgs {
    /// What is asked for.
    #[must_use]
    pub fn order(&self) -> Order {
        Order {
            change: Change::Rollback,
            options: Options { reboot: self.reboot, wait: self.wait, ..Options::default() },
            stateroot: self.stateroot.clone(),
            extent: if self.dry_run { Extent::Plan } else { Extent::Carry },
            unchanged: UnchangedExit::Success,
        }
    }
}
