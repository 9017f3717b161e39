//! The repositories of the host: their configuration, metadata, keys, and questions to them.

use super::Host;
use super::error::{Error, Result, io};
use super::packages::deployment_path;
use crate::import::SignaturePolicy;
use cambium_dnf::{CachePolicy, Config, WeakDeps};
use cambium_model::{FindBy, FoundPackage, Freshness, Matched, Observer};
use cambium_ostree::Repo;
use cambium_rpm::Keyring;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

impl Host {
    /// Fetches the metadata of every enabled repository.
    ///
    /// # Errors
    /// When none can be read.
    pub fn refresh_metadata(&self, freshness: Freshness, observer: &dyn Observer) -> Result<()> {
        let policy = match freshness {
            Freshness::Expired => CachePolicy::Normal,
            Freshness::All => CachePolicy::ForceRefresh,
        };
        cambium_dnf::refresh(&self.dnf_config(&self.any_root()?, policy)?, observer)?;
        self.forget_state();
        Ok(())
    }

    /// Looks packages up in the repositories.
    ///
    /// # Errors
    /// When no repository can be read.
    pub fn find_packages(
        &self,
        by: FindBy,
        terms: &[String],
        observer: &dyn Observer,
    ) -> Result<Vec<FoundPackage>> {
        let config = self.dnf_config(&self.any_root()?, CachePolicy::Normal)?;
        let named = |package| FoundPackage { package, matched: Matched::Name };
        Ok(match by {
            FindBy::Words => cambium_dnf::search(&config, terms, observer)?,
            FindBy::Provides => {
                let mut found = Vec::new();
                for capability in terms {
                    found.extend(cambium_dnf::what_provides(&config, capability, observer)?);
                }
                found.into_iter().map(named).collect()
            }
            FindBy::Name => {
                let found = cambium_dnf::packages(&config, terms, observer)?;
                found.into_iter().map(named).collect()
            }
        })
    }

    /// How the depsolver works on the packages of `root`.
    pub(super) fn dnf_config(&self, root: &Path, policy: CachePolicy) -> Result<Config> {
        let etc = self.etc()?;
        let mut config = Config::new(self.config.cache.join("repomd"), root);
        config.repos_dirs = vec![etc.join("yum.repos.d")];
        config.vars_dirs = vec![etc.join("yum/vars"), etc.join("dnf/vars")];
        config.keys_root = etc.parent().map(Path::to_owned);
        config.cache_policy = policy;
        config.weak_deps = if self.config.recommends { WeakDeps::Install } else { WeakDeps::Skip };
        Ok(config)
    }

    /// Where packages wait between download and import.
    pub(super) fn downloads(&self) -> PathBuf {
        self.config.cache.join("packages")
    }

    /// Who must have signed the packages of which repository.
    pub(super) fn signature_policies(&self) -> Result<SignaturePolicies> {
        let config = self.dnf_config(&self.any_root()?, CachePolicy::CacheOnly)?;
        let mut policies = BTreeMap::new();
        for repo in cambium_dnf::repositories(&config)? {
            let policy = match repo.gpgcheck {
                true => SignaturePolicy::Require(keyring(&self.etc()?, &repo.gpgkey)?),
                false => SignaturePolicy::Unchecked,
            };
            policies.insert(repo.id, policy);
        }
        Ok(SignaturePolicies(policies))
    }

    /// Removes cached repository metadata.
    pub(super) fn remove_metadata(&self) -> Result<()> {
        // Not while a resolution reads it.
        let _libraries = cambium_native::hold();
        let cache = self.config.cache.join("repomd");
        match std::fs::remove_dir_all(&cache) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(io("remove", &cache)(error))
            }
            _ => Ok(()),
        }
    }

    /// When the oldest cached metadata was last found current, in seconds since 1970; 0 without
    /// any. cambium-dnf touches `repomd.xml` of what it fetched, and writes `verified` for what it
    /// uses in place.
    pub(super) fn metadata_timestamp(&self) -> u64 {
        let Ok(entries) = std::fs::read_dir(self.config.cache.join("repomd")) else { return 0 };
        let modified = |path: PathBuf| {
            let modified = std::fs::metadata(path).ok()?.modified().ok()?;
            Some(modified.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
        };
        let current = |entry: std::io::Result<std::fs::DirEntry>| {
            let cache = entry.ok()?.path();
            modified(cache.join("repomd.xml")).or_else(|| modified(cache.join("verified")))
        };
        entries.filter_map(current).min().unwrap_or(0)
    }

    /// The /etc that configures the host: the booted deployment's, else that of the first which
    /// has one (a staged deployment gets its own at shutdown).
    fn etc(&self) -> Result<PathBuf> {
        let state = self.state()?;
        let booted = state.booted().into_iter();
        let mut candidates = booted
            .chain(&state.deployments)
            .map(|deployment| deployment_path(&self.config.sysroot, deployment).join("etc"));
        let none = || Error::NoRevision("0".to_owned());
        candidates.find(|etc| etc.is_dir()).ok_or_else(none)
    }

    /// A root for questions that do not depend on what is installed: that of the default
    /// deployment's base.
    pub(super) fn any_root(&self) -> Result<PathBuf> {
        let state = self.state()?;
        let first = state.deployments.first();
        let first = first.ok_or_else(|| Error::NoRevision("0".to_owned()))?;
        self.rpmdb_root(&Repo::of_sysroot(&self.config.sysroot)?, &first.base_checksum)
    }
}

/// Who must have signed what, by repository id.
pub(super) struct SignaturePolicies(BTreeMap<String, SignaturePolicy>);

impl SignaturePolicies {
    /// That of a repository; one that is not configured any more is trusted with nothing.
    pub(super) fn of(&self, repository: &str) -> SignaturePolicy {
        let untrusted = || SignaturePolicy::Require(Keyring::default());
        self.0.get(repository).cloned().unwrap_or_else(untrusted)
    }
}

/// The keys that a repository names: `file:` URLs and paths, which are paths of the host's root.
fn keyring(etc: &Path, keys: &[String]) -> Result<Keyring> {
    let root = etc.parent().unwrap_or(etc);
    let mut files = Vec::new();
    for key in keys {
        let path = key.strip_prefix("file://").unwrap_or(key);
        let Some(relative) = path.strip_prefix('/') else {
            let what = format!("a key that is not a file ('{key}')");
            return Err(Error::Unsupported { what });
        };
        let in_root = root.join(relative);
        files.push(if in_root.exists() { in_root } else { PathBuf::from(path) });
    }
    Ok(Keyring::from_files(&files)?)
}
