//! `search QUERY…`

use clap::Args;

/// `search`.
#[derive(Debug, Clone, Default, Args)]
pub struct SearchArgs {
    /// Words in a package's name or summary
    #[arg(required = true, value_name = "QUERY")]
    pub words: Vec<String>,
    /// Search what packages provide: a capability or a file's path
    #[arg(long)]
    pub provides: bool,
}
