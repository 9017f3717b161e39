//! Private roots for librpm: a directory that holds `usr/share/rpm` and nothing else.

use super::DATABASE;
use crate::error::{Error, Result};
use crate::librpm::DBPATH;
use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A private root with the database in it; gone when dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    root: TempDir,
}

impl Scratch {
    fn empty(root: TempDir) -> Result<Self> {
        let database = root.path().join(&DBPATH[1..]);
        fs::create_dir_all(&database).map_err(Error::io("creating", database))?;
        Ok(Self { root })
    }

    /// A root with the database of `directory` to read, which does not change.
    ///
    /// SQLite makes `-wal` and `-shm` beside a file in WAL mode even to read it, and follows
    /// symlinks to do so. [`Scratch::give_back`] leaves databases out of that mode, so a symlink is
    /// enough; another's database gets a link of its own, or is copied where it is on another file
    /// system.
    pub(super) fn for_reading(directory: &Path) -> Result<Self> {
        let scratch = Self::empty(TempDir::new().map_err(Error::io("creating", "a directory"))?)?;
        let database = directory.join(DATABASE);
        let database = database.canonicalize().map_err(Error::io("opening", database))?;
        let place = scratch.file("");
        if !is_in_wal_mode(&database).map_err(Error::io("reading", &database))? {
            symlink(&database, &place).map_err(Error::io("creating", place))?;
            return Ok(scratch);
        }
        let copy = |from: &Path, to: &Path| {
            fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
        };
        copy(&database, &place).map_err(Error::io("copying", &database))?;
        // What a writer that was killed has left belongs to the database.
        let wal = database.with_file_name(format!("{DATABASE}-wal"));
        if fs::metadata(&wal).is_ok_and(|wal| wal.len() > 0) {
            fs::copy(&wal, scratch.file("-wal")).map_err(Error::io("copying", wal))?;
        }
        Ok(scratch)
    }

    /// A root beside the database in `directory`, which is moved into it, with its WAL. On the same
    /// file system, so nothing is copied.
    pub(super) fn take(directory: &Path) -> Result<Self> {
        let root = tempfile::Builder::new().prefix(".cambium-rpmdb-").tempdir_in(directory);
        let scratch = Self::empty(root.map_err(Error::io("creating a directory in", directory))?)?;
        for suffix in ["", "-wal", "-shm"] {
            let from = directory.join(format!("{DATABASE}{suffix}"));
            match fs::rename(&from, scratch.file(suffix)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("moving", from)(error));
                }
                _ => {}
            }
        }
        Ok(scratch)
    }

    /// Moves the database back to `directory`, alone: no lock, no WAL, and not in WAL mode, since a
    /// tree is read-only.
    pub(super) fn give_back(self, directory: &Path) -> Result<()> {
        let wal = self.file("-wal");
        if fs::metadata(&wal).is_ok_and(|wal| wal.len() > 0) {
            let problem = "it was not written to its end".to_owned();
            return Err(Error::Rpmdb { path: directory.to_owned(), problem });
        }
        let file = self.file("");
        fs::rename(&file, directory.join(DATABASE)).map_err(Error::io("moving", file))?;
        let lock = directory.join(".rpm.lock");
        match fs::remove_file(&lock) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("removing", lock)(error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    fn file(&self, suffix: &str) -> PathBuf {
        self.root.path().join(&DBPATH[1..]).join(format!("{DATABASE}{suffix}"))
    }
}

/// Where a SQLite file says how it is read and written: 1 with a rollback journal, 2 with a WAL
/// (source: SQLite's "Database File Format", 1.3.3).
const MODE: u64 = 18;

fn is_in_wal_mode(file: &Path) -> std::io::Result<bool> {
    let mut mode = [0; 2];
    // A file that is too short is no database; librpm says so.
    let count = fs::File::open(file)?.read_at(&mut mode, MODE)?;
    Ok(count == mode.len() && mode.contains(&2))
}
