//! Foreign text as package versions and names.
//!
//! Invariants: no panic; parse∘print is the identity; comparing is a total order.

#![no_main]

use cambium_model::{Evr, Nevra};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str)| {
    if let Ok(nevra) = input.0.parse::<Nevra>() {
        assert_eq!(nevra.to_string().parse::<Nevra>().as_ref(), Ok(&nevra));
    }
    let version = |text: &str| Evr { version: text.to_owned(), ..Evr::default() };
    let [a, b, c] = &[version(input.0), version(input.1), version(input.2)];
    assert_eq!(a.cmp(b), b.cmp(a).reverse());
    if a <= b && b <= c {
        assert!(a <= c, "{a:?} {b:?} {c:?}");
    }
});
