//! Another commit's tree laid over this one.
//!
//! Conflicts are found by a pass that changes nothing; only then is the tree edited. Directories
//! that only the other tree has are taken whole, as two checksums.

use super::{Directory, Tree};
use crate::dirtree::Subtree;
use crate::error::{Conflict, Error, Result};
use crate::object::Id;
use crate::repo::Repo;
use cambium_model::Checksum;

/// What to do where both trees have different files at a path. Equal files never conflict, and
/// directories are joined: this tree's attributes stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ConflictPolicy {
    /// It is an error that names every such path.
    #[default]
    Refuse,
    /// This tree's file stays.
    KeepOurs,
    /// The other tree's file replaces it. A file and a directory at one path still conflict.
    TakeTheirs,
}

impl Tree<'_> {
    /// Every path at which merging `commit` would conflict, sorted. Changes nothing.
    ///
    /// # Errors
    /// When the commit is not here or a directory cannot be read.
    pub fn conflicts_with(
        &mut self,
        commit: &Checksum,
        policy: ConflictPolicy,
    ) -> Result<Vec<Conflict>> {
        let theirs = self.repo.root(commit)?;
        let mut conflicts = Vec::new();
        find(self.repo, &mut self.root, theirs, policy, "", &mut conflicts)?;
        conflicts.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(conflicts)
    }

    /// Lays the tree of `commit` over this one. `name` is what messages call it (a package).
    ///
    /// # Errors
    /// [`Error::Conflicts`]; the tree is as it was then.
    pub fn merge(&mut self, commit: &Checksum, name: &str, policy: ConflictPolicy) -> Result<()> {
        let conflicts = self.conflicts_with(commit, policy)?;
        if !conflicts.is_empty() {
            return Err(Error::Conflicts { source_tree: name.to_owned(), conflicts });
        }
        let theirs = self.repo.root(commit)?;
        apply(self.repo, &mut self.root, theirs, policy)
    }
}

/// Whether the two are one and the same, without a look inside.
fn same(ours: &Directory, theirs: Subtree) -> bool {
    ours.stored == Some(theirs.contents)
}

fn find(
    repo: &Repo,
    ours: &mut Directory,
    theirs: Subtree,
    policy: ConflictPolicy,
    at: &str,
    conflicts: &mut Vec<Conflict>,
) -> Result<()> {
    if same(ours, theirs) || policy == ConflictPolicy::KeepOurs {
        return Ok(());
    }
    let theirs = repo.dirtree(theirs.contents)?;
    let entries = ours.load(repo)?;
    let mut conflict = |name: &str, ours: Option<Id>, theirs: Option<Id>| {
        let say = |id: Option<Id>| id.map_or_else(|| "directory".to_owned(), |id| id.to_string());
        let path = format!("{at}/{name}");
        conflicts.push(Conflict { path, ours: say(ours), theirs: say(theirs) });
    };
    for (name, id) in &theirs.files {
        match entries.files.get(name) {
            Some(ours) if ours != id && policy == ConflictPolicy::Refuse => {
                conflict(name, Some(*ours), Some(*id));
            }
            None if entries.directories.contains_key(name) => conflict(name, None, Some(*id)),
            _ => {}
        }
    }
    for name in theirs.directories.keys() {
        if let Some(file) = entries.files.get(name) {
            conflict(name, Some(*file), None);
        }
    }
    for (name, subtree) in &theirs.directories {
        if let Some(directory) = entries.directories.get_mut(name) {
            find(repo, directory, *subtree, policy, &format!("{at}/{name}"), conflicts)?;
        }
    }
    Ok(())
}

/// Merges; returns nothing to report, since conflicts were found before.
fn apply(repo: &Repo, ours: &mut Directory, theirs: Subtree, policy: ConflictPolicy) -> Result<()> {
    ours.meta.get_or_insert(theirs.meta);
    if same(ours, theirs) {
        return Ok(());
    }
    let theirs = repo.dirtree(theirs.contents)?;
    // A directory in which nothing changes keeps its stored object.
    let before = ours.stored;
    let mut changed = false;
    let entries = ours.change(repo)?;
    for (name, id) in theirs.files {
        if entries.directories.contains_key(&name) {
            continue;
        }
        match entries.files.get(&name) {
            Some(present) if *present == id || policy == ConflictPolicy::KeepOurs => {}
            _ => {
                entries.files.insert(name, id);
                changed = true;
            }
        }
    }
    for (name, subtree) in theirs.directories {
        if entries.files.contains_key(&name) {
            continue;
        }
        if let Some(directory) = entries.directories.get_mut(&name) {
            let stored = directory.stored;
            apply(repo, directory, subtree, policy)?;
            changed |= stored.is_none() || directory.stored != stored;
        } else {
            entries.directories.insert(name, subtree.into());
            changed = true;
        }
    }
    if !changed {
        ours.stored = before;
    }
    Ok(())
}
