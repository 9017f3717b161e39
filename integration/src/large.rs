//! What the measurements on hosts of many packages stand on: base trees, and hosts on them.
//!
//! As for the tests, the system is reached through its binaries.

pub mod host;
pub mod tree;

pub use host::LargeHost;
pub use tree::LargeTree;
