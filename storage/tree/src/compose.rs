//! `compose tree`: from a treefile and repositories to a commit.
//!
//! Owns: the treefile language, and what a base commit is beyond packages that are merged and
//! scripts that ran: accounts with stable ids, units, files, os-release, postprocessing, kernel
//! and initramfs, the ostree layout, commit metadata, the repository that is served. Packages
//! become a tree by [`crate::import()`] and [`crate::assemble()`], as they do on a host.
//!
//! Every file is labelled by the finished tree's own SELinux policy, where it has one.
//!
//! Deliberately absent: options and output of the command, signing.

mod accounts;
mod base;
mod confined;
mod error;
mod files;
mod finish;
mod inputhash;
mod kernel;
mod layout;
mod metadata;
mod options;
mod packages;
mod postprocess;
mod previous;
mod publish;
mod report;
mod root;
mod steps;
pub mod treefile;
mod units;
mod var;
mod version;

pub use error::Error;
pub use options::{Cache, ComposeOptions, Composed, Extent, Parent};
pub use report::{Counts, Report};
pub use steps::compose_tree;

#[cfg(test)]
mod tests;
