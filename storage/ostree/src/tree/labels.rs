//! SELinux labels of what a tree takes in, and of what it has already.
//!
//! A tree that labels ([`Tree::set_labels`]) does so wherever bytes, links and directories are put
//! into it, in place of any label that they come with. What comes as objects of another tree
//! (merged, spliced, copied) keeps its labels until [`Tree::relabel`]; so does the base that a
//! tree began as.

use super::{Directory, Node, Pending, Tree, components, remember};
use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::labels::{Kind, Labels, value};
use crate::object::Id;
use crate::repo::{FileKind, Repo};
use cambium_model::{Checksum, Observer};
use std::borrow::Cow;
use std::collections::HashMap;

/// What [`Tree::relabel`] came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Relabelled {
    /// Files, links and directories that were looked at.
    pub seen: u64,
    /// Those whose label was another.
    pub changed: u64,
}

impl Tree<'_> {
    /// From now on, what is put into the tree is labelled so.
    pub fn set_labels(&mut self, labels: Labels) {
        self.labels = labels;
    }

    /// How the tree labels.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The attributes with the label that belongs to the path.
    pub(super) fn labelled<'a>(
        &self,
        path: &str,
        kind: Kind,
        attributes: &'a Attributes,
    ) -> Result<Cow<'a, Attributes>> {
        match wanted(&self.labels, path, kind)? {
            Some(wanted) => Ok(with(attributes, wanted)),
            None => Ok(Cow::Borrowed(attributes)),
        }
    }

    /// A directory's attributes: the label of the one that is there, else as [`Self::labelled`].
    pub(super) fn labelled_anew<'a>(
        &self,
        path: &str,
        attributes: &'a Attributes,
        present: Option<&Node>,
    ) -> Result<Cow<'a, Attributes>> {
        match (&self.labels, present) {
            (Labels::By(_), Some(Node::Directory(before))) if before.label().is_some() => {
                Ok(with(attributes, before.label().map(<[u8]>::to_vec)))
            }
            _ => self.labelled(path, Kind::Directory, attributes),
        }
    }

    /// Whether the directory at `path` holds what it does in `commit`: for certain where this says
    /// so, while one that was touched counts as another though it may hold the same.
    ///
    /// # Errors
    /// When the commit is not here or a directory cannot be read.
    pub fn is_as_in(&mut self, path: &str, commit: &Checksum) -> Result<bool> {
        let there = self.repo.subtree(commit, path)?.map(|subtree| subtree.contents);
        let here = self.find(&components(path)?)?;
        Ok(match (here, there) {
            (None, None) => true,
            (Some(here), Some(there)) => here.stored == Some(there),
            _ => false,
        })
    }

    /// Gives what is at `path`, with all below it, the labels of this tree. Only objects whose
    /// label is another are written anew. Needs a transaction.
    ///
    /// # Errors
    /// [`Error::Cancelled`], and when an object cannot be read or written.
    pub fn relabel(&mut self, path: &str, observer: &dyn Observer) -> Result<Relabelled> {
        let parts = components(path)?;
        let mut work = Work {
            repo: self.repo,
            labels: self.labels.clone(),
            observer,
            pending: std::mem::take(&mut self.pending),
            written: HashMap::new(),
            done: Relabelled::default(),
        };
        let result = work.at(&mut self.root, &parts, String::new());
        self.pending = std::mem::take(&mut work.pending);
        result?;
        Ok(work.done)
    }
}

/// The value of the label; the outer `None` where labels are left as they are.
fn wanted(labels: &Labels, path: &str, kind: Kind) -> Result<Option<Option<Vec<u8>>>> {
    match labels {
        Labels::AsGiven => Ok(None),
        Labels::None => Ok(Some(None)),
        Labels::By(policy) => Ok(Some(policy.label_of(path, kind)?.map(|label| value(&label)))),
    }
}

fn with(attributes: &Attributes, label: Option<Vec<u8>>) -> Cow<'_, Attributes> {
    if attributes.label() == label.as_deref() {
        Cow::Borrowed(attributes)
    } else {
        Cow::Owned(attributes.with_label(label))
    }
}

/// The attributes of a directory that nobody described; `default` without a label.
pub(super) fn new_directory(
    labels: &Labels,
    path: &str,
    default: Id,
    pending: &mut Pending,
) -> Result<Id> {
    match wanted(labels, path, Kind::Directory)? {
        Some(Some(label)) => {
            Ok(remember(pending, &Attributes::root(0o755).with_label(Some(label))))
        }
        _ => Ok(default),
    }
}

/// One run over a part of a tree.
struct Work<'a> {
    repo: &'a Repo,
    labels: Labels,
    observer: &'a dyn Observer,
    pending: Pending,
    /// Objects that were written with a label, by the object before and the label: hard links and
    /// equal files come more than once.
    written: HashMap<(Id, Option<Vec<u8>>), Id>,
    done: Relabelled,
}

impl Work<'_> {
    /// Goes down to `parts`. Says whether anything changed.
    fn at(&mut self, directory: &mut Directory, parts: &[&str], path: String) -> Result<bool> {
        let Some((part, rest)) = parts.split_first() else {
            let meta = self.directory_meta(directory, &path)?;
            return Ok(self.below(directory, &path)? || meta);
        };
        let inside = below(&path, part);
        let entries = directory.load(self.repo)?;
        let changed = if let Some(next) = entries.directories.get_mut(*part) {
            self.at(next, rest, inside)?
        } else if let (Some(file), []) = (entries.files.get_mut(*part), rest) {
            self.file(file, &inside)?
        } else {
            false
        };
        if changed {
            directory.stored = None;
        }
        Ok(changed)
    }

    fn directory_meta(&mut self, directory: &mut Directory, path: &str) -> Result<bool> {
        self.done.seen += 1;
        let Some(label) = wanted(&self.labels, path, Kind::Directory)? else { return Ok(false) };
        let attributes = match directory.meta {
            None => Attributes::root(0o755),
            Some(id) => match self.pending.get(&id) {
                Some(variant) => Attributes::from_dirmeta(variant)?,
                None => self.repo.dirmeta(id)?,
            },
        };
        if attributes.label() == label.as_deref() {
            return Ok(false);
        }
        directory.meta = Some(remember(&mut self.pending, &attributes.with_label(label)));
        self.done.changed += 1;
        Ok(true)
    }

    /// Everything in the directory.
    fn below(&mut self, directory: &mut Directory, path: &str) -> Result<bool> {
        if self.observer.cancelled() {
            return Err(Error::Cancelled);
        }
        let entries = directory.load(self.repo)?;
        let mut changed = false;
        for (name, file) in &mut entries.files {
            changed |= self.file(file, &below(path, name))?;
        }
        for (name, child) in &mut entries.directories {
            let inside = below(path, name);
            changed |= self.directory_meta(child, &inside)?;
            changed |= self.below(child, &inside)?;
        }
        if changed {
            directory.stored = None;
        }
        Ok(changed)
    }

    fn file(&mut self, file: &mut Id, path: &str) -> Result<bool> {
        self.done.seen += 1;
        let object = Checksum::from(*file);
        let info = self.repo.file_info(&object)?;
        let kind = match info.kind {
            FileKind::Regular { .. } => Kind::Regular,
            FileKind::Symlink { .. } => Kind::Symlink,
        };
        let Some(label) = wanted(&self.labels, path, kind)? else { return Ok(false) };
        if info.attributes.label() == label.as_deref() {
            return Ok(false);
        }
        self.done.changed += 1;
        let key = (*file, label);
        if let Some(known) = self.written.get(&key) {
            *file = *known;
            return Ok(true);
        }
        let attributes = info.attributes.with_label(key.1.clone());
        let written = match info.kind {
            FileKind::Symlink { target } => self.repo.write_symlink(&attributes, &target)?,
            FileKind::Regular { .. } => {
                self.repo.write_reader(&attributes, &mut self.repo.open_object(&object)?)?
            }
        };
        *file = Id::from(&written);
        self.written.insert(key, *file);
        Ok(true)
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}
