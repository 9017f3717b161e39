//! What a header says.

use crate::fixture::{self, builder, file};
use cambium_rpm::{Error, Header, ImportMetadata, ScriptletKind, TriggerKind, changelog_diff};
use rpm::{DependencyFlags, FileOptions, Scriptlet, ScriptletFlags};

#[test]
fn names_files_and_attributes_are_read() {
    let mut builder = builder("a");
    builder.epoch(3);
    let config = FileOptions::new("/etc/a.conf").mode(0o100_600).user("u").group("g").config();
    builder.with_file_contents("12345", config).unwrap();
    let doc = FileOptions::new("/usr/share/doc/a").mode(0o100_644).doc();
    builder.with_file_contents("", doc).unwrap();
    builder.with_symlink(FileOptions::symlink("/usr/bin/a", "../lib/a")).unwrap();
    builder.with_ghost(FileOptions::ghost("/var/log/a")).unwrap();
    let header = fixture::header(&mut builder);
    assert_eq!(header.nevra().to_string(), "a-3:1-1.noarch");
    assert_eq!((header.summary().as_str(), header.license().as_str()), ("For a test", "MIT"));
    let files = header.files().unwrap();
    let find = |path: &str| files.iter().find(|file| file.path == path).unwrap();
    let config = find("/etc/a.conf");
    assert_eq!((config.mode, config.size), (0o100_600, 5));
    assert_eq!((config.user.as_str(), config.group.as_str()), ("u", "g"));
    assert!(config.attributes.config() && !config.attributes.documentation());
    assert_eq!(config.digest.len(), 64);
    assert!(find("/usr/share/doc/a").attributes.documentation());
    assert!(find("/var/log/a").attributes.ghost());
    assert_eq!(find("/usr/bin/a").link_target, "../lib/a");
}

#[test]
fn scripts_are_read_with_interpreter_and_flags() {
    let mut builder = builder("a");
    let post = Scriptlet::new("x").prog(vec!["/bin/bash", "-e"]).flags(ScriptletFlags::EXPAND);
    builder.post_install_script(post).pre_install_script("y");
    let header = fixture::header(&mut builder);
    let scripts = header.scriptlets();
    let post = scripts.iter().find(|script| script.kind == ScriptletKind::Post).unwrap();
    assert_eq!(post.interpreter, ["/bin/bash", "-e"]);
    assert_eq!((post.body.as_str(), post.flags.expand_macros()), ("x", true));
    let pre = scripts.iter().find(|script| script.kind == ScriptletKind::Pre).unwrap();
    assert_eq!((pre.interpreter.join(" ").as_str(), pre.body.as_str()), ("/bin/sh", "y"));
    assert!(!pre.flags.expand_macros());
}

#[test]
fn triggers_are_read_with_conditions() {
    let mut builder = builder("a");
    builder.trigger_in("b", Some((DependencyFlags::GREATER, "2")), "t");
    builder.trans_file_trigger_in("/usr/lib", None, "f");
    builder.trans_file_trigger_in("/usr/share", None, "g");
    let triggers = fixture::header(&mut builder).triggers().unwrap();
    let found: Vec<_> = triggers
        .iter()
        .map(|t| (t.kind(), t.body.as_str(), t.conditions[0].dependency.name.as_str()))
        .collect();
    let trans = TriggerKind::TransFileIn;
    let expected =
        [(TriggerKind::In, "t", "b"), (trans, "f", "/usr/lib"), (trans, "g", "/usr/share")];
    assert_eq!(found, expected);
    assert_eq!(triggers[0].conditions[0].dependency.evr.to_string(), "2");
}

#[test]
fn stored_bytes_are_the_header_again() {
    let mut builder = builder("a");
    file(&mut builder, "/usr/share/a", "x");
    let header = fixture::header(&mut builder);
    let stored = ImportMetadata::of(&header).unwrap();
    let again = Header::from_bytes(&stored.metadata).unwrap();
    assert_eq!(again.nevra(), header.nevra());
    assert_eq!(again.files().unwrap(), header.files().unwrap());
    assert_eq!(again.metadata_sha256().unwrap(), stored.metadata_sha256);
    assert_eq!(again.header_sha256(), header.header_sha256());
    again.verify_digests().unwrap();
    let longer = [&stored.metadata[..], b"x"].concat();
    assert!(matches!(Header::from_bytes(&longer), Err(Error::Malformed { .. })));
}

/// CVE-2021-20271: whoever can change a package can add any tag to its signature header.
#[test]
fn tags_of_the_signature_header_are_not_the_packages() {
    let plain = fixture::bytes(&mut builder("a"));
    let header = Header::from_bytes(&{
        // Rename SHA1HEADER (269), a text, to the tag of a scriptlet's text (POSTIN, 1024).
        let mut bytes = plain.clone();
        let at = bytes[112..].chunks(16).position(|entry| entry[..4] == [0, 0, 1, 13]);
        let at = 112 + at.unwrap() * 16;
        bytes[at..at + 4].copy_from_slice(&1024u32.to_be_bytes());
        let length = fixture::on_disk(&plain).package.header().metadata().unwrap().len();
        bytes.truncate(length);
        bytes
    });
    assert!(header.unwrap().scriptlets().is_empty());
}

#[test]
fn only_new_entries_of_upgraded_packages_are_told() {
    let entries = |builder: &mut rpm::PackageBuilder, times: &[u32]| {
        for time in times {
            builder.add_changelog_entry("me", format!("- at {time}"), *time);
        }
        fixture::header(builder)
    };
    let old = [
        entries(&mut fixture::versioned("a", "1"), &[10]),
        entries(&mut fixture::versioned("b", "2"), &[10, 20]),
    ];
    let new = [
        entries(&mut fixture::versioned("a", "2"), &[30, 20, 10]),
        entries(&mut fixture::versioned("b", "1"), &[10]),
    ];
    let changes = changelog_diff(&old, &new);
    let found: Vec<_> = changes.iter().map(|change| change.new.to_string()).collect();
    assert_eq!(found, ["a-2-1.noarch"]);
    let times: Vec<_> = changes[0].entries.iter().map(|entry| entry.time).collect();
    assert_eq!(times, [30, 20]);
}
