//! The tree's rpmdb: copied once, changed by what changed, hashed and written once.

use super::{Layer, commit, memory};
use crate::{Error, Result};
use cambium_model::{Checksum, Nevra, Observer};
use cambium_ostree::{Attributes, Child, CopyPolicy, FileKind, Node, Repo, Tree};
use cambium_rpm::rpmdb::{Rpmdb, Update, update};
use cambium_rpm::{Header, PackageListEntry};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Where a tree keeps its rpmdb.
const PLACE: &str = "usr/share/rpm";
/// Where a layered tree keeps its base's.
const BASE: &str = "usr/lib/sysimage/rpm-ostree-base-db";
/// What librpm makes beside the database and no commit holds.
const TRANSIENT: [&str; 4] = [".rpm.lock", "rpmdb.sqlite-wal", "rpmdb.sqlite-shm", ".dbenv.lock"];

/// A private copy of a commit's rpmdb.
pub(super) struct Database {
    directory: PathBuf,
    reader: Rpmdb,
    /// What holds the copy where that is not the assembly's own directory.
    _memory: Option<TempDir>,
}

impl Database {
    /// Copies the rpmdb of `commit` into memory where there is room, else below `work`.
    ///
    /// librpm syncs the database and the whole file system that it is on, several times. In
    /// memory that costs nothing; what must be durable is the object that is made of the copy.
    pub(super) fn copy(
        repo: &Repo,
        commit: &Checksum,
        private: &Path,
        work: &Path,
    ) -> Result<Self> {
        if !matches!(repo.lookup(commit, PLACE)?, Some(Node::Directory(_))) {
            return Err(Error::NoBase { commit: commit.clone(), path: PLACE });
        }
        let memory = memory::directory(private, size(repo, commit)?)?;
        let directory = memory.as_ref().map_or(work, TempDir::path).join("rpmdb");
        repo.checkout_subpath(commit, PLACE, &directory, CopyPolicy::Copy)?;
        let reader = Rpmdb::open(&directory)?;
        Ok(Self { directory, reader, _memory: memory })
    }

    /// The installed packages, to be asked before [`Self::update`].
    pub(super) fn installed(&self) -> &Rpmdb {
        &self.reader
    }

    /// Where the copy is.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The header of an installed package.
    pub(super) fn header(&self, nevra: &Nevra) -> Result<Option<Header>> {
        let found = self.reader.find_name(&nevra.name)?;
        Ok(found.into_iter().find(|header| header.nevra() == nevra))
    }

    /// Adds `new` and takes `removed` away.
    pub(super) fn update(
        &self,
        new: &[&Layer],
        removed: &[Nevra],
        time: u64,
        observer: &dyn Observer,
    ) -> Result<()> {
        if new.is_empty() && removed.is_empty() {
            return Ok(());
        }
        let add = new.iter().map(|layer| &layer.header).collect();
        // rpm's times have 32 bits; the last one that it can say stands for all later ones.
        let time = u32::try_from(time).unwrap_or(u32::MAX);
        Ok(update(&self.directory, &Update { add, remove: removed.to_vec(), time }, observer)?)
    }

    /// Puts the database into the tree, and the one of `base` beside it.
    pub(super) fn write(&self, tree: &mut Tree<'_>, base: &Checksum) -> Result<()> {
        let mut names = Vec::new();
        for entry in
            std::fs::read_dir(&self.directory).map_err(Error::io("list", &self.directory))?
        {
            let entry = entry.map_err(Error::io("list", &self.directory))?;
            let name = entry.file_name().into_string();
            names.push(name.map_err(|name| Error::Name { path: self.directory.join(name) })?);
        }
        names.retain(|name| !TRANSIENT.contains(&name.as_str()));
        for (name, child) in tree.list(PLACE)? {
            if !names.contains(&name) && matches!(child, Child::File(_)) {
                tree.remove(&format!("{PLACE}/{name}"))?;
            }
        }
        for name in names {
            let (source, path) = (self.directory.join(&name), format!("{PLACE}/{name}"));
            if source.is_file() {
                tree.put_disk_file(&path, &Attributes::root(0o644), &source)?;
            }
        }
        if is_copy(tree, base)? {
            return Ok(());
        }
        // A splice of the base's own directory: no byte is copied, unless the labels differ.
        tree.put_from(BASE, base, PLACE)?;
        tree.relabel(BASE, &cambium_model::Unobserved)?;
        Ok(())
    }
}

/// Whether the tree has the rpmdb of `base` in its place already. Asked where files are labelled:
/// there the copy may be other objects than the database itself.
fn is_copy(tree: &mut Tree<'_>, base: &Checksum) -> Result<bool> {
    if tree.labels().policy().is_none() || !matches!(tree.lookup(BASE)?, Some(Node::Directory(_))) {
        return Ok(false);
    }
    let (copy, own) = (tree.list(BASE)?, tree.repo().list(base, PLACE)?);
    if !copy.keys().eq(own.keys()) {
        return Ok(false);
    }
    for (copy, own) in copy.values().zip(own.values()) {
        let same = match (copy, own) {
            (Child::File(copy), Child::File(own)) => tree.repo().same_content(copy, own)?,
            _ => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Bytes of the database of `commit`.
fn size(repo: &Repo, commit: &Checksum) -> Result<u64> {
    let file = repo.lookup(commit, &format!("{PLACE}/rpmdb.sqlite"))?;
    let Some(Node::File(object)) = file else { return Ok(0) };
    match repo.file_info(&object)?.kind {
        FileKind::Regular { size } => Ok(size),
        FileKind::Symlink { .. } => Ok(0),
    }
}

/// The packages of the result: those of `start`, as its commit lists them or else its rpmdb does,
/// with the change.
pub(super) fn package_list(
    repo: &Repo,
    start: &Checksum,
    database: &Database,
    new: &[&Layer],
    removed: &[Nevra],
) -> Result<Vec<PackageListEntry>> {
    let mut packages = match commit::read_package_list(&repo.commit_info(start)?.metadata) {
        Some(packages) => packages,
        None => crate::listed::remembered(start, || {
            let list = database.installed().list()?;
            Ok::<_, Error>(list.into_iter().map(|package| package.nevra).collect())
        })?,
    };
    packages.retain(|nevra| !removed.contains(nevra));
    packages.extend(new.iter().map(|layer| layer.header.nevra().clone()));
    Ok(cambium_rpm::package_list(&packages))
}
