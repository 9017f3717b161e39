//! The engine on real rpm-md repositories: made by createrepo_c from RPMs built here, read from
//! disk and over HTTP from a server that can misbehave.

#![allow(clippy::unwrap_used, clippy::panic)]

mod bad_servers;
mod fixture;
mod mirrors;
mod patience;
mod server;
mod signed;
mod solving;
mod transport;
