//! The packages of deployments and commits, and how they differ.

use super::Host;
use super::base::RPMDB;
use super::error::{Error, Result, io};
use crate::assemble::read_package_list;
use cambium_model::{
    Changelogs, Checksum, Deployment, HostState, Nevra, PackageDiffs, Refspec, diff_packages,
};
use cambium_ostree::{CopyPolicy, Repo};
use cambium_rpm::rpmdb::Rpmdb;
use cambium_rpm::{Header, changelog_diff};
use std::path::Path;

impl Host {
    /// The packages of a deployment (by index or id), commit or ref, by name; those of the
    /// deployment that boots next where `revision` is empty.
    ///
    /// # Errors
    /// When the revision is unknown or its packages cannot be read.
    pub fn list_packages(&self, revision: &str) -> Result<Vec<Nevra>> {
        let repo = Repo::of_sysroot(&self.config.sysroot)?;
        let commit = revision_commit(&repo, &*self.state()?, revision)?;
        packages_of(&repo, &commit)
    }

    /// How the packages of two revisions differ. Without revisions: from the booted deployment to
    /// the one that boots next, or from the rollback to the booted one where that is the same.
    ///
    /// # Errors
    /// As [`Self::list_packages`].
    pub fn diff_packages(
        &self,
        from: Option<&str>,
        to: Option<&str>,
        changelogs: Changelogs,
    ) -> Result<PackageDiffs> {
        let repo = Repo::of_sysroot(&self.config.sysroot)?;
        let state = self.state()?;
        let (from, to) = match (from, to) {
            (Some(from), to) => (
                revision_commit(&repo, &state, from)?,
                revision_commit(&repo, &state, to.unwrap_or_default())?,
            ),
            (None, to) => {
                let to = to.map(|to| revision_commit(&repo, &state, to)).transpose()?;
                default_sides(&state, to)?
            }
        };
        let diffs = diff_packages(&packages_of(&repo, &from)?, &packages_of(&repo, &to)?);
        let changelogs = match changelogs {
            Changelogs::Omit => Vec::new(),
            Changelogs::New => changelogs_between(&repo, &from, &to)?,
        };
        Ok(PackageDiffs { from: from.to_string(), to: to.to_string(), diffs, changelogs })
    }
}

/// The commits to compare where none or only the newer one is named.
fn default_sides(state: &HostState, to: Option<Checksum>) -> Result<(Checksum, Checksum)> {
    let commit = |deployment: &Deployment| deployment.id.checksum.clone();
    let Some(first) = state.deployments.first() else {
        return Err(Error::NoRevision("0".to_owned()));
    };
    let older = state.booted().filter(|booted| booted.index != first.index);
    let (from, newest) = match older {
        Some(booted) => (booted, first),
        None => (state.deployments.get(1).unwrap_or(first), first),
    };
    Ok((commit(from), to.unwrap_or_else(|| commit(newest))))
}

/// The commit that `revision` means: empty for the deployment that boots next, an index, a
/// deployment's id, a checksum, or a ref.
fn revision_commit(repo: &Repo, state: &HostState, revision: &str) -> Result<Checksum> {
    let deployments = &state.deployments;
    let named = |d: &&Deployment| d.id.to_string() == revision;
    let found = if revision.is_empty() {
        deployments.first()
    } else {
        let index: Option<usize> = revision.parse().ok();
        index.and_then(|at| deployments.get(at)).or_else(|| deployments.iter().find(named))
    };
    if let Some(deployment) = found {
        return Ok(deployment.id.checksum.clone());
    }
    let unknown = || Error::NoRevision(revision.to_owned());
    let refspec: Refspec = revision.parse().map_err(|_| unknown())?;
    repo.resolve(&refspec)?.ok_or_else(unknown)
}

/// The packages of a commit: from its metadata, else from the rpmdb within.
pub(super) fn packages_of(repo: &Repo, commit: &Checksum) -> Result<Vec<Nevra>> {
    if let Some(listed) = read_package_list(&repo.commit_info(commit)?.metadata) {
        return Ok(listed);
    }
    crate::listed::remembered(commit, || {
        with_rpmdb(repo, commit, |rpmdb| {
            Ok(rpmdb.list()?.into_iter().map(|package| package.nevra).collect())
        })
    })
}

/// Runs `work` on a copy of the commit's rpmdb: librpm leaves files beside what it reads.
fn with_rpmdb<T>(
    repo: &Repo,
    commit: &Checksum,
    work: impl FnOnce(&Rpmdb) -> Result<T>,
) -> Result<T> {
    let scratch = tempfile::tempdir().map_err(io("make a directory in", &std::env::temp_dir()))?;
    let directory = scratch.path().join("rpmdb");
    repo.checkout_subpath(commit, RPMDB, &directory, CopyPolicy::Copy)?;
    work(&Rpmdb::open(&directory)?)
}

fn headers(repo: &Repo, commit: &Checksum) -> Result<Vec<Header>> {
    with_rpmdb(repo, commit, |rpmdb| Ok(rpmdb.headers()?))
}

/// New changelog entries of upgraded packages by name, newest first, each as `* DATE AUTHOR` and
/// its text: rpm's own layout, which clients read.
fn changelogs_between(
    repo: &Repo,
    from: &Checksum,
    to: &Checksum,
) -> Result<Vec<(String, Vec<String>)>> {
    let changelogs = changelog_diff(&headers(repo, from)?, &headers(repo, to)?);
    let entry = |entry: cambium_rpm::ChangelogEntry| {
        let time = i64::try_from(entry.time).unwrap_or(0);
        let date = jiff::Timestamp::from_second(time).unwrap_or_default();
        format!("* {} {}\n{}", date.strftime("%a %b %d %Y"), entry.author, entry.text)
    };
    let package = |changelog: cambium_rpm::PackageChangelog| {
        (changelog.new.name, changelog.entries.into_iter().map(entry).collect())
    };
    Ok(changelogs.into_iter().map(package).collect())
}

/// The directory of a deployment below its sysroot.
pub(super) fn deployment_path(sysroot: &Path, deployment: &Deployment) -> std::path::PathBuf {
    let id = &deployment.id;
    let deploy = sysroot.join("ostree/deploy").join(id.stateroot.as_str()).join("deploy");
    deploy.join(format!("{}.{}", id.checksum, id.serial))
}
