//! The base: which commit a target stands on, and all of it in the repository.

use super::Host;
use super::error::{Error, Result};
use cambium_model::{Base, BaseChoice, Checksum, FetchPolicy, Observer, Refspec, Target};
use cambium_ostree::{CommitState, Content, Pull, PullSource, Repo};

/// How much of a base is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it: it will be deployed.
    Whole,
    /// The commit and its rpmdb: a plan is made.
    Packages,
}

/// Where a tree keeps its rpmdb.
pub(super) const RPMDB: &str = "/usr/share/rpm";

/// Where a tree says what it is: `$releasever` comes from there.
pub(super) const OS_RELEASE: &str = "/usr/lib/os-release";

impl Host {
    /// The commit that `target` stands on, with every object in the repository.
    ///
    /// # Errors
    /// When it does not exist, cannot be fetched, or may not be fetched and is not here.
    pub fn find_base(
        &self,
        target: &Target,
        fetch: FetchPolicy,
        observer: &dyn Observer,
    ) -> Result<Base> {
        self.find_base_to(Extent::Whole, target, fetch, observer)
    }

    pub(super) fn find_base_to(
        &self,
        extent: Extent,
        target: &Target,
        fetch: FetchPolicy,
        observer: &dyn Observer,
    ) -> Result<Base> {
        let repo = Repo::of_sysroot(&self.config.sysroot)?;
        let refspec = &target.origin.refspec;
        let source = match fetch {
            FetchPolicy::Fetch => remote(refspec),
            FetchPolicy::CacheOnly => None,
        };
        let commit = match &target.base {
            BaseChoice::Keep => target.merge.base_checksum.clone(),
            BaseChoice::Newest => {
                if let Some((remote, branch)) = source {
                    observer.message(format!("Updating from: {refspec}"));
                    pull(&repo, extent, remote, branch, None, observer)?;
                }
                newest(&repo, refspec)?
            }
            BaseChoice::Version(version) => {
                observer.message(format!("Resolving version '{version}'"));
                let head = history(&repo, refspec, source, observer)?;
                let missing =
                    || Error::NoVersion { refspec: refspec.clone(), version: version.clone() };
                let commit = repo.find_version(&head, version)?.ok_or_else(missing)?;
                complete(&repo, extent, &commit, source, observer)?
            }
            BaseChoice::Commit(commit) => {
                observer.message(format!("Validating checksum '{commit}'"));
                if target.check_branch && !matches!(refspec, Refspec::Checksum(_)) {
                    let head = history(&repo, refspec, source, observer)?;
                    if !repo.is_on_branch(&head, commit)? {
                        let (commit, refspec) = (commit.clone(), refspec.clone());
                        return Err(Error::NotOnBranch { commit, refspec });
                    }
                }
                complete(&repo, extent, commit, source, observer)?
            }
        };
        if extent == Extent::Whole && repo.commit_state(&commit)? != CommitState::Complete {
            return Err(Error::Incomplete(commit));
        }
        let info = repo.commit_info(&commit)?;
        Ok(Base { commit, version: info.version, timestamp: info.timestamp })
    }
}

/// Remote and branch of a refspec that can be pulled.
fn remote(refspec: &Refspec) -> Option<(&str, &str)> {
    match refspec {
        Refspec::Ostree { remote: Some(remote), branch } => Some((remote, branch)),
        _ => None,
    }
}

fn newest(repo: &Repo, refspec: &Refspec) -> Result<Checksum> {
    repo.resolve(refspec)?.ok_or_else(|| Error::NoRef(refspec.clone()))
}

/// The newest commit of the ref, with the commit objects of its whole history.
fn history(
    repo: &Repo,
    refspec: &Refspec,
    source: Option<(&str, &str)>,
    observer: &dyn Observer,
) -> Result<Checksum> {
    if let Some((remote, branch)) = source {
        let mut history = Pull::newest(PullSource::Remote(remote.to_owned()), &[branch]);
        history.content = Content::CommitOnly;
        history.depth = -1;
        repo.pull(&history, observer)?;
    }
    newest(repo, refspec)
}

/// Fetches what is missing of `commit`.
fn complete(
    repo: &Repo,
    extent: Extent,
    commit: &Checksum,
    source: Option<(&str, &str)>,
    observer: &dyn Observer,
) -> Result<Checksum> {
    if let Some((remote, branch)) = source
        && repo.commit_state(commit)? != CommitState::Complete
    {
        pull(repo, extent, remote, branch, Some(commit), observer)?;
    }
    Ok(commit.clone())
}

fn pull(
    repo: &Repo,
    extent: Extent,
    remote: &str,
    branch: &str,
    commit: Option<&Checksum>,
    observer: &dyn Observer,
) -> Result<()> {
    let mut pull = Pull::newest(PullSource::Remote(remote.to_owned()), &[branch]);
    pull.commits.extend(commit.cloned());
    if extent == Extent::Packages {
        pull.subpaths = [RPMDB, OS_RELEASE].map(str::to_owned).to_vec();
    }
    Ok(repo.pull(&pull, observer)?)
}
