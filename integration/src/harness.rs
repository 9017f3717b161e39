//! Throw-away hosts with a `cambiumd` each, and what is asked of them.
//!
//! `Host` is a sysroot in a temporary directory with a daemon on it; `Vm` boots a deployment by
//! its own systemd; `Docker` is an engine whose containers have its default permissions. `oracle` and `traces` look at the result without a line of code of ours.

pub mod answer;
pub mod ballast;
pub mod daemon;
pub mod docker;
pub mod host;
pub mod injected;
pub mod oracle;
mod ready;
pub mod server;
pub mod traces;
pub mod vm;
pub mod whole;

pub use answer::Answer;
pub use ballast::Ballast;
pub use daemon::Daemon;
pub use docker::Docker;
pub use host::{Host, Start};
pub use injected::Injected;
pub use traces::Traces;
pub use vm::Vm;
