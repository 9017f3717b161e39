//! Which line of a policy's file contexts decides about a path.
//!
//! A policy has thousands of lines, and libselinux 3.4 tries their expressions one after the other
//! for each path: 4.4 s of CPU for 10,000 files (Debian's policy). Paths about which the same line
//! decides have the same label, so libselinux is asked once for each line and type of file
//! ([`super::Policy`] does, and compares). The line is found by its literal beginning: a line whose
//! beginning differs from the path's cannot match it.
//!
//! Format: selabel_file(5) and libselinux's `label_file.c`: of the lines that match, one without
//! metacharacters wins over all others, and of the rest the last; expressions match the whole
//! path; aliases (`*.subs`, `*.subs_dist`) are applied to the path first. What is not understood
//! (an expression of PCRE's own) is left to libselinux.

use super::Kind;
use regex::bytes::{Regex, RegexBuilder};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

/// The lines of one policy.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// In the order of precedence, the weakest first.
    rules: Vec<Rule>,
    /// Rules by their literal beginning.
    by_beginning: HashMap<Box<[u8]>, Vec<usize>>,
    /// The lengths that beginnings have.
    lengths: BTreeSet<usize>,
    /// Aliases in the order in which they are tried.
    local_aliases: Vec<Alias>,
    aliases: Vec<Alias>,
}

#[derive(Debug)]
struct Rule {
    /// The type of file, where it is only about one.
    only: Option<Only>,
    label: Option<Box<str>>,
    pattern: Pattern,
}

/// The type that a line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Only {
    Kind(Kind),
    /// Devices, sockets, pipes: never in a tree.
    Special,
}

#[derive(Debug)]
enum Pattern {
    /// The beginning is all of it.
    Exact,
    /// `BEGINNING(/.*)?`: a directory and all below it.
    Below,
    /// Anything else; compiled when it is first tried, `None` where that fails.
    Expression(Box<str>, OnceLock<Option<Regex>>),
}

#[derive(Debug)]
struct Alias {
    from: Box<str>,
    to: Box<str>,
}

/// Whether a rule is about a path.
#[derive(Debug, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    Unknown,
}

impl Rules {
    /// Reads the files of a policy by their names.
    pub(super) fn parse(files: &BTreeMap<&'static str, Vec<u8>>) -> Self {
        let text = |name: &str| {
            files.get(name).map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default()
        };
        let mut parsed = Vec::new();
        for name in ["file_contexts", "file_contexts.homedirs", "file_contexts.local"] {
            parsed.extend(text(name).lines().filter_map(parse_line));
        }
        // Stable: lines of one kind keep their order.
        parsed.sort_by_key(|(expression, ..)| !has_metacharacters(expression));
        let mut rules = Self {
            local_aliases: parse_aliases(&text("file_contexts.subs")),
            aliases: parse_aliases(&text("file_contexts.subs_dist")),
            ..Self::default()
        };
        for (expression, only, label) in parsed {
            let (beginning, rest) = split(&expression);
            let pattern = match rest {
                "" => Pattern::Exact,
                "(/.*)?" => Pattern::Below,
                _ => Pattern::Expression(expression.as_str().into(), OnceLock::new()),
            };
            rules.lengths.insert(beginning.len());
            let at = rules.rules.len();
            rules.by_beginning.entry(beginning.into_boxed_slice()).or_default().push(at);
            rules.rules.push(Rule { only, label, pattern });
        }
        rules
    }

    /// The rule that decides about an absolute path; `None` where none does, or it is not known.
    pub(super) fn deciding(&self, path: &str, kind: Kind) -> Option<usize> {
        let path = substitute(&self.aliases, &substitute(&self.local_aliases, path)).into_bytes();
        let mut candidates = Vec::new();
        for length in self.lengths.iter().take_while(|length| **length <= path.len()) {
            if let Some(found) = self.by_beginning.get(&path[..*length]) {
                candidates.extend(found.iter().map(|at| (*at, *length)));
            }
        }
        candidates.sort_unstable();
        for (at, length) in candidates.into_iter().rev() {
            let rule = &self.rules[at];
            if rule.only.is_some_and(|only| only != Only::Kind(kind)) {
                continue;
            }
            match rule.pattern.matches(&path, length) {
                Match::Yes => return Some(at),
                Match::No => {}
                Match::Unknown => return None,
            }
        }
        None
    }

    /// The label that the rule gives; `None` for `<<none>>`.
    pub(super) fn label(&self, rule: usize) -> Option<&str> {
        self.rules.get(rule)?.label.as_deref()
    }
}

impl Pattern {
    /// Whether it matches a path whose first `length` bytes are its beginning.
    fn matches(&self, path: &[u8], length: usize) -> Match {
        let yes = match self {
            Self::Exact => path.len() == length,
            Self::Below => path.len() == length || path[length] == b'/',
            Self::Expression(source, compiled) => {
                let compile = || {
                    // As libselinux has it: without a group, an alternative stands alone.
                    RegexBuilder::new(&format!("^{source}$"))
                        .unicode(false)
                        .dot_matches_new_line(true)
                        .size_limit(1 << 20)
                        .dfa_size_limit(1 << 18)
                        .build()
                        .ok()
                };
                match compiled.get_or_init(compile) {
                    Some(regex) => regex.is_match(path),
                    None => return Match::Unknown,
                }
            }
        };
        if yes { Match::Yes } else { Match::No }
    }
}

/// `EXPRESSION [TYPE] LABEL`.
fn parse_line(line: &str) -> Option<(String, Option<Only>, Option<Box<str>>)> {
    let mut words = line.split_whitespace();
    let expression = words.next().filter(|word| !word.starts_with('#'))?;
    let second = words.next()?;
    let (only, label) = match words.next() {
        None => (None, second),
        Some(label) => {
            let only = match second {
                "--" => Only::Kind(Kind::Regular),
                "-d" => Only::Kind(Kind::Directory),
                "-l" => Only::Kind(Kind::Symlink),
                _ => Only::Special,
            };
            (Some(only), label)
        }
    };
    Some((expression.to_owned(), only, (label != "<<none>>").then(|| label.into())))
}

/// `FROM TO`. libselinux tries the last line first.
fn parse_aliases(text: &str) -> Vec<Alias> {
    let alias = |line: &str| {
        let mut words = line.split_whitespace();
        let from = words.next().filter(|word| !word.starts_with('#'))?;
        Some(Alias { from: from.into(), to: words.next()?.into() })
    };
    let mut aliases: Vec<_> = text.lines().filter_map(alias).collect();
    aliases.reverse();
    aliases
}

/// The path with the first alias applied that is about it.
fn substitute(aliases: &[Alias], path: &str) -> String {
    let applies = |alias: &Alias| {
        let rest = path.strip_prefix(&*alias.from)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| {
            let rest =
                if &*alias.to == "/" { rest.strip_prefix('/').unwrap_or(rest) } else { rest };
            format!("{}{rest}", alias.to)
        })
    };
    aliases.iter().find_map(applies).unwrap_or_else(|| path.to_owned())
}

/// What libselinux takes for a sign of an expression.
const META: &[u8] = b".^$?*+|[({";

/// As libselinux has it: a character after a backslash is none.
fn has_metacharacters(expression: &str) -> bool {
    let mut bytes = expression.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            byte if META.contains(&byte) => return true,
            _ => {}
        }
    }
    false
}

/// The literal beginning, unescaped, and what follows it.
fn split(expression: &str) -> (Vec<u8>, &str) {
    // An alternative may begin otherwise. One within a group comes after the beginning.
    if has_alternative(expression) {
        return (Vec::new(), expression);
    }
    let bytes = expression.as_bytes();
    let (mut beginning, mut at, mut last) = (Vec::new(), 0, 0);
    while let Some(byte) = bytes.get(at) {
        let escaped = *byte == b'\\';
        let literal = if escaped { bytes.get(at + 1) } else { Some(byte) };
        match literal {
            // `\d` and the like are classes.
            Some(literal) if escaped && literal.is_ascii_alphanumeric() => break,
            Some(literal) if escaped || !(META.contains(literal) || b")]}".contains(literal)) => {
                beginning.push(*literal);
                last = at;
                at += if escaped { 2 } else { 1 };
            }
            _ => break,
        }
    }
    // A quantifier is about the character before it.
    if at > 0 && bytes.get(at).is_some_and(|byte| b"?*+{".contains(byte)) {
        beginning.pop();
        at = last;
    }
    (beginning, &expression[at..])
}

/// Whether a `|` stands outside of all groups and classes.
fn has_alternative(expression: &str) -> bool {
    let (mut depth, mut class) = (0i32, false);
    let mut bytes = expression.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b']' => class = false,
            _ if class => {}
            b'[' => class = true,
            b'(' => depth += 1,
            b')' => depth -= 1,
            b'|' if depth <= 0 => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules(files: &[(&'static str, &str)]) -> Rules {
        Rules::parse(&files.iter().map(|(name, text)| (*name, text.as_bytes().to_vec())).collect())
    }

    fn check(rules: &Rules, path: &str, kind: Kind, label: Option<&str>) {
        let found = rules.deciding(path, kind).map(|rule| rules.label(rule).unwrap_or("<<none>>"));
        assert_eq!(found, label, "{path}");
    }

    #[test]
    fn the_last_line_that_matches_decides_and_literal_ones_before_all() {
        let rules = rules(&[
            (
                "file_contexts",
                "# comment\n/.* default\n/usr(/.*)? usr\n/usr/bin/exact\\.x -- exact\n\
                 /usr/bin(/.*)? bin\n/usr/bin/.* -l link\n/usr/bin/e.* -- early\n/mnt/.* <<none>>\n",
            ),
            ("file_contexts.local", "/usr/bin/local.* -- local\n"),
            ("file_contexts.subs_dist", "/lib /usr/lib\n/alias /usr\n"),
            ("file_contexts.subs", "/own /usr/bin\n"),
        ]);
        use Kind::{Directory, Regular, Symlink};
        for (path, kind, label) in [
            ("/", Directory, Some("default")),
            ("/usr", Directory, Some("usr")),
            ("/usrlocal", Directory, Some("default")),
            ("/usr/bin/exact.x", Regular, Some("exact")),
            ("/usr/bin/exactyx", Regular, Some("early")),
            ("/usr/bin/a", Regular, Some("bin")),
            ("/usr/bin/a", Symlink, Some("link")),
            ("/usr/bin/local-x", Regular, Some("local")),
            ("/alias/bin/a", Regular, Some("bin")),
            ("/own/local-x", Regular, Some("local")),
            ("/mnt/x", Regular, Some("<<none>>")),
        ] {
            check(&rules, path, kind, label);
        }
    }

    #[test]
    fn what_is_not_understood_is_left_to_libselinux() {
        let rules = rules(&[("file_contexts", "/.* default\n/usr/(?!x).* look\n/etc/.* etc\n")]);
        check(&rules, "/usr/y", Kind::Regular, None);
        check(&rules, "/etc/y", Kind::Regular, Some("etc"));
    }

    #[test]
    fn beginnings_are_literal() {
        for (expression, beginning, rest) in [
            ("/usr(/.*)?", "/usr", "(/.*)?"),
            ("/usr/lib/a\\.so", "/usr/lib/a.so", ""),
            ("/usr/lib64?/x", "/usr/lib6", "4?/x"),
            ("/a\\+*b", "/a", "\\+*b"),
            ("/usr/[ab]", "/usr/", "[ab]"),
            ("/a\\d", "/a", "\\d"),
            ("/a|/b", "", "/a|/b"),
            ("/x(a|b)", "/x", "(a|b)"),
            ("/x[|]y", "/x", "[|]y"),
        ] {
            let (found, left) = split(expression);
            assert_eq!((String::from_utf8(found).unwrap().as_str(), left), (beginning, rest));
        }
    }

    proptest! {
        /// Splitting never changes what an expression matches.
        #[test]
        fn a_rule_matches_what_its_expression_does(
            expression in "/(a|b|\\.|\\\\\\.|/|[*]|[?]|[(]/[.][*][)][?]|[|]){0,6}",
            path in "/[ab./]{0,6}",
        ) {
            let Ok(whole) = regex::bytes::RegexBuilder::new(&format!("^{expression}$"))
                .unicode(false).build() else { return Ok(()) };
            let rules = rules(&[("file_contexts", &format!("{expression} label\n"))]);
            let expected = whole.is_match(path.as_bytes());
            prop_assert_eq!(rules.deciding(&path, Kind::Regular).is_some(), expected);
        }
    }
}
