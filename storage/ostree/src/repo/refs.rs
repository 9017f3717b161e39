//! Refs, and the transaction in which objects and refs are written.

use crate::error::{Error, Result, failed};
use crate::object::checksum;
use crate::repo::Repo;
use cambium_model::Checksum;
use std::collections::BTreeMap;

/// What a transaction wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransactionStats {
    /// Metadata objects that were new.
    pub metadata_written: usize,
    /// Content objects that were new.
    pub content_written: usize,
    /// Bytes of new content objects.
    pub content_bytes: u64,
}

/// An open transaction. Dropped without [`Self::commit`], it leaves no ref, and its objects go
/// with the next prune.
#[derive(Debug)]
#[must_use = "a transaction that is dropped is aborted"]
pub struct Transaction<'r> {
    repo: &'r Repo,
    over: bool,
}

impl Repo {
    /// Every ref by name (`remote:branch` or a local branch); with a prefix only those below it,
    /// e.g. `rpmostree/pkg`.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn list_refs(&self, prefix: Option<&str>) -> Result<BTreeMap<String, Checksum>> {
        let flags = ostree::RepoListRefsExtFlags::NONE;
        let refs = self
            .inner
            .list_refs_ext(prefix, flags, gio::Cancellable::NONE)
            .map_err(failed("list the refs of", self.path.display()))?;
        refs.into_iter().map(|(name, commit)| Ok((name, checksum(&commit)?))).collect()
    }

    /// Begins a transaction. A repository handle has at most one at a time; threads that write in
    /// parallel open a handle each.
    ///
    /// # Errors
    /// When one is open on this handle, or the repository is not writable.
    pub fn transaction(&self) -> Result<Transaction<'_>> {
        self.inner
            .prepare_transaction(gio::Cancellable::NONE)
            .map_err(failed("begin a transaction in", self.path.display()))?;
        self.in_transaction.set(true);
        Ok(Transaction { repo: self, over: false })
    }

    /// Refuses to write outside of a transaction, where libostree would abort the process.
    pub(crate) fn require_transaction(&self) -> Result<()> {
        if self.in_transaction.get() {
            Ok(())
        } else {
            Err(Error::NoTransaction { repo: self.path.clone() })
        }
    }
}

impl Transaction<'_> {
    /// Points `name` (`[remote:]branch`) at a commit when the transaction is committed.
    pub fn set_ref(&self, name: &str, commit: &Checksum) {
        self.repo.inner.transaction_set_refspec(name, Some(commit.as_str()));
    }

    /// Deletes `name` when the transaction is committed; an absent ref is fine.
    pub fn delete_ref(&self, name: &str) {
        self.repo.inner.transaction_set_refspec(name, None);
    }

    /// Makes every object durable, then every ref.
    ///
    /// # Errors
    /// When something cannot be written; no ref has changed then.
    pub fn commit(mut self) -> Result<TransactionStats> {
        self.over = true;
        self.repo.in_transaction.set(false);
        let inner = &self.repo.inner;
        let stats = match inner.commit_transaction(gio::Cancellable::NONE) {
            Ok(stats) => stats,
            Err(error) => {
                self.abort();
                return Err(failed("commit to", self.repo.path.display())(error));
            }
        };
        Ok(TransactionStats {
            metadata_written: stats.get_metadata_objects_written(),
            content_written: stats.get_content_objects_written(),
            content_bytes: stats.get_content_bytes_written(),
        })
    }

    fn abort(&self) {
        if let Err(error) = self.repo.inner.abort_transaction(gio::Cancellable::NONE) {
            tracing::warn!(repo = %self.repo.path.display(), %error, "abort of a transaction failed");
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.repo.in_transaction.set(false);
            self.abort();
        }
    }
}
