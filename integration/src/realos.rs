//! A host's whole life on a real distribution: Debian's packages as RPMs, composed, deployed,
//! layered, upgraded, rolled back, killed, booted.
//!
//! Owns what is made below `target/realos` and the order of the steps. The RPMs are made by
//! `../shared/realos`, the bases by `cambiumd compose tree`; what is right is decided by ostree,
//! rpm and dnf themselves. Each step that fails is told and counted, and the next one is tried.

pub mod bases;
pub mod booted;
pub mod host;
pub mod judges;
pub mod life;
pub mod packages;
pub mod report;

use crate::fixture::cache;
use anyhow::{Context, Result, bail};
use report::Report;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the sources are and where things are made.
pub struct Place {
    /// `target/realos`.
    pub directory: PathBuf,
    /// The scripts that make RPMs: `../shared/realos`.
    pub scripts: PathBuf,
    /// The treefile's directory in the sources.
    pub treefiles: PathBuf,
}

impl Place {
    /// The place of the running program.
    ///
    /// # Errors
    /// When the scripts are not beside the workspace, or the directory cannot be made.
    pub fn find() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = here.parent().context("the integration package lies in a workspace")?;
        let scripts = workspace.join("../shared/realos");
        if !scripts.join("deb2rpm.py").is_file() {
            bail!("{} is not here: it has the scripts that make the RPMs", scripts.display());
        }
        let directory = cache::directory()?.with_file_name("realos");
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(Self { directory, scripts, treefiles: here.join("realos") })
    }

    /// A directory for one run, which goes with it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn temporary(&self, name: &str) -> Result<tempfile::TempDir> {
        let made = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(&self.directory);
        made.with_context(|| format!("cannot write to {}", self.directory.display()))
    }
}

/// Which half of the life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// On a sysroot that is not booted.
    Host,
    /// In a booted system.
    Booted,
}

impl std::str::FromStr for Half {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "host" => Ok(Self::Host),
            "booted" => Ok(Self::Booted),
            _ => bail!("there is no half '{text}': it is 'host' or 'booted'"),
        }
    }
}

/// These halves of it. The answer tells how many steps passed and failed.
///
/// # Errors
/// When what the life stands on cannot be made; failed steps are in the report.
pub fn run(halves: &[Half]) -> Result<Report> {
    let place = Place::find()?;
    let mut report = Report::default();
    report.title("Real packages");
    let repositories = packages::make(&place)?;
    report.title("Two bootable bases");
    let bases = bases::Bases::get(&place, &repositories)?;
    for half in halves {
        match half {
            Half::Host => {
                report.title("A host that is not booted");
                life::live(&place, &repositories, &bases, &mut report)?;
            }
            Half::Booted => {
                report.title("A host that is booted");
                booted::live(&place, &repositories, &bases, &mut report)?;
            }
        }
    }
    Ok(report)
}
