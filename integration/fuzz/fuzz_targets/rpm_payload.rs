//! Foreign bytes as the payload behind a good header: compression and cpio.
//!
//! Invariants: no panic; every path is relative and climbs nowhere; no file gives more bytes than
//! the header promises; what is cut or changed does not come to a good end unless it is the
//! package's own payload.

#![no_main]

use cambium_rpm::{EntryKind, Package, PayloadOptions};
use libfuzzer_sys::fuzz_target;
use std::io::{Read, Write};

/// The head of a package with files, links and directories.
const HEAD: &[u8] = include_bytes!("../seeds/rpm_header/scripts");

fuzz_target!(|payload: &[u8]| {
    let mut file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    file.write_all(HEAD).unwrap();
    file.write_all(payload).unwrap();
    let package = Package::open(file.path()).unwrap();
    let mut stream = package.payload(&PayloadOptions::default()).unwrap();
    loop {
        let Ok(Some(mut entry)) = stream.next_entry() else { break };
        assert!(!entry.path.starts_with('/') && !entry.path.is_empty(), "{}", entry.path);
        assert!(entry.path.split('/').all(|part| !["", ".", ".."].contains(&part)));
        if let EntryKind::File { size, reader } = &mut entry.kind {
            let mut bytes = Vec::new();
            if reader.take(*size + 1).read_to_end(&mut bytes).is_ok() {
                assert!(bytes.len() as u64 <= *size);
            }
        }
    }
    _ = stream.finish();
});
