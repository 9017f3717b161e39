//! A tree's `usr` that programs can write, over checkouts that they must not: an overlay where
//! one can be mounted, else a copy. Either way the same tree is seen, and what was written is
//! read back the same way.

use super::copy::{self, Known};
use super::overlay;
use super::upper::{self, Notes};
use crate::{Error, Result};
use cambium_model::{Observer, Progress};
use cambium_ostree::Tree;
use cambium_sandbox::{Writing, in_private_mounts};
use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

/// See the module. Nothing in it is tied to a thread.
#[derive(Debug)]
pub(crate) struct Writable {
    usr: PathBuf,
    how: How,
}

#[derive(Debug)]
enum How {
    Overlay { options: CString, upper: PathBuf, notes: Notes },
    Copy(Known),
}

impl Writable {
    /// Makes `layers` (`usr` directories, the first on top) writable at `usr`, which is made.
    /// `scratch` is a directory on the file system of both for what an overlay needs.
    pub(crate) fn over(
        layers: &[PathBuf],
        usr: &Path,
        scratch: &Path,
        writing: Writing,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let make = |path: &Path| fs::create_dir(path).map_err(Error::io("create", path));
        make(usr)?;
        let notes = match writing {
            Writing::Overlay => Notes::Trusted,
            Writing::UserOverlay => Notes::User,
            Writing::Copy => {
                observer.progress(Progress::TaskBegin { text: "Copying tree".to_owned() });
                copy::merge(layers, usr, observer)?;
                let known = Known::read(usr)?;
                observer.progress(Progress::TaskEnd { text: "done".to_owned() });
                return Ok(Self { usr: usr.to_owned(), how: How::Copy(known) });
            }
        };
        let (upper, work) = (scratch.join("upper"), scratch.join("work"));
        make(&upper)?;
        make(&work)?;
        let options = overlay::options(layers, &upper, &work, writing)?;
        Ok(Self { usr: usr.to_owned(), how: How::Overlay { options, upper, notes } })
    }

    /// Does `work` while the tree is there. No mount outlives it.
    pub(crate) fn with<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        match &self.how {
            How::Overlay { options, .. } => in_private_mounts(|| {
                overlay::mount_over(&self.usr, options)?;
                Ok(work())
            })?,
            How::Copy(_) => Ok(work()),
        }
    }

    /// The directory that holds what is written and nothing else, where there is one.
    pub(super) fn written(&self) -> Option<PathBuf> {
        match &self.how {
            How::Overlay { upper, .. } => Some(upper.clone()),
            How::Copy(_) => None,
        }
    }

    /// Changes `tree` as the tree at `usr` was changed.
    pub(crate) fn apply(&self, tree: &mut Tree<'_>) -> Result<()> {
        match &self.how {
            How::Overlay { upper, notes, .. } => {
                upper::apply(tree, upper, upper::read(upper, "usr", *notes)?)
            }
            How::Copy(known) => upper::apply(tree, &self.usr, known.changes(&self.usr, "usr")?),
        }
    }
}
