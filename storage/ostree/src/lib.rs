//! The libostree engine: repositories, commits as mutable trees, checkouts, sysroots and what
//! boots from them.
//!
//! Owns: everything that is written below `/ostree`, the deployments' /etc and origin files, and
//! the bootloader configuration as libostree's own backends write it. Deliberately absent: RPM,
//! depsolving, scripts, async. Handles wrap GObjects, so they stay on the thread that opened them;
//! opening is cheap.

mod attributes;
mod cancel;
mod checkout;
mod dirtree;
mod error;
mod etc;
mod labels;
mod metadata;
mod object;
mod origin;
mod repo;
mod spare;
mod sysroot;
mod tree;
mod writer;

pub use attributes::Attributes;
pub use dirtree::{Child, Listing};
pub use error::{Conflict, Error, Result};
pub use etc::{EtcConflict, LocalChange};
pub use labels::{Labels, Policy};
pub use metadata::Metadata;
pub use object::ObjectKind;
pub use origin::{parse_origin, render_origin};
pub use repo::{
    Change, CommitInfo, CommitState, Content, CopyPolicy, FileInfo, FileKind, Pruned, Pull,
    PullSource, Repo, RepoMode, StaticDeltas, Transaction, TransactionStats,
};
pub use spare::Spares;
pub use sysroot::{
    ChangeKey, DeployRequest, Finalization, Forecast, Kernel, Pinned, Remote, Retention, Space,
    Swap, Sysroot, SysrootLock, UsedPackages,
};
pub use tree::{CommitSpec, ConflictPolicy, Node, Relabelled, Root, Tree};
