//! Placeholder.

pub mod compose;
