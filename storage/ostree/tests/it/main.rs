//! The engine against real repositories and sysroots, with the `ostree` command as the oracle.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the report")]

mod booted;
mod checkouts;
mod deploy;
mod fixture;
mod labels;
mod links;
mod pulls;
mod repos;
mod signed_pulls;
mod trees;
