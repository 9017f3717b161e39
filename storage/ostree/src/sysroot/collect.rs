//! Garbage: what no deployment needs is removed; what was left half-done is undone.
//!
//! Both are idempotent, and both need the lock: they take whatever no boot entry names for
//! nobody's.

use super::{Sysroot, id_of};
use crate::error::{Error, Result, failed, io};
use crate::repo::Repo;
use crate::spare::Spares;
use crate::writer::TEMPORARY_PREFIX;
use cambium_model::{Checksum, DeploymentId, Freed, Observer, Recovered, Sweep};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The package refs (`rpmostree/pkg/…`) that live deployments use.
pub type UsedPackages = BTreeSet<String>;

/// Refs that hold the bases of layered deployments, numbered from 0.
pub(super) const BASES: &str = "rpmostree/base";
/// Refs that hold imported packages.
pub(super) const PACKAGES: &str = "rpmostree/pkg";
/// Refs of work that is under way.
const TEMPORARY_REFS: [&str; 2] = ["rpmostree/base/tmp", "cambium/tmp"];
/// Where the size of the repository is kept between collections: walking it takes a while.
const SIZE_RECORD: &str = "extensions/cambium/size";

impl Sysroot {
    /// Removes what no deployment needs: old deployments' files, package refs outside `used`,
    /// spares of commits that are gone, and, where `sweep` says so, objects. Tells `Freed: …`.
    /// Hold the lock.
    ///
    /// # Errors
    /// When something cannot be read or removed.
    pub fn collect(
        &self,
        used: &UsedPackages,
        sweep: Sweep,
        observer: &dyn Observer,
    ) -> Result<Freed> {
        super::reap::reap_watchdogs();
        self.reload()?;
        let repo = self.repo()?;
        let (bases, commits) = self.live(&repo, &[])?;
        let package_refs = write_refs(&repo, &bases, used)?;
        self.clean()?;
        Spares::of(&repo).retain(&commits)?;
        if observer.cancelled() {
            return Err(Error::Cancelled);
        }
        if sweep == Sweep::Names {
            return Ok(Freed { bytes: 0, package_refs });
        }
        let bytes = repo.prune()?.bytes;
        record_bytes(&repo)?;
        if bytes > 0 || package_refs > 0 {
            let size = glib::format_size(bytes);
            observer.message(format!("Freed: {size} (pkgcache branches: {package_refs})"));
        }
        Ok(Freed { bytes, package_refs })
    }

    /// The base commits of layered deployments, and every deployed commit with its base, but for
    /// the deployments `gone`.
    pub(super) fn live(
        &self,
        repo: &Repo,
        gone: &[DeploymentId],
    ) -> Result<(Vec<Checksum>, Vec<Checksum>)> {
        let (mut bases, mut commits) = (Vec::new(), Vec::new());
        for deployment in self.inner.deployments() {
            let id = id_of(&deployment)?;
            if gone.contains(&id) {
                continue;
            }
            let commit = id.checksum;
            let info = repo.commit_info(&commit)?;
            if info.metadata.get_flag("rpmostree.clientlayer")
                && let Some(base) = info.parent
            {
                if !bases.contains(&base) {
                    bases.push(base.clone());
                }
                commits.push(base);
            }
            commits.push(commit);
        }
        Ok((bases, commits))
    }

    /// libostree's own cleanup without its prune: directories and boot files that no entry names.
    fn clean(&self) -> Result<()> {
        self.refuse_without_boot_entries()?;
        self.inner
            .prepare_cleanup(gio::Cancellable::NONE)
            .map_err(failed("clean up", self.path().display()))
    }

    /// libostree takes a /boot that is not mounted for one without entries, and then every
    /// deployment for a left-over.
    fn refuse_without_boot_entries(&self) -> Result<()> {
        if !self.inner.deployments().is_empty() {
            return Ok(());
        }
        match self.deployment_directories()?.first() {
            None => Ok(()),
            Some((_, directory)) => Err(Error::Precondition {
                what: format!(
                    "No boot entry names a deployment, yet {} is there: is {} mounted?",
                    directory.display(),
                    self.path().join("boot").display()
                ),
            }),
        }
    }

    /// Every deployment's directory, with its stateroot.
    fn deployment_directories(&self) -> Result<Vec<(String, PathBuf)>> {
        let mut found = Vec::new();
        for (stateroot, entry) in self.deployment_entries()? {
            if entry.is_dir() {
                found.push((stateroot, entry));
            }
        }
        Ok(found)
    }

    /// What is where deployments are, with the stateroot.
    fn deployment_entries(&self) -> Result<Vec<(String, PathBuf)>> {
        let place = self.path().join("ostree/deploy");
        let mut found = Vec::new();
        for stateroot in std::fs::read_dir(&place).map_err(io("list", &place))? {
            let stateroot = stateroot.map_err(io("list", &place))?;
            let name = stateroot.file_name().to_string_lossy().into_owned();
            let directory = stateroot.path().join("deploy");
            let Ok(entries) = std::fs::read_dir(&directory) else { continue };
            for entry in entries {
                found.push((name.clone(), entry.map_err(io("list", &directory))?.path()));
            }
        }
        Ok(found)
    }

    /// Undoes what a killed process left: temporary refs and files, unfinished spares, deployment
    /// directories that nothing boots. Running it again changes nothing. Hold the lock.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn recover(&self) -> Result<Recovered> {
        super::reap::reap_watchdogs();
        self.reload()?;
        self.refuse_without_boot_entries()?;
        let repo = self.repo()?;
        let mut undone = Vec::new();
        let mut temporary: Vec<String> = Vec::new();
        for prefix in TEMPORARY_REFS {
            temporary.extend(repo.list_refs(Some(prefix))?.into_keys());
        }
        if !temporary.is_empty() {
            let transaction = repo.transaction()?;
            temporary.iter().for_each(|name| transaction.delete_ref(name));
            transaction.commit()?;
            undone.extend(temporary.into_iter().map(|name| format!("the ref {name}")));
        }
        let spares = Spares::of(&repo).recover()?;
        undone.extend(spares.into_iter().map(|name| format!("the unfinished checkout {name}")));
        undone.extend(remove_temporary_files(&repo)?);
        let orphans = self.orphans()?;
        if !orphans.is_empty() {
            self.clean()?;
            undone.extend(orphans);
            self.touch()?;
        }
        Ok(Recovered { undone })
    }

    /// Deployment directories and origin files that no boot entry or staged record names. An
    /// origin file without its directory is removed here, since libostree does not see it.
    fn orphans(&self) -> Result<Vec<String>> {
        let mut named = BTreeSet::new();
        for deployment in self.inner.deployments() {
            let name = format!("{}.{}", deployment.csum(), deployment.deployserial());
            named.insert((deployment.osname().to_string(), name));
        }
        let mut orphans = Vec::new();
        for (os, path) in self.deployment_entries()? {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let name = file.strip_suffix(".origin").unwrap_or(&file).to_owned();
            if named.contains(&(os.clone(), name.clone())) {
                continue;
            }
            if name == file {
                orphans.push(format!("the deployment directory {os}-{name}"));
            } else if !path.with_file_name(&name).exists() {
                std::fs::remove_file(&path).map_err(io("remove", &path))?;
                orphans.push(format!("the origin file {file}"));
            }
        }
        Ok(orphans)
    }
}

/// Points `rpmostree/base/N` at the bases and drops package refs that are not used. Returns how
/// many package refs went.
fn write_refs(repo: &Repo, bases: &[Checksum], used: &UsedPackages) -> Result<u32> {
    let old_bases = repo.list_refs(Some(BASES))?;
    let packages = repo.list_refs(Some(PACKAGES))?;
    let gone: Vec<_> = packages.into_keys().filter(|name| !used.contains(name)).collect();
    let wanted: Vec<_> =
        bases.iter().enumerate().map(|(n, base)| (format!("{BASES}/{n}"), base)).collect();
    let right = old_bases.len() == wanted.len()
        && wanted.iter().all(|(name, base)| old_bases.get(name) == Some(*base));
    if right && gone.is_empty() {
        return Ok(0);
    }
    let transaction = repo.transaction()?;
    for name in old_bases.keys().filter(|name| !wanted.iter().any(|(kept, _)| kept == *name)) {
        transaction.delete_ref(name);
    }
    wanted.iter().for_each(|(name, base)| transaction.set_ref(name, base));
    gone.iter().for_each(|name| transaction.delete_ref(name));
    transaction.commit()?;
    Ok(u32::try_from(gone.len()).unwrap_or(u32::MAX))
}

fn remove_temporary_files(repo: &Repo) -> Result<Vec<String>> {
    let place = repo.path().join("tmp");
    let mut removed = Vec::new();
    for entry in std::fs::read_dir(&place).map_err(io("list", &place))? {
        let entry = entry.map_err(io("list", &place))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(TEMPORARY_PREFIX) {
            std::fs::remove_file(entry.path()).map_err(io("remove", entry.path()))?;
            removed.push(format!("the temporary file {name}"));
        }
    }
    Ok(removed)
}

/// Bytes of objects as the last collection found them; 0 before the first.
pub(super) fn recorded_bytes(repo: &Repo) -> u64 {
    let record = std::fs::read_to_string(repo.path().join(SIZE_RECORD));
    record.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Adds up the objects' blocks and keeps the sum. It is only shown, so a torn record is no harm.
fn record_bytes(repo: &Repo) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let objects = repo.path().join("objects");
    let mut bytes = 0;
    for shard in std::fs::read_dir(&objects).map_err(io("list", &objects))? {
        let shard = shard.map_err(io("list", &objects))?.path();
        for object in std::fs::read_dir(&shard).map_err(io("list", &shard))? {
            let object = object.map_err(io("list", &shard))?;
            bytes += object.metadata().map_err(io("stat", object.path()))?.blocks() * 512;
        }
    }
    let record = repo.path().join(SIZE_RECORD);
    let place = record.parent().unwrap_or(repo.path());
    std::fs::create_dir_all(place).map_err(io("create", place))?;
    std::fs::write(&record, bytes.to_string()).map_err(io("write", record))
}
