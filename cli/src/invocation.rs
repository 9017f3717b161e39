//! Who calls, under which name, with which words.
//!
//! Under the name `rpm-ostree` the program keeps to what scripts expect: it never asks, and
//! `--version` is rpm-ostree's.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The name that the program was called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `cambium`.
    Cambium,
    /// `rpm-ostree`.
    RpmOstree,
}

/// One call of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Its name.
    pub program: Program,
    /// The words as they were typed, for the log.
    pub command_line: String,
    /// What the caller calls itself: `$RPMOSTREE_CLIENT_ID`, or `cli`.
    pub agent: String,
}

/// What needs no daemon and no further reading of the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Early {
    /// `--version`.
    Version,
    /// `compose` with its arguments, which are another program's.
    Compose(Vec<OsString>),
}

impl Invocation {
    /// Reads the name and the environment. An empty environment is fine.
    #[must_use]
    pub fn new(argv: &[OsString]) -> Self {
        let name = argv.first().and_then(|name| Path::new(name).file_name());
        let program = match name.and_then(OsStr::to_str) {
            Some("rpm-ostree") => Program::RpmOstree,
            _ => Program::Cambium,
        };
        let mut words = vec![program.name().to_owned()];
        words.extend(argv.iter().skip(1).map(|word| quoted(&word.to_string_lossy())));
        let agent = std::env::var("RPMOSTREE_CLIENT_ID").unwrap_or_else(|_| "cli".to_owned());
        Self { program, command_line: words.join(" "), agent }
    }

    /// What can be done before the words are parsed, if that is what they ask for.
    #[must_use]
    pub fn before_parsing(&self, argv: &[OsString]) -> Option<Early> {
        let words = argv.get(1..)?;
        let mut options = words.iter().take_while(|word| word.as_encoded_bytes().starts_with(b"-"));
        if options.any(|word| word == "--version") {
            return Some(Early::Version);
        }
        match words.first()?.to_str()? {
            "compose" => Some(Early::Compose(words[1..].to_vec())),
            _ => None,
        }
    }

    /// The words with the program's own name first, so that usage texts show it.
    #[must_use]
    pub fn named(&self, mut argv: Vec<OsString>) -> Vec<OsString> {
        match argv.first_mut() {
            Some(first) => *first = self.program.name().into(),
            None => argv.push(self.program.name().into()),
        }
        argv
    }
}

impl Program {
    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cambium => "cambium",
            Self::RpmOstree => "rpm-ostree",
        }
    }
}

/// The word as a shell would need it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=./:,+@%^~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], program: Program, line: &str, early: Option<Early>) {
        let argv: Vec<OsString> = words.iter().map(OsString::from).collect();
        let invocation = Invocation::new(&argv);
        assert_eq!(invocation.program, program, "{words:?}");
        assert_eq!(invocation.command_line, line);
        assert_eq!(invocation.before_parsing(&argv), early);
        assert_eq!(invocation.named(argv)[0], program.name());
    }

    #[test]
    fn the_name_and_the_words_are_kept() {
        check(&[], Program::Cambium, "cambium", None);
        check(&["/usr/bin/cambium", "status"], Program::Cambium, "cambium status", None);
        check(
            &["/usr/bin/rpm-ostree", "install", "a b", "it's"],
            Program::RpmOstree,
            "rpm-ostree install 'a b' 'it'\\''s'",
            None,
        );
    }

    #[test]
    fn version_and_compose_come_before_everything() {
        check(
            &["rpm-ostree", "--version"],
            Program::RpmOstree,
            "rpm-ostree --version",
            Some(Early::Version),
        );
        check(
            &["cambium", "-q", "--version"],
            Program::Cambium,
            "cambium -q --version",
            Some(Early::Version),
        );
        check(&["cambium", "x", "--version"], Program::Cambium, "cambium x --version", None);
        check(
            &["cambium", "compose", "tree", "--repo=x", "--help"],
            Program::Cambium,
            "cambium compose tree --repo=x --help",
            Some(Early::Compose(vec!["tree".into(), "--repo=x".into(), "--help".into()])),
        );
    }
}
