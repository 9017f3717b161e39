//! Files fetched whole: what a broken transfer left is continued, and dropped where it misleads.
//!
//! librepo removes what it had of a file when it gives up. So the file has a second name
//! (`NAME.begun`, a hard link) while it is fetched, from which it gets its own back; librepo's mark
//! on it, an extended attribute, tells librepo that it may be continued. Where links or such
//! attributes are not to be had, a broken transfer begins anew.

use crate::ffi::{Handle, Transfer, TransferError};
use crate::{Error, Result};
use cambium_model::Observer;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// How often a file whose connection broke off is continued.
const TRIES: usize = 4;

/// Fetches files; the failures, by their place in `files`, or `Err` inside where all were stopped.
/// Nothing damaged stays on disk: a file that was continued and came out wrong is fetched once
/// more from its first byte, since what was there may have been the beginning of another version.
pub(crate) fn fetch_whole(
    files: &[Transfer<'_>],
    observer: &dyn Observer,
    step: &dyn Fn(u64),
) -> Result<Result<Vec<(usize, TransferError)>, TransferError>> {
    let mut left: Vec<usize> = (0..files.len()).collect();
    let mut failures = Vec::new();
    for tried in 1.. {
        let begun = left.iter().map(|at| hold(&files[*at].dest)).collect::<Result<Vec<_>>>()?;
        let these: Vec<&Transfer<'_>> = left.iter().map(|at| &files[*at]).collect();
        let fetched = Handle::fetch(&these, observer, step);
        for (at, file) in these.iter().enumerate() {
            let failed = match &fetched {
                Ok(failed) => failed.iter().find(|(place, _)| *place == at).map(|(_, why)| why),
                Err(error) => Some(error),
            };
            release(&file.dest, failed)?;
        }
        let failed = match fetched {
            Ok(failed) => failed,
            Err(error) => return Ok(Err(error)),
        };
        let mut again = Vec::new();
        for (at, error) in failed {
            let misled = begun[at] && error.is_damage();
            match tried < TRIES && (misled || error.may_be_continued()) {
                true => again.push(left[at]),
                false => failures.push((left[at], error)),
            }
        }
        if again.is_empty() {
            break;
        }
        left = again;
    }
    Ok(Ok(failures))
}

/// Gives the file its second name; says whether something of it is there already.
fn hold(dest: &Path) -> Result<bool> {
    let second = second(dest);
    if second.exists() && !dest.exists() {
        // A process that was killed had the transfer given up.
        fs::rename(&second, dest).map_err(Error::io("rename", &second))?;
    }
    remove(&second)?;
    let file = fs::File::options().append(true).create(true).open(dest);
    let length = file.and_then(|file| file.metadata()).map_err(Error::io("create", dest))?.len();
    if let Err(error) = fs::hard_link(dest, &second) {
        tracing::debug!(%error, dest = %dest.display(), "a broken transfer will begin anew");
    }
    Ok(length > 0)
}

/// Takes the second name away; gives the first back to what a broken connection left.
fn release(dest: &Path, failed: Option<&TransferError>) -> Result<()> {
    let second = second(dest);
    let length = fs::metadata(&second).map_or(0, |found| found.len());
    match failed {
        Some(error) if length > 0 && error.is_interruption() => {
            fs::rename(&second, dest).map_err(Error::io("rename", &second))?;
            // Two names of one file are left as they are by a rename.
            remove(&second)
        }
        Some(_) => {
            remove(dest)?;
            remove(&second)
        }
        None => remove(&second),
    }
}

fn second(dest: &Path) -> PathBuf {
    let mut name = OsString::from(dest);
    name.push(".begun");
    PathBuf::from(name)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}
