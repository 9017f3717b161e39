//! Runs one program of a package confined to a tree: the only place that spawns processes.
//!
//! Owns: the sandbox's shape (namespaces, capabilities, mounts, system calls, limits), its
//! output and its end. [`run`] prepares a command by one of two ways of confinement and watches
//! it: bubblewrap, or a chroot where namespaces are denied. [`Backend::probe`] finds out which.
//! CONTAINMENT.md says what is denied, by which means, and what is left.
//!
//! Deliberately absent: which scripts run in which order, RPM's arguments, and what becomes of
//! the files that they write (cambium-tree). Nothing of a script is expanded or interpreted here.

mod backend;
mod bounds;
mod bubblewrap;
mod cgroup;
mod child;
mod chroot;
mod error;
mod output;
mod process;
mod room;
mod seccomp;
mod spec;
mod supervisor;

pub use backend::{Backend, Writing};
pub use bounds::Excess;
pub use error::Error;
pub use process::in_private_mounts;
pub use spec::{
    Access, Bind, Confinement, Ended, Limits, Outcome, Program, Replacement, Root, Spec,
};

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
    match spec.confinement {
        Confinement::Namespaces => child::watch(spec, bubblewrap::prepare(spec)?, observer),
        Confinement::Chroot => {
            let (prepared, view) = chroot::prepare(spec)?;
            // What it writes is measured where it is for the while.
            let mut measured = spec.clone();
            measured.root = view.root_inside(&spec.root);
            let outcome = child::watch(&measured, prepared, observer);
            if matches!(outcome, Err(Error::Unwatched { .. })) {
                chroot::kill_rest(&view);
            }
            let left = view.leave(&spec.name);
            match (outcome, left) {
                // What was to be measured is gone with what was taken away.
                (Err(Error::Watch { .. }), Err(replaced @ Error::Replaced { .. })) => Err(replaced),
                // A program that was stopped may have been at anything.
                (outcome, left) => outcome.and_then(|outcome| left.map(|()| outcome)),
            }
        }
    }
}

/// Undoes what a killed process left of a program that ran in a chroot in the tree whose `usr` is
/// in `top`, and says whether there was something. Doing it again changes nothing.
///
/// # Errors
/// When something cannot be put back.
pub fn recover(top: &std::path::Path) -> Result<bool, Error> {
    chroot::View::recover(top)
}

#[cfg(test)]
mod tests;
