//! What `compose tree` is asked for, and what it answers.

use super::Report;
use cambium_model::{Checksum, Nevra};
use cambium_sandbox::{Backend, Limits};
use std::path::PathBuf;

/// How far a compose goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extent {
    /// To a commit.
    #[default]
    Commit,
    /// To the list of packages (`--dry-run`).
    DryRun,
    /// To the merged treefile (`--print-only`).
    PrintOnly,
}

/// Whether a commit of the same input is enough.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cache {
    /// Where nothing changed, nothing is done.
    #[default]
    Use,
    /// A new commit in any case (`--force-nocache`).
    Ignore,
}

/// The commit that the new one follows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Parent {
    /// The one that the ref names now.
    #[default]
    OfRef,
    /// None (`--no-parent`).
    None,
    /// This one (`--parent`).
    Commit(Checksum),
}

/// A request for a compose.
#[derive(Debug, Clone, Default)]
pub struct ComposeOptions {
    /// The treefile.
    pub treefile: PathBuf,
    /// The repository that gets the commit; only [`Extent::Commit`] needs one.
    pub repo: Option<PathBuf>,
    /// Where metadata, imported packages and the working root are kept; without one they are
    /// made below `workdir` and forgotten.
    pub cachedir: Option<PathBuf>,
    /// Where temporary directories are made when there is no `cachedir`; /var/tmp by default.
    pub workdir: Option<PathBuf>,
    /// How far to go.
    pub extent: Extent,
    /// Whether a commit of the same input is enough.
    pub cache: Cache,
    /// The commit before.
    pub parent: Parent,
    /// `--add-metadata-string`: keys and values; `version` is one of them.
    pub add_metadata: Vec<(String, String)>,
    /// Made or touched when there is a new commit, and only then.
    pub touch_if_changed: Option<PathBuf>,
    /// Gets [`Report::to_json`].
    pub write_composejson_to: Option<PathBuf>,
    /// Gets the commit's checksum; the ref then stays where it is.
    pub write_commitid_to: Option<PathBuf>,
    /// Bounds of each program that packages or the treefile bring.
    pub limits: Limits,
    /// SOURCE_DATE_EPOCH: the time of everything, in seconds since 1970; `None` for now.
    pub source_date_epoch: Option<u64>,
    /// By what the tree's programs are run; `None` finds out.
    pub backend: Option<Backend>,
}

/// What came of a compose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Composed {
    /// The merged treefile as JSON.
    Printed(String),
    /// The packages that would be in the tree, sorted.
    DryRun(Vec<Nevra>),
    /// The newest commit is made from the same input.
    Unchanged(Checksum),
    /// A new commit.
    Committed(Box<Report>),
}
