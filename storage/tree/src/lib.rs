//! Roots, assembled: packages and base commits become trees, and trees become commits.
//!
//! Owns: what no engine can know alone, since it takes several: the import of RPMs as commits
//! ([`import()`]), layered commits ([`assemble()`]), composed ones ([`compose`]). Deliberately absent:
//! actors, transactions and their log, what boots (cambium-ostree), which packages (cambium-dnf).

mod account_table;
pub mod assemble;
pub mod compose;
mod error;
#[cfg(test)]
mod fixture;
mod host;
pub mod import;
mod listed;
mod paths;
mod state;

pub use assemble::{
    Accounts, Around, Assembled, Assembly, Checkout, Extension, Labelling, Layer, Stats, Step,
    assemble, remove_leftovers,
};
pub use cambium_rpm::scriptlets::ScriptRule;
pub use cambium_sandbox::Limits;
pub use error::{Error, FileConflict, Result};
pub use host::{AssembleTarget, Error as HostError, FileSignatures, Host, HostConfig};
pub use import::{
    ImportOptions, ImportedPackage, Rpm, SignaturePolicy, find_import, import, load_import, relabel,
};
pub use paths::tree_path;
pub use state::{StateInputs, state_sha512};
