//! Payloads as entries of a tree.

use crate::fixture::{self, builder, file};
use cambium_model::FailureKind;
use cambium_rpm::{Documentation, EntryKind, Error, PayloadOptions, Remainder};
use rpm::{CompressionType, FileOptions, PackageBuilder};
use std::io::Read;

/// `path kind detail` for each entry.
fn entries(package: &fixture::OnDisk, options: &PayloadOptions) -> (Vec<String>, Remainder) {
    let mut payload = package.package.payload(options).unwrap();
    let mut lines = Vec::new();
    while let Some(entry) = payload.next_entry().unwrap() {
        let what = match entry.kind {
            EntryKind::Directory => "directory".to_owned(),
            EntryKind::File { size, mut reader } => {
                let mut text = String::new();
                assert_eq!(reader.read_to_string(&mut text).unwrap() as u64, size);
                format!("file {text}")
            }
            EntryKind::Symlink { target } => format!("-> {target}"),
            EntryKind::Hardlink { target } => format!("= {target}"),
        };
        lines.push(format!("{} {:o} {what}", entry.path, entry.mode));
    }
    lines.sort();
    (lines, payload.finish().unwrap())
}

fn check(fill: impl FnOnce(&mut PackageBuilder), expected: &[&str], tmpfiles: &str) {
    let mut builder = builder("a");
    fill(&mut builder);
    let (lines, rest) = entries(&fixture::built(&mut builder), &PayloadOptions::default());
    assert_eq!(
        (lines, rest.tmpfiles.as_str()),
        (expected.iter().map(|l| (*l).to_owned()).collect(), tmpfiles)
    );
}

fn directory(builder: &mut PackageBuilder, path: &str, mode: u16) {
    builder.with_dir_entry(FileOptions::dir(path).permissions(mode)).unwrap();
}

fn symlink(builder: &mut PackageBuilder, path: &str, target: &str) {
    builder.with_symlink(FileOptions::symlink(path, target)).unwrap();
}

#[test]
fn every_compressor_gives_the_same_files() {
    for compression in
        [CompressionType::None, CompressionType::Gzip, CompressionType::Xz, CompressionType::Zstd]
    {
        check(
            |builder| {
                fixture::compress(builder, compression);
                file(builder, "/usr/share/a", "x");
                file(builder, "/usr/share/empty", "");
            },
            &["usr/share/a 100644 file x", "usr/share/empty 100644 file "],
            "",
        );
    }
}

#[test]
fn paths_are_mapped_to_the_tree() {
    check(
        |builder| {
            file(builder, "/etc/a", "1");
            file(builder, "/bin/a", "2");
            file(builder, "/lib64/a", "3");
            file(builder, "/var/lib/alternatives/a", "4");
            file(builder, "/etc/selinux/a.LOCK", "5");
            file(builder, "/boot/efi/a", "6");
            directory(builder, "/etc", 0o755);
            directory(builder, "/home", 0o755);
            directory(builder, "/lib", 0o555);
        },
        &[
            "usr/bin/a 100644 file 2",
            "usr/etc 40755 directory",
            "usr/etc/a 100644 file 1",
            "usr/lib 40755 directory",
            "usr/lib/alternatives/a 100644 file 4",
            "usr/lib/ostree-boot/efi/a 100644 file 6",
            "usr/lib64/a 100644 file 3",
        ],
        "",
    );
}

#[test]
fn the_merged_toplevel_of_filesystem_is_kept() {
    check(
        |builder| {
            symlink(builder, "/bin", "usr/bin");
            symlink(builder, "/lib64", "usr/lib64");
            symlink(builder, "/media", "run/media");
            directory(builder, "/usr", 0o755);
            directory(builder, "/proc", 0o555);
        },
        &["bin 120777 -> usr/bin", "lib64 120777 -> usr/lib64", "usr 40755 directory"],
        "",
    );
}

#[test]
fn state_becomes_tmpfiles_lines() {
    check(
        |builder| {
            directory(builder, "/var/lib/a", 0o700);
            file(builder, "/var/lib/a/f", "");
            symlink(builder, "/run/a", "b");
            directory(builder, "/usr/local/a", 0o755);
            file(builder, "/opt/a b/f", "1");
            file(builder, "/opt/a b/g", "2");
        },
        &["usr/lib/opt/a b/f 100644 file 1", "usr/lib/opt/a b/g 100644 file 2"],
        "L \"/opt/a b\" - - - - ../../usr/lib/opt/a b\n\
         L /run/a - - - - b\n\
         d /usr/local/a 0755 root root - -\n\
         d /var/lib/a 0700 root root - -\n\
         f /var/lib/a/f 0644 root root - -\n",
    );
}

#[test]
fn content_that_is_lost_is_told() {
    let mut builder = builder("a");
    file(&mut builder, "/var/lib/a", "data");
    let (_, rest) = entries(&fixture::built(&mut builder), &PayloadOptions::default());
    assert_eq!(rest.dropped, ["/var/lib/a"]);
}

#[test]
fn a_kernel_lies_beside_its_modules() {
    check(
        |builder| {
            directory(builder, "/lib/modules/6.1", 0o755);
            file(builder, "/boot/vmlinuz-6.1", "k");
            file(builder, "/boot/.vmlinuz-6.1.hmac", "h");
            file(builder, "/boot/config-6.1", "c");
            file(builder, "/lib/modules/6.1/config", "d");
            file(builder, "/boot/vmlinuz-5.0", "o");
        },
        &[
            "usr/lib/modules/6.1 40755 directory",
            "usr/lib/modules/6.1/.vmlinuz.hmac 100644 file h",
            "usr/lib/modules/6.1/config 100644 file d",
            "usr/lib/modules/6.1/vmlinuz 100644 file k",
            "usr/lib/ostree-boot/config-6.1 100644 file c",
            "usr/lib/ostree-boot/vmlinuz-5.0 100644 file o",
        ],
        "",
    );
}

#[test]
fn hard_links_follow_their_data() {
    check(
        |builder| {
            for path in ["/usr/a", "/usr/b", "/usr/c"] {
                let options = FileOptions::new(path).mode(0o100_644).hardlink("set");
                builder.with_file_contents("data", options).unwrap();
            }
        },
        &["usr/a 100644 file data", "usr/b 100644 = usr/a", "usr/c 100644 = usr/a"],
        "",
    );
}

#[test]
fn documentation_and_ghosts_can_be_left_out() {
    let mut builder = builder("a");
    let doc = FileOptions::new("/usr/share/doc/a").mode(0o100_644).doc();
    builder.with_file_contents("x", doc).unwrap();
    builder.with_ghost(FileOptions::ghost("/usr/share/ghost")).unwrap();
    let package = fixture::built(&mut builder);
    let (lines, _) = entries(&package, &PayloadOptions::default());
    assert_eq!(lines, ["usr/share/doc/a 100644 file x"]);
    let options =
        PayloadOptions { documentation: Documentation::Skip, ..PayloadOptions::default() };
    assert_eq!(entries(&package, &options).0, [""; 0]);
}

#[test]
fn capabilities_become_an_attribute() {
    let mut builder = builder("a");
    let ping = FileOptions::new("/usr/bin/ping").mode(0o100_755).caps("cap_net_raw=ep").unwrap();
    builder.with_file_contents("x", ping).unwrap();
    let package = fixture::built(&mut builder);
    let mut payload = package.payload();
    let entry = payload.next_entry().unwrap().unwrap();
    let value = [1, 0, 0, 2, 0, 0x20, 0, 0].iter().chain(&[0; 12]).copied().collect();
    assert_eq!(entry.xattrs, [("security.capability".to_owned(), value)]);
}

fn refused(fill: impl FnOnce(&mut PackageBuilder)) -> Error {
    let mut builder = builder("a");
    fill(&mut builder);
    let package = fixture::built(&mut builder);
    package.package.payload(&PayloadOptions::default()).unwrap_err()
}

#[test]
fn other_toplevel_paths_are_refused() {
    for path in ["/srv/a", "/home/a", "/a", "/usrx/a", "/dev/null"] {
        let error = refused(|builder| file(builder, path, ""));
        assert!(matches!(&error, Error::UnsupportedPath { path: found, .. } if found == path));
        assert_eq!(error.kind(), FailureKind::Precondition);
    }
}

#[test]
fn a_path_that_climbs_is_refused() {
    // The builder refuses such paths, so the names of a good package are overwritten.
    for (good, bad) in [
        ("/usr/aaaaaa/f", "/usr/../etc/f"),
        ("/usr/aaaaaa/f", "/usr/./bbbb/f"),
        ("/usr/aaaaaa/f", "usr//aaaaaa/f"),
    ] {
        let mut builder = builder("a");
        file(&mut builder, good, "x");
        let mut bytes = fixture::bytes(&mut builder);
        let (directory, bad) = (&good[..good.len() - 1], &bad[..bad.len() - 1]);
        let at = bytes.windows(directory.len()).position(|w| w == directory.as_bytes()).unwrap();
        bytes[at..at + bad.len()].copy_from_slice(bad.as_bytes());
        let package = fixture::on_disk(&bytes);
        let error = package.package.payload(&PayloadOptions::default()).unwrap_err();
        assert!(matches!(error, Error::UnsafePath { .. }), "{bad}: {error}");
    }
}

#[test]
fn a_path_through_a_symlink_of_the_package_is_refused() {
    for (link, target, path) in
        [("/usr/lib/x", "/etc", "/usr/lib/x/passwd"), ("/usr/etc/x", "/", "/etc/x/y/z")]
    {
        let error = refused(|builder| {
            symlink(builder, link, target);
            file(builder, path, "");
        });
        assert!(matches!(error, Error::UnsafePath { .. }), "{path}");
    }
}

#[test]
fn two_files_of_one_place_must_be_one_file() {
    let error = refused(|builder| {
        file(builder, "/bin/a", "1");
        file(builder, "/usr/bin/a", "2");
    });
    assert!(matches!(error, Error::UnsafePath { .. }));
    check(
        |builder| {
            file(builder, "/bin/a", "1");
            file(builder, "/usr/bin/a", "1");
        },
        &["usr/bin/a 100644 file 1"],
        "",
    );
}

#[test]
fn an_archive_that_is_not_the_headers_is_refused() {
    let mut builder = builder("a");
    fixture::compress(&mut builder, CompressionType::None);
    file(&mut builder, "/usr/share/a", "x");
    let bytes = fixture::bytes(&mut builder);
    let archive = fixture::on_disk(&bytes).package.header().metadata().unwrap().len();
    for (from, to, word) in
        [("usr/share/a", "usr/share/b", "lacks"), ("00000001", "00000000", "bytes of")]
    {
        let mut bytes = bytes.clone();
        let found =
            bytes[archive..].windows(from.len()).enumerate().filter(|(_, w)| *w == from.as_bytes());
        // The size is the first field that is 1 and not a link count.
        let at = found.map(|(at, _)| at).find(|at| from.starts_with('u') || *at == 54).unwrap();
        bytes[archive + at..archive + at + to.len()].copy_from_slice(to.as_bytes());
        let package = fixture::on_disk(&bytes);
        let error = package.payload().finish().unwrap_err();
        assert!(matches!(&error, Error::PayloadMismatch { .. }), "{word}: {error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}
