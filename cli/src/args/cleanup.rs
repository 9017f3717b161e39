//! `cleanup`

use super::change::{Extent, Order, UnchangedExit, invalid};
use cambium_model::{Change, CleanupScope, Failure, Options, Stateroot};
use clap::Args;

/// `cleanup`.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "independent options of rpm-ostree's surface")]
pub struct CleanupArgs {
    /// Clear temporary files; will leave deployments unchanged
    #[arg(short, long)]
    pub base: bool,
    /// Remove pending deployment
    #[arg(short, long)]
    pub pending: bool,
    /// Remove rollback deployment
    #[arg(short, long)]
    pub rollback: bool,
    /// Delete cached rpm repo metadata
    #[arg(short = 'm', long = "repomd")]
    pub metadata: bool,
    /// Operate on provided STATEROOT
    #[arg(long, visible_alias = "os", value_name = "STATEROOT")]
    pub stateroot: Option<Stateroot>,
    /// Say what would change, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Wait for the running transaction rather than be refused
    #[arg(long)]
    pub wait: bool,
}

impl CleanupArgs {
    /// What is asked for.
    ///
    /// # Errors
    /// When nothing is.
    pub fn order(&self) -> Result<Order, Failure> {
        let scope = CleanupScope {
            base: self.base,
            pending: self.pending,
            rollback: self.rollback,
            metadata: self.metadata,
        };
        if scope == CleanupScope::default() {
            return Err(invalid("At least one cleanup option must be specified")
                .advise("Use --base, --pending, --rollback or --repomd."));
        }
        Ok(Order {
            change: Change::Cleanup(scope),
            options: Options { wait: self.wait, ..Options::default() },
            stateroot: self.stateroot.clone(),
            extent: if self.dry_run { Extent::Plan } else { Extent::Carry },
            unchanged: UnchangedExit::Success,
        })
    }
}
