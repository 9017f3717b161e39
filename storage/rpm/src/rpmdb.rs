//! The rpmdb of a tree: what is installed, and changing that by what changed alone.
//!
//! librpm reads and writes it (SQLite). It sees the database in a private root that holds nothing
//! else, so neither the machine's configuration nor its files take part, and it runs on a thread
//! whose root directory is its own: librpm calls chroot(2) within a transaction.
//!
//! Deliberately absent: files, scripts, dependency checks. Other back ends (bdb, ndb) are not read.

mod scratch;
mod update;

pub use update::{Update, create, update};

use crate::error::{Error, Result};
use crate::header::{Header, tag};
use crate::librpm::{Access, TransactionSet};
use cambium_model::{Nevra, PackageInfo};
use scratch::Scratch;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Name of the database file.
pub(crate) const DATABASE: &str = "rpmdb.sqlite";
/// The name of a key in the database, which is no package.
const KEY: &str = "gpg-pubkey";
/// Indexed tags that are asked for.
const NAME: i32 = 1000;
const BASENAMES: i32 = 1117;

/// A package of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPackage {
    /// Its full name.
    pub nevra: Nevra,
    /// One line of what it is.
    pub summary: String,
    /// Bytes of its files.
    pub size: u64,
    /// When it was installed, in seconds since 1970.
    pub install_time: u64,
    /// When it was built, in seconds since 1970.
    pub build_time: u64,
}

impl From<&Header> for InstalledPackage {
    fn from(header: &Header) -> Self {
        Self {
            nevra: header.nevra().clone(),
            summary: header.summary(),
            size: header.size(),
            install_time: header.install_time().unwrap_or(0),
            build_time: header.build_time(),
        }
    }
}

impl From<InstalledPackage> for PackageInfo {
    fn from(package: InstalledPackage) -> Self {
        Self {
            nevra: package.nevra,
            summary: package.summary,
            repository: String::new(),
            download_bytes: 0,
            installed_bytes: package.size,
        }
    }
}

/// A database to read. Each call opens it anew; it is never written, nor is anything beside it.
#[derive(Debug, Clone)]
pub struct Rpmdb {
    directory: PathBuf,
}

impl Rpmdb {
    /// The database in `directory`: `ROOT/usr/share/rpm`, `ROOT/usr/lib/sysimage/rpm` or a copy.
    ///
    /// # Errors
    /// [`Error::Io`] where there is none.
    pub fn open(directory: &Path) -> Result<Self> {
        let file = directory.join(DATABASE);
        file.metadata().map_err(Error::io("opening", &file))?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// The database of a tree: where rpm-ostree keeps it, else where distributions do.
    ///
    /// # Errors
    /// [`Error::Io`] where the tree has none.
    pub fn of_root(root: &Path) -> Result<Self> {
        let place = |place: &str| Self::open(&root.join(place));
        place("usr/share/rpm").or_else(|_| place("usr/lib/sysimage/rpm"))
    }

    /// Every package, sorted by name, EVR and architecture; keys are left out.
    ///
    /// # Errors
    /// [`Error::Rpmdb`], [`Error::Malformed`].
    pub fn list(&self) -> Result<Vec<InstalledPackage>> {
        let mut packages = Vec::new();
        self.ask(|set| {
            set.each_header(|blob| {
                packages.push(Header::from_rpmdb(&blob).map(|header| (&header).into()));
            });
        })?;
        let mut packages: Vec<InstalledPackage> = packages.into_iter().collect::<Result<_>>()?;
        packages.retain(|package| package.nevra.name != KEY);
        packages.sort_by(|a, b| a.nevra.cmp(&b.nevra));
        Ok(packages)
    }

    /// The headers of every package, in the order of [`Rpmdb::list`].
    ///
    /// # Errors
    /// As there.
    pub fn headers(&self) -> Result<Vec<Header>> {
        self.read(|set| set.headers(None).into_iter().map(|(_, bytes)| bytes).collect())
    }

    /// Packages of this name.
    ///
    /// # Errors
    /// As for [`Rpmdb::list`].
    pub fn find_name(&self, name: &str) -> Result<Vec<Header>> {
        self.read(|set| {
            set.headers(Some((NAME, name))).into_iter().map(|(_, bytes)| bytes).collect()
        })
    }

    /// Packages that own this absolute path, ghosts included. `/bin/x` and `/usr/bin/x` are one
    /// path, as are `/etc/x` and `/usr/etc/x`: packages name the one, a tree has the other.
    ///
    /// # Errors
    /// As for [`Rpmdb::list`].
    pub fn find_owner(&self, path: &str) -> Result<Vec<Header>> {
        let merged_path = merged(path);
        let plain = merged_path.strip_prefix("/usr").unwrap_or(&merged_path);
        let mut found = Vec::new();
        // librpm looks a path up by its last component and where its directory is on the machine;
        // what it finds is held against the path below.
        for spelling in [&*merged_path, plain, &format!("/usr{merged_path}")] {
            let query = Some((BASENAMES, spelling));
            found.extend(
                self.read(|set| set.headers(query).into_iter().map(|(_, bytes)| bytes).collect())?,
            );
        }
        found.sort_by(|a, b| a.nevra().cmp(b.nevra()));
        found.dedup_by(|a, b| a.nevra() == b.nevra());
        let mut owners = Vec::new();
        for header in found {
            if header.files()?.iter().any(|file| merged(&file.path) == merged_path) {
                owners.push(header);
            }
        }
        Ok(owners)
    }

    /// Packages that have triggers of any family, in the order in which they were installed.
    ///
    /// # Errors
    /// As for [`Rpmdb::list`].
    pub fn trigger_owners(&self) -> Result<Vec<Header>> {
        let blobs = self.ask(|set| {
            let tags = tag::TRIGGERNAMES.into_iter();
            let mut offsets: Vec<_> = tags.flat_map(|tag| set.offsets_with(tag as i32)).collect();
            offsets.sort_unstable();
            offsets.dedup();
            offsets.into_iter().filter_map(|offset| set.header_at(offset)).collect::<Vec<_>>()
        })?;
        blobs.iter().map(|blob| Header::from_rpmdb(blob)).collect()
    }

    fn read(&self, ask: impl FnOnce(&TransactionSet) -> Vec<Vec<u8>>) -> Result<Vec<Header>> {
        let blobs = self.ask(ask)?;
        let headers: Result<Vec<_>> = blobs.iter().map(|blob| Header::from_rpmdb(blob)).collect();
        let mut headers = headers?;
        headers.retain(|header| header.nevra().name != KEY);
        headers.sort_by(|a, b| a.nevra().cmp(b.nevra()));
        Ok(headers)
    }

    fn ask<T>(&self, ask: impl FnOnce(&TransactionSet) -> T) -> Result<T> {
        let scratch = Scratch::for_reading(&self.directory)?;
        let _libraries = cambium_native::hold();
        let set = TransactionSet::open(scratch.root(), Access::Read);
        Ok(ask(&set.map_err(|problem| self.unusable(problem))?))
    }

    fn unusable(&self, problem: String) -> Error {
        Error::Rpmdb { path: self.directory.clone(), problem }
    }
}

/// A path as a tree with merged /usr has it.
pub(crate) fn merged(path: &str) -> Cow<'_, str> {
    if let Some(rest) = path.strip_prefix("/usr/etc/") {
        return format!("/etc/{rest}").into();
    }
    let top = path.strip_prefix('/').and_then(|path| path.split('/').next());
    match top {
        Some("bin" | "sbin" | "lib" | "lib64") => format!("/usr{path}").into(),
        _ => path.into(),
    }
}
