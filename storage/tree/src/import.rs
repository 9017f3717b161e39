//! RPM files become commits: one for each NEVRA, in rpm-ostree's on-disk format (surface §1.10
//! and §2.1), on all cores.
//!
//! Every file of a package commit belongs to root: names are known only in the tree that the
//! package is layered on, so that owners are set there (`assemble`), and one import serves every
//! base. SELinux labels are those of the policy that the caller names, the base's. Deliberately
//! absent: downloading, and deleting the RPM files afterwards.

mod labels;
mod metadata;

pub use labels::relabel;
pub(crate) use labels::relabelled;
pub use metadata::{ImportedPackage, find_import, load_import};

use crate::{Error, Result};
use cambium_model::{Checksum, Observer, Progress, ProgressUnit};
use cambium_ostree::{Attributes, CommitSpec, Labels, Node, Policy, Repo, Tree};
use cambium_rpm::{
    Entry, EntryKind, Keyring, Package, PayloadOptions, RepositoryStamp, ref_of_package,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Permission, set-id and sticky bits of `st_mode`.
const PERMISSIONS: u32 = 0o7777;

/// A package file to import.
#[derive(Debug, Clone)]
pub struct Rpm {
    /// The file.
    pub path: PathBuf,
    /// The repository that it came from; `None` for one that the user brought.
    pub repository: Option<RepositoryStamp>,
    /// The file's checksum in that repository's metadata, as `sha256:HEX`.
    pub checksum: Option<String>,
    /// Whether it must be signed.
    pub signature: SignaturePolicy,
}

/// Whether a package must be signed, and by whom.
#[derive(Debug, Clone, Default)]
pub enum SignaturePolicy {
    /// By a key of this keyring: `gpgcheck=1`.
    Require(Keyring),
    /// By nobody: `gpgcheck=0`, and packages that the user brought.
    #[default]
    Unchecked,
}

/// By which rules packages are imported.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// What of a package is taken.
    pub payload: PayloadOptions,
    /// The policy that labels its files; `None` for no labels.
    pub policy: Option<Arc<Policy>>,
}

/// Imports `rpms` into the repository at `repo`, in parallel. The answer is in their order. A
/// package that the repository holds already, from the same bytes and by the same rules, is not
/// read beyond its header.
///
/// # Errors
/// The first failure; imports that were finished by then stay, and are found the next time.
pub fn import(
    repo: &Path,
    rpms: &[Rpm],
    options: &ImportOptions,
    observer: &dyn Observer,
) -> Result<Vec<ImportedPackage>> {
    observer.progress(Progress::TaskBegin { text: "Importing packages".to_owned() });
    let work = Work {
        repo,
        rpms,
        options,
        observer,
        next: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        results: Mutex::new(rpms.iter().map(|_| None).collect()),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
        let spawn = |_| scope.spawn(|| work.run());
        let threads: Vec<_> = (0..cores.min(rpms.len())).map(spawn).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            // A panic goes on in the caller, where it is one failed transaction.
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    });
    // A failure of the work tells more than the cancellation that it caused elsewhere.
    let (cancelled, failed): (Vec<_>, Vec<_>) =
        outcomes.into_iter().partition(|outcome| matches!(outcome, Err(Error::Cancelled)));
    failed.into_iter().chain(cancelled).collect::<Result<()>>()?;
    let results = work.results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let imported: Vec<ImportedPackage> = results.into_iter().flatten().collect();
    observer.progress(Progress::TaskEnd { text: "done".to_owned() });
    Ok(imported)
}

/// What the threads share.
struct Work<'a> {
    repo: &'a Path,
    rpms: &'a [Rpm],
    options: &'a ImportOptions,
    observer: &'a dyn Observer,
    next: AtomicUsize,
    done: AtomicUsize,
    stop: AtomicBool,
    results: Mutex<Vec<Option<ImportedPackage>>>,
}

impl Work<'_> {
    /// One thread: a repository handle and a transaction of its own, packages one by one. The
    /// refs appear together at the end, so syncing costs once for each thread.
    fn run(&self) -> Result<()> {
        let result = self.import_some();
        if result.is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        result
    }

    fn import_some(&self) -> Result<()> {
        let repo = Repo::open(self.repo)?;
        let transaction = repo.transaction()?;
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(rpm) = self.rpms.get(at) else { break };
            if self.stop.load(Ordering::Relaxed) || self.observer.cancelled() {
                return Err(Error::Cancelled);
            }
            let imported = import_one(&repo, rpm, self.options, self.observer)?;
            transaction.set_ref(&imported.reference, &imported.commit);
            let item = imported.header.nevra().to_string();
            if let Ok(mut results) = self.results.lock() {
                results[at] = Some(imported);
            }
            let done = self.done.fetch_add(1, Ordering::Relaxed) as u64 + 1;
            let (total, unit) = (self.rpms.len() as u64, ProgressUnit::Items);
            self.observer.progress(Progress::Step { done, total, unit, item });
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Imports one package; needs a transaction of `repo`. The order is that of trust: digests and
/// signature of the header first, the payload's digest before anything is committed.
fn import_one(
    repo: &Repo,
    rpm: &Rpm,
    options: &ImportOptions,
    observer: &dyn Observer,
) -> Result<ImportedPackage> {
    let package = Package::open(&rpm.path)?;
    let header = package.header().clone();
    package.verify_digests()?;
    if let SignaturePolicy::Require(keyring) = &rpm.signature {
        let key = header.require_signature(keyring)?;
        tracing::debug!(package = %header.nevra(), key, "signature is good");
    }
    let metadata = metadata::of(&header, rpm, options)?;
    let reference = ref_of_package(header.nevra());
    if let Some(commit) = metadata::valid_import(repo, &reference, &metadata, &options.payload)? {
        let (commit, _) = relabelled(repo, &commit, options.policy.as_ref(), observer)?;
        return Ok(ImportedPackage { reference, commit, header });
    }
    repo.require_space(header.size())?;
    let mut tree = Tree::empty(repo);
    tree.set_labels(Labels::of(options.policy.clone()));
    tree.ensure_dir("", &Attributes::root(0o755))?;
    let mut payload = package.payload(&options.payload)?;
    while let Some(entry) = payload.next_entry()? {
        if observer.cancelled() {
            return Err(Error::Cancelled);
        }
        write(&mut tree, entry, observer)?;
    }
    let remainder = payload.finish()?;
    if !remainder.dropped.is_empty() {
        tracing::info!(package = %header.nevra(), files = ?remainder.dropped, "content below /var");
    }
    if !remainder.tmpfiles.is_empty() {
        let path =
            format!("{}/{}.conf", crate::assemble::TMPFILES_OF_PACKAGES, header.nevra().name);
        tree.put_bytes(&path, &Attributes::root(0o644), remainder.tmpfiles.as_bytes())?;
    }
    let metadata = metadata::to_commit(&metadata, options);
    let commit = commit(&mut tree, metadata, header.build_time())?;
    Ok(ImportedPackage { reference, commit, header })
}

fn commit(
    tree: &mut Tree<'_>,
    metadata: cambium_ostree::Metadata,
    build_time: u64,
) -> Result<Checksum> {
    // The time of the build, so that the same package gives the same commit on every host.
    let timestamp = Some(build_time);
    Ok(tree.commit(&CommitSpec { metadata, timestamp, ..CommitSpec::default() })?)
}

fn write(tree: &mut Tree<'_>, entry: Entry<'_>, observer: &dyn Observer) -> Result<()> {
    let xattrs = entry.xattrs.into_iter().map(|(name, value)| (name.into_bytes(), value));
    let mode = entry.mode & PERMISSIONS;
    let attributes = Attributes { uid: 0, gid: 0, mode, xattrs: xattrs.collect() };
    match entry.kind {
        EntryKind::Directory => tree.set_dir(&entry.path, &attributes)?,
        EntryKind::File { mut reader, .. } => {
            tree.put_reader(&entry.path, &attributes, &mut reader)?;
        }
        EntryKind::Symlink { target } => {
            tree.put_symlink(&entry.path, &attributes, &target)?;
        }
        EntryKind::Hardlink { target } => match tree.lookup(&target)? {
            Some(Node::File(file)) => {
                tree.put_object(&entry.path, &file)?;
                // By its own path: where the labels of two names differ, they are two objects.
                tree.relabel(&entry.path, observer)?;
            }
            _ => {
                let tree = "the package".to_owned();
                return Err(cambium_ostree::Error::NoPath { path: target, tree }.into());
            }
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests;
