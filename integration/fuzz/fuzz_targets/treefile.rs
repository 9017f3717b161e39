//! Foreign text as a treefile, as YAML and as JSON.
//!
//! Invariants: no panic, no endless expansion; an accepted treefile can be printed; a mistake is
//! said with the file's name.

#![no_main]

use cambium_tree::compose::treefile::load;
use libfuzzer_sys::fuzz_target;
use std::fs;

fuzz_target!(|text: &str| {
    // Other files are not what is tried here, and one that never ends could be named.
    let names_files = ["include", "add-files", "script", "check-", "/"];
    if names_files.iter().any(|name| text.contains(name)) {
        return;
    }
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    for name in ["treefile.yaml", "treefile.json"] {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        match load(&path, "x86_64") {
            Ok(loaded) => _ = loaded.treefile.to_json().unwrap(),
            Err(error) => assert!(error.to_string().contains(name), "{error}"),
        }
    }
});
