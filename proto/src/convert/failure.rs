//! failure.proto.

use super::{WireEnum, wire_enum};
use crate::v1;
use cambium_model::{Failure, FailureKind};

wire_enum!(FailureKind {
    InvalidRequest,
    NotFound,
    PermissionDenied,
    Busy,
    Precondition,
    Unsolvable,
    Conflict,
    Untrusted,
    Unavailable,
    Corrupt,
    NoSpace,
    Script,
    Cancelled,
    Timeout,
    Interrupted,
    Internal,
});

impl From<&Failure> for v1::Failure {
    fn from(failure: &Failure) -> Self {
        let Failure { kind, what, causes, advice } = failure.clone();
        Self { kind: v1::FailureKind::from(kind).into(), what, causes, advice }
    }
}

/// Total on purpose: the words of a kind that is newer than this program still reach the user.
impl From<v1::Failure> for Failure {
    fn from(wire: v1::Failure) -> Self {
        let v1::Failure { kind, what, causes, advice } = wire;
        let kind = FailureKind::from_wire(kind, "Failure.kind").unwrap_or(FailureKind::Internal);
        Self { kind, what, causes, advice }
    }
}
