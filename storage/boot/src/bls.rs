//! Entries of the Boot Loader Specification: `loader/entries/*.conf`.
//!
//! Source: uapi-group.org, Boot Loader Specification, type 1. Lines are kept as they are, unknown
//! keys, comments, blanks and line ends included, so printing gives back what was parsed.

use crate::kargs::KernelArgs;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A boot entry, line by line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootEntry {
    /// Each with its line end, which the last one may lack.
    lines: Vec<String>,
}

/// The key and value of a line; `None` for comments and blank lines. Only ASCII counts as blank: a
/// value may end in any other character, and is handed to the kernel with it.
fn field(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (key, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    Some((key, value.trim_ascii_start()))
}

impl BootEntry {
    /// Every key and value, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().filter_map(|line| field(line))
    }

    /// The values of `key`, in order: `initrd` and `options` may occur more than once.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields().filter(move |(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The kernel arguments: all `options` lines together.
    #[must_use]
    pub fn kernel_args(&self) -> KernelArgs {
        let lines: Vec<String> = self.values("options").map(str::to_owned).collect();
        KernelArgs::from_arguments(&lines)
    }

    /// Puts the arguments on one `options` line, in the place of the first there was.
    pub fn set_kernel_args(&mut self, args: &KernelArgs) {
        self.set("options", &[&args.to_string()]);
    }

    /// Puts `values`, a line for each, in the place of the first line of `key`, at the end where
    /// there was none, and drops its other lines. Line ends within a value become blanks.
    pub fn set(&mut self, key: &str, values: &[&str]) {
        let is_key = |line: &String| field(line).is_some_and(|(name, _)| name == key);
        let place = self.lines.iter().position(is_key);
        let at = place.unwrap_or(self.lines.len());
        self.lines.retain(|line| !is_key(line));
        if let Some(last) = self.lines.last_mut()
            && !last.ends_with('\n')
        {
            last.push('\n');
        }
        let lines =
            values.iter().map(|value| format!("{key} {}\n", value.replace(['\n', '\r'], " ")));
        self.lines.splice(at..at, lines);
    }
}

impl FromStr for BootEntry {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { lines: text.split_inclusive('\n').map(str::to_owned).collect() })
    }
}

impl fmt::Display for BootEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| f.write_str(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ENTRY: &str = "# made by ostree\ntitle Test 1 (ostree:0)\nversion 1\noptions root=x\n\
        x-unknown\t y z\n\ninitrd /a.img\ninitrd /b.img\noptions quiet\nlinux /vmlinuz";

    #[test]
    fn repeated_and_unknown_keys_are_read_in_order() {
        let entry: BootEntry = ENTRY.parse().unwrap();
        assert_eq!(entry.values("initrd").collect::<Vec<_>>(), ["/a.img", "/b.img"]);
        assert_eq!(entry.values("x-unknown").collect::<Vec<_>>(), ["y z"]);
        assert_eq!(entry.kernel_args().to_string(), "root=x quiet");
    }

    #[test]
    fn setting_arguments_leaves_every_other_line_as_it_is() {
        let mut entry: BootEntry = ENTRY.parse().unwrap();
        entry.set_kernel_args(&"root=y".parse().unwrap());
        let expected = ENTRY.replace("root=x", "root=y").replace("options quiet\n", "") + "\n";
        assert_eq!(entry.to_string(), expected);
        entry.set("aboot", &["/x\ny"]);
        assert_eq!(entry.to_string(), expected + "aboot /x y\n");
    }

    #[test]
    fn an_argument_may_end_in_a_blank_that_is_none_to_the_kernel() {
        for argument in ["name=x\u{a0}", "name=\u{3000}", "\u{b}"] {
            let mut entry: BootEntry = ENTRY.parse().unwrap();
            let arguments: KernelArgs = argument.parse().unwrap();
            entry.set_kernel_args(&arguments);
            assert_eq!(entry.kernel_args(), arguments);
        }
    }

    proptest! {
        #[test]
        fn printing_gives_back_any_text(text: String) {
            prop_assert_eq!(text.parse::<BootEntry>().unwrap().to_string(), text);
        }

        #[test]
        fn what_is_set_is_read_back(text: String, value in "[a-z=]{1,9}( [a-z]{1,9})?") {
            let mut entry: BootEntry = text.parse().unwrap();
            entry.set("initrd", &[&value, "/b"]);
            prop_assert_eq!(entry.values("initrd").collect::<Vec<_>>(), [value.as_str(), "/b"]);
        }
    }
}
