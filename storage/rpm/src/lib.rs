//! RPM packages and the rpmdb: reading, checking, mapping to a tree, and what scripts they bring.
//!
//! Owns: headers and payloads (our own bounded readers), signatures and the rpmdb (librpm). Gives
//! out plain data; whoever makes commits (cambium-tree) writes it. Deliberately absent: OSTree,
//! dependency solving, running scripts, expanding macros.

mod changes;
mod error;
mod header;
mod import;
mod librpm;
mod order;
mod package;
pub mod payload;
mod pkgref;
pub mod rpmdb;
pub mod scriptlets;
mod verify;
mod wire;

pub use changes::{PackageChangelog, changelog_diff};
pub use error::{Error, Malformed, Result};
pub use header::{
    ChangelogEntry, Dependency, FileAttributes, FileInfo, FileType, Header, ScriptFlags, Scriptlet,
    ScriptletKind, Sense, Trigger, TriggerCondition, TriggerKind,
};
pub use import::{ImportMetadata, PackageListEntry, RepositoryStamp, package_list};
pub use order::install_order;
pub use package::Package;
pub use payload::{
    Documentation, Entry, EntryKind, FileReader, FileSignatures, Payload, PayloadOptions, Remainder,
};
pub use pkgref::{package_of_ref, ref_of_package};
pub use verify::{Keyring, Signature};
