//! Foreign text as a kernel command line, and foreign edits of it.
//!
//! Invariants: no panic; parse∘print is the identity on arguments; an edit that fails changes
//! nothing; what was appended is there.

#![no_main]

use cambium_boot::KernelArgs;
use cambium_model::KargsEdit;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, Vec<String>, Vec<String>, Vec<String>)| {
    let (line, append, delete, replace) = input;
    let Ok(mut arguments) = line.parse::<KernelArgs>();
    let Ok(again) = arguments.to_string().parse::<KernelArgs>();
    assert_eq!(again, arguments);
    let before = arguments.clone();
    let edit = KargsEdit { append: append.clone(), delete, replace, ..KargsEdit::default() };
    if arguments.edit(&edit).is_err() {
        assert_eq!(arguments, before);
        return;
    }
    for argument in KernelArgs::from_arguments(&append).to_arguments() {
        assert!(arguments.contains(&argument), "{argument:?}");
    }
    let again = KernelArgs::from_arguments(&arguments.to_arguments());
    assert_eq!(again, arguments);
});
