//! A change that somebody asks for, and how it is to be carried out.

use crate::{Change, Stateroot};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A transaction's id: a UUID in its usual spelling, increasing with time (version 7).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TransactionId(String);

impl TransactionId {
    /// Takes the id as it is; whoever makes one makes a UUID.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TransactionId {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::new(text))
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who asked, as the kernel and the client say it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Initiator {
    /// The peer's user id.
    pub uid: u32,
    /// The peer's process id; 0 where it is not known.
    pub pid: i32,
    /// What the client calls itself (`cli`, `zincati`, …).
    pub agent: String,
    /// The command line that it was given, for `history`.
    pub command_line: String,
}

/// How a change is carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent options of rpm-ostree's surface")]
pub struct Options {
    /// Fetch nothing: use what is on disk.
    pub cache_only: bool,
    /// Fetch, then stop before anything is assembled.
    pub download_only: bool,
    /// Do not fail where a request is already met, or already gone.
    pub idempotent: bool,
    /// Accept requests for packages that the base holds.
    pub allow_inactive: bool,
    /// Assemble from the base even where the layered commit could be extended.
    pub rebuild: bool,
    /// Stage, but wait for `finalize-deployment`.
    pub lock_finalization: bool,
    /// Refuse a base older than the deployed one.
    pub disallow_downgrade: bool,
    /// Do not check that a revision is on the origin's branch.
    pub skip_branch_check: bool,
    /// Keep the previous ref of a rebase in the repository.
    pub skip_purge: bool,
    /// Reboot when the change is in place.
    pub reboot: bool,
    /// Wait for the running transaction to end rather than be refused.
    pub wait: bool,
}

/// A change, whom it is for, and who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The stateroot to change; `None` for the default one.
    pub stateroot: Option<Stateroot>,
    /// What to change.
    pub change: Change,
    /// How.
    pub options: Options,
    /// Who asked.
    pub initiator: Initiator,
}

impl Request {
    /// Whether `other` asks for the same: such requests join one transaction.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        let Self { stateroot, change, options, initiator: _ } = self;
        *stateroot == other.stateroot && *change == other.change && *options == other.options
    }

    /// One line for people: the command line where there is one, else the verb and its operands.
    #[must_use]
    pub fn title(&self) -> String {
        if !self.initiator.command_line.is_empty() {
            return self.initiator.command_line.clone();
        }
        let mut title = self.change.verb().to_owned();
        if let Some(packages) = self.change.packages() {
            for name in &packages.install {
                title.push(' ');
                title.push_str(name);
            }
            for name in &packages.uninstall {
                title.push_str(" -");
                title.push_str(name);
            }
        }
        title
    }
}
