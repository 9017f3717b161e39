//! What a cleanup would remove, found out without removing it.

use super::Sysroot;
use super::collect::{BASES, PACKAGES, UsedPackages};
use crate::dirtree::Subtree;
use crate::error::{Result, io};
use crate::object::Id;
use crate::repo::{CommitState, Repo};
use cambium_model::{Checksum, DeploymentId};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What [`Sysroot::collect`] would free.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forecast {
    /// Refs that would go: of packages and of bases.
    pub refs: Vec<String>,
    /// Bytes of objects that nothing would need any more.
    pub bytes: u64,
}

impl Sysroot {
    /// What [`Self::collect`] would free once the deployments `gone` are no more and of package
    /// refs only `used` are needed.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn forecast(&self, gone: &[DeploymentId], used: &UsedPackages) -> Result<Forecast> {
        self.reload()?;
        let repo = self.repo()?;
        let (bases, commits) = self.live(&repo, gone)?;
        let mut refs = Vec::new();
        let mut kept: HashSet<Checksum> = commits.into_iter().collect();
        for (name, commit) in repo.list_refs(None)? {
            let base = name.starts_with(BASES) && !bases.contains(&commit);
            let package = name.starts_with(PACKAGES) && !used.contains(&name);
            // libostree's own refs of deployments go with these.
            let deployment = name.starts_with("ostree/");
            if base || package {
                refs.push(name);
            } else if !deployment && !name.starts_with(BASES) {
                kept.insert(commit);
            }
        }
        let needed = reached(&repo, &kept)?;
        Ok(Forecast { refs, bytes: unneeded_bytes(&repo, &needed)? })
    }
}

/// The file names, shard and all, of the objects that commits need.
fn reached(repo: &Repo, commits: &HashSet<Checksum>) -> Result<HashSet<PathBuf>> {
    let mut names = HashSet::new();
    let mut seen = HashSet::new();
    for commit in commits {
        for kind in ["commit", "commitmeta", "commitpartial"] {
            let (shard, rest) = commit.as_str().split_at(2);
            names.insert(PathBuf::from(format!("{shard}/{rest}.{kind}")));
        }
        if repo.commit_state(commit)? == CommitState::Complete {
            walk(repo, repo.root(commit)?, &mut seen, &mut names)?;
        }
    }
    Ok(names)
}

fn walk(
    repo: &Repo,
    subtree: Subtree,
    seen: &mut HashSet<Id>,
    names: &mut HashSet<PathBuf>,
) -> Result<()> {
    names.insert(subtree.meta.loose_path("dirmeta"));
    if !seen.insert(subtree.contents) {
        return Ok(());
    }
    names.insert(subtree.contents.loose_path("dirtree"));
    let tree = repo.dirtree(subtree.contents)?;
    for id in tree.files.into_values() {
        names.insert(id.loose_path("file"));
        names.insert(id.loose_path("filez"));
        names.insert(id.loose_path("payload-link"));
    }
    for child in tree.directories.into_values() {
        walk(repo, child, seen, names)?;
    }
    Ok(())
}

/// The sizes of the objects that are not among `needed`, as libostree's prune adds them up.
fn unneeded_bytes(repo: &Repo, needed: &HashSet<PathBuf>) -> Result<u64> {
    let objects = repo.path().join("objects");
    let mut bytes = 0;
    for shard in std::fs::read_dir(&objects).map_err(io("list", &objects))? {
        let shard = shard.map_err(io("list", &objects))?;
        let path = shard.path();
        for object in std::fs::read_dir(&path).map_err(io("list", &path))? {
            let object = object.map_err(io("list", &path))?;
            if !needed.contains(&Path::new(&shard.file_name()).join(object.file_name())) {
                bytes += object.metadata().map_err(io("stat", object.path()))?.len();
            }
        }
    }
    Ok(bytes)
}
