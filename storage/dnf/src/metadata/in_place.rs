//! A repository on this machine, used where it is and checked before that.

use super::{Metadata, Wanted, kinds, read_repomd, repo_files, signature};
use crate::ffi::checksum_matches;
use crate::repomd::MetadataFile;
use crate::{Config, Error, RepoConfig, Result};
use std::fs;
use std::path::Path;

/// Uses a repository on this machine where it is. Its files are checked once for each state of
/// them: `verified` in the cache keeps the checksum, size and time of what was found good.
pub(super) fn in_place(
    config: &Config,
    repo: &RepoConfig,
    dir: &Path,
    cache: &Path,
    wanted: Wanted,
) -> Result<Metadata> {
    let path = dir.join("repodata/repomd.xml");
    let unavailable = |reason: String| Error::Unavailable { repo: repo.id.clone(), reason };
    if !path.exists() {
        return Err(unavailable(format!("{} does not exist", path.display())));
    }
    if repo.repo_gpgcheck {
        signature::check(config, repo, &path, &path.with_extension("xml.asc"), cache)?;
    }
    let repomd = read_repomd(&repo.id, &path, &path.display().to_string(), config)?
        .ok_or_else(|| unavailable(format!("{} does not exist", path.display())))?;
    let stamp_path = cache.join("verified");
    let before = fs::read_to_string(&stamp_path).unwrap_or_default();
    let mut stamp = String::new();
    for (_, file) in kinds(wanted, &repomd) {
        let path = dir.join(&file.location);
        let damaged = |what: &str| Error::Damaged {
            repo: repo.id.clone(),
            what: format!("{}: {what}", path.display()),
        };
        let open = fs::File::open(&path)
            .map_err(|error| unavailable(format!("{}: {error}", path.display())))?;
        let found = open.metadata().map_err(Error::io("read", &path))?;
        if file.size != 0 && found.len() != file.size {
            return Err(damaged(&format!("has {} bytes, not {}", found.len(), file.size)));
        }
        let modified = found.modified().map_err(Error::io("read", &path))?;
        let line = format!("{} {} {modified:?}\n", file.checksum, found.len());
        if !before.contains(&line) {
            let good = checksum_matches(&open, &file.checksum_type, &file.checksum)
                .map_err(|what| damaged(&what))?;
            if !good {
                return Err(damaged("checksum does not match"));
            }
        }
        stamp.push_str(&line);
    }
    if !before.contains(&stamp) {
        let part = cache.join("verified.part");
        fs::write(&part, stamp).map_err(Error::io("write", &part))?;
        fs::rename(&part, &stamp_path).map_err(Error::io("replace", &stamp_path))?;
    }
    let place = |file: &MetadataFile| dir.join(&file.location);
    let timestamp = repomd.timestamp;
    let files = repo_files(repo, path, wanted, &repomd, &place);
    Ok(Metadata { files, timestamp, cached: true, stale: None })
}
