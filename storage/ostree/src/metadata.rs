//! A commit's metadata dictionary, `a{sv}`: built key by key, read by type.

use crate::error::{Error, Result};
use glib::variant::ToVariant;
use std::collections::BTreeMap;

/// Keys and values of a commit, sorted by key so that equal metadata is equal bytes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata(BTreeMap<String, glib::Variant>);

impl Metadata {
    /// No keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With `key` set to a string.
    #[must_use]
    pub fn string(self, key: &str, value: &str) -> Self {
        self.variant(key, value.to_variant())
    }

    /// With `key` set to a list of strings, `as`.
    #[must_use]
    pub fn strings<S: AsRef<str>>(self, key: &str, values: &[S]) -> Self {
        let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
        self.variant(key, values.to_variant())
    }

    /// With `key` set to a boolean, `b`.
    #[must_use]
    pub fn flag(self, key: &str, value: bool) -> Self {
        self.variant(key, value.to_variant())
    }

    /// With `key` set to bytes, `ay`.
    #[must_use]
    pub fn bytes(self, key: &str, value: &[u8]) -> Self {
        self.variant(key, glib::Variant::array_from_fixed_array(value))
    }

    /// With `key` set to a value of any type.
    #[must_use]
    pub fn variant(mut self, key: &str, value: glib::Variant) -> Self {
        self.0.insert(key.to_owned(), value);
        self
    }

    /// Without `key`.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.0.remove(key);
        self
    }

    /// The value of `key`, of whatever type.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&glib::Variant> {
        self.0.get(key)
    }

    /// The value of `key` where it is a string.
    #[must_use]
    pub fn get_string(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(glib::Variant::str)
    }

    /// The value of `key` where it is a list of strings.
    #[must_use]
    pub fn get_strings(&self, key: &str) -> Option<Vec<String>> {
        self.0.get(key).and_then(glib::Variant::get)
    }

    /// Whether `key` is a boolean and true.
    #[must_use]
    pub fn get_flag(&self, key: &str) -> bool {
        self.0.get(key).and_then(glib::Variant::get).unwrap_or(false)
    }

    /// Every key that holds a string.
    #[must_use]
    pub fn string_values(&self) -> BTreeMap<String, String> {
        let text = |(key, value): (&String, &glib::Variant)| {
            value.str().map(|text| (key.clone(), text.to_owned()))
        };
        self.0.iter().filter_map(text).collect()
    }

    /// Keys and values in the order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &glib::Variant)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The dictionary as `a{sv}`.
    #[must_use]
    pub fn to_variant(&self) -> glib::Variant {
        let dictionary = glib::VariantDict::new(None);
        for (key, value) in &self.0 {
            dictionary.insert_value(key, value);
        }
        // A VariantDict has no order of its own; equal metadata must be equal bytes.
        let unordered = dictionary.end();
        let mut entries: Vec<glib::Variant> = unordered.iter().collect();
        entries.sort_by(|a, b| a.child_value(0).str().cmp(&b.child_value(0).str()));
        glib::Variant::array_from_iter_with_type(unordered.type_().element(), entries)
    }

    /// Reads a dictionary.
    ///
    /// # Errors
    /// When it is not `a{sv}`.
    pub fn from_variant(variant: &glib::Variant) -> Result<Self> {
        if variant.type_() != glib::VariantTy::VARDICT {
            return Err(Error::Corrupt {
                what: "A metadata dictionary".into(),
                reason: format!("its type is {}", variant.type_()),
            });
        }
        let entry = |entry: glib::Variant| {
            let key = entry.child_value(0).str().unwrap_or_default().to_owned();
            let value = entry.child_value(1);
            (key, value.as_variant().unwrap_or(value))
        };
        Ok(Self(variant.iter().map(entry).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_variant_reads_what_to_variant_wrote() {
        let metadata = Metadata::new()
            .string("version", "1")
            .strings("packages", &["b", "a"])
            .flag("rpmostree.clientlayer", true)
            .bytes("raw", &[1, 2]);
        let back = Metadata::from_variant(&metadata.to_variant()).unwrap();
        assert_eq!(back, metadata);
        assert_eq!(back.get_string("version"), Some("1"));
        assert_eq!(back.get_string("packages"), None);
        assert_eq!(back.get_strings("packages").unwrap(), ["b", "a"]);
        assert!(back.get_flag("rpmostree.clientlayer"));
        assert_eq!(back.string_values().len(), 1);
        assert!(Metadata::from_variant(&"x".to_variant()).is_err());
    }
}
