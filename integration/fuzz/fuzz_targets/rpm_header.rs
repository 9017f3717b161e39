//! Foreign bytes as the head of an RPM: lead, signature header, header.
//!
//! Invariants: no panic, whatever is asked of the header afterwards; the stored form of an accepted
//! header is the very bytes that were read; nothing is allocated that the input does not pay for
//! (libFuzzer's limit on one allocation).

#![no_main]

use cambium_rpm::Header;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    _ = Header::from_rpmdb(bytes);
    let Ok(header) = Header::from_bytes(bytes) else { return };
    assert_eq!(header.metadata(), Some(bytes));
    _ = header.nevra().to_string();
    _ = (header.metadata_sha256(), header.header_sha256());
    _ = (header.summary(), header.license(), header.source_package());
    _ = (header.size(), header.build_time(), header.install_time());
    _ = (header.requires(), header.provides(), header.changelog());
    _ = (header.scriptlets(), header.triggers());
    if let Ok(files) = header.files() {
        for file in files {
            _ = (file.file_type(), file.path.len());
        }
    }
    _ = cambium_rpm::ImportMetadata::of(&header);
});
