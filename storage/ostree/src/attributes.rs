//! Owner, mode and extended attributes: what OSTree keeps of a file or directory beside content.
//!
//! Owns: the conversion from and to the GVariants of libostree's `ostree-core.h`
//! (`a(ayay)` for extended attributes, `(uuua(ayay))` for a directory's metadata object).

use crate::error::{Error, Result, io};
use glib::variant::ToVariant;
use std::path::Path;

/// Owner, group, mode and extended attributes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits, set-id and sticky bits; the file type is added where it is needed.
    pub mode: u32,
    /// Extended attributes by name (without the final NUL), sorted when they are written.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Permission, set-id and sticky bits.
pub(crate) const PERMISSIONS: u32 = 0o7777;

impl Attributes {
    /// Owned by root, with these permissions and no extended attributes.
    #[must_use]
    pub fn root(mode: u32) -> Self {
        Self { uid: 0, gid: 0, mode: mode & PERMISSIONS, xattrs: Vec::new() }
    }

    /// The attributes of a file or directory on disk; a symbolic link is not followed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_path(path: &Path) -> Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::symlink_metadata(path).map_err(io("stat", path))?;
        Ok(Self {
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: metadata.mode() & PERMISSIONS,
            xattrs: read_xattrs(path)?,
        })
    }

    /// `a(ayay)`: names end in NUL and are sorted, as libostree's canonical form wants.
    pub(crate) fn xattrs_variant(&self) -> glib::Variant {
        let mut sorted: Vec<_> = self.xattrs.iter().collect();
        sorted.sort();
        let pairs = sorted.into_iter().map(|(name, value)| {
            let mut name = name.clone();
            name.push(0);
            glib::Variant::tuple_from_iter([
                glib::Variant::array_from_fixed_array(&name),
                glib::Variant::array_from_fixed_array(value),
            ])
        });
        glib::Variant::array_from_iter::<(Vec<u8>, Vec<u8>)>(pairs)
    }

    /// A directory's metadata object, `(uuua(ayay))` with big-endian numbers.
    pub(crate) fn dirmeta(&self) -> glib::Variant {
        glib::Variant::tuple_from_iter([
            self.uid.to_be().to_variant(),
            self.gid.to_be().to_variant(),
            (libc::S_IFDIR | self.mode & PERMISSIONS).to_be().to_variant(),
            self.xattrs_variant(),
        ])
    }

    /// Reads a directory's metadata object.
    pub(crate) fn from_dirmeta(variant: &glib::Variant) -> Result<Self> {
        let parsed = ostree::DirMetaParsed::from_variant(variant).map_err(|error| {
            Error::Corrupt { what: "A directory's metadata".into(), reason: error.to_string() }
        })?;
        Ok(Self {
            uid: parsed.uid,
            gid: parsed.gid,
            mode: parsed.mode & PERMISSIONS,
            xattrs: parsed
                .xattrs
                .into_iter()
                .map(|(name, value)| (strip_nul(name), value))
                .collect(),
        })
    }

    /// Reads `a(ayay)`.
    pub(crate) fn xattrs_from(variant: &glib::Variant) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let pairs: Vec<(Vec<u8>, Vec<u8>)> = variant.get().ok_or_else(|| Error::Corrupt {
            what: "A list of extended attributes".into(),
            reason: format!("its type is {}", variant.type_()),
        })?;
        Ok(pairs.into_iter().map(|(name, value)| (strip_nul(name), value)).collect())
    }
}

fn strip_nul(mut name: Vec<u8>) -> Vec<u8> {
    if name.last() == Some(&0) {
        name.pop();
    }
    name
}

/// Every extended attribute of a path, links not followed. A file system without any has none.
pub(crate) fn read_xattrs(path: &Path) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    use rustix::io::Errno;
    let mut names = Vec::new();
    loop {
        let size = match rustix::fs::llistxattr_query(path) {
            Ok(0) | Err(Errno::NOTSUP) => return Ok(Vec::new()),
            Ok(size) => size,
            Err(error) => return Err(io("list the extended attributes of", path)(error)),
        };
        names.resize(size, 0u8);
        // The list may have grown between the two calls.
        match rustix::fs::llistxattr(path, &mut names[..]) {
            Ok(size) => break names.truncate(size),
            Err(Errno::RANGE) => {}
            Err(error) => return Err(io("list the extended attributes of", path)(error)),
        }
    }
    let mut xattrs = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let size = match rustix::fs::lgetxattr_query(path, name) {
            Ok(size) => size,
            Err(Errno::NODATA) => continue,
            Err(error) => return Err(io("read an extended attribute of", path)(error)),
        };
        let mut value = vec![0u8; size];
        let size = rustix::fs::lgetxattr(path, name, &mut value[..])
            .map_err(io("read an extended attribute of", path))?;
        value.truncate(size);
        xattrs.push((name.to_vec(), value));
    }
    xattrs.sort();
    Ok(xattrs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directorys_metadata_reads_back() {
        let attributes = Attributes {
            uid: 7,
            gid: 1000,
            mode: 0o2755,
            xattrs: vec![(b"user.b".to_vec(), vec![0, 1]), (b"user.a".to_vec(), Vec::new())],
        };
        let back = Attributes::from_dirmeta(&attributes.dirmeta()).unwrap();
        let mut sorted = attributes.clone();
        sorted.xattrs.sort();
        assert_eq!(back, sorted);
        assert!(Attributes::from_dirmeta(&7u32.to_variant()).is_err());
    }

    #[test]
    fn attributes_of_a_path_are_those_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "x").unwrap();
        rustix::fs::lsetxattr(&path, "user.k", b"v", rustix::fs::XattrFlags::empty()).unwrap();
        let attributes = Attributes::of_path(&path).unwrap();
        assert!(attributes.xattrs.contains(&(b"user.k".to_vec(), b"v".to_vec())));
        assert!(Attributes::of_path(&dir.path().join("none")).is_err());
    }
}
