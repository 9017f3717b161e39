//! The labels of package commits: by which policy they are, and new ones where that is another.
//!
//! A package is labelled while it is imported; when the policy changes, its commit is labelled
//! anew from itself, not from the RPM, and only objects whose label differs are written.

use super::ImportedPackage;
use crate::Result;
use cambium_model::{Checksum, Observer, Progress, ProgressUnit};
use cambium_ostree::{CommitSpec, Labels, Metadata, Policy, Relabelled, Repo, Tree};
use std::path::Path;
use std::sync::Arc;

/// rpm-ostree's key: libostree's checksum of the policy, absent where there was none.
const SEPOLICY: &str = "rpmostree.sepolicy";
/// Our own: SHA-256 of the policy's file contexts, which the checksum does not cover. A commit of
/// rpm-ostree has none and is judged by the checksum alone.
const FILE_CONTEXTS: &str = "cambium.file-contexts";

/// The metadata of a package that is labelled by `policy`.
pub(super) fn stamp(metadata: Metadata, policy: Option<&Policy>) -> Metadata {
    let metadata = metadata.without(SEPOLICY).without(FILE_CONTEXTS);
    match policy {
        None => metadata,
        Some(policy) => {
            metadata.string(SEPOLICY, policy.checksum()).string(FILE_CONTEXTS, policy.contexts())
        }
    }
}

/// Whether a package commit is labelled as `policy` would, by what its metadata says.
pub(super) fn are_current(metadata: &Metadata, policy: Option<&Policy>) -> bool {
    let contexts = metadata.get_string(FILE_CONTEXTS);
    metadata.get_string(SEPOLICY) == policy.map(Policy::checksum)
        && contexts
            .is_none_or(|contexts| policy.is_some_and(|policy| policy.contexts() == contexts))
}

/// The package commit with the labels of `policy`, as a new commit; the same one where they are
/// that already. Needs a transaction of `repo`; no ref is set.
pub(crate) fn relabelled(
    repo: &Repo,
    commit: &Checksum,
    policy: Option<&Arc<Policy>>,
    observer: &dyn Observer,
) -> Result<(Checksum, Relabelled)> {
    let info = repo.commit_info(commit)?;
    if are_current(&info.metadata, policy.map(|policy| &**policy)) {
        return Ok((commit.clone(), Relabelled::default()));
    }
    let mut tree = Tree::from_commit(repo, commit)?;
    tree.set_labels(Labels::of(policy.cloned()));
    let done = tree.relabel("", observer)?;
    let metadata = stamp(info.metadata, policy.map(|policy| &**policy));
    let timestamp = Some(info.timestamp);
    let commit = tree.commit(&CommitSpec { metadata, timestamp, ..CommitSpec::default() })?;
    Ok((commit, done))
}

/// Gives those of `packages` whose labels are by another policy (or none) the labels of `policy`.
/// The answer is in their order.
///
/// # Errors
/// When the repository cannot be read or written; no package's ref has moved then.
pub fn relabel(
    repo: &Path,
    packages: Vec<ImportedPackage>,
    policy: Option<&Arc<Policy>>,
    observer: &dyn Observer,
) -> Result<Vec<ImportedPackage>> {
    let repo = Repo::open(repo)?;
    let mut stale = 0;
    for package in &packages {
        let metadata = repo.commit_info(&package.commit)?.metadata;
        stale += u64::from(!are_current(&metadata, policy.map(|policy| &**policy)));
    }
    if stale == 0 {
        return Ok(packages);
    }
    observer.progress(Progress::TaskBegin { text: "Relabeling".to_owned() });
    let transaction = repo.transaction()?;
    let (mut done, mut files) = (0, Relabelled::default());
    let mut labelled = Vec::with_capacity(packages.len());
    for package in packages {
        let (commit, of_package) = relabelled(&repo, &package.commit, policy, observer)?;
        if commit != package.commit {
            transaction.set_ref(&package.reference, &commit);
            done += 1;
            files.seen += of_package.seen;
            files.changed += of_package.changed;
            let (unit, item) = (ProgressUnit::Items, package.header.nevra().to_string());
            observer.progress(Progress::Step { done, total: stale, unit, item });
        }
        labelled.push(ImportedPackage { commit, ..package });
    }
    transaction.commit()?;
    let text = format!("{} of {} files", files.changed, files.seen);
    tracing::info!(packages = done, ?files, "relabelled packages");
    observer.progress(Progress::TaskEnd { text });
    Ok(labelled)
}
