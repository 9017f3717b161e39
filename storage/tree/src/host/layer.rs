//! Packages as commits, and the layered commit made of them.

use super::Host;
use super::error::{Error, Result};
use super::packages::{deployment_path, packages_of};
use crate::assemble::{Around, Assembly, Checkout, Extension, Layer, assemble};
use crate::import::{
    ImportOptions, ImportedPackage, Rpm, find_import, import, load_import, relabel,
};
use cambium_model::{
    AssemblyStart, Base, Checksum, Fetched, Imported, Nevra, Observer, RepoStamp, Solution, Target,
    UnlockedState,
};
use cambium_ostree::{Policy, Repo, Sysroot};
use cambium_rpm::scriptlets::Rules;
use cambium_rpm::{PayloadOptions, RepositoryStamp, ref_of_package};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// The ref that keeps a new commit until its deployment does. Recovery removes what is below.
pub(super) const NEW_COMMIT: &str = "cambium/tmp/new";

/// What [`Host::assemble`] works on.
#[derive(Debug, Clone, Copy)]
pub struct AssembleTarget<'a> {
    /// What is wanted.
    pub target: &'a Target,
    /// The base.
    pub base: &'a Base,
    /// The resolution.
    pub solution: &'a Solution,
    /// The packages as commits, in the solution's order.
    pub packages: &'a [Imported],
    /// From where it starts.
    pub start: AssemblyStart,
}

impl Host {
    /// Turns downloaded packages into commits and deletes their files; those that are commits
    /// already are looked up. All are labelled by the policy of `base`.
    ///
    /// # Errors
    /// The first package that is damaged, untrusted or holds what no image can.
    pub fn import(
        &self,
        packages: Vec<Fetched>,
        repos: &[RepoStamp],
        base: &Checksum,
        observer: &dyn Observer,
    ) -> Result<Vec<Imported>> {
        let repo = Repo::of_sysroot(&self.config.sysroot)?;
        let policy = Policy::of_commit(&repo, base)?;
        let options = ImportOptions { payload: self.payload(), policy };
        let policies = self.signature_policies()?;
        let mut rpms = Vec::new();
        for Fetched { package, file } in &packages {
            if let Some(path) = file {
                rpms.push(Rpm {
                    path: path.clone(),
                    repository: Some(stamp(&package.repository, repos)),
                    checksum: Some(package.checksum.clone()),
                    signature: policies.of(&package.repository),
                });
            }
        }
        // All of them together, before the first is written: each alone might still fit.
        let new = packages.iter().filter(|fetched| fetched.file.is_some());
        repo.require_space(new.map(|fetched| fetched.package.installed_bytes).sum())?;
        let imported = match rpms.as_slice() {
            [] => Vec::new(),
            rpms => import(repo.path(), rpms, &options, observer)?,
        };
        let mut imported = imported.into_iter();
        let mut commits = Vec::with_capacity(packages.len());
        for Fetched { package, file } in &packages {
            let found = match file {
                Some(_) => imported.next(),
                None => {
                    let checksum = Some(package.checksum.as_str());
                    find_import(&repo, &package.nevra, checksum, &options.payload)?
                }
            };
            commits.push(found.ok_or_else(|| Error::NotCached(package.nevra.to_string()))?);
        }
        let commits = relabel(repo.path(), commits, options.policy.as_ref(), observer)?;
        let mut done = Vec::with_capacity(packages.len());
        for (Fetched { package, file }, commit) in packages.into_iter().zip(commits) {
            let ImportedPackage { reference, commit, .. } = commit;
            if let Some(file) = file {
                // The commit holds all of it; a file that stays is only a cache.
                if let Err(error) = std::fs::remove_file(&file) {
                    tracing::debug!(path = %file.display(), %error, "an imported file stays");
                }
            }
            done.push(Imported { package, reference, commit });
        }
        Ok(done)
    }

    /// Makes the layered commit.
    ///
    /// # Errors
    /// File conflicts, failing scripts, and whatever the engines report. Nothing refers to what
    /// was made by then.
    pub fn assemble(
        &self,
        wanted: &AssembleTarget<'_>,
        observer: &dyn Observer,
    ) -> Result<Checksum> {
        let AssembleTarget { target, base, solution, packages, start } = *wanted;
        let sysroot = Sysroot::open(&self.config.sysroot)?;
        let repo = sysroot.repo()?;
        let mut layers = Vec::with_capacity(packages.len());
        for package in packages {
            let header = load_import(&repo, &package.commit)?.header;
            layers.push(Layer { commit: package.commit.clone(), header });
        }
        let extension = match start {
            AssemblyStart::Extend => extension(&repo, target, base, &self.payload())?,
            AssemblyStart::Base => None,
        };
        let sha256s: Vec<_> =
            layers.iter().map(|l| l.header.metadata_sha256().unwrap_or_default()).collect();
        let inputs: Vec<_> = layers
            .iter()
            .zip(&sha256s)
            .map(|(layer, sha256)| (layer.header.nevra(), sha256.as_str()))
            .collect();
        let state = crate::state_sha512(&crate::StateInputs {
            base: &base.commit,
            packages: &inputs,
            removed: &solution.removed,
            requested: &target.origin.requested,
            settings: &self.settings(),
        });
        let checkouts = self.checkouts()?;
        let rules = self.rules();
        let etc = deployment_path(&self.config.sysroot, &target.merge).join("etc");
        let around = Around { commit: &target.merge.id.checksum, etc: Some(&etc) };
        let assembled = assemble(
            &Assembly {
                repo: repo.path(),
                private: &self.private(),
                base: &base.commit,
                extend: extension.as_ref(),
                packages: &layers,
                removed: &solution.removed,
                replaced: &[],
                checkouts: &checkouts,
                requested: &target.origin.requested,
                repos: &solution.repos,
                state_sha512: &state,
                keep: Some(NEW_COMMIT),
                around: Some(around),
                rules: &rules,
                limits: self.config.limits,
                // Where none works, that is told once a script is to run.
                backend: self.find_sandbox().as_ref().ok(),
                labelling: crate::Labelling::default(),
                timestamp: now(),
            },
            observer,
        )?;
        Ok(assembled.commit)
    }

    /// Makes sure of the ref that keeps a new commit from being collected before it is deployed:
    /// [`Self::assemble`] wrote it with the commit, one that was there before has none.
    ///
    /// # Errors
    /// When the repository cannot be written.
    pub fn keep_commit(&self, commit: &Checksum) -> Result<()> {
        let repo = Repo::of_sysroot(&self.config.sysroot)?;
        if repo.resolve_ref(NEW_COMMIT)?.as_ref() == Some(commit) {
            return Ok(());
        }
        let transaction = repo.transaction()?;
        transaction.set_ref(NEW_COMMIT, commit);
        transaction.commit()?;
        Ok(())
    }

    /// What is decided about scripts.
    pub(super) fn rules(&self) -> Rules {
        Rules::with(self.config.scripts.clone())
    }

    /// What of the configuration makes another tree of the same packages.
    fn settings(&self) -> Vec<String> {
        let rules = self.rules().fingerprint();
        if rules.is_empty() { Vec::new() } else { vec![format!("scripts\n{rules}")] }
    }

    /// Where assemblies work and keep base checkouts; rpm-ostree's own place for the same.
    pub(super) fn private(&self) -> PathBuf {
        self.config.sysroot.join("ostree/repo/extensions/rpmostree/private")
    }

    /// The deployments' directories, which hold their commits unless they were unlocked.
    fn checkouts(&self) -> Result<Vec<Checkout>> {
        let state = self.state()?;
        let whole = state.deployments.iter().filter(|d| d.unlocked == UnlockedState::None);
        let checkout = |deployment: &cambium_model::Deployment| Checkout {
            commit: deployment.id.checksum.clone(),
            path: deployment_path(&self.config.sysroot, deployment),
        };
        Ok(whole.map(checkout).collect())
    }
}

/// Where a package came from, and of when that repository's metadata was.
fn stamp(id: &str, repos: &[RepoStamp]) -> RepositoryStamp {
    let known = repos.iter().find(|repo| repo.id == id);
    RepositoryStamp { id: id.to_owned(), timestamp: known.map_or(0, |repo| repo.timestamp) }
}

/// The merge deployment's layered commit, where the new one may begin from it: same base, and
/// every package that it layers still known by its import.
fn extension(
    repo: &Repo,
    target: &Target,
    base: &Base,
    payload: &PayloadOptions,
) -> Result<Option<Extension>> {
    let merge = &target.merge;
    let commit = &merge.id.checksum;
    if merge.base_checksum != base.commit || *commit == base.commit || !merge.removed.is_empty() {
        return Ok(None);
    }
    let mut packages = Vec::new();
    for nevra in layered_nevras(repo, commit, &base.commit)? {
        let found = find_import(repo, &nevra, None, payload)?;
        let Some(sha256) = found.and_then(|package| package.header.metadata_sha256()) else {
            return Ok(None);
        };
        packages.push((nevra, sha256));
    }
    Ok(Some(Extension { commit: commit.clone(), packages }))
}

/// The packages of a layered commit that its base does not hold.
pub(super) fn layered_nevras(
    repo: &Repo,
    layered: &Checksum,
    base: &Checksum,
) -> Result<Vec<Nevra>> {
    if layered == base {
        return Ok(Vec::new());
    }
    let in_base: BTreeSet<Nevra> = packages_of(repo, base)?.into_iter().collect();
    let mut packages = packages_of(repo, layered)?;
    packages.retain(|nevra| !in_base.contains(nevra));
    Ok(packages)
}

/// The refs of the packages that live deployments layer.
pub(super) fn used_package_refs(
    repo: &Repo,
    deployments: &[cambium_model::Deployment],
) -> Result<BTreeSet<String>> {
    let mut used = BTreeSet::new();
    for deployment in deployments {
        let layered = layered_nevras(repo, &deployment.id.checksum, &deployment.base_checksum)?;
        used.extend(layered.iter().map(ref_of_package));
    }
    Ok(used)
}

/// Seconds since 1970; `SOURCE_DATE_EPOCH` where a reproducible result is wanted.
fn now() -> u64 {
    let fixed = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    fixed.unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    })
}
