//! The binary frame of a record: version, number, predecessor's hash, payload, CRC.
//!
//! Layout, integers big-endian: `u8` version (1), `u64` number (from 1), 32 bytes SHA-256 of the
//! frame before, `u32` length of the payload, the payload, `u32` CRC-32 (IEEE) of all before it.
//! The CRC tells damage from a whole record; the hash tells a changed record from the one that
//! was written.

use crate::hash::RecordHash;

/// The only version of the frame so far. The payload has a schema of its own, so this changes
/// only with the layout above.
const VERSION: u8 = 1;
const HEADER: usize = 1 + 8 + 32 + 4;
const TRAILER: usize = 4;

/// A frame taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) number: u64,
    pub(crate) previous: RecordHash,
    pub(crate) payload: Vec<u8>,
}

/// Bytes that are no whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidFrame {
    #[error("the frame is of version {0}")]
    Version(u8),
    #[error("its length is not what its header says")]
    Length,
    #[error("its CRC does not match")]
    Crc,
}

impl Frame {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.payload.len() + TRAILER);
        bytes.push(VERSION);
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(self.previous.0);
        // The log refuses payloads above `record::MAX_PAYLOAD`, far below 4 GiB.
        bytes.extend((self.payload.len() as u32).to_be_bytes());
        bytes.extend(&self.payload);
        let crc = crc32fast::hash(&bytes);
        bytes.extend(crc.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, InvalidFrame> {
        let (body, crc) = bytes.split_last_chunk::<TRAILER>().ok_or(InvalidFrame::Length)?;
        // The CRC goes first: a flipped bit in the version is damage, not a newer format.
        if crc32fast::hash(body) != u32::from_be_bytes(*crc) {
            return Err(InvalidFrame::Crc);
        }
        let (version, rest) = body.split_first().ok_or(InvalidFrame::Length)?;
        if *version != VERSION {
            return Err(InvalidFrame::Version(*version));
        }
        let (number, rest) = rest.split_first_chunk::<8>().ok_or(InvalidFrame::Length)?;
        let (previous, rest) = rest.split_first_chunk::<32>().ok_or(InvalidFrame::Length)?;
        let (length, payload) = rest.split_first_chunk::<4>().ok_or(InvalidFrame::Length)?;
        if u32::from_be_bytes(*length) as usize != payload.len() {
            return Err(InvalidFrame::Length);
        }
        Ok(Self {
            number: u64::from_be_bytes(*number),
            previous: RecordHash(*previous),
            payload: payload.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame() -> Frame {
        Frame { number: 7, previous: RecordHash::of(b"before"), payload: b"{\"a\":1}".to_vec() }
    }

    proptest! {
        #[test]
        fn decoding_gives_back_what_was_encoded(
            number: u64, previous: [u8; 32], payload: Vec<u8>,
        ) {
            let frame = Frame { number, previous: RecordHash(previous), payload };
            prop_assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
            if let Ok(frame) = Frame::decode(&bytes) {
                prop_assert_eq!(frame.encode(), bytes);
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let good = frame().encode();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_cut_is_found() {
        let good = frame().encode();
        for length in 0..good.len() {
            assert!(Frame::decode(&good[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = frame().encode();
        bytes[0] = 2;
        let body = bytes.len() - TRAILER;
        let crc = crc32fast::hash(&bytes[..body]);
        bytes[body..].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(Frame::decode(&bytes), Err(InvalidFrame::Version(2)));
    }
}
