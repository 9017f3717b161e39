//! Repositories of real RPMs: the release, its updates, what is layered, and Cambium itself.
//!
//! The first three are made by shared/realos' deb2rpm.py, which keeps what it converted; it is not
//! even asked while its input is the same. A new state of the distribution is taken up when the
//! directory `packages` below `target/realos` is removed.

#![expect(clippy::print_stdout, reason = "progress on the terminal")]

use super::Place;
use crate::fixture::base::libraries_of;
use crate::fixture::cache::{Key, made};
use crate::fixture::machine::Machine;
use crate::fixture::{programs, repository};
use crate::run::run;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Directories of rpm-md repositories.
pub struct Repositories {
    /// The release as it came out.
    pub base: PathBuf,
    /// The same packages with all updates.
    pub updates: PathBuf,
    /// What is layered, with all that it pulls in, as it came out.
    pub layers: PathBuf,
    /// The same with all updates.
    pub layers_updates: PathBuf,
    /// Cambium's own package.
    pub cambium: PathBuf,
    /// The names of the packages to layer.
    pub wanted: Vec<String>,
}

impl Repositories {
    /// Those that a host has enabled, with their names: the release and its updates, as on any
    /// distribution. The base decides which versions fit.
    #[must_use]
    pub fn enabled(&self) -> [(&str, &Path); 4] {
        [
            ("base", &self.base),
            ("updates", &self.updates),
            ("layers", &self.layers),
            ("layers-updates", &self.layers_updates),
        ]
    }
}

impl Place {
    /// The repository of what is layered, as the release came out, wherever it was made.
    #[must_use]
    pub fn layers(&self) -> PathBuf {
        self.directory.join("packages/repo-layers")
    }
}

/// The packages to layer.
///
/// # Errors
/// When there is no list.
pub fn layer_list(place: &Place) -> Result<Vec<String>> {
    names(&place.scripts.join("layer-packages.txt"))
}

/// All repositories, made where they are not there.
///
/// # Errors
/// When the machine is no Debian, its archive cannot be reached, or Cambium is not built.
pub fn make(place: &Place) -> Result<Repositories> {
    let cambium = cambium(place)?;
    println!("{}", cambium.display());
    let out = place.directory.join("packages");
    let list = |name: &str| place.scripts.join(name);
    let (tree, layers) = (list("tree-packages.txt"), list("layer-packages.txt"));
    let one = |name, list, options| repository_of(place, &out, name, list, options);
    Ok(Repositories {
        base: one("base", &tree, &["--release-only"])?,
        updates: one("updates", &tree, &[])?,
        layers: one("layers", &layers, &["--release-only"])?,
        layers_updates: one("layers-updates", &layers, &[])?,
        cambium,
        wanted: names(&layers)?,
    })
}

/// The release's repository alone, made where it is not there.
///
/// # Errors
/// When the machine is no Debian or its archive cannot be reached.
pub fn release(place: &Place) -> Result<PathBuf> {
    let list = place.scripts.join("tree-packages.txt");
    let out = place.directory.join("packages");
    repository_of(place, &out, "base", &list, &["--release-only"])
}

/// The words of a list, comments left out.
fn names(list: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(list).with_context(|| format!("no {}", list.display()))?;
    let words = text.lines().filter_map(|line| line.split('#').next());
    Ok(words.flat_map(str::split_whitespace).map(str::to_owned).collect())
}

fn repository_of(
    place: &Place,
    out: &Path,
    name: &str,
    list: &Path,
    options: &[&str],
) -> Result<PathBuf> {
    let directory = out.join(format!("repo-{name}"));
    let mut key = Key::foreign().with(name).with_file(list)?;
    for source in ["deb2rpm.py", "overrides.toml"] {
        key = key.with_file(&place.scripts.join(source))?;
    }
    let key = options.iter().fold(key, |key, option| key.with(option)).short();
    let stamp = out.join(format!("{name}.made"));
    if fs::read_to_string(&stamp).is_ok_and(|made| made == key) {
        println!("{}", directory.display());
        return Ok(directory);
    }
    let mut command = Command::new("python3");
    command.arg(place.scripts.join("deb2rpm.py")).arg("--out").arg(out);
    command.args(["--repo", name, "--list"]).arg(list).args(options);
    println!("making {} of Debian's packages", directory.display());
    run(&mut command)?;
    fs::write(&stamp, key).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(directory)
}

/// Cambium as its own package, as a distribution would make it.
fn cambium(place: &Place) -> Result<PathBuf> {
    let built = [programs::cambium()?, programs::cambiumd()?];
    let mut key = Key::default().with(include_str!("packages.rs"));
    for program in &built {
        key = key.with_file(program)?;
    }
    for source in programs::sources() {
        key = key.with_file(&source)?;
    }
    made(&place.directory, "cambium", &key, |directory| {
        let mut spec = programs::package(directory)?;
        for package in libraries_of(Machine::detect()?, &built.into_iter().collect())? {
            spec = spec.requires(&package.name);
        }
        repository::make(&directory.join("repo"), &[spec]).map(drop)
    })
    .map(|directory| directory.join("repo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_words_without_comments() {
        let root = tempfile::tempdir().unwrap();
        let list = root.path().join("list");
        fs::write(&list, "# what\na b # c\n\nd\n").unwrap();
        assert_eq!(names(&list).unwrap(), ["a", "b", "d"]);
    }
}
