//! Kernel arguments: their order, repeats and quotes, and rpm-ostree's edits of them.
//!
//! The command line is split at blanks outside double quotes, as the kernel does; quotes stay part
//! of the argument. Semantics and error texts are those of libostree's `OstreeKernelArgs`.

use cambium_model::{Failure, FailureKind, KargsEdit};
use std::fmt;
use std::str::FromStr;

/// A kernel command line, argument by argument, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelArgs(Vec<String>);

/// An edit that does not fit the arguments that are there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KargsError {
    /// No argument has this key.
    #[error("No key '{0}' found")]
    NoKey(String),
    /// The key is there, but not with this value.
    #[error("No karg '{0}' found")]
    NoKarg(String),
    /// A key alone does not say which of its values is meant.
    #[error("Multiple values for key '{0}' found")]
    Ambiguous(String),
}

impl KargsError {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::NoKey(_) | Self::NoKarg(_) => FailureKind::NotFound,
            Self::Ambiguous(_) => FailureKind::InvalidRequest,
        }
    }
}

impl From<KargsError> for Failure {
    fn from(error: KargsError) -> Self {
        let failure = Self::from_error(error.kind(), &error);
        match error {
            KargsError::Ambiguous(key) => failure.advise(format!("name one as {key}=VALUE")),
            _ => failure,
        }
    }
}

/// The key and, behind the first `=`, the value of an argument.
fn split_pair(argument: &str) -> (&str, Option<&str>) {
    argument.split_once('=').map_or((argument, None), |(key, value)| (key, Some(value)))
}

/// Cuts at blanks outside double quotes.
fn split(line: &str) -> Vec<String> {
    let mut quoted = false;
    let arguments = line.split(|c: char| {
        quoted ^= c == '"';
        !quoted && c.is_ascii_whitespace()
    });
    arguments.filter(|argument| !argument.is_empty()).map(str::to_owned).collect()
}

impl KernelArgs {
    /// Takes arguments one by one; each is split in turn where it holds unquoted blanks.
    #[must_use]
    pub fn from_arguments(arguments: &[String]) -> Self {
        Self(arguments.iter().flat_map(|argument| split(argument)).collect())
    }

    /// The arguments, in order.
    #[must_use]
    pub fn to_arguments(&self) -> Vec<String> {
        self.0.clone()
    }

    /// The values of `key`, in order; `None` for each time that it stands alone.
    pub fn values(&self, key: &str) -> impl Iterator<Item = Option<&str>> {
        let pairs = self.0.iter().map(|argument| split_pair(argument));
        pairs.filter(move |(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Whether exactly this argument is there.
    #[must_use]
    pub fn contains(&self, argument: &str) -> bool {
        self.0.iter().any(|present| present == argument)
    }

    /// Applies `edit` in the order of its fields: all of it, or nothing.
    ///
    /// # Errors
    /// When an argument to replace or delete is not there, or could be one of several.
    pub fn edit(&mut self, edit: &KargsEdit) -> Result<(), KargsError> {
        let mut edited = self.clone();
        edit.replace.iter().try_for_each(|argument| edited.replace(argument))?;
        edit.delete.iter().try_for_each(|argument| edited.delete(argument))?;
        edit.delete_if_present.iter().for_each(|argument| edited.delete_present(argument));
        edit.append.iter().for_each(|argument| edited.append(argument));
        edit.append_if_missing.iter().for_each(|argument| edited.append_if_missing(argument));
        *self = edited;
        Ok(())
    }

    /// Adds what `line` holds at the end.
    fn append(&mut self, line: &str) {
        self.0.extend(split(line));
    }

    fn append_if_missing(&mut self, line: &str) {
        for argument in split(line) {
            if !self.contains(&argument) {
                self.0.push(argument);
            }
        }
    }

    /// Deletes `KEY=VALUE`, or `KEY` where it occurs once, whatever its value.
    fn delete(&mut self, argument: &str) -> Result<(), KargsError> {
        let (key, value) = split_pair(argument);
        let at = match (self.places(key)?.as_slice(), value) {
            ([only], None) => *only,
            (_, None) => return Err(KargsError::Ambiguous(key.to_owned())),
            (_, Some(_)) => self.place(argument)?,
        };
        self.0.remove(at);
        Ok(())
    }

    /// Deletes the first argument that is exactly this one, if there is one: a key alone does not
    /// take a key with a value along.
    fn delete_present(&mut self, argument: &str) {
        if let Some(at) = self.0.iter().position(|present| present == argument) {
            self.0.remove(at);
        }
    }

    /// `KEY=OLD=NEW` replaces one value, `KEY=NEW` the only one.
    fn replace(&mut self, argument: &str) -> Result<(), KargsError> {
        let (key, value) = split_pair(argument);
        let places = self.places(key)?;
        let (at, new) = match value.and_then(|value| value.split_once('=')) {
            Some((old, new)) => (self.place(&format!("{key}={old}"))?, format!("{key}={new}")),
            None => match places.as_slice() {
                [only] => (*only, argument.to_owned()),
                _ => return Err(KargsError::Ambiguous(key.to_owned())),
            },
        };
        // A value with blanks is several arguments, as the kernel and the next reader see it.
        self.0.splice(at..=at, split(&new));
        Ok(())
    }

    /// Where `key` is: at least one place.
    fn places(&self, key: &str) -> Result<Vec<usize>, KargsError> {
        let all = self.0.iter().enumerate().filter(|(_, argument)| split_pair(argument).0 == key);
        let places: Vec<usize> = all.map(|(at, _)| at).collect();
        if places.is_empty() { Err(KargsError::NoKey(key.to_owned())) } else { Ok(places) }
    }

    fn place(&self, argument: &str) -> Result<usize, KargsError> {
        let place = self.0.iter().position(|present| present == argument);
        place.ok_or_else(|| KargsError::NoKarg(argument.to_owned()))
    }
}

impl FromStr for KernelArgs {
    type Err = std::convert::Infallible;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        Ok(Self(split(line)))
    }
}

impl fmt::Display for KernelArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edit(field: &str, argument: &str) -> KargsEdit {
        let mut edit = KargsEdit::default();
        let list = match field {
            "replace" => &mut edit.replace,
            "delete" => &mut edit.delete,
            "delete-if-present" => &mut edit.delete_if_present,
            "append" => &mut edit.append,
            "append-if-missing" => &mut edit.append_if_missing,
            other => panic!("{other}"),
        };
        list.push(argument.to_owned());
        edit
    }

    fn check(before: &str, field: &str, argument: &str, after: Result<&str, &str>) {
        let mut args: KernelArgs = before.parse().unwrap();
        let result = args.edit(&edit(field, argument)).map_err(|error| error.to_string());
        match after {
            Ok(line) => assert_eq!((result, args.to_string()), (Ok(()), line.to_owned())),
            Err(text) => {
                assert_eq!((result, args.to_string()), (Err(text.to_owned()), before.to_owned()));
            }
        }
    }

    #[test]
    fn edits_follow_libostree() {
        let two = "quiet console=tty0 console=ttyS0 root=UUID=1";
        check("a", "append", "b=1", Ok("a b=1"));
        check("a", "append", "b c=\"x y\"", Ok("a b c=\"x y\""));
        check("a", "append", "a", Ok("a a"));
        check("a", "append-if-missing", "a", Ok("a"));
        check("a=1", "append-if-missing", "a=2", Ok("a=1 a=2"));
        check("a b=1", "delete", "b", Ok("a"));
        check("a b=1", "delete", "b=1", Ok("a"));
        check("a b=1", "delete", "b=2", Err("No karg 'b=2' found"));
        check("a b=1", "delete", "c", Err("No key 'c' found"));
        check(two, "delete", "console", Err("Multiple values for key 'console' found"));
        check(two, "delete", "console=tty0", Ok("quiet console=ttyS0 root=UUID=1"));
        check(two, "delete", "root=UUID=1", Ok("quiet console=tty0 console=ttyS0"));
        check("a b=1", "delete-if-present", "b=2", Ok("a b=1"));
        check("a b=1", "delete-if-present", "b=1", Ok("a"));
        check("b b=1", "delete-if-present", "b", Ok("b=1"));
        check("b=1", "delete-if-present", "b", Ok("b=1"));
        check("a b=1", "replace", "b=2", Ok("a b=2"));
        check("a b=1", "replace", "b=1=2", Ok("a b=2"));
        check("a b=1", "replace", "b=3=2", Err("No karg 'b=3' found"));
        check("a b=1", "replace", "c=2", Err("No key 'c' found"));
        check(two, "replace", "console=x", Err("Multiple values for key 'console' found"));
        check("c=1 c=2 d", "replace", "c=1=3", Ok("c=3 c=2 d"));
    }

    #[test]
    fn a_replacement_with_blanks_is_the_arguments_that_it_will_be_read_as() {
        let mut args: KernelArgs = "a b=1 c".parse().unwrap();
        args.edit(&edit("replace", "b=1=2 d=\"x y\"")).unwrap();
        assert_eq!(args.to_arguments(), ["a", "b=2", "d=\"x y\"", "c"]);
    }

    #[test]
    fn an_edit_that_fails_changes_nothing() {
        let mut args: KernelArgs = "a b".parse().unwrap();
        let both = KargsEdit { delete: vec!["a".into(), "gone".into()], ..KargsEdit::default() };
        assert_eq!(args.edit(&both), Err(KargsError::NoKey("gone".into())));
        assert_eq!(args.to_string(), "a b");
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(line in "[a-c=\" ]{0,24}") {
            let args: KernelArgs = line.parse().unwrap();
            prop_assert_eq!(args.to_string().parse::<KernelArgs>().unwrap(), args.clone());
            prop_assert_eq!(KernelArgs::from_arguments(&args.to_arguments()), args);
        }

        #[test]
        fn any_edit_is_applied_or_refused(line: String, argument: String, field in 0usize..5) {
            const FIELDS: [&str; 5] =
                ["replace", "delete", "delete-if-present", "append", "append-if-missing"];
            let mut args: KernelArgs = line.parse().unwrap();
            let before = args.clone();
            if args.edit(&edit(FIELDS[field], &argument)).is_err() {
                prop_assert_eq!(args, before);
            }
        }
    }
}
