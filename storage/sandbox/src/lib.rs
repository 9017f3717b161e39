//! Runs one program of a package confined to a tree: the only place that spawns processes.
//!
//! Owns: the sandbox's shape (namespaces, capabilities, mounts, system calls, limits), its
//! output and its end. [`run`] prepares a command by one way of confinement and watches it;
//! bubblewrap is the only way so far, and `bubblewrap.rs` the only file that knows it, so that
//! another (a chroot, where namespaces are denied) is one more file beside it. CONTAINMENT.md says
//! what is denied, by which means, and what is left.
//!
//! Deliberately absent: which scripts run in which order, RPM's arguments, and what becomes of
//! the files that they write (cambium-tree). Nothing of a script is expanded or interpreted here.

mod bounds;
mod bubblewrap;
mod cgroup;
mod child;
mod error;
mod output;
mod process;
mod room;
mod seccomp;
mod spec;

pub use bounds::Excess;
pub use error::Error;
pub use process::in_private_mounts;
pub use spec::{Access, Bind, Ended, Limits, Outcome, Program, Replacement, Root, Spec};

use cambium_model::Observer;

/// Runs the program of `spec` and waits until it and every process that it left are gone.
///
/// A program that fails is an [`Outcome`], since only the caller knows what that means.
///
/// # Errors
/// When the sandbox cannot be made, the time is up, or the observer cancels: then the sandbox
/// has been killed and has ended before this returns.
pub fn run(spec: &Spec, observer: &dyn Observer) -> Result<Outcome, Error> {
    if observer.cancelled() {
        return Err(Error::Cancelled { name: spec.name.clone() });
    }
    let prepared = bubblewrap::prepare(spec)?;
    child::watch(spec, prepared, observer)
}

#[cfg(test)]
mod tests;
