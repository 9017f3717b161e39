//! `cargo xtask install DESTDIR`: a release build, laid out as a distribution's package would be.

use crate::shell::{step, target, workspace};
use crate::tasks::{self, Profile};
use anyhow::{Context, Result};
use std::path::Path;
use xtask::layout::Installation;

/// Installs a release build below `destination`.
pub(crate) fn run(destination: &Path) -> Result<()> {
    let destination = std::path::absolute(destination).context("not a path")?;
    tasks::build(Profile::Release)?;
    step("Install");
    let (workspace, programs) = (workspace(), target().join("release"));
    let installation = Installation { workspace: &workspace, programs: &programs };
    for place in installation.lay_out(&destination)? {
        println!("  {place}");
    }
    println!("installed below {}", destination.display());
    Ok(())
}
