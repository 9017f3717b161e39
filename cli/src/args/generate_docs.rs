//! `generate-docs DIR`

use clap::Args;
use std::path::PathBuf;

/// `generate-docs`.
#[derive(Debug, Clone, Default, Args)]
pub struct GenerateDocsArgs {
    /// Where `man1/` and `completions/` are made
    pub directory: PathBuf,
}
