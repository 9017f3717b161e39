//! Changing a database by what changed: a transaction of librpm that touches nothing else.

use super::scratch::Scratch;
use super::{DATABASE, NAME};
use crate::error::{Error, Result};
use crate::header::Header;
use crate::librpm::{Access, DBPATH, TransactionSet, on_own_root, replace_headers};
use cambium_model::{Nevra, Observer};
use std::path::Path;

/// What changes in a database.
#[derive(Debug, Clone, Default)]
pub struct Update<'a> {
    /// Packages that are added. Their order does not matter.
    pub add: Vec<&'a Header>,
    /// Packages that are removed, those included that another version replaces.
    pub remove: Vec<Nevra>,
    /// The install time of what is added, in seconds since 1970; also the transaction's number.
    pub time: u32,
}

/// Applies a change to the database in `directory`, which must be the caller's own copy: it is
/// written in place. Afterwards the directory holds `rpmdb.sqlite` and no lock or journal. Equal
/// input gives equal bytes.
///
/// # Errors
/// [`Error::NotInstalled`], [`Error::Rpmdb`], [`Error::Io`]; [`Error::Cancelled`] before anything
/// is written. After an error the database may be missing from `directory`.
pub fn update(directory: &Path, update: &Update<'_>, observer: &dyn Observer) -> Result<()> {
    let database = directory.join(DATABASE);
    database.metadata().map_err(Error::io("opening", &database))?;
    run(directory, update, observer)
}

/// Makes a new database in `directory`, which must exist and hold none.
///
/// # Errors
/// As for [`update`]; [`Error::Io`] where there is a database.
pub fn create(directory: &Path, update: &Update<'_>, observer: &dyn Observer) -> Result<()> {
    let database = directory.join(DATABASE);
    if database.exists() {
        return Err(Error::io("creating", database)(std::io::ErrorKind::AlreadyExists.into()));
    }
    run(directory, update, observer)
}

fn run(directory: &Path, update: &Update<'_>, observer: &dyn Observer) -> Result<()> {
    if observer.cancelled() {
        return Err(Error::Cancelled);
    }
    let mut add = update.add.clone();
    add.sort_by(|a, b| a.nevra().cmp(b.nevra()));
    let mut packages = Vec::with_capacity(add.len());
    for header in add {
        let metadata = header.metadata().ok_or_else(|| Error::Rpmdb {
            path: directory.to_owned(),
            problem: format!("the header of {} is not a package's", header.nevra()),
        })?;
        packages.push(metadata);
    }
    let scratch = Scratch::take(directory)?;
    let result = {
        let _libraries = cambium_native::hold();
        let job = || transaction(directory, scratch.root(), &packages, update);
        // librpm changes the root directory within a transaction. The calling thread waits with
        // the lock held.
        on_own_root(job).unwrap_or_else(|error| {
            Err(Error::Rpmdb { path: directory.to_owned(), problem: error.to_string() })
        })
    };
    // The database goes back in any case: what is wrong with it is the error's to say.
    let back = scratch.give_back(directory);
    result.and(back)
}

fn transaction(
    directory: &Path,
    root: &Path,
    packages: &[&[u8]],
    update: &Update<'_>,
) -> Result<()> {
    let failed = |problem: String| Error::Rpmdb { path: directory.to_owned(), problem };
    let set = TransactionSet::open(root, Access::Write).map_err(failed)?;
    let mut remove = Vec::with_capacity(update.remove.len());
    let mut sorted: Vec<&Nevra> = update.remove.iter().collect();
    sorted.sort();
    for nevra in sorted {
        let mut found = None;
        for (offset, blob) in set.headers(Some((NAME, &nevra.name))) {
            if Header::from_rpmdb(&blob)?.nevra() == nevra {
                found = Some(offset);
            }
        }
        remove.push(found.ok_or_else(|| Error::NotInstalled {
            nevra: Box::new(nevra.clone()),
            path: directory.to_owned(),
        })?);
    }
    set.change(packages, &remove, update.time).map_err(failed)?;
    let mut stamped = Vec::with_capacity(update.add.len());
    for added in &update.add {
        for (offset, blob) in set.headers(Some((NAME, &added.nevra().name))) {
            let header = Header::from_rpmdb(&blob)?;
            if header.nevra() == added.nevra() {
                stamped.extend(header.installed_at(update.time).map(|blob| (offset, blob)));
            }
        }
    }
    // The set closes the database, and with it writes what its log still holds.
    drop(set);
    stamped.sort_by_key(|(offset, _)| *offset);
    replace_headers(&root.join(&DBPATH[1..]).join(DATABASE), &stamped).map_err(failed)
}
