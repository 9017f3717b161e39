//! Two commits compared: directories with equal checksums are not read.

use crate::dirtree::{Dirtree, Subtree};
use crate::error::Result;
use crate::object::Id;
use crate::repo::Repo;
use cambium_model::Checksum;

/// One difference, by absolute path. An added or removed directory stands for all below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Only the second commit has it.
    Added(String),
    /// Only the first commit has it.
    Removed(String),
    /// Both have it, with other content, attributes or kind.
    Modified(String),
}

impl Repo {
    /// What differs between the trees of two commits, sorted by path within each directory. The
    /// cost grows with the differences, not with the trees.
    ///
    /// # Errors
    /// When a commit or directory object is not here.
    pub fn commit_diff(&self, from: &Checksum, to: &Checksum) -> Result<Vec<Change>> {
        let mut changes = Vec::new();
        self.diff_directories(self.root(from)?, self.root(to)?, "", &mut changes)?;
        changes.sort_by(|a, b| path_of(a).cmp(path_of(b)));
        Ok(changes)
    }

    fn diff_directories(
        &self,
        from: Subtree,
        to: Subtree,
        at: &str,
        changes: &mut Vec<Change>,
    ) -> Result<()> {
        if from.meta != to.meta {
            changes.push(Change::Modified(if at.is_empty() { "/".into() } else { at.into() }));
        }
        if from.contents == to.contents {
            return Ok(());
        }
        let (from, to) = (self.dirtree(from.contents)?, self.dirtree(to.contents)?);
        for (name, old) in &from.files {
            let path = format!("{at}/{name}");
            match file(&to, name) {
                Some(new) if new == *old => {}
                Some(_) => changes.push(Change::Modified(path)),
                None if to.directories.contains_key(name) => changes.push(Change::Modified(path)),
                None => changes.push(Change::Removed(path)),
            }
        }
        for (name, old) in &from.directories {
            let path = format!("{at}/{name}");
            match to.directories.get(name) {
                Some(new) => self.diff_directories(*old, *new, &path, changes)?,
                None if to.files.contains_key(name) => changes.push(Change::Modified(path)),
                None => changes.push(Change::Removed(path)),
            }
        }
        let known =
            |name: &String| from.files.contains_key(name) || from.directories.contains_key(name);
        for name in to.files.keys().chain(to.directories.keys()).filter(|name| !known(name)) {
            changes.push(Change::Added(format!("{at}/{name}")));
        }
        Ok(())
    }
}

fn file(tree: &Dirtree, name: &str) -> Option<Id> {
    tree.files.get(name).copied()
}

fn path_of(change: &Change) -> &str {
    match change {
        Change::Added(path) | Change::Removed(path) | Change::Modified(path) => path,
    }
}
