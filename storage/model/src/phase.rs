//! The life of a transaction as a pure state machine.
//!
//! Owns: which event may follow which phase, and what an interruption in each phase means. The
//! driver (actors/workers, the coordinator) logs a phase durably before it starts the phase's
//! effect, so the last phase on disk tells recovery what may have been touched.

use crate::Failure;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Logged, waiting for the writer's turn.
    Queued,
    /// The base is found, pulled where it is missing, and the depsolver runs. Caches and the
    /// repository's objects may grow; no ref of ours changes.
    Resolving,
    /// Packages are downloaded into the cache.
    Fetching,
    /// Packages become commits (`rpmostree/pkg/…`).
    Importing,
    /// The tree is merged and scripts run in a temporary overlay.
    Assembling,
    /// The commit and its refs are written.
    Committing,
    /// The deployment's directory is made, under a name that does not boot.
    Deploying,
    /// The bootloader's configuration changes, or the deployment is staged: one rename.
    Swapping,
    /// Over, with its outcome.
    Finished,
}

impl Phase {
    /// Every phase in order, for tables and metrics.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Resolving,
        Self::Fetching,
        Self::Importing,
        Self::Assembling,
        Self::Committing,
        Self::Deploying,
        Self::Swapping,
        Self::Finished,
    ];

    /// The name on the wire, in metrics and in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Resolving => "resolving",
            Self::Fetching => "fetching",
            Self::Importing => "importing",
            Self::Assembling => "assembling",
            Self::Committing => "committing",
            Self::Deploying => "deploying",
            Self::Swapping => "swapping",
            Self::Finished => "finished",
        }
    }

    /// Whether a cancel is honoured: everywhere before the swap, which is too short to stop.
    #[must_use]
    pub fn can_cancel(self) -> bool {
        self < Self::Swapping
    }

    /// The phase after `event`. Work may skip phases that it does not need (a kernel argument
    /// assembles nothing), never go back.
    ///
    /// # Errors
    /// When the event cannot happen in this phase.
    pub fn on(self, event: Event) -> Result<Self, IllegalEvent> {
        let illegal = IllegalEvent { phase: self, event };
        match event {
            Event::Enter(next) => {
                let forward = next > self && next != Self::Finished && self != Self::Finished;
                if forward { Ok(next) } else { Err(illegal) }
            }
            Event::Cancel if !self.can_cancel() => Err(illegal),
            Event::Succeed | Event::Fail | Event::Cancel | Event::Interrupt => {
                if self == Self::Finished { Err(illegal) } else { Ok(Self::Finished) }
            }
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What can happen to a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The driver is about to start this phase.
    Enter(Phase),
    /// Everything is in place.
    Succeed,
    /// A worker reported a failure.
    Fail,
    /// Somebody cancelled, in time.
    Cancel,
    /// The daemon died in the middle; said by recovery.
    Interrupt,
}

/// An event that the phase does not allow: a defect in the driver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen while {phase}")]
pub struct IllegalEvent {
    /// The phase it was in.
    pub phase: Phase,
    /// The event.
    pub event: Event,
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The change is in place; the id of the deployment it made, where it made one.
    Succeeded {
        /// The new deployment.
        deployment: Option<String>,
        /// What clients print at the end.
        summary: String,
    },
    /// There was nothing to change.
    Unchanged {
        /// Why.
        summary: String,
    },
    /// It failed and left everything as it was.
    Failed(Failure),
    /// It was cancelled and left everything as it was.
    Cancelled,
    /// The daemon died in the middle; recovery has undone what it left.
    Interrupted {
        /// The last phase that was entered.
        phase: Phase,
    },
}

impl Outcome {
    /// The result's name in metrics and `history`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Succeeded { .. } => "succeeded",
            Self::Unchanged { .. } => "unchanged",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted { .. } => "interrupted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_phase_and_event_is_decided() {
        for (at, phase) in Phase::ALL.into_iter().enumerate() {
            for (to, next) in Phase::ALL.into_iter().enumerate() {
                let allowed = to > at && next != Phase::Finished;
                let result = phase.on(Event::Enter(next));
                assert_eq!(result.is_ok(), allowed, "{phase} → {next}");
                assert!(result.is_err() || result == Ok(next));
            }
            let over = phase == Phase::Finished;
            for event in [Event::Succeed, Event::Fail, Event::Interrupt] {
                assert_eq!(phase.on(event).is_err(), over, "{phase} {event:?}");
            }
            let too_late = over || phase == Phase::Swapping;
            assert_eq!(phase.on(Event::Cancel).is_err(), too_late, "{phase}");
        }
    }

    #[test]
    fn names_are_serde_names() {
        for phase in Phase::ALL {
            assert_eq!(serde_json::to_string(&phase).unwrap(), format!("\"{phase}\""));
        }
    }
}
