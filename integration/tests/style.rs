//! What STYLE.md asks of the shape of files, held as a test.
//!
//! Owns what can be counted: length, the opening `//!`, names of files, notes to later. What
//! needs judgement is for readers.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

/// No file is longer.
const LONGEST: usize = 800;
/// Nine of ten files are no longer than this.
const USUAL: usize = 450;

struct File {
    path: PathBuf,
    text: String,
}

impl File {
    fn lines(&self) -> usize {
        self.text.lines().count()
    }
}

/// The workspace's Rust files, made ones (bindings) left out.
fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for part in ["actors", "cli", "integration", "proto", "storage"] {
        let walk = walkdir::WalkDir::new(root.join(part)).into_iter();
        let walk = walk.filter_entry(|entry| entry.file_name() != "target");
        for entry in walk.map(Result::unwrap) {
            let path = entry.into_path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root).unwrap().to_owned();
                files.push(File { path, text });
            }
        }
    }
    assert!(files.len() > 50, "only {} files below {}", files.len(), root.display());
    files.retain(|file| !generated(file));
    files
}

/// What bindgen wrote says so in its first line.
fn generated(file: &File) -> bool {
    file.text.starts_with("/* automatically generated")
}

/// Fails with the files that break the rule.
fn check(rule: &str, breaks: impl Fn(&File) -> bool) {
    let wrong: Vec<_> = files()
        .into_iter()
        .filter(|file| breaks(file))
        .map(|file| format!("{} ({} lines)", file.path.display(), file.lines()))
        .collect();
    assert!(wrong.is_empty(), "{rule}: {wrong:#?}");
}

#[test]
fn each_file_opens_with_what_it_owns() {
    check("opens with //!", |file| !file.text.starts_with("//! "));
}

#[test]
fn no_file_is_too_long() {
    check("at most 800 lines", |file| file.lines() > LONGEST);
}

#[test]
fn nine_of_ten_files_are_short() {
    let files = files();
    let long: Vec<_> = files.iter().filter(|file| file.lines() > USUAL).collect();
    let names: Vec<_> = long.iter().map(|file| file.path.display().to_string()).collect();
    assert!(long.len() * 10 <= files.len(), "{} of {}: {names:#?}", long.len(), files.len());
}

#[test]
fn names_say_what_is_inside() {
    const DRAWERS: &[&str] = &["mod", "util", "utils", "common", "helper", "helpers", "misc"];
    check("a name of the field's own", |file| {
        file.path.with_extension("").iter().any(|part| DRAWERS.iter().any(|name| part == *name))
    });
}

#[test]
fn there_are_no_notes_to_later() {
    // Spelled in halves, or this file would break its own rule.
    let notes = [["TO", "DO"], ["FIX", "ME"], ["XX", "X:"], ["to", "do!("], ["unimple", "mented!"]];
    let notes = notes.map(|halves| halves.concat());
    check("no notes to later", |file| notes.iter().any(|note| file.text.contains(note)));
}

#[test]
fn no_test_is_skipped() {
    let marks = [["#[ig", "nore"], ["#[should_", "panic"]].map(|halves| halves.concat());
    check("no skipped test", |file| marks.iter().any(|mark| file.text.contains(mark)));
}
