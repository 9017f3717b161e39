//! `history`

use clap::Args;

/// `history`.
#[derive(Debug, Clone, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "independent options")]
pub struct HistoryArgs {
    /// Print phases and causes too
    #[arg(short, long)]
    pub verbose: bool,
    /// Limit number of entries shown
    #[arg(short = 'n', long, default_value_t = 3, value_name = "N")]
    pub limit: u32,
    /// Show all entries
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    /// Check that no record was changed, lost or inserted
    #[arg(long, conflicts_with = "export")]
    pub verify: bool,
    /// Write every record with its hash chain as JSON lines
    #[arg(long)]
    pub export: bool,
    /// Ignored: nothing is paged
    #[arg(long, hide = true)]
    pub no_pager: bool,
}
