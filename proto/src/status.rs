//! A [`Failure`] in a gRPC status and back: the one table of kinds and codes.
//!
//! The whole failure travels as the encoded `cambium.v1.Failure` in `grpc-status-details-bin`;
//! code and message are for clients that know nothing of it. A trailer must stay small (hyper
//! refuses more than 16 KiB of headers), so long failures are cut, saying so.

use crate::v1;
use cambium_model::{Failure, FailureKind};
use prost::Message;
use tonic::{Code, Status};

/// Bytes of one sentence in a trailer. Percent-encoding may triple them.
const SENTENCE_BYTES: usize = 1024;

/// Bytes of all causes in a trailer: with base64 and the sentences well below 16 KiB.
const CAUSES_BYTES: usize = 4096;

/// The gRPC code of a kind, for clients that look at nothing else.
#[must_use]
pub fn code(kind: FailureKind) -> Code {
    match kind {
        FailureKind::InvalidRequest => Code::InvalidArgument,
        FailureKind::NotFound => Code::NotFound,
        FailureKind::PermissionDenied => Code::PermissionDenied,
        FailureKind::Busy | FailureKind::Interrupted => Code::Aborted,
        FailureKind::Precondition
        | FailureKind::Unsolvable
        | FailureKind::Conflict
        | FailureKind::Untrusted
        | FailureKind::Script => Code::FailedPrecondition,
        FailureKind::Unavailable => Code::Unavailable,
        FailureKind::Corrupt => Code::DataLoss,
        FailureKind::NoSpace => Code::ResourceExhausted,
        FailureKind::Cancelled => Code::Cancelled,
        FailureKind::Timeout => Code::DeadlineExceeded,
        FailureKind::Internal => Code::Internal,
    }
}

/// The kind that a code without details stands for: one of tonic's own, or another server's.
fn kind_without_details(code: Code) -> FailureKind {
    match code {
        Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented => {
            FailureKind::InvalidRequest
        }
        Code::NotFound => FailureKind::NotFound,
        Code::PermissionDenied | Code::Unauthenticated => FailureKind::PermissionDenied,
        Code::Aborted => FailureKind::Interrupted,
        Code::FailedPrecondition | Code::AlreadyExists => FailureKind::Precondition,
        Code::Unavailable => FailureKind::Unavailable,
        Code::DataLoss => FailureKind::Corrupt,
        Code::Cancelled => FailureKind::Cancelled,
        Code::DeadlineExceeded => FailureKind::Timeout,
        // tonic's own ResourceExhausted is a message too large, not a disk.
        Code::ResourceExhausted | Code::Internal | Code::Unknown | Code::Ok => {
            FailureKind::Internal
        }
    }
}

/// The status that carries `failure`.
#[must_use]
pub fn status_from_failure(failure: &Failure) -> Status {
    let mut wire = v1::Failure {
        kind: v1::FailureKind::from(failure.kind).into(),
        what: cut(&failure.what),
        causes: Vec::new(),
        advice: cut(&failure.advice),
    };
    let mut left = CAUSES_BYTES;
    for (at, cause) in failure.causes.iter().enumerate() {
        let cause = cut(cause);
        if cause.len() > left {
            wire.causes.push(format!("({} more causes)", failure.causes.len() - at));
            break;
        }
        left -= cause.len();
        wire.causes.push(cause);
    }
    Status::with_details(code(failure.kind), wire.what.clone(), wire.encode_to_vec().into())
}

/// The failure that `status` carries, or what its code and message say.
#[must_use]
pub fn failure_from_status(status: &Status) -> Failure {
    if !status.details().is_empty()
        && let Ok(wire) = v1::Failure::decode(status.details())
    {
        return wire.into();
    }
    let message = match status.message() {
        "" => status.code().description(),
        message => message,
    };
    let failure = Failure::new(kind_without_details(status.code()), message);
    match status.code() {
        Code::Unimplemented => failure.advise("The daemon is older than this client: restart it."),
        _ => failure,
    }
}

/// The text, shortened at a character's boundary.
fn cut(text: &str) -> String {
    if text.len() <= SENTENCE_BYTES {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(SENTENCE_BYTES);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_a_status() {
        for kind in FailureKind::ALL {
            let failure = Failure {
                kind,
                what: format!("cannot do 'it' ({kind})"),
                causes: vec!["disk".into(), "ünïcode\n".into()],
                advice: "Do that.".into(),
            };
            let status = status_from_failure(&failure);
            assert_eq!(status.code(), code(kind));
            assert_ne!(status.code(), Code::Ok);
            assert_eq!(failure_from_status(&status), failure);
            assert!(status.message().contains("'it'"));
        }
    }

    #[test]
    fn a_status_of_somebody_else_still_says_what_it_can() {
        for code in 0..=16 {
            let code = Code::from_i32(code);
            let failure = failure_from_status(&Status::new(code, "words"));
            assert_eq!(failure.what, "words");
            assert!(!failure_from_status(&Status::new(code, "")).what.is_empty());
        }
        let failure = failure_from_status(&Status::unimplemented(""));
        assert_eq!(failure.kind, FailureKind::InvalidRequest);
        assert!(failure.advice.contains("older"), "{}", failure.advice);
        let garbled = Status::with_details(Code::NotFound, "gone", vec![0xff, 0xff].into());
        assert_eq!(failure_from_status(&garbled), Failure::new(FailureKind::NotFound, "gone"));
    }

    #[test]
    fn a_long_failure_fits_into_trailers() {
        let failure = Failure {
            kind: FailureKind::Unsolvable,
            what: "ü".repeat(9000),
            causes: vec!["nothing provides x".repeat(20); 1000],
            advice: "a".repeat(9000),
        };
        let status = status_from_failure(&failure);
        let bytes = status.details().len() * 4 / 3 + status.message().len() * 3;
        assert!(bytes < 14 * 1024, "{bytes}");
        let read = failure_from_status(&status);
        assert_eq!(read.kind, failure.kind);
        assert_eq!(read.causes[0], failure.causes[0]);
        assert!(read.causes.last().unwrap().ends_with("more causes)"), "{:?}", read.causes.last());
    }

    #[test]
    fn a_kind_that_is_not_known_yet_keeps_its_words() {
        let newer = v1::Failure { kind: 99, what: "new trouble".into(), ..Default::default() };
        let failure = Failure::from(newer);
        assert_eq!((failure.kind, &*failure.what), (FailureKind::Internal, "new trouble"));
    }
}
