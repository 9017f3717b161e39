//! Commits: by ref, by checksum, by version, and their place in history.

use crate::dirtree::Subtree;
use crate::error::{Error, Result, failed};
use crate::metadata::Metadata;
use crate::object::{Id, ObjectKind, checksum};
use crate::repo::Repo;
use cambium_model::{Checksum, Refspec};
use glib::variant::ToVariant;

/// How much of a commit the repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitState {
    /// Nothing.
    Absent,
    /// The commit object, but not every object that it names.
    Partial,
    /// Everything.
    Complete,
}

/// What a commit object says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitInfo {
    /// Its checksum.
    pub checksum: Checksum,
    /// The commit before it.
    pub parent: Option<Checksum>,
    /// `version` of its metadata.
    pub version: Option<String>,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// Its one-line description.
    pub subject: String,
    /// Its long description.
    pub body: String,
    /// Its metadata.
    pub metadata: Metadata,
    /// libostree's checksum of the tree alone, by which two commits are compared.
    pub content_checksum: Checksum,
}

impl Repo {
    /// The commit that a refspec stands for; `None` where the ref or commit is not here. A
    /// container reference stands for none: it is not a ref.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn resolve(&self, refspec: &Refspec) -> Result<Option<Checksum>> {
        match refspec {
            Refspec::Checksum(commit) => {
                Ok(self.has_object(ObjectKind::Commit, commit)?.then(|| commit.clone()))
            }
            Refspec::Ostree { .. } => self.resolve_ref(&refspec.to_string()),
            Refspec::Container(_) => Ok(None),
        }
    }

    /// The commit behind `[remote:]branch`; `None` where the ref is not here. A local branch is
    /// not looked for among the remotes.
    ///
    /// # Errors
    /// When the name is not a ref's or the repository cannot be read.
    pub fn resolve_ref(&self, name: &str) -> Result<Option<Checksum>> {
        let flags = ostree::RepoResolveRevExtFlags::LOCAL_ONLY;
        let found = if name.contains(':') {
            self.inner.resolve_rev(name, true)
        } else {
            self.inner.resolve_rev_ext(name, true, flags)
        };
        found.map_err(failed("resolve the ref", name))?.map(|text| checksum(&text)).transpose()
    }

    /// Reads a commit object.
    ///
    /// # Errors
    /// [`Error::NoCommit`] where it is absent.
    pub fn commit_info(&self, commit: &Checksum) -> Result<CommitInfo> {
        let variant = self.commit_variant(commit)?;
        let text = |n| variant.child_value(n).str().unwrap_or_default().to_owned();
        let metadata = Metadata::from_variant(&variant.child_value(0))?;
        let content =
            ostree::commit_get_content_checksum(&variant).ok_or_else(|| Error::Corrupt {
                what: format!("The commit {commit}"),
                reason: "it names no tree".into(),
            })?;
        Ok(CommitInfo {
            checksum: commit.clone(),
            parent: ostree::commit_get_parent(&variant).map(|text| checksum(&text)).transpose()?,
            version: metadata.get_string("version").map(str::to_owned),
            timestamp: ostree::commit_get_timestamp(&variant),
            subject: text(3),
            body: text(4),
            metadata,
            content_checksum: checksum(&content)?,
        })
    }

    /// How much of a commit is here.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn commit_state(&self, commit: &Checksum) -> Result<CommitState> {
        if !self.has_object(ObjectKind::Commit, commit)? {
            return Ok(CommitState::Absent);
        }
        let (_, state) =
            self.inner.load_commit(commit.as_str()).map_err(failed("read the commit", commit))?;
        let partial = state.contains(ostree::RepoCommitState::PARTIAL);
        Ok(if partial { CommitState::Partial } else { CommitState::Complete })
    }

    /// The nearest commit with `version` among `from` and its ancestors, as far as their commit
    /// objects are here; `None` where there is none.
    ///
    /// # Errors
    /// When a commit cannot be read.
    pub fn find_version(&self, from: &Checksum, version: &str) -> Result<Option<Checksum>> {
        self.walk(from, |info| info.version.as_deref() == Some(version))
    }

    /// Whether `commit` is `from` or one of its ancestors, as far as their commit objects are
    /// here: whether a revision is on the branch whose tip is `from`.
    ///
    /// # Errors
    /// When a commit cannot be read.
    pub fn is_on_branch(&self, from: &Checksum, commit: &Checksum) -> Result<bool> {
        Ok(self.walk(from, |info| info.checksum == *commit)?.is_some())
    }

    /// The first of `from` and its ancestors that `wanted` accepts.
    fn walk(
        &self,
        from: &Checksum,
        wanted: impl Fn(&CommitInfo) -> bool,
    ) -> Result<Option<Checksum>> {
        let mut next = Some(from.clone());
        while let Some(commit) = next {
            // History ends where it was not pulled.
            if !self.has_object(ObjectKind::Commit, &commit)? {
                return Ok(None);
            }
            let info = self.commit_info(&commit)?;
            if wanted(&info) {
                return Ok(Some(commit));
            }
            next = info.parent;
        }
        Ok(None)
    }

    fn commit_variant(&self, commit: &Checksum) -> Result<glib::Variant> {
        self.inner
            .load_variant_if_exists(ostree::ObjectType::Commit, commit.as_str())
            .map_err(failed("read the commit", commit))?
            .ok_or_else(|| Error::NoCommit { commit: commit.clone() })
    }

    /// The root directory of a commit.
    pub(crate) fn root(&self, commit: &Checksum) -> Result<Subtree> {
        let variant = self.commit_variant(commit)?;
        let id = |n: usize| {
            Id::from_slice(variant.child_value(n).fixed_array::<u8>().unwrap_or_default())
        };
        Ok(Subtree { contents: id(6)?, meta: id(7)? })
    }

    /// Adds to or replaces a commit's detached metadata (signatures and the like).
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_detached_metadata(&self, commit: &Checksum, metadata: &Metadata) -> Result<()> {
        self.inner
            .write_commit_detached_metadata(
                commit.as_str(),
                Some(&metadata.to_variant().to_variant()),
                gio::Cancellable::NONE,
            )
            .map_err(failed("write the detached metadata of", commit))
    }

    /// Whether a key of `remote` signed the commit.
    ///
    /// # Errors
    /// [`Error::Untrusted`] where none did.
    pub fn verify(&self, commit: &Checksum, remote: &str) -> Result<()> {
        let untrusted = |source| Error::Untrusted {
            commit: commit.to_string(),
            remote: remote.to_owned(),
            source,
        };
        let result = self
            .inner
            .verify_commit_for_remote(commit.as_str(), remote, gio::Cancellable::NONE)
            .map_err(untrusted)?;
        result.require_valid_signature().map_err(|source| Error::Untrusted {
            commit: commit.to_string(),
            remote: remote.to_owned(),
            source,
        })
    }
}
