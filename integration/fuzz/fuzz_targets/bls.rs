//! Foreign text as a boot loader entry.
//!
//! Invariants: no panic; printing gives back what was parsed, byte for byte; kernel arguments that
//! were set are read back, and every other line stays.

#![no_main]

use cambium_boot::{BootEntry, KernelArgs};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (text, arguments) = input;
    let Ok(mut entry) = text.parse::<BootEntry>();
    assert_eq!(entry.to_string(), text);
    let others = |entry: &BootEntry| -> Vec<(String, String)> {
        let fields = entry.fields().filter(|(key, _)| *key != "options");
        fields.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    let before = others(&entry);
    let arguments = KernelArgs::from_arguments(&[arguments.to_owned()]);
    entry.set_kernel_args(&arguments);
    assert_eq!(others(&entry), before);
    let Ok(again) = entry.to_string().parse::<BootEntry>();
    assert_eq!(again.kernel_args(), entry.kernel_args());
    // A line break cannot stand in an entry; it becomes a blank within its argument's quotes.
    if !arguments.to_string().contains(['\n', '\r']) {
        assert_eq!(again.kernel_args(), arguments);
    }
});
