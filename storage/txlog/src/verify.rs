//! The check of the chain: pure, over frames in the order of the log.

use crate::frame::Frame;
use crate::hash::RecordHash;
use crate::record::{self, Decoded};
use crate::witness::Head;
use std::fmt;

/// The result of checking the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// Every record is what it was when it was written.
    Intact(Verified),
    /// A record was changed, lost or inserted.
    Broken(BrokenAt),
}

/// A chain that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many records there are.
    pub records: u64,
    /// The number of the first one: above 1 once old ones were dropped.
    pub first: u64,
    /// The hash of the last one. Kept elsewhere, it proves later that nothing was rewritten.
    pub head: RecordHash,
}

/// The first record that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{defect}")]
pub struct BrokenAt {
    /// Its number.
    pub record: u64,
    /// What is wrong with it.
    pub defect: Defect,
}

/// What can be wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Defect {
    /// Its bytes are no whole frame.
    Frame(String),
    /// It is not there, or another is in its place.
    Missing {
        /// The number that was found instead, if any.
        found: Option<u64>,
    },
    /// It does not continue the record before it.
    Chain,
    /// Its payload is nothing that a version of Cambium wrote.
    Payload(String),
    /// It is there, but is not the one that was acknowledged, or that an export ends with.
    Head,
    /// The place where the chain begins cannot be read.
    Anchor,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(why) => write!(f, "the record is damaged: {why}"),
            Self::Missing { found: None } => f.write_str("the record is missing"),
            Self::Missing { found: Some(other) } => {
                write!(f, "the record is missing, record {other} is in its place")
            }
            Self::Chain => f.write_str("the record does not continue the one before it"),
            Self::Payload(why) => write!(f, "the record's content cannot be read: {why}"),
            Self::Head => f.write_str("the record is not the one that was acknowledged"),
            Self::Anchor => f.write_str("the beginning of the chain cannot be read"),
        }
    }
}

/// Follows a chain record by record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chain {
    first: u64,
    head: Head,
}

impl Chain {
    /// A chain whose next record comes after `head`.
    pub(crate) fn after(head: Head) -> Self {
        Self { first: head.number + 1, head }
    }

    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// The chain so far.
    pub(crate) fn verified(&self) -> Verified {
        let records = self.head.number + 1 - self.first;
        Verified { records, first: self.first, head: self.head.hash }
    }

    /// A defect of the record that should come next.
    pub(crate) fn broken(&self, defect: Defect) -> BrokenAt {
        BrokenAt { record: self.head.number + 1, defect }
    }

    /// Takes the next record's frame.
    pub(crate) fn follow(&mut self, bytes: &[u8]) -> Result<(u64, Decoded), BrokenAt> {
        let frame =
            Frame::decode(bytes).map_err(|why| self.broken(Defect::Frame(why.to_string())))?;
        if frame.number != self.head.number + 1 {
            return Err(self.broken(Defect::Missing { found: Some(frame.number) }));
        }
        if frame.previous != self.head.hash {
            return Err(self.broken(Defect::Chain));
        }
        let decoded = record::decode(&frame.payload)
            .map_err(|why| self.broken(Defect::Payload(why.to_string())))?;
        self.head = Head { number: frame.number, hash: RecordHash::of(bytes) };
        Ok((frame.number, decoded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &[u8] = br#"{"schema":9,"at":1,"event":{}}"#;

    fn chain(length: u64) -> Vec<Vec<u8>> {
        let mut previous = RecordHash::NONE;
        let mut frames = Vec::new();
        for number in 1..=length {
            let bytes = Frame { number, previous, payload: PAYLOAD.to_vec() }.encode();
            previous = RecordHash::of(&bytes);
            frames.push(bytes);
        }
        frames
    }

    fn check(frames: &[Vec<u8>]) -> Result<Verified, BrokenAt> {
        let mut chain = Chain::after(Head::EMPTY);
        for frame in frames {
            chain.follow(frame)?;
        }
        Ok(chain.verified())
    }

    #[test]
    fn an_untouched_chain_holds() {
        for length in 0..5 {
            assert_eq!(check(&chain(length)).unwrap().records, length);
        }
    }

    #[test]
    fn each_removed_swapped_or_forged_record_is_found_where_it_is() {
        let good = chain(6);
        for at in 0..good.len() - 1 {
            let number = at as u64 + 1;
            let mut removed = good.clone();
            removed.remove(at);
            let missing = Defect::Missing { found: Some(number + 1) };
            assert_eq!(check(&removed), Err(BrokenAt { record: number, defect: missing }));
            let mut swapped = good.clone();
            swapped.swap(at, at + 1);
            assert_eq!(check(&swapped).unwrap_err().record, number);
            // A forger who makes the frame right is betrayed by the record after it.
            let mut forged = good.clone();
            let mut frame = Frame::decode(&good[at]).unwrap();
            frame.payload = br#"{"schema":9,"at":2,"event":{}}"#.to_vec();
            forged[at] = frame.encode();
            let defect = Defect::Chain;
            assert_eq!(check(&forged), Err(BrokenAt { record: number + 1, defect }));
        }
    }

    #[test]
    fn a_payload_that_nobody_wrote_is_found() {
        let frame = Frame { number: 1, previous: RecordHash::NONE, payload: b"[]".to_vec() };
        let broken = check(&[frame.encode()]).unwrap_err();
        assert!(matches!(broken.defect, Defect::Payload(_)), "{broken}");
    }
}
