//! `refresh-md`

use super::change::{Extent, Order, UnchangedExit};
use cambium_model::{Change, Options, Stateroot};
use clap::Args;

/// `refresh-md`.
#[derive(Debug, Clone, Default, Args)]
pub struct RefreshMdArgs {
    /// Expire current cache
    #[arg(short, long)]
    pub force: bool,
    /// Operate on provided STATEROOT
    #[arg(long, visible_alias = "os", value_name = "STATEROOT")]
    pub stateroot: Option<Stateroot>,
}

impl RefreshMdArgs {
    /// What is asked for.
    #[must_use]
    pub fn order(&self) -> Order {
        Order {
            change: Change::RefreshMetadata { force: self.force },
            options: Options::default(),
            stateroot: self.stateroot.clone(),
            extent: Extent::Carry,
            unchanged: UnchangedExit::Success,
        }
    }
}
