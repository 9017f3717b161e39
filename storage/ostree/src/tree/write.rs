//! A tree's changed directories and its commit object, written.

use super::{Directory, Tree};
use crate::attributes::Attributes;
use crate::dirtree::{Dirtree, Subtree};
use crate::error::{Error, Result, failed};
use crate::metadata::Metadata;
use crate::object::{Id, ObjectKind, checksum};
use crate::repo::Repo;
use cambium_model::Checksum;
use gio::prelude::*;

/// The root directory of a written tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its dirtree object.
    pub contents: Checksum,
    /// Its dirmeta object.
    pub meta: Checksum,
}

/// What a commit object says beside its tree.
#[derive(Debug, Clone, Default)]
pub struct CommitSpec {
    /// The commit before it.
    pub parent: Option<Checksum>,
    /// One line; may be empty.
    pub subject: String,
    /// More lines; may be empty.
    pub body: String,
    /// Keys and values.
    pub metadata: Metadata,
    /// Seconds since 1970; `None` for now.
    pub timestamp: Option<u64>,
}

impl Tree<'_> {
    /// Writes every directory that changed. Needs a transaction. A second call writes nothing.
    ///
    /// # Errors
    /// When an object cannot be written.
    pub fn write(&mut self) -> Result<Root> {
        self.repo.require_transaction()?;
        let default = self.remember(&Attributes::root(0o755));
        for (id, variant) in std::mem::take(&mut self.pending) {
            write_metadata(self.repo, ObjectKind::Dirmeta, id, &variant)?;
        }
        let root = store(self.repo, &mut self.root, default)?;
        Ok(Root { contents: root.contents.into(), meta: root.meta.into() })
    }

    /// Writes the tree and a commit object for it. Needs a transaction; the commit is durable and
    /// a ref can hold it when that is committed.
    ///
    /// # Errors
    /// When an object cannot be written.
    pub fn commit(&mut self, spec: &CommitSpec) -> Result<Checksum> {
        let root = self.write()?;
        let raw = self.repo.raw();
        let tree =
            ostree::MutableTree::from_checksum(raw, root.contents.as_str(), root.meta.as_str());
        let root = raw
            .write_mtree(&tree, gio::Cancellable::NONE)
            .map_err(failed("write the root of", self.repo.path().display()))?
            .downcast::<ostree::RepoFile>()
            .map_err(|_| Error::Corrupt {
                what: "A written tree".into(),
                reason: "libostree gave no root for it".into(),
            })?;
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (subject, body) = (text(&spec.subject), text(&spec.body));
        let now = || {
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |since| since.as_secs())
        };
        let written = raw
            .write_commit_with_time(
                spec.parent.as_ref().map(Checksum::as_str),
                subject.as_deref(),
                body.as_deref(),
                Some(&spec.metadata.to_variant()),
                &root,
                spec.timestamp.unwrap_or_else(now),
                gio::Cancellable::NONE,
            )
            .map_err(failed("write a commit to", self.repo.path().display()))?;
        checksum(&written)
    }
}

fn store(repo: &Repo, directory: &mut Directory, default: Id) -> Result<Subtree> {
    let meta = *directory.meta.get_or_insert(default);
    if let Some(contents) = directory.stored {
        return Ok(Subtree { contents, meta });
    }
    let entries = directory.entries.get_or_insert_default();
    let mut tree = Dirtree { files: entries.files.clone(), ..Dirtree::default() };
    for (name, child) in &mut entries.directories {
        tree.directories.insert(name.clone(), store(repo, child, default)?);
    }
    let variant = tree.variant();
    let contents = Id::of(variant.data());
    write_metadata(repo, ObjectKind::Dirtree, contents, &variant)?;
    directory.stored = Some(contents);
    Ok(Subtree { contents, meta })
}

fn write_metadata(repo: &Repo, kind: ObjectKind, id: Id, variant: &glib::Variant) -> Result<()> {
    let checksum = Checksum::from(id);
    if repo.has_object(kind, &checksum)? {
        return Ok(());
    }
    repo.raw()
        .write_metadata_trusted(kind.raw(), checksum.as_str(), variant, gio::Cancellable::NONE)
        .map_err(failed("write the object", format!("{checksum} to {}", repo.path().display())))
}
