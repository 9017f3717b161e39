//! Which packages are in the tree, and how they get into the cache.

use super::Error;
use super::treefile::{Loaded, Scalar};
use crate::{
    ImportOptions, ImportedPackage, Layer, Rpm, SignaturePolicy, find_import, import, relabel,
};
use cambium_dnf::{CachePolicy, Config, Goal, RepoConfig, Resolution, WeakDeps};
use cambium_model::{Nevra, Observer, PlannedPackage, Progress, RepoStamp};
use cambium_ostree::Repo;
use cambium_rpm::{Keyring, RepositoryStamp, install_order};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The solution of a treefile's packages on an empty root.
#[derive(Debug)]
pub(crate) struct Selection {
    packages: Vec<PlannedPackage>,
    /// The repositories that were used, with the age of their metadata.
    pub(crate) repositories: Vec<RepoStamp>,
    config: Config,
}

/// Solves. Metadata is cached below `cache`; a repository is asked each time whether it is
/// current, since a compose is expected to see what was just published.
pub(crate) fn select(
    loaded: &Loaded,
    cache: &Path,
    observer: &dyn Observer,
) -> Result<Selection, Error> {
    let treefile = &loaded.treefile;
    if treefile.packages.is_empty() {
        return Err(Error::Incomplete { what: "list of packages in the treefile" });
    }
    if treefile.repos.is_empty() {
        return Err(Error::Incomplete { what: "list of repositories in the treefile" });
    }
    let mut config = Config::new(cache.join("repomd"), cache.join("empty-root"));
    config.repos_dirs = vec![loaded.directory.clone()];
    config.enabled_repos = Some(treefile.repos.clone());
    config.releasever = treefile.releasever.as_ref().map(|Scalar(version)| version.clone());
    config.basearch.clone_from(&loaded.basearch);
    config.cache_policy = CachePolicy::ForceRefresh;
    if treefile.recommends == Some(false) {
        config.weak_deps = WeakDeps::Skip;
    }
    let goal = Goal {
        install: treefile.packages.clone(),
        exclude: treefile.exclude_packages.clone(),
        ..Goal::default()
    };
    let solution = match cambium_dnf::resolve(&config, &goal, observer)? {
        Resolution::Solved(solution) => solution,
        Resolution::Problems(problems) => return Err(Error::Unsolvable(problems)),
    };
    for warning in solution.warnings {
        observer.warning(warning);
    }
    let mut packages = solution.packages;
    packages.sort_by(|a, b| a.nevra.cmp(&b.nevra));
    observer.message(format!("Installing {} packages:", packages.len()));
    for package in &packages {
        observer.message(format!("  {} ({})", package.nevra, package.repository));
    }
    Ok(Selection { packages, repositories: solution.repos, config })
}

impl Selection {
    /// What the input hash needs: each package with the checksum of its file.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = (String, &str)> {
        self.packages.iter().map(|package| (package.nevra.to_string(), package.checksum.as_str()))
    }

    /// The packages, sorted.
    pub(crate) fn nevras(&self) -> Vec<Nevra> {
        self.packages.iter().map(|package| package.nevra.clone()).collect()
    }

    /// Downloads and imports what the cache at `pkgcache` lacks. The answer is in install order.
    /// RPM files are kept in `downloads` until all of them are imported, so that a compose that
    /// is interrupted goes on where it was.
    pub(crate) fn import(
        &self,
        pkgcache: &Path,
        downloads: &Path,
        options: &ImportOptions,
        observer: &dyn Observer,
    ) -> Result<Vec<Layer>, Error> {
        let repo = Repo::open(pkgcache)?;
        let mut imported = Vec::new();
        let mut missing = Vec::new();
        for package in &self.packages {
            match find_import(&repo, &package.nevra, Some(&package.checksum), &options.payload)? {
                Some(found) => imported.push(found),
                None => missing.push(package.clone()),
            }
        }
        if !missing.is_empty() {
            let rpms = self.download(&missing, downloads, observer)?;
            imported.extend(import(pkgcache, &rpms, options, observer)?);
            fs::remove_dir_all(downloads)
                .map_err(|source| Error::io("remove", downloads, source))?;
        }
        in_order(relabel(pkgcache, imported, options.policy.as_ref(), observer)?)
    }

    fn download(
        &self,
        missing: &[PlannedPackage],
        downloads: &Path,
        observer: &dyn Observer,
    ) -> Result<Vec<Rpm>, Error> {
        let (count, bytes) = (missing.len(), missing.iter().map(|p| p.download_bytes).sum());
        let text = format!(
            "Will download: {count} package{} ({})",
            if count == 1 { "" } else { "s" },
            size(bytes)
        );
        observer.message(text);
        observer.progress(Progress::TaskBegin { text: "Downloading packages".to_owned() });
        let fetched = cambium_dnf::download(&self.config, missing, downloads, observer)?;
        observer.progress(Progress::TaskEnd { text: "done".to_owned() });
        let policies = self.signature_policies(missing)?;
        let rpm = |fetched: cambium_model::Fetched| {
            let PlannedPackage { nevra, repository, checksum, .. } = fetched.package;
            let path = fetched.file.ok_or_else(|| Error::NotFetched { package: nevra })?;
            let stamp = self.repositories.iter().find(|stamp| stamp.id == repository);
            let stamp = stamp
                .map(|stamp| RepositoryStamp { id: stamp.id.clone(), timestamp: stamp.timestamp });
            let signature = policies.get(&repository).cloned().unwrap_or_default();
            Ok(Rpm { path, repository: stamp, checksum: Some(checksum), signature })
        };
        fetched.into_iter().map(rpm).collect()
    }

    /// What each repository of `packages` says about signatures.
    fn signature_policies(
        &self,
        packages: &[PlannedPackage],
    ) -> Result<BTreeMap<String, SignaturePolicy>, Error> {
        let used: BTreeSet<&str> = packages.iter().map(|p| p.repository.as_str()).collect();
        let repos = cambium_dnf::repositories(&self.config)?.into_iter();
        let used = repos.filter(|repo| used.contains(repo.id.as_str()));
        used.map(|repo| Ok((repo.id.clone(), policy(&repo)?))).collect()
    }
}

fn policy(repo: &RepoConfig) -> Result<SignaturePolicy, Error> {
    if !repo.gpgcheck {
        return Ok(SignaturePolicy::Unchecked);
    }
    let file = |key: &String| {
        let path = key.strip_prefix("file://").unwrap_or(key);
        // A key that comes over the same wire as the packages would vouch for anything.
        if path.starts_with('/') {
            return Ok(PathBuf::from(path));
        }
        Err(Error::Key { repository: repo.id.clone(), key: key.clone() })
    };
    let files = repo.gpgkey.iter().map(file).collect::<Result<Vec<_>, _>>()?;
    Ok(SignaturePolicy::Require(Keyring::from_files(&files)?))
}

fn in_order(imported: Vec<ImportedPackage>) -> Result<Vec<Layer>, Error> {
    let headers: Vec<_> = imported.iter().map(|package| package.header.clone()).collect();
    let order = install_order(&headers)?;
    let layer = |at: usize| {
        let ImportedPackage { commit, header, .. } = imported[at].clone();
        Layer { commit, header }
    };
    Ok(order.into_iter().map(layer).collect())
}

/// Bytes as GLib prints them: `213.5 MB`.
fn size(bytes: u64) -> String {
    glib::format_size(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repo(gpgcheck: bool, keys: &[&str]) -> RepoConfig {
        let mut repo = RepoConfig::new("base", "/nowhere");
        repo.gpgcheck = gpgcheck;
        repo.gpgkey = keys.iter().map(|key| (*key).to_owned()).collect();
        repo
    }

    #[test]
    fn unsigned_packages_pass_only_where_the_repository_says_so() {
        let unchecked = policy(&repo(false, &["https://example.org/key"])).unwrap();
        assert!(matches!(unchecked, SignaturePolicy::Unchecked));
        let error = policy(&repo(true, &["https://example.org/key"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "repository 'base': the key https://example.org/key is no local file"
        );
        assert!(policy(&repo(true, &["file:///no/such/key"])).is_err());
        let strict = policy(&repo(true, &[])).unwrap();
        assert!(matches!(strict, SignaturePolicy::Require(keys) if keys.is_empty()));
    }
}
