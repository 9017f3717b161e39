//! Packages as files: what no commit holds yet is downloaded.

use super::Host;
use super::error::{Error, Result, io};
use crate::import::find_import;
use cambium_dnf::CachePolicy;
use cambium_model::{FetchPolicy, Fetched, Observer, PlannedPackage};
use cambium_ostree::Repo;

impl Host {
    /// Downloads the packages that are not imported yet. The answer is in their order.
    ///
    /// # Errors
    /// When a repository does not give what its metadata promises, or nothing may be fetched.
    pub fn fetch(
        &self,
        packages: Vec<PlannedPackage>,
        fetch: FetchPolicy,
        observer: &dyn Observer,
    ) -> Result<Vec<Fetched>> {
        let repo = Repo::of_sysroot(&self.config.sysroot)?;
        let (mut there, mut missing) = (Vec::new(), Vec::new());
        for package in &packages {
            let checksum = Some(package.checksum.as_str());
            let import = find_import(&repo, &package.nevra, checksum, &self.payload())?;
            there.push(import.is_some());
            if import.is_none() {
                missing.push(package.clone());
            }
        }
        let files = match (missing.first(), fetch) {
            (None, _) => Vec::new(),
            (Some(package), FetchPolicy::CacheOnly) => {
                return Err(Error::NotCached(package.nevra.to_string()));
            }
            (Some(_), FetchPolicy::Fetch) => {
                let directory = self.downloads();
                std::fs::create_dir_all(&directory).map_err(io("create", &directory))?;
                let config = self.dnf_config(&self.any_root()?, CachePolicy::CacheOnly)?;
                cambium_dnf::download(&config, &missing, &directory, observer)?
            }
        };
        let mut files = files.into_iter();
        let fetched = |(package, there)| Fetched {
            package,
            file: if there { None } else { files.next().and_then(|fetched| fetched.file) },
        };
        Ok(packages.into_iter().zip(there).map(fetched).collect())
    }
}
