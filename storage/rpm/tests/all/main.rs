//! Tests of cambium-rpm through its public API, on packages that are built on the spot.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod fixture;
mod header;
mod hostile;
mod order;
mod payload;
mod rpmdb;
mod scriptlets;
mod verify;
