//! A connection to one repository: librepo's settings for it, and the keys that vouch for it.

use super::{TransferError, c_path, c_text, take};
use crate::RepoConfig;
use libdnf_sys::librepo as lr;
use std::ffi::{CString, c_char, c_int, c_long};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};

/// A connection to a repository's mirrors.
pub(crate) struct Handle {
    pub(super) raw: *mut lr::LrHandle,
    /// Whether there is but one place to fetch from.
    pub(super) lone: bool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { lr::lr_handle_free(self.raw) }
    }
}

impl Handle {
    /// A handle with a repository's URLs, proxy, certificates and patience.
    pub(crate) fn new(repo: &RepoConfig) -> Result<Self, TransferError> {
        let lone = repo.baseurl.len() == 1 && repo.mirrorlist.is_none() && repo.metalink.is_none();
        // SAFETY: a new handle, ours.
        let handle = Self { raw: unsafe { lr::lr_handle_init() }, lone };
        let urls: Vec<String> = repo
            .baseurl
            .iter()
            .map(|url| if url.starts_with('/') { format!("file://{url}") } else { url.clone() })
            .collect();
        handle.numbers(lr::LRO_REPOTYPE, lr::LR_YUMREPO)?;
        handle.list(lr::LRO_URLS, &urls)?;
        handle.text(lr::LRO_USERAGENT, "cambium")?;
        let certificate =
            |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        for (option, value) in [
            (lr::LRO_MIRRORLISTURL, repo.mirrorlist.clone()),
            (lr::LRO_METALINKURL, repo.metalink.clone()),
            (lr::LRO_PROXY, repo.proxy.clone()),
            (lr::LRO_PROXYUSERPWD, repo.proxy_auth.clone()),
            (lr::LRO_USERPWD, repo.auth.clone()),
            (lr::LRO_SSLCACERT, certificate(&repo.sslcacert)),
            (lr::LRO_SSLCLIENTCERT, certificate(&repo.sslclientcert)),
            (lr::LRO_SSLCLIENTKEY, certificate(&repo.sslclientkey)),
        ] {
            if let Some(value) = value {
                handle.text(option, &value)?;
            }
        }
        let verify = c_long::from(repo.sslverify);
        let patience = c_long::try_from(repo.timeout).unwrap_or(c_long::MAX);
        for (option, value) in [
            (lr::LRO_SSLVERIFYPEER, verify),
            (lr::LRO_SSLVERIFYHOST, verify),
            (lr::LRO_SSLVERIFYSTATUS, c_long::from(repo.sslverifystatus)),
            (lr::LRO_INTERRUPTIBLE, 0),
            (lr::LRO_CONNECTTIMEOUT, patience),
            (lr::LRO_LOWSPEEDTIME, patience),
            (lr::LRO_LOWSPEEDLIMIT, c_long::try_from(repo.minrate).unwrap_or(c_long::MAX)),
            (lr::LRO_MAXPARALLELDOWNLOADS, 5),
        ] {
            handle.numbers(option, value)?;
        }
        Ok(handle)
    }

    fn numbers(&self, option: c_int, value: c_long) -> Result<(), TransferError> {
        let mut error = null_mut();
        // SAFETY: these options take a long.
        match unsafe { lr::lr_handle_setopt(self.raw, &raw mut error, option, value) } {
            0 => Err(TransferError::of(error)),
            _ => Ok(()),
        }
    }

    pub(super) fn text(&self, option: c_int, value: &str) -> Result<(), TransferError> {
        let mut error = null_mut();
        let value = c_text(value);
        // SAFETY: these options take a string, which is copied.
        match unsafe { lr::lr_handle_setopt(self.raw, &raw mut error, option, value.as_ptr()) } {
            0 => Err(TransferError::of(error)),
            _ => Ok(()),
        }
    }

    pub(super) fn list(&self, option: c_int, values: &[String]) -> Result<(), TransferError> {
        let mut error = null_mut();
        let values: Vec<CString> = values.iter().map(|value| c_text(value)).collect();
        let mut raws: Vec<*const c_char> = values.iter().map(|value| value.as_ptr()).collect();
        raws.push(null());
        // SAFETY: these options take an array of strings that ends with null and is copied.
        match unsafe { lr::lr_handle_setopt(self.raw, &raw mut error, option, raws.as_ptr()) } {
            0 => Err(TransferError::of(error)),
            _ => Ok(()),
        }
    }
}

/// Imports a key file into a GnuPG home.
pub(crate) fn import_key(key: &Path, home: &Path) -> Result<(), String> {
    let mut error = null_mut();
    let (key, home) = (c_path(key), c_path(home));
    // SAFETY: both paths live through the call.
    match unsafe { lr::lr_gpg_import_key(key.as_ptr(), home.as_ptr(), &raw mut error) } {
        0 => Err(take(error).1),
        _ => Ok(()),
    }
}

/// Whether `signature` is one of `data` by a key of a GnuPG home; the error says why not.
pub(crate) fn check_signature(signature: &Path, data: &Path, home: &Path) -> Result<(), String> {
    let mut error = null_mut();
    let (signature, data, home) = (c_path(signature), c_path(data), c_path(home));
    // SAFETY: the paths live through the call.
    let good = unsafe {
        let (signature, data) = (signature.as_ptr(), data.as_ptr());
        lr::lr_gpg_check_signature(signature, data, home.as_ptr(), &raw mut error)
    };
    if good == 0 { Err(take(error).1) } else { Ok(()) }
}
