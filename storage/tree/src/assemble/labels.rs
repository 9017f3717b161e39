//! SELinux labels of an assembled tree.
//!
//! The policy is the result's own: the base's, unless a package or a script brings another. Trees
//! label by themselves what is put into them (`cambium_ostree::Tree`), so what is left to do here
//! is to find the policy before the packages are merged, to give packages that were imported by
//! another one its labels, and to look again when scripts have run. Only where the policy is not
//! the base's is the base labelled anew; else it is not looked at.

use super::Layer;
use crate::Result;
use crate::import::relabelled;
use cambium_model::{Checksum, Observer, Progress};
use cambium_ostree::{ConflictPolicy, Labels, Node, Policy, Repo, Tree};
use std::sync::Arc;

/// Where a tree has its policy.
const PLACE: &str = "usr/etc/selinux";

/// Whether an assembly labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Labelling {
    /// By the tree's own policy; a tree without one has no labels.
    #[default]
    ByPolicy,
    /// Never: `selinux: false` of a treefile.
    Never,
}

/// The policies of an assembly.
pub(super) struct Labeller {
    labelling: Labelling,
    /// That of the commit that it begins from.
    before: Option<Arc<Policy>>,
    /// That of the commit with the packages.
    wanted: Option<Arc<Policy>>,
}

impl Labeller {
    /// Finds the policies of `start` and of `start` with the packages `new`.
    pub(super) fn find(
        labelling: Labelling,
        repo: &Repo,
        start: &Checksum,
        new: &[&Layer],
    ) -> Result<Self> {
        if labelling == Labelling::Never {
            return Ok(Self { labelling, before: None, wanted: None });
        }
        let before = Policy::of_commit(repo, start)?;
        let mut tree = Tree::from_commit(repo, start)?;
        let mut more = false;
        for layer in new {
            if matches!(repo.lookup(&layer.commit, PLACE)?, Some(Node::Directory(_))) {
                // Conflicts are found when packages are merged; this tree is only looked at.
                let name = layer.header.nevra().to_string();
                let policy = ConflictPolicy::TakeTheirs;
                if tree.conflicts_with(&layer.commit, policy)?.is_empty() {
                    tree.merge(&layer.commit, &name, policy)?;
                    more = true;
                }
            }
        }
        let wanted = if more { Policy::of_tree(&mut tree)? } else { before.clone() };
        Ok(Self { labelling, before, wanted })
    }

    /// The packages with the labels of the policy; those that have them are what they were. Needs
    /// a transaction.
    pub(super) fn layers(
        &self,
        repo: &Repo,
        new: &[&Layer],
        observer: &dyn Observer,
    ) -> Result<Vec<Layer>> {
        let labelled = |layer: &&Layer| {
            let (commit, _) = relabelled(repo, &layer.commit, self.wanted.as_ref(), observer)?;
            Ok(Layer { commit, header: layer.header.clone() })
        };
        new.iter().map(labelled).collect()
    }

    /// Has the tree of the beginning label what comes, and labels what is there by the packages'
    /// policy where that is another. Needs a transaction.
    pub(super) fn begin(&self, tree: &mut Tree<'_>, observer: &dyn Observer) -> Result<()> {
        tree.set_labels(Labels::of(self.wanted.clone()));
        if self.wanted != self.before {
            relabel_all(tree, observer)?;
        }
        Ok(())
    }

    /// Labels the whole tree anew if scripts have changed the policy. `start` is the commit that
    /// the tree began as.
    pub(super) fn follow(
        &self,
        tree: &mut Tree<'_>,
        start: &Checksum,
        observer: &dyn Observer,
    ) -> Result<()> {
        if self.labelling == Labelling::Never || tree.is_as_in(PLACE, start)? {
            return Ok(());
        }
        let now = Policy::of_tree(tree)?;
        if now != self.wanted {
            tree.set_labels(Labels::of(now));
            relabel_all(tree, observer)?;
        }
        Ok(())
    }
}

fn relabel_all(tree: &mut Tree<'_>, observer: &dyn Observer) -> Result<()> {
    observer.progress(Progress::TaskBegin { text: "Relabeling".to_owned() });
    let done = tree.relabel("", observer)?;
    tracing::info!(?done, "the tree has another policy");
    let text = format!("{} of {} files", done.changed, done.seen);
    observer.progress(Progress::TaskEnd { text });
    Ok(())
}
