//! Foreign text as a deployment's origin file.
//!
//! Invariants: no panic; an origin that is accepted and written over its own text reads back the
//! same; written anew it reads back the same, too.

#![no_main]

use cambium_ostree::{parse_origin, render_origin};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(origin) = parse_origin(text) else { return };
    for previous in [Some(text), None] {
        let printed = render_origin(&origin, previous).unwrap();
        assert_eq!(parse_origin(&printed).unwrap(), origin, "{printed}");
    }
});
