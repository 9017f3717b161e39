//! The libostree engine: repositories, commits as mutable trees, checkouts, sysroots and what
//! boots from them.
//!
//! Owns: everything that is written below `/ostree`, the deployments' /etc and origin files, and
//! the bootloader configuration as libostree's own backends write it. Deliberately absent: RPM,
//! depsolving, scripts, async. Handles wrap GObjects, so they stay on the thread that opened them;
//! opening is cheap.

mod attributes;
mod cancel;
mod dirtree;
mod error;
mod metadata;
mod object;
mod repo;
mod tree;
mod writer;

pub use attributes::Attributes;
pub use dirtree::{Child, Listing};
pub use error::{Conflict, Error, Result};
pub use metadata::Metadata;
pub use object::ObjectKind;
pub use repo::{
    Change, CommitInfo, CommitState, Content, CopyPolicy, FileInfo, FileKind, Pruned, Pull,
    PullSource, Repo, RepoMode, StaticDeltas, Transaction, TransactionStats,
};
pub use tree::{CommitSpec, ConflictPolicy, Node, Root, Tree};
