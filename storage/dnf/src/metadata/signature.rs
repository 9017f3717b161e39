//! Whether repomd.xml is signed by a key that the repository's configuration names.
//!
//! The keys are imported anew for each check into a GnuPG home of our own, so that a key which is
//! not named any more vouches for nothing. Keys are files of the host: one that came over the same
//! wire would vouch for anything.

use crate::ffi::{check_signature, import_key};
use crate::{Config, Error, RepoConfig, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Checks `signature` over `repomd`; the keyring is made below `cache` and removed again.
pub(super) fn check(
    config: &Config,
    repo: &RepoConfig,
    repomd: &Path,
    signature: &Path,
    cache: &Path,
) -> Result<()> {
    let home = cache.join("gpg");
    if home.exists() {
        fs::remove_dir_all(&home).map_err(Error::io("remove", &home))?;
    }
    fs::create_dir_all(&home).map_err(Error::io("create", &home))?;
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700))
        .map_err(Error::io("change the mode of", &home))?;
    let checked = in_home(config, repo, repomd, signature, &home);
    fs::remove_dir_all(&home).map_err(Error::io("remove", &home))?;
    checked
}

fn in_home(
    config: &Config,
    repo: &RepoConfig,
    repomd: &Path,
    signature: &Path,
    home: &Path,
) -> Result<()> {
    let untrusted = |what: String| Error::Untrusted { repo: repo.id.clone(), what };
    if !signature.exists() {
        return Err(untrusted(format!(
            "repomd.xml is not signed: {} does not exist",
            signature.display()
        )));
    }
    for key in &repo.gpgkey {
        let file =
            key_file(config, key).ok_or_else(|| untrusted(format!("key {key} is no file")))?;
        import_key(&file, home).map_err(|why| untrusted(format!("key {key}: {why}")))?;
    }
    check_signature(signature, repomd, home).map_err(|why| {
        let (place, keys) = (repo.place(), repo.gpgkey.join(", "));
        untrusted(format!("signature of repomd.xml from {place} by none of {keys}: {why}"))
    })
}

/// The file of a key: below the root that is configured where it is there, else on this machine.
fn key_file(config: &Config, key: &str) -> Option<PathBuf> {
    let path = key.strip_prefix("file://").unwrap_or(key);
    let relative = path.strip_prefix('/')?;
    let in_root = config.keys_root.as_ref().map(|root| root.join(relative));
    Some(in_root.filter(|path| path.exists()).unwrap_or_else(|| PathBuf::from(path)))
}
