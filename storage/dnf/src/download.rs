//! Fetches the RPMs of a solution.

use crate::ffi::{Handle, Transfer, TransferError, prepare};
use crate::transfers::fetch_whole;
use crate::{Config, Error, RepoConfig, Result, repositories};
use cambium_model::{
    FailureKind, Fetched, Observer, PlannedAction, PlannedPackage, Progress, ProgressUnit,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The repository of RPM files that were named by path.
const LOCAL: &str = "@commandline";

/// Downloads packages into `dest_dir` as `NEVRA.rpm`, in parallel, and answers in their order.
///
/// A file appears under its name whole and with the checksum that the metadata says. What is there
/// already is not fetched again; what a broken transfer left (`.part`) is continued. A local RPM
/// stays where it is.
pub fn download(
    config: &Config,
    packages: &[PlannedPackage],
    dest_dir: &Path,
    observer: &dyn Observer,
) -> Result<Vec<Fetched>> {
    let _held = cambium_native::hold();
    prepare();
    fs::create_dir_all(dest_dir).map_err(Error::io("create", dest_dir))?;
    let repos: BTreeMap<String, RepoConfig> =
        repositories(config)?.into_iter().map(|repo| (repo.id.clone(), repo)).collect();
    let mut handles = BTreeMap::new();
    let mut fetched = Vec::new();
    let mut needed = Vec::new();
    for package in packages.iter().filter(|package| package.action != PlannedAction::Remove) {
        let place = place(package, dest_dir);
        if !is_there(package, &place)? {
            if !handles.contains_key(&package.repository) {
                let id = &package.repository;
                let repo = repos.get(id).ok_or_else(|| Error::UnknownRepo(id.clone()))?;
                let handle = Handle::new(repo).map_err(|error| failed(package, &error))?;
                handles.insert(id.clone(), handle);
            }
            needed.push((package, place.clone()));
        }
        fetched.push(Fetched { package: package.clone(), file: Some(place) });
    }
    let transfers: Vec<_> = needed
        .iter()
        .map(|(package, place)| Transfer {
            handle: &handles[&package.repository],
            location: package.location.clone(),
            dest: part(place),
            checksum: package.checksum.clone(),
            size: package.download_bytes,
        })
        .collect();
    let total = transfers.iter().map(|transfer| transfer.size).sum();
    let step = |done| {
        let unit = ProgressUnit::Bytes;
        observer.progress(Progress::Step { done, total, unit, item: "packages".to_owned() });
    };
    if observer.cancelled() {
        return Err(Error::Cancelled);
    }
    let failures = fetch_whole(&transfers, observer, &step)?;
    if observer.cancelled() {
        return Err(Error::Cancelled);
    }
    let failures = failures.map_err(|error| Error::Library {
        doing: "cannot download packages".to_owned(),
        message: error.message,
    })?;
    let broken: Vec<usize> = failures.iter().map(|(at, _)| *at).collect();
    for (at, (_, place)) in needed.iter().enumerate() {
        if !broken.contains(&at) {
            fs::rename(part(place), place).map_err(Error::io("replace", place))?;
        }
    }
    match failures.into_iter().next() {
        Some((at, error)) => Err(failed(needed[at].0, &error)),
        None => Ok(fetched),
    }
}

fn place(package: &PlannedPackage, dest_dir: &Path) -> PathBuf {
    if package.repository == LOCAL {
        return PathBuf::from(&package.location);
    }
    // A name from metadata must not lead out of the directory.
    dest_dir.join(format!("{}.rpm", package.nevra).replace('/', "_"))
}

fn part(place: &Path) -> PathBuf {
    place.with_extension("rpm.part")
}

fn is_there(package: &PlannedPackage, place: &Path) -> Result<bool> {
    let file = match fs::File::open(place) {
        Ok(file) => file,
        Err(error) if package.repository == LOCAL => return Err(Error::io("read", place)(error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::io("read", place)(error)),
    };
    let Some((kind, digits)) = package.checksum.split_once(':') else { return Ok(true) };
    crate::ffi::checksum_matches(&file, kind, digits).map_err(|message| Error::Library {
        doing: format!("cannot check {}", place.display()),
        message,
    })
}

fn failed(package: &PlannedPackage, error: &TransferError) -> Error {
    let distrusted = error.is_damage() || error.is_distrust();
    let kind = if distrusted { FailureKind::Untrusted } else { FailureKind::Unavailable };
    Error::Download {
        package: package.nevra.to_string(),
        repo: package.repository.clone(),
        reason: error.message.clone(),
        kind,
    }
}
