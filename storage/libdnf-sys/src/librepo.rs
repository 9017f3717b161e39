//! The few functions of librepo (`librepo.so.0`) that Cambium calls, declared by hand.
//!
//! libdnf is linked to librepo and downloads through it; its own calls fetch more than is needed,
//! keep nothing of a broken transfer and say errors only as text. Numbers and shapes are librepo's
//! public ABI (librepo/handle.h, package_downloader.h, rcodes.h of 1.14); the soname stands for
//! them.

use glib_sys::{GError, GSList, GStringChunk, gboolean};
use std::ffi::{c_char, c_double, c_int, c_long, c_void};

/// A configured connection to one repository.
#[repr(C)]
pub struct LrHandle {
    _private: [u8; 0],
}

/// What [`lr_handle_perform`] found.
#[repr(C)]
pub struct LrResult {
    _private: [u8; 0],
}

/// `LrHandleOption`: what [`lr_handle_setopt`] sets. Beside each stands the type of its argument.
pub type LrHandleOption = c_int;
/// `char **`, ends with null: base URLs.
pub const LRO_URLS: LrHandleOption = 1;
/// `char *`
pub const LRO_MIRRORLISTURL: LrHandleOption = 3;
/// `char *`
pub const LRO_METALINKURL: LrHandleOption = 4;
/// `char *`, `user:password`
pub const LRO_USERPWD: LrHandleOption = 7;
/// `char *`
pub const LRO_PROXY: LrHandleOption = 8;
/// `char *`, `user:password`
pub const LRO_PROXYUSERPWD: LrHandleOption = 12;
/// [`LrProgressCb`]
pub const LRO_PROGRESSCB: LrHandleOption = 13;
/// `void *`
pub const LRO_PROGRESSDATA: LrHandleOption = 14;
/// `char *`
pub const LRO_DESTDIR: LrHandleOption = 16;
/// `long`, [`LR_YUMREPO`]
pub const LRO_REPOTYPE: LrHandleOption = 17;
/// `long`, seconds
pub const LRO_CONNECTTIMEOUT: LrHandleOption = 18;
/// `long`, 0 or 1
pub const LRO_INTERRUPTIBLE: LrHandleOption = 20;
/// `char *`
pub const LRO_USERAGENT: LrHandleOption = 21;
/// `long`
pub const LRO_MAXPARALLELDOWNLOADS: LrHandleOption = 24;
/// `long`, seconds
pub const LRO_LOWSPEEDTIME: LrHandleOption = 32;
/// `long`, bytes a second
pub const LRO_LOWSPEEDLIMIT: LrHandleOption = 33;
/// `char **`, ends with null: the kinds of metadata to fetch; empty for repomd.xml alone.
pub const LRO_YUMDLIST: LrHandleOption = 36;
/// [`LrHandleMirrorFailureCb`]; its pointer is that of `LRO_PROGRESSDATA`.
pub const LRO_HMFCB: LrHandleOption = 38;
/// `long`, 0 or 1
pub const LRO_SSLVERIFYPEER: LrHandleOption = 39;
/// `long`, 0 or 1
pub const LRO_SSLVERIFYHOST: LrHandleOption = 40;
/// `char *`
pub const LRO_SSLCLIENTCERT: LrHandleOption = 48;
/// `char *`
pub const LRO_SSLCLIENTKEY: LrHandleOption = 49;
/// `char *`
pub const LRO_SSLCACERT: LrHandleOption = 50;

/// `long`, 0 or 1: whether the server must prove by OCSP stapling that its certificate holds.
pub const LRO_SSLVERIFYSTATUS: LrHandleOption = 58;

/// `LrResultInfoOption`: what [`lr_result_getinfo`] reads. `LrYumRepo **`.
pub const LRR_YUM_REPO: c_int = 0;

/// The repository type rpm-md.
pub const LR_YUMREPO: c_long = 1 << 1;

/// `LrChecksumType`
pub type LrChecksumType = c_int;

/// `LrRc`, the code of every `GError` that librepo sets.
pub type LrRc = c_int;
/// The server answered with a status that is no success.
pub const LRE_BADSTATUS: LrRc = 10;
/// A mirror list or metalink lacks what it must say.
pub const LRE_MLBAD: LrRc = 15;
/// A metalink cannot be read.
pub const LRE_MLXML: LrRc = 16;
/// A checksum does not match.
pub const LRE_BADCHECKSUM: LrRc = 17;
/// repomd.xml cannot be read.
pub const LRE_REPOMDXML: LrRc = 18;
/// The file is there already.
pub const LRE_ALREADYDOWNLOADED: LrRc = 29;
/// XML cannot be read.
pub const LRE_XMLPARSER: LrRc = 34;
/// A callback stopped the transfer.
pub const LRE_CBINTERRUPTED: LrRc = 35;
/// repomd.xml lacks what it must say.
pub const LRE_REPOMD: LrRc = 36;

/// A callback's answer: go on.
pub const LR_CB_OK: c_int = 0;
/// A callback's answer: give this transfer up.
pub const LR_CB_ABORT: c_int = 1;
/// A callback's answer: stop every transfer.
pub const LR_CB_ERROR: c_int = 2;

/// `LR_PACKAGEDOWNLOAD_FAILFAST`: the first failure stops the others.
pub const LR_PACKAGEDOWNLOAD_FAILFAST: c_int = 1 << 0;

/// Called with the user's pointer, the total (0 if unknown) and what is done, in bytes.
pub type LrProgressCb = Option<unsafe extern "C" fn(*mut c_void, c_double, c_double) -> c_int>;
/// Called when a transfer is over: the user's pointer, `LrTransferStatus`, a message or null.
pub type LrEndCb = Option<unsafe extern "C" fn(*mut c_void, c_int, *const c_char) -> c_int>;
/// Called when a mirror fails: the user's pointer, a message, the URL.
pub type LrMirrorFailureCb =
    Option<unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char) -> c_int>;

/// The same for what a handle fetches: the last argument is the kind of metadata.
pub type LrHandleMirrorFailureCb =
    Option<unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, *const c_char) -> c_int>;

/// What [`LRR_YUM_REPO`] gives; it belongs to its result.
#[repr(C)]
pub struct LrYumRepo {
    /// The files of it.
    pub paths: *mut GSList,
    /// Where repomd.xml is.
    pub repomd: *mut c_char,
    /// The mirror that repomd.xml came from; may be null.
    pub url: *mut c_char,
    /// Where all of it is.
    pub destdir: *mut c_char,
    /// Where the signature is; may be null.
    pub signature: *mut c_char,
    /// Where the mirror list is; may be null.
    pub mirrorlist: *mut c_char,
    /// Where the metalink is; may be null.
    pub metalink: *mut c_char,
    /// Whether zchunk files are used.
    pub use_zchunk: gboolean,
}

/// One file to download.
#[repr(C)]
pub struct LrPackageTarget {
    /// From where.
    pub handle: *mut LrHandle,
    /// Relative to the handle's URLs, or to `base_url`.
    pub relative_url: *mut c_char,
    /// The file to write.
    pub dest: *mut c_char,
    /// Instead of the handle's URLs; may be null.
    pub base_url: *mut c_char,
    /// The checksum's type; 0 for none.
    pub checksum_type: LrChecksumType,
    /// In hexadecimal digits; may be null.
    pub checksum: *mut c_char,
    /// In bytes; 0 for unknown.
    pub expectedsize: i64,
    /// Whether a file begun is continued.
    pub resume: gboolean,
    /// May be none.
    pub progresscb: LrProgressCb,
    /// The callbacks' pointer.
    pub cbdata: *mut c_void,
    /// May be none.
    pub endcb: LrEndCb,
    /// May be none.
    pub mirrorfailurecb: LrMirrorFailureCb,
    /// First byte of a range.
    pub byterangestart: i64,
    /// Last byte of a range; 0 for all.
    pub byterangeend: i64,
    /// Set by [`lr_download_packages`]: where the file is.
    pub local_path: *mut c_char,
    /// Set by [`lr_download_packages`]: what went wrong, or null.
    pub err: *mut c_char,
    /// Owns the strings.
    pub chunk: *mut GStringChunk,
}

unsafe extern "C" {
    /// Prepares libcurl and the like; idempotent.
    pub fn lr_global_init();
    /// A new handle.
    pub fn lr_handle_init() -> *mut LrHandle;
    /// Frees a handle.
    pub fn lr_handle_free(handle: *mut LrHandle);
    /// Sets an option; the last argument is of the type that the option says.
    pub fn lr_handle_setopt(
        handle: *mut LrHandle,
        error: *mut *mut GError,
        option: LrHandleOption,
        ...
    ) -> gboolean;
    /// Fetches a repository's metadata.
    pub fn lr_handle_perform(
        handle: *mut LrHandle,
        result: *mut LrResult,
        error: *mut *mut GError,
    ) -> gboolean;
    /// A new result.
    pub fn lr_result_init() -> *mut LrResult;
    /// Frees a result.
    pub fn lr_result_free(result: *mut LrResult);
    /// The checksum type of a name such as `sha256`; 0 for an unknown one.
    pub fn lr_checksum_type(name: *const c_char) -> LrChecksumType;
    /// Whether a file has a checksum; `caching` would write an extended attribute.
    pub fn lr_checksum_fd_cmp(
        kind: LrChecksumType,
        fd: c_int,
        expected: *const c_char,
        caching: gboolean,
        matches: *mut gboolean,
        error: *mut *mut GError,
    ) -> gboolean;
    /// Checks the detached signature of a file by the keys of a GnuPG home.
    pub fn lr_gpg_check_signature(
        signature_file: *const c_char,
        data_file: *const c_char,
        home: *const c_char,
        error: *mut *mut GError,
    ) -> gboolean;
    /// Reads of a result what the option says; the last argument is of the type said there.
    pub fn lr_result_getinfo(
        result: *mut LrResult,
        error: *mut *mut GError,
        option: c_int,
        ...
    ) -> gboolean;
    /// Imports a key file into a GnuPG home.
    pub fn lr_gpg_import_key(
        key_file: *const c_char,
        home: *const c_char,
        error: *mut *mut GError,
    ) -> gboolean;
    /// A new target; strings are copied.
    pub fn lr_packagetarget_new_v2(
        handle: *mut LrHandle,
        relative_url: *const c_char,
        dest: *const c_char,
        checksum_type: LrChecksumType,
        checksum: *const c_char,
        expected_size: i64,
        base_url: *const c_char,
        resume: gboolean,
        progress: LrProgressCb,
        data: *mut c_void,
        end: LrEndCb,
        mirror_failure: LrMirrorFailureCb,
        error: *mut *mut GError,
    ) -> *mut LrPackageTarget;
    /// Frees a target.
    pub fn lr_packagetarget_free(target: *mut LrPackageTarget);
    /// Downloads targets in parallel, of one or several handles.
    pub fn lr_download_packages(
        targets: *mut GSList,
        flags: c_int,
        error: *mut *mut GError,
    ) -> gboolean;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn a_target_has_the_shape_of_librepos() {
        assert_eq!(size_of::<LrPackageTarget>(), 136);
        assert_eq!(offset_of!(LrPackageTarget, local_path), 112);
        assert_eq!(offset_of!(LrPackageTarget, err), 120);
        assert_eq!((offset_of!(LrYumRepo, url), size_of::<LrYumRepo>()), (16, 64));
    }

    #[test]
    fn a_target_made_by_librepo_reads_back() {
        // SAFETY: the handle and the target are freed once; every string lives through the call.
        unsafe {
            lr_global_init();
            let handle = lr_handle_init();
            let sha256 = lr_checksum_type(c"sha256".as_ptr());
            assert_ne!(sha256, 0);
            let target = lr_packagetarget_new_v2(
                handle,
                c"a.rpm".as_ptr(),
                c"/tmp/a".as_ptr(),
                sha256,
                c"00".as_ptr(),
                7,
                c"file:///x".as_ptr(),
                1,
                None,
                std::ptr::null_mut(),
                None,
                None,
                std::ptr::null_mut(),
            );
            let read = |text| std::ffi::CStr::from_ptr(text);
            assert_eq!(read((*target).relative_url), c"a.rpm");
            assert_eq!(read((*target).checksum), c"00");
            assert_eq!(((*target).expectedsize, (*target).checksum_type), (7, sha256));
            assert!((*target).err.is_null());
            lr_packagetarget_free(target);
            lr_handle_free(handle);
        }
    }
}
