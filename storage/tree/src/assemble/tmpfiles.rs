//! `/var` as tmpfiles.d lines (surface §2.7): packages bring lines in
//! `usr/lib/rpm-ostree/tmpfiles.d`, made at import; those that the tree's own tmpfiles.d does not
//! say already become `usr/lib/tmpfiles.d/rpm-ostree-autovar.conf`.

use crate::Result;
use cambium_ostree::{Attributes, Child, Node, Tree};
use std::collections::{BTreeMap, BTreeSet};

/// Where imported packages keep their lines.
pub(crate) const PACKAGES: &str = "usr/lib/rpm-ostree/tmpfiles.d";
/// What systemd-tmpfiles reads.
pub(crate) const SYSTEM: &str = "usr/lib/tmpfiles.d";
/// The file in [`SYSTEM`] that this module writes.
pub(crate) const AUTOVAR: &str = "rpm-ostree-autovar.conf";

/// A line of tmpfiles.d(5): its type, its path as a plain text, and the rest; `None` for comments
/// and blanks.
fn split(line: &str) -> Option<(&str, String, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (kind, rest) = line.split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    let (word, rest) = match rest.chars().next()? {
        quote @ ('"' | '\'') => {
            let end = closing(&rest[1..], quote)?;
            (&rest[1..=end], &rest[end + 2..])
        }
        _ => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
    };
    // `/var/x/` and `/var/x` are one directory; /var/run is /run (systemd says so itself).
    let path = unescape(word);
    let path = path.trim_end_matches('/');
    let path = match path.strip_prefix("/var/run/") {
        Some(rest) => format!("/run/{rest}"),
        None => path.to_owned(),
    };
    (!path.is_empty()).then_some((kind, path, rest))
}

/// Where a quoted word ends: at the first quote that no backslash escapes.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, letter)| {
        let ends = letter == quote && !escaped;
        escaped = letter == '\\' && !escaped;
        ends.then_some(at)
    })
}

/// The path that a line is about.
pub(crate) fn subject(line: &str) -> Option<String> {
    split(line).map(|(_, path, _)| path)
}

/// A word without its C escapes and doubled `%`; escapes that no line of ours has stay.
fn unescape(word: &str) -> String {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = rest.strip_prefix(b"\\x").and_then(|hex| hex.get(..2));
        let value = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match value {
            Some(value) => {
                bytes.push(value);
                rest = &rest[4..];
            }
            // `\\` and `\"` stand for their second letter, `%%` for one.
            None if rest.len() > 1 && (*first == b'\\' || rest.starts_with(b"%%")) => {
                bytes.push(rest[1]);
                rest = &rest[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Writes the merged file of a tree, with the lines `more` of what scripts did, which win over the
/// packages' own; removes it where there is nothing to say.
pub(super) fn write_merged(tree: &mut Tree<'_>, more: &str) -> Result<()> {
    let mut packages = vec![more.to_owned()];
    packages.extend(texts(tree, PACKAGES)?);
    let system = texts(tree, SYSTEM)?;
    let merged = merge(packages.iter().map(String::as_str), system.iter().map(String::as_str));
    let path = format!("{SYSTEM}/{AUTOVAR}");
    match merged {
        Some(text) => drop(tree.put_bytes(&path, &Attributes::root(0o644), text.as_bytes())?),
        None => drop(tree.remove(&path)?),
    }
    Ok(())
}

/// The texts of the `*.conf` files in a directory, by name; the merged file is none of them.
fn texts(tree: &mut Tree<'_>, directory: &str) -> Result<Vec<String>> {
    if !matches!(tree.lookup(directory)?, Some(Node::Directory(_))) {
        return Ok(Vec::new());
    }
    let mut texts = Vec::new();
    for (name, child) in tree.list(directory)? {
        let wanted = name.ends_with(".conf") && name != AUTOVAR;
        if let (true, Child::File(file)) = (wanted, child) {
            // A link (to /dev/null) masks a file that systemd reads; it says nothing itself.
            let info = tree.repo().file_info(&file)?;
            if matches!(info.kind, cambium_ostree::FileKind::Regular { .. })
                && let Some(bytes) = tree.read_file(&format!("{directory}/{name}"))?
            {
                let mut text = String::from_utf8_lossy(&bytes).into_owned();
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                texts.push(text);
            }
        }
    }
    Ok(texts)
}

/// A `d` line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) path: String,
    pub(super) mode: u32,
    pub(super) user: String,
    pub(super) group: String,
}

impl Directory {
    /// Reads a line; `None` for one of another type. Fields that are left out are root's and 0755.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (kind, path, rest) = split(line)?;
        if !matches!(kind.trim_end_matches(['!', '-', '=', '~', '^', '+']), "d" | "D") {
            return None;
        }
        let mut fields = rest.split_whitespace();
        let mode = fields.next().and_then(|mode| u32::from_str_radix(mode, 8).ok());
        let name = |field: Option<&str>| match field {
            None | Some("-") => "root".to_owned(),
            Some(name) => name.to_owned(),
        };
        let user = name(fields.next());
        Some(Self { path, mode: mode.unwrap_or(0o755) & 0o7777, user, group: name(fields.next()) })
    }
}

/// The content of the merged file from `packages` (file name to text), minus every path that
/// `system` (the same) speaks of; `None` where nothing is left to say. Sorted by path; of two
/// packages that name one path, the first file's line counts.
pub(crate) fn merge<'a>(
    packages: impl IntoIterator<Item = &'a str>,
    system: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let known: BTreeSet<String> =
        system.into_iter().flat_map(str::lines).filter_map(subject).collect();
    let mut lines = BTreeMap::new();
    for line in packages.into_iter().flat_map(str::lines) {
        if let Some(path) = subject(line).filter(|path| !known.contains(path)) {
            lines.entry(path).or_insert(line.trim());
        }
    }
    if lines.is_empty() {
        return None;
    }
    let mut text =
        String::from("# Made by cambium from the packages' files below /var and /run.\n");
    for line in lines.values() {
        text.push_str(line);
        text.push('\n');
    }
    Some(text)
}

/// A line for a directory that a script made.
pub(crate) fn directory_line(path: &str, mode: u32, user: &str, group: &str) -> String {
    format!("d {} 0{mode:o} {user} {group} - -\n", word(path))
}

/// A line for a link that a script made. A target is the rest of its line, in which systemd reads
/// C escapes and specifiers.
pub(super) fn link_line(path: &str, target: &str) -> String {
    let target = target.replace('\\', "\\\\").replace('%', "%%");
    format!("L {} - - - - {target}\n", word(path))
}

/// A line for a small text file: mode, user and group, and the content.
pub(super) fn file_line(path: &str, (mode, user, group): (u32, &str, &str), text: &str) -> String {
    // An empty argument is written `-`, a content that begins so is told apart by an escape.
    let content = match text {
        "" => "-".to_owned(),
        text => escape_content(text),
    };
    format!("f {} 0{mode:o} {user} {group} - {content}\n", word(path))
}

/// A line for a file whose content is at `source`.
pub(super) fn copy_line(
    path: &str,
    (mode, user, group): (u32, &str, &str),
    source: &str,
) -> String {
    let source = source.replace('\\', "\\\\").replace('%', "%%");
    format!("C {} 0{mode:o} {user} {group} - {source}\n", word(path))
}

/// One word of a line: in quotes where it has to be, `%` doubled. systemd 252 reads no C escapes here.
pub(crate) fn word(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len() + 2);
    for letter in path.chars() {
        match letter {
            '%' => escaped.push_str("%%"),
            '"' | '\\' => escaped.extend(['\\', letter]),
            _ => escaped.push(letter),
        }
    }
    let plain = |letter: char| !letter.is_whitespace() && !matches!(letter, '"' | '\'' | '\\');
    if path.chars().all(plain) { escaped } else { format!("\"{escaped}\"") }
}

/// The content of an `f` line: one line, with C escapes, `%` doubled, nothing lost at its ends.
fn escape_content(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    let last = text.len().saturating_sub(1);
    for (at, letter) in text.char_indices() {
        match letter {
            '%' => escaped.push_str("%%"),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            // Blanks at the ends would be stripped, and a lone `-` read as nothing.
            ' ' | '-' if at == 0 || at == last => {
                escaped.push_str(&format!("\\x{:02x}", u32::from(letter)));
            }
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_about_its_second_word() {
        for (line, path) in [
            ("d /var/lib/x 0755 root root - -", Some("/var/lib/x")),
            ("  L  /opt/X - - - - ../y", Some("/opt/X")),
            ("d \"/var/lib/a b\" 0755 - - -", Some("/var/lib/a b")),
            ("d \"/var/a \\\"b\\\\c\" 0755 - - -", Some("/var/a \"b\\c")),
            ("d /var/a\\x20%%b 0755 - - -", Some("/var/a %b")),
            ("d /var/lib/x/ 0755 - - -", Some("/var/lib/x")),
            ("d /var/run/x 0755 - - -", Some("/run/x")),
            ("# d /var/lib/x", None),
            ("", None),
        ] {
            assert_eq!(subject(line).as_deref(), path, "{line}");
        }
    }

    #[test]
    fn what_the_system_says_itself_is_left_out() {
        let packages = [
            "d /var/lib/b 0755 root root - -\nd /var/lib/a 0700 a a - -\n",
            "d /var/lib/b 0700 x x - -\nd /var/log/c 0755 - - - -\n",
        ];
        let system = ["# comment\nd /var/log/c 2755 root adm -\n"];
        let text = merge(packages, system).unwrap();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(lines, ["d /var/lib/a 0700 a a - -", "d /var/lib/b 0755 root root - -"]);
        assert_eq!(merge(["d /var/log/c 0755 - - - -"], system), None);
    }

    proptest! {
        #[test]
        fn made_lines_are_about_their_path(path in "/var/[a-z][a-z /]{0,9}[a-z]", mode in 0u32..0o7777) {
            prop_assume!(!path.contains("//"));
            let line = directory_line(&path, mode, "root", "root");
            let expected = match path.strip_prefix("/var/run/") {
                Some(rest) => format!("/run/{rest}"),
                None => path,
            };
            prop_assert_eq!(subject(&line), Some(expected.clone()));
            let made = Directory::parse(&line).unwrap();
            prop_assert_eq!((made.path, made.mode, made.user), (expected, mode, "root".to_owned()));
        }
    }
}
