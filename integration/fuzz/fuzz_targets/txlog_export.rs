//! Foreign text as an exported log, which somebody brings to be verified.
//!
//! Invariants: no panic, no endless reading; an answer that it is intact counts no more records
//! than there are lines.

#![no_main]

use cambium_txlog::{Verification, verify_export};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Verification::Intact(verified)) = verify_export(bytes) {
        let lines = bytes.split(|byte| *byte == b'\n').count();
        assert!(verified.records <= lines as u64);
    }
});
