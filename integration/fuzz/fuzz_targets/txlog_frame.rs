//! Foreign bytes as a record's frame in the transaction log.
//!
//! Invariants: no panic; bytes that are accepted are what encoding gives; a frame made of any
//! content reads back.
//!
//! The frame is the log's own affair, so its files are compiled in rather than made public.

#![no_main]
#![allow(dead_code, reason = "the files' other users are not here")]

#[path = "../../../storage/txlog/src/frame.rs"]
mod frame;
#[path = "../../../storage/txlog/src/hash.rs"]
mod hash;

use frame::Frame;
use hash::RecordHash;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = Frame::decode(bytes) {
        assert_eq!(frame.encode(), bytes);
    }
    // Nearly no input has the right checksum by chance.
    let mut summed = bytes.to_vec();
    summed.extend(crc32fast::hash(bytes).to_be_bytes());
    if let Ok(frame) = Frame::decode(&summed) {
        assert_eq!(frame.encode(), summed);
    }
    let frame = Frame { number: 7, previous: RecordHash::of(bytes), payload: bytes.to_vec() };
    assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
});
