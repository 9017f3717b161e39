//! `compose tree`: from a treefile and repositories to a commit.

mod error;
pub mod treefile;

pub use error::Error;
