//! What a running transaction tells its watchers.

use crate::{Outcome, Phase};
use serde::{Deserialize, Serialize};

/// What the numbers of a task count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProgressUnit {
    /// Bytes.
    Bytes,
    /// Packages, objects, scripts: things.
    Items,
    /// Hundredths.
    Percent,
}

/// One step of progress, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Progress {
    /// A phase begins.
    Phase {
        /// Which.
        phase: Phase,
    },
    /// A task within a phase begins, by the text that clients match (surface §1.11).
    TaskBegin {
        /// E.g. `Checking out tree 0123456`.
        text: String,
    },
    /// How far the current task is.
    Step {
        /// Done so far.
        done: u64,
        /// In all; 0 where it is not known.
        total: u64,
        /// Of what.
        unit: ProgressUnit,
        /// The thing at hand: a package, a script, a repository.
        item: String,
    },
    /// The current task is over.
    TaskEnd {
        /// What it came to; may be empty.
        text: String,
    },
    /// A line for people.
    Message {
        /// The line.
        text: String,
    },
    /// A line for people that should worry them.
    Warning {
        /// The line.
        text: String,
    },
    /// The last of all: how it ended.
    Finished {
        /// The outcome.
        outcome: Outcome,
    },
}
