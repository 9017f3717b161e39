//! A layered tree: a base commit, packages and what their scripts do, as one new commit, at the
//! cost of what changes (DESIGN "Layering in O(change)").
//!
//! Packages are merged with the base as trees of checksums; no file of the base is read, linked
//! or hashed. Scripts get a real root, made of checkouts that exist already, and only what they
//! wrote is read back. Nothing refers to the result until the caller deploys it: a failure or a
//! kill leaves objects for the next prune and one temporary directory ([`remove_leftovers`]).
//!
//! What comes into the tree is labelled by the result's own SELinux policy (`labels`); what the base
//! has keeps its labels.
//!
//! Deliberately absent: solving, downloading, deploying, kernels and initramfs. The caller makes
//! sure that packages come in install order and that the base is complete in the repository.

mod accounts;
mod checkouts;
mod commit;
mod copy;
mod inside;
mod labels;
mod layer;
mod memory;
mod merge;
mod overlay;
mod owners;
mod passwd;
mod rpmdb;
mod scripts;
mod stats;
mod tmpfiles;
mod upper;
mod var;
pub(crate) mod writable;

pub use accounts::Accounts;
pub use checkouts::{Checkout, remove_leftovers};
pub use labels::Labelling;
pub use stats::{Stats, Step};

pub(crate) use commit::read_package_list;
pub(crate) use tmpfiles::PACKAGES as TMPFILES_OF_PACKAGES;
pub(crate) use tmpfiles::{subject as tmpfiles_subject, word as tmpfiles_word};

use crate::{Error, Result};
use cambium_model::{Checksum, Nevra, Observer, Progress, RepoStamp};
use cambium_ostree::{CommitSpec, Repo, Tree};
use cambium_rpm::Header;
use cambium_rpm::scriptlets::Rules;
use cambium_sandbox::{Backend, Limits};
use std::path::Path;

/// A package to layer.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its commit in the repository (see [`crate::import()`]).
    pub commit: Checksum,
    /// Its header.
    pub header: Header,
}

/// An existing layered commit on the same base that the result may begin from.
#[derive(Debug, Clone)]
pub struct Extension {
    /// The commit.
    pub commit: Checksum,
    /// What it layers: each package with the SHA-256 of its metadata (`rpmostree.metadata_sha256`).
    pub packages: Vec<(Nevra, String)>,
}

/// The host that an assembly is for, where it is for one.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Its last tree: ids of users should be what they are there.
    pub commit: &'a Checksum,
    /// Its /etc, whose own accounts must not lose their ids to new ones.
    pub etc: Option<&'a Path>,
}

/// Everything that an assembly is made from.
#[derive(Debug, Clone)]
pub struct Assembly<'a> {
    /// The repository's directory.
    pub repo: &'a Path,
    /// A directory of this program's on the repository's file system, for temporary files and
    /// kept base checkouts: `ostree/repo/extensions/rpmostree/private` of a sysroot.
    pub private: &'a Path,
    /// The base.
    pub base: &'a Checksum,
    /// Begin from this commit instead, if it holds nothing but wanted packages. `None` rebuilds
    /// from the base.
    pub extend: Option<&'a Extension>,
    /// Every layered package, dependencies first.
    pub packages: &'a [Layer],
    /// Base packages that go.
    pub removed: &'a [Nevra],
    /// Base packages that a layered one replaces: the base's and the layered one. Both are also
    /// in `removed` and `packages`.
    pub replaced: &'a [(Nevra, Nevra)],
    /// Directories that hold commits as they are (deployments that were never unlocked).
    pub checkouts: &'a [Checkout],
    /// What the user asked for: `rpmostree.packages`.
    pub requested: &'a [String],
    /// The repositories that were used: `rpmostree.rpmmd-repos`.
    pub repos: &'a [RepoStamp],
    /// See [`crate::state_sha512`].
    pub state_sha512: &'a str,
    /// The host that it is for.
    pub around: Option<Around<'a>>,
    /// What is decided about scripts beyond RPM's own rules.
    pub rules: &'a Rules,
    /// Bounds of each script.
    pub limits: Limits,
    /// By what scripts are run; `None` finds out once one is to run.
    pub backend: Option<&'a Backend>,
    /// Whether files are labelled by the tree's SELinux policy.
    pub labelling: Labelling,
    /// The commit's time in seconds since 1970, also the install time in the rpmdb.
    pub timestamp: u64,
    /// The ref that keeps the result from being collected; `None` leaves it to the caller. Written
    /// with the commit, since a transaction of its own would cost another sync of the disk.
    pub keep: Option<&'a str>,
}

/// What an assembly came to.
#[derive(Debug, Clone)]
pub struct Assembled {
    /// The commit, which no ref holds yet.
    pub commit: Checksum,
    /// libostree's checksum of the tree alone: equal for equal trees.
    pub content_checksum: Checksum,
    /// Where the time went.
    pub stats: Stats,
}

/// Makes the layered commit.
///
/// # Errors
/// [`Error::Conflicts`] and [`Error::Kernel`] before anything is written, the failure of a script
/// with its output, and whatever the engines below report.
pub fn assemble(assembly: &Assembly<'_>, observer: &dyn Observer) -> Result<Assembled> {
    let mut stats = Stats::default();
    let repo = Repo::open(assembly.repo)?;
    let base = repo.commit_info(assembly.base)?;
    let extension = assembly.extend.filter(|extension| extends(assembly, extension));
    let start = extension.map_or(assembly.base, |extension| &extension.commit);
    let is_new = |layer: &&Layer| {
        extension.is_none_or(|e| !e.packages.iter().any(|(nevra, _)| nevra == layer.header.nevra()))
    };
    let new: Vec<&Layer> = assembly.packages.iter().filter(is_new).collect();
    // The removals are in a layered commit already.
    let removed = if extension.is_some() { &[] } else { assembly.removed };

    let transaction = repo.transaction()?;
    let work = checkouts::temporary(assembly.private)?;
    let database = rpmdb::Database::copy(&repo, start, assembly.private, work.path())?;
    stats.finish(Step::Prepare);

    let task = format!("Applying {}", applied(assembly));
    observer.progress(Progress::TaskBegin { text: task });
    let labeller = labels::Labeller::find(assembly.labelling, &repo, start, &new)?;
    let labelled = labeller.layers(&repo, &new, observer)?;
    let new: Vec<&Layer> = labelled.iter().collect();
    let mut tree = Tree::from_commit(&repo, start)?;
    labeller.begin(&mut tree, observer)?;
    let gone = merge::remove_packages(&mut tree, &database, removed, assembly.base)?;
    merge::add_packages(&mut tree, &database, &new, assembly.packages)?;
    observer.progress(Progress::TaskEnd { text: "done".to_owned() });
    stats.finish(Step::Merge);

    let plan = scripts::plan(&database, &new, removed, assembly)?;
    let mut state_lines = String::new();
    if plan.is_empty() {
        owners::set_in_tree(&mut tree, start, &new, observer)?;
    } else {
        let stage = layer::prepare(assembly, &repo, start, &new, &gone, work.path(), observer)?;
        stats.finish(Step::Checkout);
        let accounts = passwd::Surroundings::of(&repo, assembly.around.as_ref())?;
        state_lines = scripts::run(&stage, &plan, &accounts, observer)?;
        stats.finish(Step::Scripts);
        stage.writable.apply(&mut tree)?;
    }
    labeller.follow(&mut tree, start, observer)?;
    cancelled(observer)?;
    stats.finish(Step::ReadBack);

    observer.progress(Progress::TaskBegin { text: "Writing rpmdb".to_owned() });
    let packages = rpmdb::package_list(&repo, start, &database, &new, removed)?;
    database.update(&new, removed, assembly.timestamp, observer)?;
    database.write(&mut tree, assembly.base)?;
    observer.progress(Progress::TaskEnd { text: "done".to_owned() });
    stats.finish(Step::Rpmdb);

    observer.progress(Progress::TaskBegin { text: "Writing OSTree commit".to_owned() });
    tmpfiles::write_merged(&mut tree, &state_lines)?;
    let layered = extension.map(|_| repo.commit_info(start)).transpose()?;
    let left_out = commit::left_out(plan.left_out_by_configuration(), layered.as_ref());
    let metadata = commit::metadata(assembly, &base, &packages, &left_out);
    let spec = CommitSpec {
        parent: Some(assembly.base.clone()),
        metadata,
        timestamp: Some(assembly.timestamp),
        ..CommitSpec::default()
    };
    let commit = tree.commit(&spec)?;
    cancelled(observer)?;
    if let Some(reference) = assembly.keep {
        transaction.set_ref(reference, &commit);
    }
    transaction.commit()?;
    observer.progress(Progress::TaskEnd { text: "done".to_owned() });
    let content_checksum = repo.commit_info(&commit)?.content_checksum;
    stats.finish(Step::Commit);
    tracing::info!(%commit, %start, new = new.len(), ?stats, "assembled");
    Ok(Assembled { commit, content_checksum, stats })
}

/// Whether an existing layered commit holds only packages that are wanted as they are.
fn extends(assembly: &Assembly<'_>, extension: &Extension) -> bool {
    extension.packages.iter().all(|(nevra, sha256)| {
        assembly.packages.iter().any(|layer| {
            layer.header.nevra() == nevra
                && layer.header.metadata_sha256().as_deref() == Some(sha256.as_str())
        })
    })
}

/// The end of `Applying %u override%s and %u overlay%s`, which clients match.
fn applied(assembly: &Assembly<'_>) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let overrides = assembly.removed.len();
    let overlays = count(assembly.packages.len() - assembly.replaced.len(), "overlay");
    if overrides == 0 {
        overlays
    } else {
        format!("{} and {overlays}", count(overrides, "override"))
    }
}

fn cancelled(observer: &dyn Observer) -> Result<()> {
    if observer.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
