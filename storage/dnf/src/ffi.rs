//! The only unsafe code of this crate: libdnf's, libsolv's and librepo's C behind safe types.
//!
//! Owns lifetimes (a package borrows its sack, since libdnf holds no reference), `Drop`, the
//! conversion of C strings and errors. Decides nothing. Callers hold `cambium_native::hold()`.

#![allow(unsafe_code)]

mod handle;
mod sack;
mod solve;
mod transfer;

pub(crate) use handle::{Handle, check_signature, import_key};
pub(crate) use sack::{Package, RepoFiles, Sack};
pub(crate) use solve::{Solved, Solver};
pub(crate) use transfer::{Transfer, TransferError, checksum_matches};

use glib_sys::{GError, GPtrArray};
use std::ffi::{CStr, CString, c_char};
use std::path::Path;
use std::sync::Once;

/// Prepares rpm's and librepo's globals once, and sets where the rpmdb is.
///
/// libsolv reads rpm's configuration anew when it first opens an rpmdb, and the `_dbpath` of that
/// (on Debian below root's home) then hides ours. Only macros of the command line's context are
/// put back by rpm after such a reading, so it stands there too. It is set again for each call,
/// since other users of rpm in this process may reset it.
pub(crate) fn prepare() {
    static ONCE: Once = Once::new();
    // SAFETY: the caller holds the lock of the C libraries; null stands for the defaults, and
    // the command line's context is a static of rpm's.
    ONCE.call_once(|| unsafe {
        libdnf_sys::librepo::lr_global_init();
        libdnf_sys::rpmReadConfigFiles(std::ptr::null(), std::ptr::null());
        push_dbpath(libdnf_sys::rpmCLIMacroContext);
    });
    // SAFETY: as above; a null context is the global one.
    unsafe {
        libdnf_sys::rpmPopMacro(std::ptr::null_mut(), c"_dbpath".as_ptr());
        push_dbpath(std::ptr::null_mut());
    }
}

/// # Safety
/// `context` is a macro context of rpm's, and the lock of the C libraries is held.
unsafe fn push_dbpath(context: libdnf_sys::rpmMacroContext) {
    let (name, path) = (c"_dbpath".as_ptr(), c"/usr/share/rpm".as_ptr());
    let level = libdnf_sys::RMIL_CMDLINE;
    // SAFETY: the texts are constants and copied.
    unsafe { libdnf_sys::rpmPushMacro(context, name, std::ptr::null(), path, level) };
}

/// Text for C. What follows a NUL byte is cut off: no name, URL or path of ours may hold one.
fn c_text(text: &str) -> CString {
    let whole = text.split('\0').next().unwrap_or_default();
    CString::new(whole).unwrap_or_default()
}

fn c_path(path: &Path) -> CString {
    c_text(&path.to_string_lossy())
}

/// A C string as owned text; empty for null.
fn text(raw: *const c_char) -> String {
    if raw.is_null() {
        return String::new();
    }
    // SAFETY: not null, and every caller passes a string that C ended with NUL.
    unsafe { CStr::from_ptr(raw) }.to_string_lossy().into_owned()
}

/// Takes an error that C has set: its code and message.
fn take(error: *mut GError) -> (i32, String) {
    if error.is_null() {
        return (0, "no reason given".to_owned());
    }
    // SAFETY: C set the pointer to an error that is ours to free, once.
    unsafe {
        let found = ((*error).code, text((*error).message));
        glib_sys::g_error_free(error);
        found
    }
}

/// The pointers of an array, whose elements keep their owner.
fn pointers<T>(array: *mut GPtrArray) -> Vec<*mut T> {
    if array.is_null() {
        return Vec::new();
    }
    // SAFETY: a valid array has `len` pointers at `pdata`.
    unsafe {
        let len = (*array).len as usize;
        (0..len).map(|at| (*(*array).pdata.add(at)).cast::<T>()).collect()
    }
}
