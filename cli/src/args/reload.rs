//! `reload`

use clap::Args;

/// `reload` takes nothing of its own.
#[derive(Debug, Clone, Default, Args)]
pub struct ReloadArgs {}
