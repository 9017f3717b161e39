//! transaction.proto.

use super::{WireEnum, wire_enum};
use crate::decode::{optional, required};
use crate::v1::event::Progress as WireProgress;
use crate::v1::outcome::Result as WireOutcome;
use crate::{DecodeError, TransactionView, v1};
use cambium_model::{Outcome, Phase, Progress, ProgressUnit, TransactionId};

wire_enum!(Phase {
    Queued,
    Resolving,
    Fetching,
    Importing,
    Assembling,
    Committing,
    Deploying,
    Swapping,
    Finished,
});
wire_enum!(ProgressUnit { Bytes, Items, Percent });

impl From<&TransactionView> for v1::Transaction {
    fn from(view: &TransactionView) -> Self {
        let TransactionView { id, request, phase, started, finished, phases, outcome } = view;
        let entry =
            |&(phase, entered): &(Phase, u64)| v1::PhaseEntry { phase: wire(phase), entered };
        Self {
            id: id.to_string(),
            request: Some(request.into()),
            phase: wire(*phase),
            started: *started,
            finished: *finished,
            phases: phases.iter().map(entry).collect(),
            outcome: outcome.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<v1::Transaction> for TransactionView {
    type Error = DecodeError;

    fn try_from(message: v1::Transaction) -> Result<Self, Self::Error> {
        let v1::Transaction { id, request, phase, started, finished, phases, outcome } = message;
        let entry = |entry: v1::PhaseEntry| {
            Ok((Phase::from_wire(entry.phase, "PhaseEntry.phase")?, entry.entered))
        };
        Ok(Self {
            id: TransactionId::new(id),
            request: required(request, "Transaction.request")?,
            phase: Phase::from_wire(phase, "Transaction.phase")?,
            started,
            finished,
            phases: phases.into_iter().map(entry).collect::<Result<_, DecodeError>>()?,
            outcome: optional(outcome)?,
        })
    }
}

impl From<&Outcome> for v1::Outcome {
    fn from(outcome: &Outcome) -> Self {
        let result = match outcome.clone() {
            Outcome::Succeeded { deployment, summary } => {
                WireOutcome::Succeeded(v1::Succeeded { deployment, summary })
            }
            Outcome::Unchanged { summary } => WireOutcome::Unchanged(v1::Unchanged { summary }),
            Outcome::Failed(failure) => WireOutcome::Failed((&failure).into()),
            Outcome::Cancelled => WireOutcome::Cancelled(v1::Cancelled {}),
            Outcome::Interrupted { phase } => {
                WireOutcome::Interrupted(v1::Interrupted { phase: wire(phase) })
            }
        };
        Self { result: Some(result) }
    }
}

impl TryFrom<v1::Outcome> for Outcome {
    type Error = DecodeError;

    fn try_from(message: v1::Outcome) -> Result<Self, Self::Error> {
        let result = message.result.ok_or(DecodeError::Missing { field: "Outcome.result" })?;
        Ok(match result {
            WireOutcome::Succeeded(v1::Succeeded { deployment, summary }) => {
                Self::Succeeded { deployment, summary }
            }
            WireOutcome::Unchanged(v1::Unchanged { summary }) => Self::Unchanged { summary },
            WireOutcome::Failed(failure) => Self::Failed(failure.into()),
            WireOutcome::Cancelled(v1::Cancelled {}) => Self::Cancelled,
            WireOutcome::Interrupted(v1::Interrupted { phase }) => {
                Self::Interrupted { phase: Phase::from_wire(phase, "Interrupted.phase")? }
            }
        })
    }
}

impl v1::Event {
    /// The message for event number `sequence`.
    #[must_use]
    pub fn new(sequence: u64, progress: &Progress) -> Self {
        let progress = match progress.clone() {
            Progress::Phase { phase } => WireProgress::Phase(wire(phase)),
            Progress::TaskBegin { text } => WireProgress::TaskBegin(text),
            Progress::Step { done, total, unit, item } => {
                let unit = v1::ProgressUnit::from(unit).into();
                WireProgress::Step(v1::Step { done, total, unit, item })
            }
            Progress::TaskEnd { text } => WireProgress::TaskEnd(text),
            Progress::Message { text } => WireProgress::Message(text),
            Progress::Warning { text } => WireProgress::Warning(text),
            Progress::Finished { outcome } => WireProgress::Finished((&outcome).into()),
        };
        Self { sequence, progress: Some(progress) }
    }
}

/// The sequence number stays with the message; take it before.
impl TryFrom<v1::Event> for Progress {
    type Error = DecodeError;

    fn try_from(message: v1::Event) -> Result<Self, Self::Error> {
        let progress = message.progress.ok_or(DecodeError::Missing { field: "Event.progress" })?;
        Ok(match progress {
            WireProgress::Phase(phase) => {
                Self::Phase { phase: Phase::from_wire(phase, "Event.phase")? }
            }
            WireProgress::TaskBegin(text) => Self::TaskBegin { text },
            WireProgress::Step(v1::Step { done, total, unit, item }) => {
                let unit = ProgressUnit::from_wire(unit, "Step.unit")?;
                Self::Step { done, total, unit, item }
            }
            WireProgress::TaskEnd(text) => Self::TaskEnd { text },
            WireProgress::Message(text) => Self::Message { text },
            WireProgress::Warning(text) => Self::Warning { text },
            WireProgress::Finished(outcome) => Self::Finished { outcome: outcome.try_into()? },
        })
    }
}

fn wire(phase: Phase) -> i32 {
    v1::Phase::from(phase).into()
}
