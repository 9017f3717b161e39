//! The payload of a record: JSON with a schema number.
//!
//! The host's log outlives the deployment that wrote it: after a rollback an older Cambium reads
//! what a newer one wrote. So a payload that this version cannot read is kept, stays in the
//! chain, and still says whether its transaction is over.

use crate::entry::{DeploymentChange, DeploymentSummary, NoteReason};
use crate::error::Error;
use cambium_model::{Outcome, Phase, Request, TransactionId};
use serde::{Deserialize, Serialize};

/// The schema that this version writes. It grows when an old reader would misunderstand a record;
/// new optional fields do not need it.
pub(crate) const SCHEMA: u32 = 1;

/// Larger payloads are refused: a request of tens of thousands of packages is a mistake.
pub(crate) const MAX_PAYLOAD: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) schema: u32,
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) event: LogEvent,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub(crate) enum LogEvent {
    Begin { id: TransactionId, request: Box<Request> },
    Enter { id: TransactionId, phase: Phase },
    Finish { id: TransactionId, outcome: Outcome, deployments: DeploymentChange },
    Note { reason: NoteReason, deployments: Vec<DeploymentSummary> },
}

/// What can be known of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// All of it.
    Known(Record),
    /// Written by a newer version: the least that recovery needs, where it is there.
    Foreign { kind: Option<String>, id: Option<TransactionId> },
}

#[derive(Deserialize)]
struct Envelope {
    schema: u32,
    event: serde_json::Value,
}

impl Record {
    pub(crate) fn new(at: u64, event: LogEvent) -> Self {
        Self { schema: SCHEMA, at, event }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let payload = serde_json::to_vec(self).map_err(Error::Encode)?;
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::TooLarge { bytes: payload.len(), most: MAX_PAYLOAD });
        }
        Ok(payload)
    }
}

/// Reads a payload.
///
/// # Errors
/// When it is no JSON object with a schema and an event: no version wrote that.
pub(crate) fn decode(payload: &[u8]) -> Result<Decoded, serde_json::Error> {
    let envelope: Envelope = serde_json::from_slice(payload)?;
    if envelope.schema <= SCHEMA {
        match serde_json::from_slice(payload) {
            Ok(record) => return Ok(Decoded::Known(record)),
            Err(error) => {
                tracing::warn!(%error, schema = envelope.schema, "unreadable record in the log");
            }
        }
    }
    let text = |key: &str| envelope.event.get(key)?.as_str().map(str::to_owned);
    Ok(Decoded::Foreign { kind: text("kind"), id: text("id").map(TransactionId::new) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_schema_is_kept_with_its_kind_and_id() {
        let payload = br#"{"schema":2,"at":5,"event":{"kind":"finish","id":"a","new":[1]}}"#;
        let expected =
            Decoded::Foreign { kind: Some("finish".into()), id: Some(TransactionId::new("a")) };
        assert_eq!(decode(payload).unwrap(), expected);
    }

    #[test]
    fn an_unknown_change_of_the_same_schema_is_foreign() {
        let payload = br#"{"schema":1,"at":5,"event":{"kind":"begin","id":"a","request":{}}}"#;
        let expected =
            Decoded::Foreign { kind: Some("begin".into()), id: Some(TransactionId::new("a")) };
        assert_eq!(decode(payload).unwrap(), expected);
    }

    #[test]
    fn what_no_version_wrote_is_refused() {
        for payload in ["", "1", "{}", r#"{"schema":1}"#, r#"{"schema":1,"event":"#] {
            assert!(decode(payload.as_bytes()).is_err(), "{payload}");
        }
    }

    #[test]
    fn a_record_beyond_the_bound_is_refused() {
        let id = TransactionId::new("x".repeat(MAX_PAYLOAD));
        let record = Record::new(0, LogEvent::Enter { id, phase: Phase::Fetching });
        assert!(matches!(record.encode(), Err(Error::TooLarge { .. })));
    }
}
