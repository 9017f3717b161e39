//! What the end-to-end tests, the demo and the measurements stand on: a fixture OS made of real
//! RPMs, throw-away hosts with a `cambiumd` each, and oracles (ostree's and rpm's own programs).
//!
//! Imports nothing of the workspace: the system under test is reached as its users
//! reach it, through its binaries and sockets.

pub mod fixture;
pub mod harness;
pub mod large;
pub mod measure;
pub mod powercut;
pub mod realos;
pub mod run;
