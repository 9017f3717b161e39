//! The contents of one directory: the dirtree object, read and written.
//!
//! Format: libostree's `OSTREE_TREE_GVARIANT_FORMAT`, `(a(say)a(sayay))`: files with the checksum
//! of their content object, then directories with those of their dirtree and dirmeta; each list
//! sorted by name.

use crate::error::{Error, Result};
use crate::object::Id;
use cambium_model::Checksum;
use glib::variant::ToVariant;
use std::collections::BTreeMap;

/// A directory's names and what they stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dirtree {
    pub(crate) files: BTreeMap<String, Id>,
    pub(crate) directories: BTreeMap<String, Subtree>,
}

/// The two objects that make up a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subtree {
    pub(crate) contents: Id,
    pub(crate) meta: Id,
}

/// An entry of a [`Listing`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Child {
    /// A regular file or symbolic link, by its content object.
    File(Checksum),
    /// A directory.
    Directory,
}

/// A directory's entries by name.
pub type Listing = BTreeMap<String, Child>;

impl Dirtree {
    pub(crate) fn parse(variant: &glib::Variant) -> Result<Self> {
        let damaged = |reason: &str| Error::Corrupt {
            what: "A directory's tree object".into(),
            reason: reason.to_owned(),
        };
        if variant.type_().as_str() != "(a(say)a(sayay))" {
            return Err(damaged("its type is not that of a dirtree"));
        }
        let name = |entry: &glib::Variant| -> Result<String> {
            let name = entry.child_value(0).str().unwrap_or_default().to_owned();
            // A name that climbs would lead a checkout out of its directory.
            if matches!(name.as_str(), "" | "." | "..") || name.contains('/') {
                return Err(damaged("a name is empty or climbs"));
            }
            Ok(name)
        };
        let id = |entry: &glib::Variant, n: usize| -> Result<Id> {
            let bytes = entry.child_value(n);
            Id::from_slice(bytes.fixed_array::<u8>().unwrap_or_default())
        };
        let mut tree = Self::default();
        for entry in variant.child_value(0).iter() {
            tree.files.insert(name(&entry)?, id(&entry, 1)?);
        }
        for entry in variant.child_value(1).iter() {
            let subtree = Subtree { contents: id(&entry, 1)?, meta: id(&entry, 2)? };
            tree.directories.insert(name(&entry)?, subtree);
        }
        Ok(tree)
    }

    pub(crate) fn variant(&self) -> glib::Variant {
        let bytes = |id: &Id| glib::Variant::array_from_fixed_array(&id.0);
        let files = self
            .files
            .iter()
            .map(|(name, id)| glib::Variant::tuple_from_iter([name.to_variant(), bytes(id)]));
        let directories = self.directories.iter().map(|(name, subtree)| {
            glib::Variant::tuple_from_iter([
                name.to_variant(),
                bytes(&subtree.contents),
                bytes(&subtree.meta),
            ])
        });
        glib::Variant::tuple_from_iter([
            glib::Variant::array_from_iter::<(String, Vec<u8>)>(files),
            glib::Variant::array_from_iter::<(String, Vec<u8>, Vec<u8>)>(directories),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parse_reads_what_variant_wrote(
            files in proptest::collection::btree_map("[a-z]{1,8}", any::<[u8; 32]>(), 0..6),
            dirs in proptest::collection::btree_map("[A-Z]{1,8}", any::<[u8; 32]>(), 0..6),
        ) {
            let tree = Dirtree {
                files: files.into_iter().map(|(name, id)| (name, Id(id))).collect(),
                directories: dirs
                    .into_iter()
                    .map(|(name, id)| (name, Subtree { contents: Id(id), meta: Id([7; 32]) }))
                    .collect(),
            };
            prop_assert_eq!(Dirtree::parse(&tree.variant()).unwrap(), tree);
        }
    }

    #[test]
    fn a_name_that_climbs_is_refused() {
        for name in ["", ".", "..", "a/b"] {
            let mut tree = Dirtree::default();
            tree.files.insert(name.into(), Id([0; 32]));
            assert!(Dirtree::parse(&tree.variant()).is_err(), "{name:?}");
        }
        assert!(Dirtree::parse(&1u32.to_variant()).is_err());
    }
}
