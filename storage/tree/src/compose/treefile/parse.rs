//! From a treefile's text to a [`Treefile`], with the line of every mistake.
//!
//! Two passes: the first sees that every key is known and takes `packages-ARCH`, the second
//! fills the fields. Both formats report lines on their own, so no value carries one.

use super::Treefile;
use super::key::{Key, nearest};
use crate::compose::Error;
use crate::compose::error::Location;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Takes a treefile apart; `path` tells the format (`.yaml`, `.yml`, else JSON) and is named in
/// errors.
///
/// # Errors
/// Text that is not YAML or JSON, an unknown or unsupported key, a value of the wrong type.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Treefile, Error> {
    let problem = RefCell::new(None);
    let keys = KeyPass { problem: &problem };
    let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let (packages_of, treefile) = if yaml {
        let failed = |error| yaml_error(path, &error, problem.take());
        let packages_of = keys.deserialize(serde_norway::Deserializer::from_str(text));
        (packages_of.map_err(failed)?, serde_norway::from_str(text).map_err(failed))
    } else {
        let failed = |error| json_error(path, &error, problem.take());
        let packages_of = keys.deserialize(&mut serde_json::Deserializer::from_str(text));
        (packages_of.map_err(failed)?, serde_json::from_str(text).map_err(failed))
    };
    let mut treefile: Treefile = treefile?;
    treefile.packages_of = packages_of;
    Ok(treefile)
}

/// A key that cannot be used; kept aside since serde's errors carry only text.
enum Problem {
    Unsupported(String),
    Unknown(String),
    Twice(String),
}

fn located(path: &Path, line: Option<usize>, message: String, problem: Option<Problem>) -> Error {
    let at = Location { path: path.to_owned(), line };
    match problem {
        Some(Problem::Unknown(key)) => Error::UnknownKey { at, nearest: nearest(&key), key },
        Some(Problem::Unsupported(key)) => Error::UnsupportedKey { at, key },
        Some(Problem::Twice(key)) => Error::RepeatedKey { at, key },
        None => Error::Treefile { at, message },
    }
}

fn yaml_error(path: &Path, error: &serde_norway::Error, problem: Option<Problem>) -> Error {
    let line = error.location().map(|location| location.line());
    located(path, line, without_position(&error.to_string()), problem)
}

fn json_error(path: &Path, error: &serde_json::Error, problem: Option<Problem>) -> Error {
    let line = Some(error.line()).filter(|line| *line > 0);
    located(path, line, without_position(&error.to_string()), problem)
}

/// Both libraries end their texts with ` at line N column M`; ours names the line up front.
fn without_position(message: &str) -> String {
    let end = message.find(" at line ").unwrap_or(message.len());
    message[..end].to_owned()
}

/// The first pass: reads the keys of the outermost map.
struct KeyPass<'a> {
    problem: &'a RefCell<Option<Problem>>,
}

impl<'de> DeserializeSeed<'de> for KeyPass<'_> {
    type Value = BTreeMap<String, Vec<String>>;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for KeyPass<'_> {
    type Value = BTreeMap<String, Vec<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of treefile keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut packages_of = BTreeMap::new();
        let mut seen = Vec::new();
        while let Some(key) = map.next_key_seed(KnownKey { pass: &self, seen: &seen })? {
            match Key::of(&key) {
                Key::PackagesOf(arch) => {
                    packages_of.insert(arch.to_owned(), map.next_value()?);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            seen.push(key);
        }
        Ok(packages_of)
    }
}

/// One key, refused while the deserialiser still stands on it: that is what gives the line.
struct KnownKey<'a> {
    pass: &'a KeyPass<'a>,
    seen: &'a [String],
}

impl<'de> DeserializeSeed<'de> for KnownKey<'_> {
    type Value = String;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<String, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for KnownKey<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a treefile key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<String, E> {
        let problem = match Key::of(key) {
            _ if self.seen.iter().any(|seen| seen == key) => Problem::Twice(key.to_owned()),
            Key::Field | Key::PackagesOf(_) => return Ok(key.to_owned()),
            Key::Unsupported => Problem::Unsupported(key.to_owned()),
            Key::Unknown => Problem::Unknown(key.to_owned()),
        };
        *self.pass.problem.borrow_mut() = Some(problem);
        Err(E::custom("a key that cannot be used"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::treefile::{Ids, OneOrMany, Scalar};
    use proptest::prelude::*;

    fn check(name: &str, text: &str, expected: &str) {
        let error = parse(Path::new(name), text).expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        let yaml = |text, expected| check("d/t.yaml", text, expected);
        yaml(
            "ref: a\n\npakages: [b]\n",
            "d/t.yaml:3: unknown key 'pakages' (did you mean 'packages'?)",
        );
        yaml("ref: a\nzebra: 1\n", "d/t.yaml:2: unknown key 'zebra'");
        yaml(
            "# c\nostree-layers: [x]\n",
            "d/t.yaml:2: the key 'ostree-layers' is not supported yet",
        );
        yaml("ref: a\nunits: []\nref: b\n", "d/t.yaml:3: the key 'ref' stands here a second time");
        yaml(
            "ref: a\nunits:\n  - x\n  - [y]\n",
            "d/t.yaml:4: units[1]: invalid type: sequence, expected a string",
        );
        yaml(
            "releasever: 12.10\n",
            "d/t.yaml:1: releasever: invalid type: floating point `12.1`, expected text, a whole \
             number or a boolean (a version such as 12.10 in quotes)",
        );
        yaml(
            "check-passwd:\n  type: file\n  file: x\n",
            "d/t.yaml:3: check-passwd: unknown field `file`, expected one of `type`, `filename`, \
             `entries`",
        );
    }

    #[test]
    fn json_is_held_to_the_same_rules() {
        let json = |text, expected| check("t.json", text, expected);
        json(
            "{\n \"ref\": \"a\",\n \"unit\": []\n}",
            "t.json:3: unknown key 'unit' (did you mean 'units'?)",
        );
        json("{\"ref\": \"a\",}", "t.json:1: trailing comma");
        json("[]", "t.json:1: invalid type: sequence, expected a map of treefile keys");
    }

    #[test]
    fn values_may_be_written_in_every_form() {
        let parsed = parse(
            Path::new("t.yml"),
            "include: one.yaml\npackages-x86_64: [grub2]\nreleasever: 12\npackages:\n\
             check-groups: {type: data, entries: {a: 7}}\n\
             check-passwd: {type: data, entries: {b: [7, 8]}}\n",
        );
        let parsed = parsed.unwrap();
        assert_eq!(parsed.include, OneOrMany(vec!["one.yaml".into()]));
        assert_eq!(parsed.packages_of["x86_64"], ["grub2"]);
        assert_eq!(parsed.releasever, Some(Scalar("12".into())));
        assert!(parsed.packages.is_empty());
        assert_eq!(parsed.check_groups.unwrap().entries["a"], Ids::One(7));
        assert_eq!(parsed.check_passwd.unwrap().entries["b"], Ids::Two(7, 8));
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back(
            treeref in proptest::option::of("[a-z/${}]{1,9}"),
            packages in prop::collection::vec("[a-z ]{1,9}", 0..3),
            files in prop::collection::vec(("[a-z]{1,5}", "/[a-z/]{1,5}"), 0..3),
            recommends in proptest::option::of(any::<bool>()),
            variables in prop::collection::btree_map("[a-z]{1,4}", "[^\u{0}]{0,6}", 0..3),
            postprocess in prop::collection::vec("(?s).{0,30}", 0..2),
        ) {
            let variables = variables.into_iter().map(|(k, v)| (k, Scalar(v))).collect();
            let treefile = Treefile {
                treeref, packages, add_files: files, recommends, variables, postprocess,
                ..Treefile::default()
            };
            let json = treefile.to_json().unwrap();
            prop_assert_eq!(&parse(Path::new("t.json"), &json).unwrap(), &treefile);
        }

        #[test]
        fn no_text_panics(text in "(?s).{0,60}") {
            let _either = (parse(Path::new("t.yaml"), &text), parse(Path::new("t.json"), &text));
        }
    }
}
