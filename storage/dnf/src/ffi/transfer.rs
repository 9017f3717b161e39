//! Transfers by librepo: repomd.xml, then files, in parallel and resumable.
//!
//! librepo tries other mirrors, and then the same again, up to four times. A mirror that was
//! silent for the repository's `timeout=` is not tried again: a person would wait four times as
//! long as was configured. Where there is one mirror and the connection broke off, librepo is
//! stopped, so that what came can be continued.

use super::{Handle, c_path, c_text, take, text};
use cambium_model::Observer;
use libdnf_sys::librepo as lr;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ffi::{c_char, c_double, c_int, c_void};
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
    pub(super) fn of(error: *mut glib_sys::GError) -> Self {
        let (code, message) = take(error);
        Self { code, message }
    }

    /// Whether what came is not what was promised.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(
            self.code,
            lr::LRE_BADCHECKSUM
                | lr::LRE_REPOMD
                | lr::LRE_REPOMDXML
                | lr::LRE_XMLPARSER
                | lr::LRE_MLBAD
                | lr::LRE_MLXML
        ) || ["hecksum", "file size", "Inconsistent server data"]
            .iter()
            .any(|words| self.message.contains(words))
    }

    /// Whether the transfer broke off, so that what came of the file is its beginning: a page that
    /// a server sends with a refusal is not.
    pub(crate) fn is_interruption(&self) -> bool {
        let broke = self.code == lr::LRE_CBINTERRUPTED || self.message.contains("Curl error");
        broke && !self.is_damage() && !self.message.contains("Status code")
    }

    /// Whether a connection broke off that may hold when it is tried again.
    pub(crate) fn may_be_continued(&self) -> bool {
        self.is_interruption() && BROKEN.iter().any(|code| self.message.contains(code))
    }

    /// Whether the server's certificate is not good.
    pub(crate) fn is_distrust(&self) -> bool {
        // CURLE_PEER_FAILED_VERIFICATION, SSL_ISSUER_ERROR, SSL_INVALIDCERTSTATUS.
        ["(60)", "(83)", "(91)"].iter().any(|code| self.message.contains(&format!("error {code}")))
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

struct Watch<'o> {
    observer: &'o dyn Observer,
    step: &'o dyn Fn(u64),
    totals: &'o Cell<u64>,
    done: Cell<u64>,
    /// Why the last mirror failed: librepo's own error says only that all have.
    reason: RefCell<String>,
    /// Whether there is but one mirror.
    lone: bool,
    /// Whether the caller continues a file that broke off.
    continued: bool,
    /// The URLs that were silent.
    silent: RefCell<BTreeSet<String>>,
}

/// CURLE_PARTIAL_FILE, CURLE_RECV_ERROR and CURLE_HTTP2_STREAM: a connection broke off.
const BROKEN: [&str; 3] = ["Curl error (18)", "Curl error (56)", "Curl error (92)"];

impl<'o> Watch<'o> {
    fn new(
        observer: &'o dyn Observer,
        step: &'o dyn Fn(u64),
        totals: &'o Cell<u64>,
        lone: bool,
    ) -> Self {
        let (done, reason, silent) = (Cell::new(0), RefCell::default(), RefCell::default());
        Self { observer, step, totals, done, reason, lone, continued: false, silent }
    }

    /// Keeps why a mirror failed, and says whether to go on.
    fn failed(&self, message: &str, url: &str) -> c_int {
        self.reason.replace(match message.contains(url) {
            true => message.to_owned(),
            false => format!("{message} ({url})"),
        });
        // CURLE_OPERATION_TIMEDOUT.
        let silent = message.contains("Curl error (28)");
        let again = silent && !self.silent.borrow_mut().insert(url.to_owned());
        // Trying again, librepo would throw away what has come.
        let broken = self.continued && BROKEN.iter().any(|code| message.contains(code));
        if again || (self.lone && (silent || broken)) { lr::LR_CB_ABORT } else { lr::LR_CB_OK }
    }

    /// librepo's error with the reason that it leaves out.
    fn explain(&self, error: TransferError) -> TransferError {
        match self.reason.take() {
            reason if reason.is_empty() || error.message.contains(&reason) => error,
            reason => {
                let message = format!("{}; last error: {reason}", error.message);
                TransferError { message, ..error }
            }
        }
    }
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
    url: *const c_char,
) -> c_int {
    // SAFETY: `data` is the watch that `fetch` keeps until the transfer is over.
    let watch = unsafe { &*data.cast::<Watch<'_>>() };
    watch.failed(&text(message), &text(url))
}

unsafe extern "C" fn on_repomd_failure(
    data: *mut c_void,
    message: *const c_char,
    url: *const c_char,
    _: *const c_char,
) -> c_int {
    // SAFETY: as above; `data` is what `fetch_repomd` set.
    unsafe { on_mirror_failure(data, message, url) }
}

impl Handle {
    /// Fetches `repodata/repomd.xml` alone into `dir`, checked by the metalink's checksum where
    /// there is one. Answers the mirror that it came from.
    pub(crate) fn fetch_repomd(
        &self,
        dir: &Path,
        observer: &dyn Observer,
    ) -> Result<String, TransferError> {
        self.text(lr::LRO_DESTDIR, &dir.to_string_lossy())?;
        self.list(lr::LRO_YUMDLIST, &[])?;
        let totals = Cell::new(0);
        let watch = Watch::new(observer, &|_| {}, &totals, self.lone);
        let mut error = null_mut();
        // SAFETY: the watch outlives the call, after which the callbacks are unset; what the
        // result gives is copied before the result is freed.
        unsafe {
            let progress: lr::LrProgressCb = Some(on_progress);
            let failure: lr::LrHandleMirrorFailureCb = Some(on_repomd_failure);
            lr::lr_handle_setopt(self.raw, null_mut(), lr::LRO_PROGRESSCB, progress);
            lr::lr_handle_setopt(self.raw, null_mut(), lr::LRO_HMFCB, failure);
            lr::lr_handle_setopt(self.raw, null_mut(), lr::LRO_PROGRESSDATA, &raw const watch);
            let result = lr::lr_result_init();
            let done = lr::lr_handle_perform(self.raw, result, &raw mut error);
            let mut found: *mut lr::LrYumRepo = null_mut();
            lr::lr_result_getinfo(result, null_mut(), lr::LRR_YUM_REPO, &raw mut found);
            let mirror = if found.is_null() { String::new() } else { text((*found).url) };
            lr::lr_result_free(result);
            let (progress, failure): (lr::LrProgressCb, lr::LrHandleMirrorFailureCb) = (None, None);
            lr::lr_handle_setopt(self.raw, null_mut(), lr::LRO_PROGRESSCB, progress);
            lr::lr_handle_setopt(self.raw, null_mut(), lr::LRO_HMFCB, failure);
            if done == 0 { Err(watch.explain(TransferError::of(error))) } else { Ok(mirror) }
        }
    }

    /// Fetches files in parallel; `step` is told the bytes of all. An error for each that failed,
    /// by its place in `files`; `Err` where the observer stopped it.
    pub(crate) fn fetch(
        files: &[&Transfer<'_>],
        observer: &dyn Observer,
        step: &dyn Fn(u64),
    ) -> Result<Vec<(usize, TransferError)>, TransferError> {
        let totals = Cell::new(0);
        let watches: Vec<_> = files
            .iter()
            .map(|file| {
                let lone = file.handle.lone || file.location.contains("://");
                Watch { continued: true, ..Watch::new(observer, step, &totals, lone) }
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
                // librepo compares the whole size with what is left to come, and would refuse to
                // continue any file; of one that is begun the checksum alone decides.
                let begun = std::fs::metadata(&file.dest).is_ok_and(|found| found.len() > 0);
                let size = if begun { 0 } else { file.size };
                let target = lr::lr_packagetarget_new_v2(
                    file.handle.raw,
                    c_text(relative).as_ptr(),
                    c_path(&file.dest).as_ptr(),
                    lr::lr_checksum_type(c_text(kind).as_ptr()),
                    c_text(digits).as_ptr(),
                    i64::try_from(size).unwrap_or(i64::MAX),
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
                    failed.push((at, watches[at].explain(TransferError { code: 0, message })));
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
