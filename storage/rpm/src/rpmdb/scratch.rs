//! Private roots for librpm: a directory that holds `usr/share/rpm` and nothing else.

use super::DATABASE;
use crate::error::{Error, Result};
use crate::librpm::DBPATH;
use std::fs;
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

    /// A root whose database is a symlink to the one in `directory`.
    ///
    /// SQLite puts its `-wal` and `-shm` beside the file that the link names, but only where that
    /// file is in WAL mode: [`Scratch::give_back`] leaves databases out of it, and librpm reads
    /// those without writing anything.
    pub(super) fn for_reading(directory: &Path) -> Result<Self> {
        let scratch = Self::empty(TempDir::new().map_err(Error::io("creating", "a directory"))?)?;
        let database = directory.join(DATABASE);
        let database = database.canonicalize().map_err(Error::io("opening", database))?;
        let link = scratch.file("");
        std::os::unix::fs::symlink(&database, &link).map_err(Error::io("creating", link))?;
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
        leave_wal_mode(&file).map_err(Error::io("writing", &file))?;
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

/// Bytes 18 and 19 of a SQLite file say how it is written: 1 with a rollback journal, 2 with a
/// WAL (source: SQLite's "Database File Format", 1.3.3). A complete file without WAL is the same
/// in both; rpm changes it back when it writes.
fn leave_wal_mode(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt;
    fs::OpenOptions::new().write(true).open(file)?.write_all_at(&[1, 1], 18)
}
