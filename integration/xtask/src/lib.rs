//! The part of xtask that is not a command: how an installation is laid out, and which native
//! packages the workspace needs.
//!
//! The integration package makes its own `cambium` package by the layout, so that what the tests
//! and the real OS run is what `cargo xtask install` installs. Imports nothing of this workspace.

pub mod layout;
pub mod package;
