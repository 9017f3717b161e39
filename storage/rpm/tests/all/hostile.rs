//! Damaged and forged packages: a typed error or the truth, never a panic, never much memory.

use crate::fixture::{self, builder, file};
use cambium_rpm::scriptlets::{Occasion, Operation, Rules, plan};
use cambium_rpm::{Error, Header, Package, PayloadOptions, Remainder};
use proptest::prelude::*;
use rpm::CompressionType;
use std::sync::LazyLock;
use tempfile::NamedTempFile;

/// A package with something of everything.
static PACKAGE: LazyLock<Vec<u8>> = LazyLock::new(|| build(CompressionType::Gzip));

fn build(compression: CompressionType) -> Vec<u8> {
    let mut builder = builder("a");
    fixture::compress(&mut builder, compression);
    for (path, content) in
        [("/usr/bin/a", "x"), ("/etc/a", "yy"), ("/var/lib/a", ""), ("/opt/a/b", "")]
    {
        file(&mut builder, path, content);
    }
    builder.with_symlink(rpm::FileOptions::symlink("/usr/lib/a", "../bin/a")).unwrap();
    builder.post_install_script("true").trans_file_trigger_in("/usr", None, "x");
    builder.trigger_un("b", None, "x").requires(rpm::Dependency::any("c"));
    builder.add_changelog_entry("me", "- this", 7u32);
    fixture::bytes(&mut builder)
}

/// Reads all that can be read.
fn read(bytes: &[u8]) -> Result<Remainder, Error> {
    let path = NamedTempFile::new().unwrap();
    std::fs::write(path.path(), bytes).unwrap();
    let package = Package::open(path.path())?;
    let header = package.header();
    drop(package.verify_digests());
    drop((header.requires(), header.provides(), header.changelog(), header.summary()));
    header.files()?;
    let packages = [(header, Operation::Install)];
    let rules = Rules::default();
    let installed = &vec![header.clone()];
    drop(plan(&Occasion { packages: &packages, installed, removed: &[], rules: &rules }));
    let mut payload = package.payload(&PayloadOptions::default())?;
    while payload.next_entry()?.is_some() {}
    payload.finish()
}

fn header_length() -> usize {
    fixture::on_disk(&PACKAGE).package.header().metadata().unwrap().len()
}

#[test]
fn a_package_cut_at_any_byte_is_refused() {
    let length = PACKAGE.len();
    read(&PACKAGE).unwrap();
    for cut in (0..length).step_by(7).chain(length - 20..length) {
        assert!(read(&PACKAGE[..cut]).is_err(), "{cut} of {length}");
    }
}

/// Every bit of the header matters to its digest, and every bit of the payload to its own: what
/// is accepted by both is the original but for lead and signature header.
#[test]
fn a_flipped_bit_is_found() {
    let main = header_length();
    let start = PACKAGE.windows(8).rposition(|w| w == [0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0]).unwrap();
    for at in (start..PACKAGE.len()).step_by(3) {
        let mut bytes = PACKAGE.clone();
        bytes[at] ^= 1 << (at % 8);
        let whole = || -> Result<(), Error> {
            let path = NamedTempFile::new().unwrap();
            std::fs::write(path.path(), &bytes).unwrap();
            Package::open(path.path())?.verify_digests()?;
            read(&bytes).map(drop)
        };
        assert!(whole().is_err(), "byte {at}, the header ends at {main}");
    }
}

#[test]
fn huge_declared_sizes_take_no_memory() {
    let start = PACKAGE.windows(8).rposition(|w| w == [0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0]).unwrap();
    for section in [96, start] {
        for words in [
            [0xff; 8],
            [0, 0, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff],
            [0, 0, 0, 1, 0x0f, 0xff, 0xff, 0xff],
        ] {
            let mut bytes = PACKAGE.clone();
            bytes[section + 8..section + 16].copy_from_slice(&words);
            assert!(matches!(read(&bytes), Err(Error::Malformed { .. })));
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 200_000, "{peak} kB");
}

#[test]
fn a_bomb_stops_at_what_the_header_says() {
    // A megabyte of zeros where the header promises three bytes: the stream is cut there.
    let mut builder = builder("a");
    fixture::compress(&mut builder, CompressionType::Zstd);
    file(&mut builder, "/usr/share/a", &"0".repeat(1 << 20));
    let bomb = fixture::bytes(&mut builder);
    let length = fixture::on_disk(&bomb).package.header().metadata().unwrap().len();
    let mut builder = fixture::builder("a");
    fixture::compress(&mut builder, CompressionType::Zstd);
    file(&mut builder, "/usr/share/a", "abc");
    let small = fixture::on_disk(&fixture::bytes(&mut builder));
    let head = small.package.header().metadata().unwrap();
    let error = read(&[head, &bomb[length..]].concat()).unwrap_err();
    assert!(matches!(error, Error::PayloadMismatch { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_damage_is_survived(
        changes in proptest::collection::vec((0usize..1 << 16, any::<u8>()), 1..8),
        cut in proptest::option::of(0usize..1 << 16),
    ) {
        let mut bytes = PACKAGE.clone();
        for (at, value) in changes {
            let length = bytes.len();
            bytes[at % length] = value;
        }
        bytes.truncate(cut.unwrap_or(bytes.len()).max(96));
        drop(read(&bytes));
    }

    #[test]
    fn any_damage_of_an_archive_is_survived(at in 0usize..1 << 16, value in any::<[u8; 8]>()) {
        let mut bytes = build(CompressionType::None);
        let start = bytes.len() - 700;
        let at = start + at % (bytes.len() - start - 8);
        bytes[at..at + 8].copy_from_slice(&value);
        drop(read(&bytes));
    }

    #[test]
    fn any_bytes_are_no_header(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Header::from_bytes(&bytes).is_err());
        drop(Header::from_rpmdb(&bytes));
    }
}
