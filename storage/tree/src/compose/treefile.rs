//! The treefile: what an image is made of.
//!
//! Owns the language (keys, values, defaults, merging). Reading files and includes is
//! [`load()`]'s, `${}` is [`variables`]', taking text apart is [`parse`]'s. The language is
//! rpm-ostree's; a key that is not supported is an error and never ignored.

mod key;
mod load;
mod parse;
mod value;
mod variables;
mod words;

pub use load::{Externals, Loaded, load};
pub use value::{BootLocation, Check, CheckKind, Edition, Ids, OneOrMany, Rojig, Scalar, Sysusers};
pub(crate) use words::package_names;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use value::empty_is_default;

/// A treefile, or several merged into one. `None` means that nobody said anything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[allow(missing_docs, reason = "the fields are the language's keys, documented by rpm-ostree")]
pub struct Treefile {
    pub edition: Option<Edition>,
    #[serde(rename = "ref")]
    pub treeref: Option<String>,
    pub metadata: Option<serde_json::Value>,
    pub rojig: Option<Rojig>,
    pub basearch: Option<String>,
    pub releasever: Option<Scalar>,
    #[serde(alias = "automatic_version_prefix")]
    pub automatic_version_prefix: Option<Scalar>,
    pub automatic_version_suffix: Option<Scalar>,
    pub mutate_os_release: Option<Scalar>,
    #[serde(deserialize_with = "empty_is_default")]
    pub variables: BTreeMap<String, Scalar>,
    #[serde(deserialize_with = "empty_is_default")]
    pub repos: Vec<String>,
    pub include: OneOrMany,
    #[serde(deserialize_with = "empty_is_default")]
    pub arch_include: BTreeMap<String, OneOrMany>,
    #[serde(deserialize_with = "empty_is_default")]
    pub packages: Vec<String>,
    /// `packages-ARCH` by architecture; filled by [`parse`], folded into `packages` by [`load()`].
    #[serde(skip)]
    pub packages_of: BTreeMap<String, Vec<String>>,
    #[serde(deserialize_with = "empty_is_default")]
    pub exclude_packages: Vec<String>,
    pub recommends: Option<bool>,
    pub documentation: Option<bool>,
    #[serde(alias = "boot_location")]
    pub boot_location: Option<BootLocation>,
    pub tmp_is_dir: Option<bool>,
    pub machineid_compat: Option<bool>,
    #[serde(deserialize_with = "empty_is_default")]
    pub units: Vec<String>,
    #[serde(alias = "default_target")]
    pub default_target: Option<String>,
    #[serde(deserialize_with = "empty_is_default")]
    pub add_files: Vec<(String, String)>,
    #[serde(deserialize_with = "empty_is_default")]
    pub remove_files: Vec<String>,
    #[serde(deserialize_with = "empty_is_default")]
    pub postprocess: Vec<String>,
    pub postprocess_script: Option<String>,
    pub no_initramfs: Option<bool>,
    #[serde(deserialize_with = "empty_is_default")]
    pub initramfs_args: Vec<String>,
    pub selinux: Option<bool>,
    pub selinux_label_version: Option<u32>,
    pub ima: Option<bool>,
    pub sysusers: Option<Sysusers>,
    #[serde(deserialize_with = "empty_is_default")]
    pub etc_group_members: Vec<String>,
    pub check_passwd: Option<Check>,
    pub check_groups: Option<Check>,
    #[serde(deserialize_with = "empty_is_default")]
    pub ignore_removed_users: Vec<String>,
    #[serde(deserialize_with = "empty_is_default")]
    pub ignore_removed_groups: Vec<String>,
    #[serde(deserialize_with = "empty_is_default")]
    pub add_commit_metadata: BTreeMap<String, serde_json::Value>,
}

/// `first`'s value where it has one: the including file wins.
macro_rules! keep_first {
    ($first:ident, $second:ident: $($field:ident),* $(,)?) => {
        $( if $first.$field.is_none() { $first.$field = $second.$field; } )*
    };
}

/// The included file's items, then the including one's.
macro_rules! join_lists {
    ($first:ident, $second:ident: $($field:ident),* $(,)?) => {
        $( $first.$field.splice(0..0, $second.$field); )*
    };
}

impl Treefile {
    /// Folds an included treefile in, by rpm-ostree's rules: single values of the including file
    /// win, lists are the included file's items followed by its own, maps are united.
    pub(crate) fn merge(&mut self, included: Self) {
        let own = self;
        keep_first!(own, included:
            edition, treeref, metadata, rojig, basearch, releasever, automatic_version_prefix,
            automatic_version_suffix, mutate_os_release, recommends, documentation,
            boot_location, tmp_is_dir, machineid_compat, default_target, postprocess_script,
            no_initramfs, selinux, selinux_label_version, ima, sysusers, check_passwd,
            check_groups);
        join_lists!(own, included:
            repos, packages, exclude_packages, units, add_files, remove_files, postprocess,
            initramfs_args, etc_group_members, ignore_removed_users, ignore_removed_groups);
        for (arch, packages) in included.packages_of {
            own.packages_of.entry(arch).or_default().splice(0..0, packages);
        }
        for (name, value) in included.variables {
            own.variables.entry(name).or_insert(value);
        }
        for (name, value) in included.add_commit_metadata {
            own.add_commit_metadata.entry(name).or_insert(value);
        }
    }

    /// The treefile as JSON, without keys that say nothing: what `--print-only` shows and what
    /// the image keeps in /usr/share/rpm-ostree/treefile.json.
    ///
    /// # Errors
    /// Only where `metadata` or `add-commit-metadata` hold what JSON cannot.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let mut value = serde_json::to_value(self)?;
        if let Some(keys) = value.as_object_mut() {
            keys.retain(|_, value| match value {
                serde_json::Value::Null => false,
                serde_json::Value::Array(list) => !list.is_empty(),
                serde_json::Value::Object(map) => !map.is_empty(),
                _ => true,
            });
        }
        serde_json::to_string_pretty(&value)
    }

    /// The edition in force.
    #[must_use]
    pub fn edition(&self) -> Edition {
        self.edition.unwrap_or(Edition::E2014)
    }

    /// Where the kernel goes.
    #[must_use]
    pub fn boot_location(&self) -> BootLocation {
        self.boot_location.unwrap_or(match self.edition() {
            Edition::E2014 => BootLocation::New,
            Edition::E2024 => BootLocation::Modules,
        })
    }

    /// Whether /tmp is a directory rather than a link to sysroot/tmp.
    #[must_use]
    pub fn tmp_is_dir(&self) -> bool {
        self.tmp_is_dir.unwrap_or(self.edition() == Edition::E2024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(text: &str) -> Treefile {
        parse::parse(std::path::Path::new("t.yaml"), text).unwrap()
    }

    #[test]
    fn the_including_file_wins_and_lists_join() {
        let mut own = yaml("ref: own\npackages: [b]\nunits: [x.service]\nvariables: {v: 1}\n");
        own.merge(yaml(
            "ref: other\nreleasever: 12\npackages: [a]\nvariables: {v: 2, w: 3}\n\
             add-commit-metadata: {k: [1]}\npackages-x86_64: [arch]\n",
        ));
        assert_eq!(own.treeref.as_deref(), Some("own"));
        assert_eq!(own.releasever, Some(Scalar("12".into())));
        assert_eq!(own.packages, ["a", "b"]);
        assert_eq!(own.units, ["x.service"]);
        assert_eq!(own.variables["v"], Scalar("1".into()));
        assert_eq!(own.variables["w"], Scalar("3".into()));
        assert_eq!(own.add_commit_metadata["k"], serde_json::json!([1]));
        assert_eq!(own.packages_of["x86_64"], ["arch"]);
    }

    #[test]
    fn an_edition_moves_defaults() {
        let old = yaml("ref: a");
        assert_eq!((old.boot_location(), old.tmp_is_dir()), (BootLocation::New, false));
        let new = yaml("edition: \"2024\"");
        assert_eq!((new.boot_location(), new.tmp_is_dir()), (BootLocation::Modules, true));
        let said = yaml("edition: \"2024\"\ntmp-is-dir: false\nboot-location: new");
        assert_eq!((said.boot_location(), said.tmp_is_dir()), (BootLocation::New, false));
    }

    #[test]
    fn printed_json_holds_only_what_was_said() {
        let json = yaml("ref: a\npackages: [b c]\nrecommends: false\nunits:\n").to_json().unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let said = serde_json::json!({"ref": "a", "packages": ["b c"], "recommends": false});
        assert_eq!(value, said);
    }

    #[test]
    fn every_supported_key_is_a_field() {
        let mut fields = serde_json::to_value(Treefile::default()).unwrap();
        let fields = fields.as_object_mut().unwrap();
        for key in key::SUPPORTED {
            let name = if key.contains('_') { key.replace('_', "-") } else { (*key).to_owned() };
            assert!(fields.contains_key(&name), "{key}");
        }
        for field in fields.keys() {
            assert!(key::SUPPORTED.contains(&field.as_str()), "{field}");
        }
    }
}
