//! `cancel`

use clap::Args;

/// `cancel`.
#[derive(Debug, Clone, Default, Args)]
pub struct CancelArgs {
    /// The transaction (default: the one that runs)
    pub id: Option<String>,
}
