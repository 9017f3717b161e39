//! How things look: pure functions from values to text or JSON.
//!
//! Deliberately absent: reading anything, deciding anything. Only `progress` writes, since its
//! bars live on the terminal.

pub mod diff;
pub mod failure;
pub mod history;
pub mod jsonpath;
pub mod numbers;
pub mod plan;
pub mod progress;
pub mod search;
pub mod status;
pub mod status_json;
pub mod style;
pub mod version;

#[cfg(test)]
pub(crate) mod fixture;
