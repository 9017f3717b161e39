//! The messages of every actor: one file for each that receives.
//!
//! Requests are imperative, replies are nouns; the first field is the [`Call`] that is served.
//! All is plain owned data of cambium-model: no C handle, no address, so this crate and whoever
//! only sends messages build without any C library.
//!
//! [`Call`]: cambium_runtime::Call

pub mod bootloader;
pub mod coordinator;
pub mod depsolve;
pub mod repo;
pub mod sandbox;
pub mod txlog;

mod ports;

pub use ports::{Desk, Ports, Reply, lost};
