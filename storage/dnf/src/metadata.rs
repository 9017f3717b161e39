//! A repository's metadata on disk: taken from the cache, renewed, or used in place.
//!
//! The cache of a repository is `CACHE/ID-HASH/` (a hash of its URLs): `repomd.xml`, whose age is
//! the cache's, and the files that it names, under names that begin with their checksum. A file is
//! fetched as `NAME.part`, checked, then renamed; repomd.xml is renamed last, so what it names is
//! whole. Only primary metadata is fetched unless more is asked for.

mod in_place;
mod signature;

use crate::ffi::{Handle, RepoFiles, Transfer, TransferError};
use crate::repomd::{self, MetadataFile, Repomd};
use crate::transfers::fetch_whole;
use crate::{CachePolicy, Config, Error, RepoConfig, Result};
use cambium_model::{Observer, Progress, ProgressUnit};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Which files are wanted beside primary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub filelists: bool,
    pub updateinfo: bool,
}

/// Metadata that is whole and on disk.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub files: RepoFiles,
    pub timestamp: u64,
    /// Whether nothing was fetched.
    pub cached: bool,
    /// Why it could not be renewed, where an expired copy is used instead.
    pub stale: Option<String>,
}

/// Makes a repository's metadata ready.
pub(crate) fn ready(
    config: &Config,
    repo: &RepoConfig,
    wanted: Wanted,
    observer: &dyn Observer,
) -> Result<Metadata> {
    if observer.cancelled() {
        return Err(Error::Cancelled);
    }
    let cache = config.cache_dir.join(format!("{}-{:016x}", repo.id, hash(repo)));
    fs::create_dir_all(&cache).map_err(Error::io("create", &cache))?;
    if let Some(dir) = repo.local_dir() {
        return in_place::in_place(config, repo, dir, &cache, wanted);
    }
    let work = Work { config, repo, cache: &cache, wanted, observer };
    let cached = match work.read(&cache.join("repomd.xml")) {
        Ok(found) => found.filter(|repomd| work.complete(repomd)),
        // A cache that is damaged is no cache; fetching replaces it.
        Err(error) => {
            tracing::warn!(repo = repo.id, %error, "cached metadata is not readable");
            None
        }
    };
    let fresh = match config.cache_policy {
        CachePolicy::CacheOnly => true,
        CachePolicy::ForceRefresh => false,
        CachePolicy::Normal => work.is_fresh(),
    };
    match (cached, fresh) {
        (Some(repomd), true) => Ok(work.found(&repomd, true, None)),
        (None, _) if config.cache_policy == CachePolicy::CacheOnly => {
            Err(work.unavailable("it is not in the cache"))
        }
        (cached, _) => match (work.renew(), cached) {
            (Ok(repomd), _) => Ok(work.found(&repomd, false, None)),
            (Err(Error::Unavailable { reason, .. }), Some(repomd)) => {
                Ok(work.found(&repomd, true, Some(reason)))
            }
            (Err(error), _) => Err(error),
        },
    }
}

/// FNV-1a of what leads to the content and vouches for it: another URL or key is another cache,
/// and what came unchecked is not used once `repo_gpgcheck` is on.
fn hash(repo: &RepoConfig) -> u64 {
    let urls = repo.baseurl.iter().chain(&repo.mirrorlist).chain(&repo.metalink);
    let keys = repo.gpgkey.iter().filter(|_| repo.repo_gpgcheck);
    urls.chain(keys)
        .flat_map(|url| url.bytes().chain([0]))
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        })
}

struct Work<'a> {
    config: &'a Config,
    repo: &'a RepoConfig,
    cache: &'a Path,
    wanted: Wanted,
    observer: &'a dyn Observer,
}

impl Work<'_> {
    fn unavailable(&self, reason: impl Into<String>) -> Error {
        Error::Unavailable { repo: self.repo.id.clone(), reason: reason.into() }
    }

    fn failed(&self, error: TransferError, what: &str) -> Error {
        let mut what = format!("{what}: {}", error.message);
        // What librepo says of a list's content names no place.
        if !what.contains("://") {
            what.push_str(&format!(" ({})", self.repo.place()));
        }
        let repo = self.repo.id.clone();
        if self.observer.cancelled() {
            Error::Cancelled
        } else if error.is_distrust() {
            Error::Certificate { repo, what }
        } else if error.is_damage() {
            Error::Damaged { repo, what }
        } else {
            Error::Unavailable { repo, reason: what }
        }
    }

    fn read(&self, path: &Path) -> Result<Option<Repomd>> {
        read_repomd(&self.repo.id, path, &path.display().to_string(), self.config)
    }

    fn kinds<'r>(&self, repomd: &'r Repomd) -> Vec<(&'static str, &'r MetadataFile)> {
        kinds(self.wanted, repomd)
    }

    /// Whether the wanted files are there in the size that repomd.xml says.
    fn complete(&self, repomd: &Repomd) -> bool {
        self.kinds(repomd).into_iter().all(|(_, file)| {
            fs::metadata(self.cache.join(file.cache_name()))
                .is_ok_and(|found| file.size == 0 || found.len() == file.size)
        })
    }

    fn is_fresh(&self) -> bool {
        let age = fs::metadata(self.cache.join("repomd.xml"))
            .and_then(|found| found.modified())
            .ok()
            .and_then(|time| SystemTime::now().duration_since(time).ok());
        match (age, self.repo.metadata_expire) {
            (Some(_), None) => true,
            (Some(age), Some(seconds)) => age <= Duration::from_secs(seconds),
            (None, _) => false,
        }
    }

    fn renew(&self) -> Result<Repomd> {
        let text = format!("Updating metadata for '{}'", self.repo.id);
        self.observer.progress(Progress::TaskBegin { text });
        let renewed = self.fetch();
        self.observer.progress(Progress::TaskEnd { text: String::new() });
        renewed
    }

    fn fetch(&self) -> Result<Repomd> {
        let handle = Handle::new(self.repo).map_err(|error| self.failed(error, "its settings"))?;
        let fetched = self.cache.join("new");
        if fetched.exists() {
            fs::remove_dir_all(&fetched).map_err(Error::io("remove", &fetched))?;
        }
        fs::create_dir_all(&fetched).map_err(Error::io("create", &fetched))?;
        let mirror = handle
            .fetch_repomd(&fetched, self.observer)
            .map_err(|error| self.failed(error, "repomd.xml"))?;
        let new = fetched.join("repodata/repomd.xml");
        let url = format!("{}/repodata/repomd.xml", mirror.trim_end_matches('/'));
        if self.repo.repo_gpgcheck {
            let signature = self.fetch_signature(&handle, &url, &new)?;
            signature::check(self.config, self.repo, &new, &signature, self.cache)?;
        }
        let repomd = read_repomd(&self.repo.id, &new, &url, self.config)?
            .ok_or_else(|| self.unavailable(format!("{url} did not come")))?;
        self.fetch_files(&handle, &repomd)?;
        let place = self.cache.join("repomd.xml");
        fs::rename(&new, &place).map_err(Error::io("replace", &place))?;
        // The cache's age counts from now, whatever time the server gave the file.
        fs::File::options()
            .write(true)
            .open(&place)
            .and_then(|file| file.set_modified(SystemTime::now()))
            .map_err(Error::io("touch", &place))?;
        fs::remove_dir_all(&fetched).map_err(Error::io("remove", &fetched))?;
        self.sweep(&repomd)?;
        Ok(repomd)
    }

    /// Fetches `repomd.xml.asc` from the mirror that gave repomd.xml: another may be older.
    fn fetch_signature(&self, handle: &Handle, url: &str, repomd: &Path) -> Result<PathBuf> {
        let dest = repomd.with_extension("xml.asc");
        let location = format!("{url}.asc");
        let transfer =
            Transfer { handle, location, dest: dest.clone(), checksum: String::new(), size: 0 };
        let failed = Handle::fetch(&[&transfer], self.observer, &|_| {})
            .map_err(|error| self.failed(error, "repomd.xml.asc"))?;
        match failed.into_iter().next() {
            None => Ok(dest),
            Some((_, error)) if error.message.contains("Status code: 404") => {
                Err(Error::Untrusted {
                    repo: self.repo.id.clone(),
                    what: format!("repomd.xml is not signed: {}", error.message),
                })
            }
            Some((_, error)) => Err(self.failed(error, "repomd.xml.asc")),
        }
    }

    fn fetch_files(&self, handle: &Handle, repomd: &Repomd) -> Result<()> {
        let mut files = Vec::new();
        for (kind, file) in self.kinds(repomd) {
            let place = self.cache.join(file.cache_name());
            let whole = fs::metadata(&place).is_ok_and(|found| found.len() == file.size);
            if !whole {
                files.push((
                    kind,
                    place,
                    Transfer {
                        handle,
                        location: file.location.clone(),
                        dest: self.cache.join(format!("{}.part", file.cache_name())),
                        checksum: format!("{}:{}", file.checksum_type, file.checksum),
                        size: file.size,
                    },
                ));
            }
        }
        if files.is_empty() {
            return Ok(());
        }
        let total = files.iter().map(|(_, _, transfer)| transfer.size).sum();
        let step = |done| {
            let item = self.repo.id.clone();
            self.observer.progress(Progress::Step { done, total, unit: ProgressUnit::Bytes, item });
        };
        let (names, transfers): (Vec<_>, Vec<_>) =
            files.into_iter().map(|(kind, place, transfer)| ((kind, place), transfer)).unzip();
        let failed = fetch_whole(&transfers, self.observer, &step)?
            .map_err(|error| self.failed(error, "metadata"))?;
        if let Some((at, error)) = failed.into_iter().next() {
            return Err(self.failed(error, names[at].0));
        }
        for ((_, place), transfer) in names.iter().zip(&transfers) {
            fs::rename(&transfer.dest, place).map_err(Error::io("replace", place))?;
        }
        Ok(())
    }

    /// Removes files of older metadata. Other kinds of the same metadata stay.
    fn sweep(&self, repomd: &Repomd) -> Result<()> {
        let kept: Vec<String> = repomd.files.values().map(MetadataFile::cache_name).collect();
        for entry in fs::read_dir(self.cache).map_err(Error::io("read", self.cache))? {
            let entry = entry.map_err(Error::io("read", self.cache))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let file = entry.path().is_file() && name != "repomd.xml";
            if file && !kept.contains(&name) {
                fs::remove_file(entry.path()).map_err(Error::io("remove", entry.path()))?;
            }
        }
        Ok(())
    }

    fn found(&self, repomd: &Repomd, cached: bool, stale: Option<String>) -> Metadata {
        let place = |file: &MetadataFile| self.cache.join(file.cache_name());
        let repomd_path = self.cache.join("repomd.xml");
        let files = repo_files(self.repo, repomd_path, self.wanted, repomd, &place);
        Metadata { files, timestamp: repomd.timestamp, cached, stale }
    }
}

fn kinds(wanted: Wanted, repomd: &Repomd) -> Vec<(&'static str, &MetadataFile)> {
    [("primary", true), ("filelists", wanted.filelists), ("updateinfo", wanted.updateinfo)]
        .into_iter()
        .filter(|(_, wanted)| *wanted)
        .filter_map(|(kind, _)| repomd.files.get(kind).map(|file| (kind, file)))
        .collect()
}

/// Reads the repomd.xml at `path`, which came from `url`.
fn read_repomd(id: &str, path: &Path, url: &str, config: &Config) -> Result<Option<Repomd>> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let repomd = repomd::parse(&text)
        .map_err(|what| Error::Damaged { repo: id.to_owned(), what: format!("{what} ({url})") })?;
    let limit = config.max_metadata_bytes;
    for (kind, file) in &repomd.files {
        let bytes = file.size.max(file.open_size);
        if bytes > limit {
            let (repo, file, url) = (id.to_owned(), kind.clone(), url.to_owned());
            return Err(Error::TooLarge { repo, file, url, bytes, limit });
        }
    }
    Ok(Some(repomd))
}

fn repo_files(
    repo: &RepoConfig,
    repomd_path: PathBuf,
    wanted: Wanted,
    repomd: &Repomd,
    place: &dyn Fn(&MetadataFile) -> PathBuf,
) -> RepoFiles {
    let found = |kind, wanted| repomd.files.get(kind).filter(|_| wanted).map(place);
    RepoFiles {
        id: repo.id.clone(),
        priority: repo.priority,
        cost: repo.cost,
        repomd: repomd_path,
        primary: found("primary", true).unwrap_or_default(),
        filelists: found("filelists", wanted.filelists),
        updateinfo: found("updateinfo", wanted.updateinfo),
    }
}
