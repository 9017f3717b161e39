//! Two bases of the real distribution, made by `cambium compose tree`: the release, and the same
//! with all updates, which bring another kernel.

#![expect(clippy::print_stdout, reason = "progress on the terminal")]

use super::Place;
use super::packages::Repositories;
use crate::fixture::cache::{Key, made};
use crate::fixture::programs;
use crate::run::{ostree, output, run};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The ref that the treefile names.
pub const REF: &str = "realos/12/x86_64";

/// The editions' names: how they are told apart in the compose's directory.
const RELEASE: &str = "release";
const UPDATES: &str = "updates";

/// A repository with both, and their commits.
pub struct Bases {
    directory: PathBuf,
    /// The release's commit.
    pub release: String,
    /// The updates' commit, whose parent is the release's.
    pub updates: String,
}

impl Bases {
    /// Both bases, composed where one of their inputs changed.
    ///
    /// # Errors
    /// When the compose fails.
    pub fn get(place: &Place, repositories: &Repositories) -> Result<Self> {
        let Repositories { base, updates, cambium, .. } = repositories;
        let mut key = Key::foreign().with(include_str!("bases.rs"));
        for repository in [base, updates, cambium] {
            key = key.with_file(&repository.join("repodata/repomd.xml"))?;
        }
        for entry in walkdir::WalkDir::new(&place.treefiles).sort_by_file_name() {
            let entry = entry?;
            if entry.file_type().is_file() {
                key = key.with_file(entry.path())?;
            }
        }
        let directory = made(&place.directory, "bases", &key, |directory| {
            run(ostree(&directory.join("repo"), "init").arg("--mode=bare"))?;
            for (name, repository) in [(RELEASE, base), (UPDATES, updates)] {
                compose(place, directory, name, &[("realos", repository), ("cambium", cambium)])?;
            }
            Ok(())
        })?;
        println!("{}", directory.join("repo").display());
        let commit = |name: &str| {
            let path = directory.join(name).with_extension("json");
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let report: serde_json::Value = serde_json::from_str(&text)?;
            let commit = report["ostree-commit"].as_str().map(str::to_owned);
            commit.with_context(|| format!("{} names no commit", path.display()))
        };
        let (release, updates) = (commit(RELEASE)?, commit(UPDATES)?);
        Ok(Self { directory, release, updates })
    }

    /// The bare repository with both.
    #[must_use]
    pub fn repository(&self) -> PathBuf {
        self.directory.join("repo")
    }
}

/// Composes one edition. The imported packages are kept for the next.
fn compose(
    place: &Place,
    directory: &Path,
    name: &str,
    repositories: &[(&str, &Path)],
) -> Result<()> {
    println!("composing the {name} base");
    let treefile = directory.join(format!("{name}.yaml"));
    let base = place.treefiles.join("treefile.yaml");
    let text = format!(
        "edition: \"2024\"\ninclude: {}\nrepos: [cambium]\npackages: [cambium]\n",
        base.display()
    );
    fs::write(&treefile, text).with_context(|| format!("cannot write {}", treefile.display()))?;
    let repos: String = repositories.iter().map(|(name, path)| section(name, path)).collect();
    fs::write(directory.join("realos.repo"), repos).context("cannot write a .repo file")?;
    let mut command = Command::new(programs::cambiumd()?);
    command.args(["compose", "tree", "--repo"]).arg(directory.join("repo"));
    command.arg("--cachedir").arg(place.directory.join("compose-cache"));
    command.arg("--write-composejson-to").arg(directory.join(name).with_extension("json"));
    output(command.arg(&treefile)).map(drop)
}

/// A section of a .repo file for a directory of this machine.
#[must_use]
pub fn section(name: &str, path: &Path) -> String {
    let url = format!("file://{}", path.display());
    format!("[{name}]\nname={name}\nbaseurl={url}\nenabled=1\ngpgcheck=0\n\n")
}
