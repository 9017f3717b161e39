//! Whether a host is whole after something went wrong: what it boots is there and is what it
//! claims to be, and recovery left nothing behind.
//!
//! Owns what "never a mix" means, said in terms of files, judged by ostree's own programs.

use super::host::Host;
use super::oracle;
use super::traces::Traces;
use crate::run::{ostree, output};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// How often the log is read before recovery is given up on; each time is a command of its own.
const LOOKS: usize = 500;

/// What boots next: the deployment's directory and the entry's kernel arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boots {
    root: PathBuf,
    options: String,
}

impl Boots {
    /// What this host boots next.
    ///
    /// # Errors
    /// When it has no boot loader entry or ostree cannot read it.
    pub fn of(host: &Host) -> Result<Self> {
        let options = oracle::boot_options(&host.places().sysroot)?;
        // The link's name alternates with each swap and says nothing.
        let options: Vec<_> =
            options.split_whitespace().filter(|word| !word.starts_with("ostree=")).collect();
        Ok(Self { root: host.default_root()?, options: options.join(" ") })
    }
}

/// Checks that the repository is clean, that every deployment that is listed is its commit, whole,
/// and that what boots next is there, down to the kernel's last byte.
///
/// # Errors
/// When it is not.
pub fn whole(host: &Host) -> Result<()> {
    let sysroot = &host.places().sysroot;
    oracle::fsck(&host.repo())?;
    let deployments = oracle::deployments(sysroot)?;
    let first = deployments.first().context("nothing is deployed")?;
    for file in oracle::boot_files(sysroot)? {
        ensure!(file.exists(), "the boot entry names {}", file.display());
        if file.is_file() {
            is_the_trees(&file, first)?;
        } else {
            let (boots, first) = (file.canonicalize()?, first.canonicalize()?);
            ensure!(boots == first, "{} boots, {} is first", boots.display(), first.display());
        }
    }
    for root in &deployments {
        is_its_commit(&host.repo(), root)?;
    }
    Ok(())
}

/// A deployment's /usr is what its commit says, its /etc has all that the tree ships, with the
/// change that every host here begins with, and its origin is there.
fn is_its_commit(repo: &Path, root: &Path) -> Result<()> {
    let name = root.file_name().context("a deployment has a name")?.to_string_lossy();
    let commit = name.split('.').next().unwrap_or_default();
    let difference = output(ostree(repo, "diff").arg(commit).arg(root))?;
    let others: Vec<_> = difference.lines().filter(|line| !is_of_a_deployment(line)).collect();
    ensure!(others.is_empty(), "{} is not its commit: {others:#?}", root.display());
    let shipped = root.join("usr/etc");
    for entry in WalkDir::new(&shipped) {
        let entry = entry?;
        let own = root.join("etc").join(entry.path().strip_prefix(&shipped)?);
        let same = match entry.file_type().is_file() {
            true => fs::read(&own).ok() == Some(fs::read(entry.path())?),
            false => own.symlink_metadata().is_ok(),
        };
        ensure!(same, "{} is not what the tree ships", own.display());
    }
    for (path, part) in [
        (root.join("etc/yum.repos.d/fixture.repo"), "[fixture]"),
        (PathBuf::from(format!("{}.origin", root.display())), "[origin]"),
    ] {
        let text = fs::read_to_string(&path).unwrap_or_default();
        ensure!(text.contains(part), "{} is {text:?}", path.display());
    }
    Ok(())
}

/// Whether a line of `ostree diff` tells of what only a deployment has: its own /etc.
fn is_of_a_deployment(line: &str) -> bool {
    // Against a directory its paths are relative.
    let path = line.split_whitespace().nth(1).unwrap_or_default().trim_start_matches('/');
    path == "etc" || path.starts_with("etc/")
}

/// A file below /boot has the bytes of one of the kernel's in the deployment.
fn is_the_trees(file: &Path, root: &Path) -> Result<()> {
    let bytes = fs::read(file)?;
    for entry in WalkDir::new(root.join("usr/lib/modules")).min_depth(2).max_depth(2) {
        let entry = entry?;
        if entry.file_type().is_file() && fs::read(entry.path())? == bytes {
            return Ok(());
        }
    }
    bail!("{} is no kernel or initramfs of {}", file.display(), root.display())
}

/// The results of all transactions in the log, newest first, once the daemon has found out what its
/// predecessor left. The chain is verified on the way.
///
/// # Errors
/// When the log cannot be read or does not verify, or recovery does not come to an end.
pub fn outcomes(host: &Host) -> Result<Vec<String>> {
    for _ in 0..LOOKS {
        let answer = host.cambium(&["history", "--all", "--json"]);
        ensure!(answer.code == Some(0), "{answer}");
        // One JSON document a line.
        let results: Option<Vec<_>> = serde_json::Deserializer::from_str(&answer.out)
            .into_iter::<serde_json::Value>()
            .map(|one| Some(one.ok()?["result"].as_str()?.to_owned()))
            .collect();
        if let Some(results) = results {
            let answer = host.cambium(&["history", "--verify"]);
            ensure!(answer.code == Some(0), "{answer}");
            return Ok(results);
        }
    }
    bail!("the daemon does not recover: {}", host.cambium(&["history", "--all", "--json"]))
}

/// Checks that nothing is left of a transaction that was interrupted, and that the host is whole.
///
/// # Errors
/// When something is left, naming it.
pub fn recovered(host: &Host) -> Result<()> {
    let left = Traces::settled(host)?.left_behind();
    ensure!(left.is_empty(), "left behind: {left:#?}");
    let mut listed = oracle::deployments(&host.places().sysroot)?;
    listed.sort();
    let there = oracle::deployment_directories(&host.places().sysroot)?;
    ensure!(listed == there, "deployments {listed:#?}, directories {there:#?}");
    whole(host).context("after recovery")
}
