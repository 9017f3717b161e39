//! Which deployments a rollback and a cleanup mean. Pure: the plan and the act both ask here.
//!
//! Each stateroot has a current deployment: the booted one, else the first in boot order. What
//! stands before it is pending, what stands behind it is there to go back to. Deployments of other
//! stateroots are never touched.

use crate::{CleanupScope, Deployment, Failure, FailureKind, HostState, Stateroot};

impl HostState {
    /// The deployments of a stateroot, in boot order.
    fn of(&self, stateroot: &Stateroot) -> impl Iterator<Item = &Deployment> + use<'_> {
        let stateroot = stateroot.clone();
        self.deployments.iter().filter(move |deployment| deployment.id.stateroot == stateroot)
    }

    fn current(&self, stateroot: &Stateroot) -> Option<&Deployment> {
        self.of(stateroot)
            .find(|deployment| deployment.booted)
            .or_else(|| self.of(stateroot).next())
    }

    /// The deployment that a rollback of `stateroot` makes the default: the booted one where
    /// something else would boot next, else the first behind the current one.
    ///
    /// # Errors
    /// Where a deployment is staged, or there is none to go back to.
    pub fn rollback_target(&self, stateroot: &Stateroot) -> Result<&Deployment, Failure> {
        let refused = |what: String| Failure::new(FailureKind::Precondition, what);
        if self.deployments.iter().any(|deployment| deployment.staged) {
            return Err(refused("Staged deployment (remove with cleanup -p)".to_owned()));
        }
        let none = || {
            refused(format!("No rollback deployment found in the stateroot {stateroot}"))
                .advise("See 'cambium status' for the deployments that there are.")
        };
        let current = self.current(stateroot).ok_or_else(none)?;
        if current.booted && current.index > 0 {
            return Ok(current);
        }
        self.of(stateroot).find(|deployment| deployment.index > current.index).ok_or_else(none)
    }

    /// The deployments of `stateroot` that a cleanup of `scope` removes. The current one and
    /// pinned ones stay.
    #[must_use]
    pub fn leftovers(&self, stateroot: &Stateroot, scope: CleanupScope) -> Vec<&Deployment> {
        let Some(current) = self.current(stateroot) else { return Vec::new() };
        self.of(stateroot)
            .filter(|deployment| {
                let pending = scope.pending && deployment.index < current.index;
                let rollback = scope.rollback && deployment.index > current.index;
                (pending || rollback) && !deployment.pinned
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Checksum, DeploymentId};

    /// `a0* b1 a2^ a3!`: stateroot and serial; booted, pinned, staged.
    fn host(text: &str) -> HostState {
        let deployments = text.split(' ').zip(0..).map(|(word, index)| {
            let checksum: Checksum = "0".repeat(64).parse().unwrap();
            let serial = word[1..2].parse().unwrap();
            let id = DeploymentId { stateroot: word[..1].parse().unwrap(), checksum, serial };
            let mut deployment = Deployment::bare(id);
            deployment.index = index;
            deployment.booted = word.contains('*');
            deployment.pinned = word.contains('^');
            deployment.staged = word.contains('!');
            deployment
        });
        HostState { deployments: deployments.collect(), ..HostState::default() }
    }

    fn name(deployment: &Deployment) -> String {
        format!("{}{}", deployment.id.stateroot, deployment.id.serial)
    }

    #[test]
    fn a_rollback_goes_back_within_its_stateroot() {
        for (order, stateroot, expected) in [
            ("a0 a1", "a", Some("a1")),
            ("a0* a1", "a", Some("a1")),
            ("a0 a1*", "a", Some("a1")),
            ("a0 a1* a2", "a", Some("a1")),
            ("a0", "a", None),
            ("a0! a1*", "a", None),
            ("a0 b0 a1 b1", "a", Some("a1")),
            ("a0 b0 a1 b1", "b", Some("b1")),
            ("a0* b0", "a", None),
            ("a0* b0", "b", None),
            ("a0* b0 b1", "b", Some("b1")),
            // Something of another stateroot would boot next: back to what runs.
            ("b0 a0* a1", "a", Some("a0")),
            ("a0", "c", None),
        ] {
            let host = host(order);
            let found = host.rollback_target(&stateroot.parse().unwrap());
            assert_eq!(found.map(name).ok().as_deref(), expected, "{order} {stateroot}");
        }
    }

    #[test]
    fn a_cleanup_takes_what_is_before_and_behind_within_its_stateroot() {
        let scope = |text: &str| CleanupScope {
            pending: text.contains('p'),
            rollback: text.contains('r'),
            ..CleanupScope::default()
        };
        for (order, stateroot, which, expected) in [
            ("a0 a1* a2", "a", "p", "a0"),
            ("a0 a1* a2", "a", "r", "a2"),
            ("a0 a1* a2", "a", "pr", "a0 a2"),
            ("a0 a1* a2", "a", "", ""),
            ("a0! a1*", "a", "p", "a0"),
            ("a0 a1 a2", "a", "pr", "a1 a2"),
            ("a0* a1^ a2", "a", "r", "a2"),
            ("a0* b0 a1 b1", "a", "pr", "a1"),
            ("a0* b0 a1 b1", "b", "pr", "b1"),
            ("b0 a0* b1", "b", "pr", "b1"),
            ("a0*", "c", "pr", ""),
        ] {
            let host = host(order);
            let found = host.leftovers(&stateroot.parse().unwrap(), scope(which));
            let found: Vec<_> = found.into_iter().map(name).collect();
            assert_eq!(found.join(" "), expected, "{order} {stateroot} {which}");
        }
    }
}
