//! Packages in rpm-md repositories: their metadata, what solves a request, their download.
//!
//! [`resolve()`] answers which packages a request needs on an installed base, [`download()`] fetches
//! them, [`refresh()`] renews metadata, [`search()`], [`what_provides`] and [`packages`] look into it.
//! libsolv decides, through libdnf; librepo transfers.
//!
//! Invariants: every call holds `cambium_native::hold()` while C runs · no C handle leaves this
//! crate · metadata reaches its place in the cache only whole and checked · one dead repository
//! stops only what needs it.
//!
//! Deliberately absent: signatures of packages (the importer's), the rpmdb beyond what the solver
//! reads of it, anything that installs.

mod close_names;
mod config;
mod download;
mod error;
mod ffi;
mod goal;
mod metadata;
mod query;
mod repo;
mod repomd;
mod resolve;
mod session;
mod transfers;

pub use config::{CachePolicy, Config, Filelists, WeakDeps};
pub use download::download;
pub use error::{Error, Result};
pub use goal::{Advisories, Goal, LockInstalled, Problems, Resolution, Upgrade};
pub use query::{packages, search, what_provides};
pub use repo::{RepoConfig, repositories};
pub use resolve::resolve;
pub use session::{RefreshedRepo, refresh};
