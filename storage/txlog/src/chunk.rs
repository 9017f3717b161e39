//! The keys of the database, and how one record is spread over several of them.
//!
//! sled packs up to about sixteen values into one page and puts pages above 128 KiB into separate
//! blob files, which no crash test has covered. With values of at most 4 KiB it never does.

/// The largest value in the database, in bytes.
pub(crate) const CHUNK: usize = 4096;

/// The first byte of every record's key.
pub(crate) const RECORDS: &[u8] = b"r";

/// The key of the anchor: where the chain begins after old records were dropped.
pub(crate) const ANCHOR: &[u8] = b"anchor";

/// `r`, the record's number and the chunk's, big-endian, so that sled's order is the log's.
pub(crate) fn key(record: u64, chunk: u16) -> Vec<u8> {
    let mut key = RECORDS.to_vec();
    key.extend(record.to_be_bytes());
    key.extend(chunk.to_be_bytes());
    key
}

/// What every key of `record` begins with.
pub(crate) fn prefix(record: u64) -> Vec<u8> {
    let mut key = RECORDS.to_vec();
    key.extend(record.to_be_bytes());
    key
}

/// The record and chunk of a key; `None` where it is no record's.
pub(crate) fn parse(key: &[u8]) -> Option<(u64, u16)> {
    let rest = key.strip_prefix(RECORDS)?;
    let (record, rest) = rest.split_first_chunk::<8>()?;
    let chunk: [u8; 2] = rest.try_into().ok()?;
    Some((u64::from_be_bytes(*record), u16::from_be_bytes(chunk)))
}

/// The keys and values that hold `frame`.
pub(crate) fn split(record: u64, frame: &[u8]) -> impl Iterator<Item = (Vec<u8>, &[u8])> {
    // A payload of at most 1 MiB makes at most 257 chunks.
    (0..=u16::MAX).zip(frame.chunks(CHUNK)).map(move |(chunk, bytes)| (key(record, chunk), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_are_read_back_and_sort_as_records_do(a: (u64, u16), b: (u64, u16)) {
            prop_assert_eq!(parse(&key(a.0, a.1)), Some(a));
            prop_assert_eq!(key(a.0, a.1).cmp(&key(b.0, b.1)), a.cmp(&b));
            prop_assert!(key(a.0, a.1).starts_with(&prefix(a.0)));
        }

        #[test]
        fn chunks_hold_the_frame_and_are_small(length in 0usize..20_000) {
            let frame: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let chunks: Vec<_> = split(3, &frame).collect();
            prop_assert!(chunks.iter().all(|(_, bytes)| bytes.len() <= CHUNK));
            let joined: Vec<u8> = chunks.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect();
            prop_assert_eq!(joined, frame);
        }
    }

    #[test]
    fn other_keys_are_no_records() {
        for other in [ANCHOR, b"", b"r", b"r12345678", b"r12345678901"] {
            assert_eq!(parse(other), None, "{other:?}");
        }
    }
}
