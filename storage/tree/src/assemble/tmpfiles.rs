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

/// The path that a line of tmpfiles.d(5) is about, unquoted; `None` for comments and blanks.
fn subject(line: &str) -> Option<String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (_, rest) = line.split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    let path = match rest.chars().next()? {
        quote @ ('"' | '\'') => rest[1..].split(quote).next().unwrap_or_default(),
        _ => rest.split_whitespace().next().unwrap_or_default(),
    };
    // `/var/x/` and `/var/x` are one directory; /var/run is /run (systemd says so itself).
    let path = path.trim_end_matches('/');
    let path = match path.strip_prefix("/var/run/") {
        Some(rest) => format!("/run/{rest}"),
        None => path.to_owned(),
    };
    (!path.is_empty()).then_some(path)
}

/// Writes the merged file of a tree, with `more` lines beside the packages' own; removes it where
/// there is nothing to say.
pub(super) fn write_merged(tree: &mut Tree<'_>, more: &str) -> Result<()> {
    let mut packages = texts(tree, PACKAGES)?;
    packages.push(more.to_owned());
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
        let line = line.trim();
        let path = subject(line)?;
        let (kind, _) = line.split_once(char::is_whitespace)?;
        if !matches!(kind.trim_end_matches(['!', '-', '=', '~', '^', '+']), "d" | "D") {
            return None;
        }
        let quoted = line.contains('"') || line.contains('\'');
        let rest =
            if quoted { line.rsplit(['"', '\'']).next()? } else { line.split_once(&path)?.1 };
        let mut fields = rest.trim_start_matches('/').split_whitespace();
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
    let quoted =
        if path.contains(char::is_whitespace) { format!("\"{path}\"") } else { path.into() };
    format!("d {quoted} 0{mode:o} {user} {group} - -\n")
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
