//! Transfers by librepo: repomd.xml with its signature, then files, in parallel and resumable.

use super::{c_path, c_text, take, text};
use crate::RepoConfig;
use cambium_model::Observer;
use libdnf_sys::librepo as lr;
use std::cell::{Cell, RefCell};
use std::ffi::{CString, c_char, c_double, c_int, c_long, c_void};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};

/// What librepo said of a failed transfer.
#[derive(Debug, Clone)]
pub(crate) struct TransferError {
    /// An `LRE_` code; 0 where it said only text.
    pub code: i32,
    /// Its words.
    pub message: String,
}

impl TransferError {
    fn of(error: *mut glib_sys::GError) -> Self {
        let (code, message) = take(error);
        Self { code, message }
    }

    /// Whether what came is not what was promised.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(
            self.code,
            lr::LRE_BADCHECKSUM | lr::LRE_REPOMD | lr::LRE_REPOMDXML | lr::LRE_XMLPARSER
        ) || self.message.contains("hecksum")
            || self.message.contains("file size")
    }

    /// Whether a signature is bad or cannot be checked.
    pub(crate) fn is_distrust(&self) -> bool {
        matches!(self.code, lr::LRE_BADGPG | lr::LRE_GPGERROR)
    }
}

/// One file to fetch.
pub(crate) struct Transfer<'h> {
    pub handle: &'h Handle,
    /// Below the repository's URLs, or a whole URL.
    pub location: String,
    pub dest: PathBuf,
    /// `sha256:HEX`
    pub checksum: String,
    pub size: u64,
}

/// A connection to a repository's mirrors.
pub(crate) struct Handle {
    raw: *mut lr::LrHandle,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { lr::lr_handle_free(self.raw) }
    }
}

struct Watch<'o> {
    observer: &'o dyn Observer,
    step: &'o dyn Fn(u64),
    totals: &'o Cell<u64>,
    done: Cell<u64>,
    /// Why the last mirror failed: librepo's own error says only that all have.
    reason: RefCell<String>,
}

unsafe extern "C" fn on_progress(data: *mut c_void, _: c_double, now: c_double) -> c_int {
    // SAFETY: `data` is the watch that `fetch` keeps until the transfer is over.
    let watch = unsafe { &*data.cast::<Watch<'_>>() };
    // A panic must not cross C. It is the observer's defect and stops the transfer.
    let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        // A byte count is neither negative nor beyond 2^53.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let now = now.max(0.0) as u64;
        let all = (watch.totals.get() + now).saturating_sub(watch.done.replace(now));
        watch.totals.set(all);
        (watch.step)(all);
        watch.observer.cancelled()
    }));
    match answer {
        Ok(false) => lr::LR_CB_OK,
        _ => lr::LR_CB_ERROR,
    }
}

unsafe extern "C" fn on_mirror_failure(
    data: *mut c_void,
    message: *const c_char,
    _: *const c_char,
) -> c_int {
    // SAFETY: `data` is the watch that `fetch` keeps until the transfer is over.
    let watch = unsafe { &*data.cast::<Watch<'_>>() };
    watch.reason.replace(text(message));
    lr::LR_CB_OK
}

impl Handle {
    /// A handle with a repository's URLs, proxy and certificates.
    pub(crate) fn new(repo: &RepoConfig) -> Result<Self, TransferError> {
        // SAFETY: a new handle, ours.
        let handle = Self { raw: unsafe { lr::lr_handle_init() } };
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
        for (option, value) in [
            (lr::LRO_SSLVERIFYPEER, verify),
            (lr::LRO_SSLVERIFYHOST, verify),
            (lr::LRO_INTERRUPTIBLE, 0),
            (lr::LRO_CONNECTTIMEOUT, 30),
            (lr::LRO_LOWSPEEDTIME, 30),
            (lr::LRO_LOWSPEEDLIMIT, 1000),
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

    fn text(&self, option: c_int, value: &str) -> Result<(), TransferError> {
        let mut error = null_mut();
        let value = c_text(value);
        // SAFETY: these options take a string, which is copied.
        match unsafe { lr::lr_handle_setopt(self.raw, &raw mut error, option, value.as_ptr()) } {
            0 => Err(TransferError::of(error)),
            _ => Ok(()),
        }
    }

    fn list(&self, option: c_int, values: &[String]) -> Result<(), TransferError> {
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

    /// Imports a key (URL or path) into the GnuPG home `home`, against which repomd is checked.
    pub(crate) fn trust(&self, key: &str, home: &Path) -> Result<(), TransferError> {
        let mut error = null_mut();
        let local = key.strip_prefix("file://").unwrap_or(key);
        let path = if local.starts_with('/') {
            PathBuf::from(local)
        } else {
            let path = home.join("fetched.key");
            let file = std::fs::File::create(&path)
                .map_err(|error| TransferError { code: 0, message: error.to_string() })?;
            let url = c_text(key);
            // SAFETY: handle, URL and file live through the call.
            let done = unsafe {
                lr::lr_download_url(self.raw, url.as_ptr(), file.as_raw_fd(), &raw mut error)
            };
            if done == 0 {
                return Err(TransferError::of(error));
            }
            path
        };
        // SAFETY: both paths live through the call.
        let done = unsafe {
            lr::lr_gpg_import_key(c_path(&path).as_ptr(), c_path(home).as_ptr(), &raw mut error)
        };
        if done == 0 {
            return Err(TransferError::of(error));
        }
        self.text(lr::LRO_GNUPGHOMEDIR, &home.to_string_lossy())?;
        self.numbers(lr::LRO_GPGCHECK, 1)
    }

    /// Fetches `repodata/repomd.xml` alone into `dir`, checked by metalink and signature.
    pub(crate) fn fetch_repomd(
        &self,
        dir: &Path,
        observer: &dyn Observer,
    ) -> Result<(), TransferError> {
        self.text(lr::LRO_DESTDIR, &dir.to_string_lossy())?;
        self.list(lr::LRO_YUMDLIST, &[])?;
        let totals = Cell::new(0);
        let watch = Watch {
            observer,
            step: &|_| {},
            totals: &totals,
            done: Cell::new(0),
            reason: RefCell::default(),
        };
        let mut error = null_mut();
        // SAFETY: the watch outlives the call, after which the callback is unset.
        unsafe {
            let callback: lr::LrProgressCb = Some(on_progress);
            lr::lr_handle_setopt(self.raw, null_mut(), lr::LRO_PROGRESSCB, callback);
            lr::lr_handle_setopt(self.raw, null_mut(), lr::LRO_PROGRESSDATA, &raw const watch);
            let result = lr::lr_result_init();
            let done = lr::lr_handle_perform(self.raw, result, &raw mut error);
            lr::lr_result_free(result);
            let none: lr::LrProgressCb = None;
            lr::lr_handle_setopt(self.raw, null_mut(), lr::LRO_PROGRESSCB, none);
            if done == 0 { Err(TransferError::of(error)) } else { Ok(()) }
        }
    }

    /// Fetches files in parallel; `step` is told the bytes of all. An error for each that failed,
    /// by its place in `files`; `Err` where the observer stopped it.
    pub(crate) fn fetch(
        files: &[Transfer<'_>],
        observer: &dyn Observer,
        step: &dyn Fn(u64),
    ) -> Result<Vec<(usize, TransferError)>, TransferError> {
        let totals = Cell::new(0);
        let watches: Vec<_> = files
            .iter()
            .map(|_| Watch {
                observer,
                step,
                totals: &totals,
                done: Cell::new(0),
                reason: RefCell::default(),
            })
            .collect();
        let mut targets: Vec<*mut lr::LrPackageTarget> = Vec::new();
        let mut failed = Vec::new();
        let mut error = null_mut();
        // SAFETY: texts are copied; watches and handles outlive the call; targets are freed once.
        unsafe {
            let mut list = null_mut();
            for (file, watch) in files.iter().zip(&watches) {
                let (kind, digits) = file.checksum.split_once(':').unwrap_or_default();
                let whole = file.location.contains("://");
                let (base, relative) = match file.location.rsplit_once('/') {
                    Some((base, name)) if whole => (Some(c_text(base)), name),
                    _ => (None, file.location.as_str()),
                };
                let target = lr::lr_packagetarget_new_v2(
                    file.handle.raw,
                    c_text(relative).as_ptr(),
                    c_path(&file.dest).as_ptr(),
                    lr::lr_checksum_type(c_text(kind).as_ptr()),
                    c_text(digits).as_ptr(),
                    i64::try_from(file.size).unwrap_or(i64::MAX),
                    base.as_ref().map_or(null(), |base| base.as_ptr()),
                    1,
                    Some(on_progress),
                    (&raw const *watch).cast_mut().cast(),
                    None,
                    Some(on_mirror_failure),
                    &raw mut error,
                );
                if target.is_null() {
                    glib_sys::g_slist_free(list);
                    targets.iter().for_each(|target| lr::lr_packagetarget_free(*target));
                    return Err(TransferError::of(error));
                }
                targets.push(target);
                list = glib_sys::g_slist_append(list, target.cast());
            }
            let done = lr::lr_download_packages(list, 0, &raw mut error);
            glib_sys::g_slist_free(list);
            for (at, target) in targets.iter().enumerate() {
                let message = text((**target).err);
                let there = message.is_empty() || message == "Already downloaded";
                if !there {
                    let message = match watches[at].reason.borrow().as_str() {
                        "" => message,
                        reason => format!("{message}; last error: {reason}"),
                    };
                    failed.push((at, TransferError { code: 0, message }));
                }
                lr::lr_packagetarget_free(*target);
            }
            if done == 0 { Err(TransferError::of(error)) } else { Ok(failed) }
        }
    }
}

/// Whether a file has the checksum `kind`:`digits`.
pub(crate) fn checksum_matches(
    file: &std::fs::File,
    kind: &str,
    digits: &str,
) -> Result<bool, String> {
    let mut matches = 0;
    let mut error = null_mut();
    // SAFETY: the file is open, the texts live through the call; nothing is written.
    unsafe {
        let kind = lr::lr_checksum_type(c_text(kind).as_ptr());
        let digits = c_text(digits);
        let fd = file.as_raw_fd();
        match lr::lr_checksum_fd_cmp(kind, fd, digits.as_ptr(), 0, &raw mut matches, &raw mut error)
        {
            0 => Err(take(error).1),
            _ => Ok(matches != 0),
        }
    }
}
