//! Declarations of libdnf's C API (0.69), and nothing else: no wrapper, no `Drop`, no error type.
//!
//! Generated from the headers by bindgen; GLib's types are those of glib-sys and gobject-sys.
//! librepo, whose headers are not installed with libdnf's, is declared by hand in [`librepo`].
//! Deliberately absent: `DnfContext`, `DnfRepo`, `DnfState`; Cambium reads repository files
//! itself and gives libdnf the metadata's paths (`HyRepo`).

#![allow(unsafe_code)]

pub mod librepo;

#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unused_imports,
    clippy::all,
    clippy::undocumented_unsafe_blocks
)]
mod bindings {
    use glib_sys::{GError, GPtrArray, GQuark, GType, gboolean, gconstpointer, gpointer};
    use gobject_sys::{GObject, GObjectClass};
    type gchar = std::ffi::c_char;
    type guint = std::ffi::c_uint;
    type guint64 = u64;

    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

pub use bindings::*;
