//! The declarations link, and the library behind them answers.

#![allow(unsafe_code)]

use libdnf_sys::{
    Queue, Transaction, dnf_sack_evr_cmp, dnf_sack_new, hy_chksum_name, hy_repo_create,
    hy_repo_free, hy_repo_get_priority, hy_repo_set_priority,
};
use std::ffi::CStr;
use std::mem::{offset_of, size_of};

#[test]
fn a_sack_compares_versions() {
    // SAFETY: the sack is freed once, the texts are constants.
    unsafe {
        let sack = dnf_sack_new();
        let compare = |a: &CStr, b: &CStr| dnf_sack_evr_cmp(sack, a.as_ptr(), b.as_ptr());
        assert!(compare(c"1.0~rc1-1", c"1.0-1") < 0);
        assert!(compare(c"1:1-1", c"2-1") > 0);
        assert_eq!(compare(c"1-1", c"0:1-1"), 0);
        gobject_sys::g_object_unref(sack.cast());
    }
}

#[test]
fn a_repository_keeps_its_priority() {
    // SAFETY: the repository is freed once.
    unsafe {
        let repo = hy_repo_create(c"fixture".as_ptr());
        hy_repo_set_priority(repo, 7);
        assert_eq!(hy_repo_get_priority(repo), 7);
        hy_repo_free(repo);
    }
}

#[test]
fn checksum_types_are_glibs() {
    // SAFETY: the name is a constant of the library's.
    let name = unsafe { CStr::from_ptr(hy_chksum_name(glib_sys::G_CHECKSUM_SHA256)) };
    assert_eq!(name, c"sha256");
}

#[test]
fn libsolvs_public_structures_have_their_shape() {
    assert_eq!(size_of::<Queue>(), 32);
    assert_eq!(offset_of!(Transaction, steps), 8);
}
