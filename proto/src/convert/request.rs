//! request.proto.

use crate::decode::{parse, parse_optional, required};
use crate::v1::request::Change as Wire;
use crate::{DecodeError, v1};
use cambium_model::{Change, CleanupScope, Initiator, KargsEdit, Options, PackageChange, Request};

impl From<&Request> for v1::Request {
    fn from(request: &Request) -> Self {
        let Request { stateroot, change, options, initiator } = request;
        Self {
            stateroot: stateroot.as_ref().map(ToString::to_string),
            change: Some(change.into()),
            options: Some(options.into()),
            initiator: Some(initiator.into()),
        }
    }
}

/// Options and initiator may be absent: no option, and whom the socket names.
impl TryFrom<v1::Request> for Request {
    type Error = DecodeError;

    fn try_from(wire: v1::Request) -> Result<Self, Self::Error> {
        let v1::Request { stateroot, change, options, initiator } = wire;
        Ok(Self {
            stateroot: parse_optional(stateroot, "Request.stateroot")?,
            change: required(change, "Request.change")?,
            options: options.unwrap_or_default().into(),
            initiator: initiator.unwrap_or_default().into(),
        })
    }
}

impl From<&Change> for Wire {
    fn from(change: &Change) -> Self {
        match change {
            Change::Packages(packages) => Self::Packages(packages.into()),
            Change::Upgrade { packages, allow_downgrade } => Self::Upgrade(v1::Upgrade {
                packages: Some(packages.into()),
                allow_downgrade: *allow_downgrade,
            }),
            Change::Deploy { revision, packages } => Self::Deploy(v1::Deploy {
                revision: revision.clone(),
                packages: Some(packages.into()),
            }),
            Change::Rebase { refspec, revision, packages } => Self::Rebase(v1::Rebase {
                refspec: refspec.to_string(),
                revision: revision.as_ref().map(ToString::to_string),
                packages: Some(packages.into()),
            }),
            Change::Rollback => Self::Rollback(v1::Rollback {}),
            Change::KernelArguments(edit) => Self::KernelArguments(edit.into()),
            Change::Cleanup(scope) => Self::Cleanup((*scope).into()),
            Change::RefreshMetadata { force } => {
                Self::RefreshMetadata(v1::RefreshMetadata { force: *force })
            }
        }
    }
}

impl TryFrom<Wire> for Change {
    type Error = DecodeError;

    fn try_from(wire: Wire) -> Result<Self, Self::Error> {
        let packages = |part: Option<v1::PackageChange>| part.unwrap_or_default().into();
        Ok(match wire {
            Wire::Packages(change) => Self::Packages(change.into()),
            Wire::Upgrade(v1::Upgrade { packages: change, allow_downgrade }) => {
                Self::Upgrade { packages: packages(change), allow_downgrade }
            }
            Wire::Deploy(v1::Deploy { revision, packages: change }) => {
                Self::Deploy { revision, packages: packages(change) }
            }
            Wire::Rebase(v1::Rebase { refspec, revision, packages: change }) => Self::Rebase {
                refspec: parse(&refspec, "Rebase.refspec")?,
                revision: parse_optional(revision, "Rebase.revision")?,
                packages: packages(change),
            },
            Wire::Rollback(v1::Rollback {}) => Self::Rollback,
            Wire::KernelArguments(edit) => Self::KernelArguments(edit.into()),
            Wire::Cleanup(scope) => Self::Cleanup(scope.into()),
            Wire::RefreshMetadata(v1::RefreshMetadata { force }) => Self::RefreshMetadata { force },
        })
    }
}

impl From<&PackageChange> for v1::PackageChange {
    fn from(change: &PackageChange) -> Self {
        let PackageChange { install, uninstall, uninstall_all } = change.clone();
        Self { install, uninstall, uninstall_all }
    }
}

impl From<v1::PackageChange> for PackageChange {
    fn from(wire: v1::PackageChange) -> Self {
        let v1::PackageChange { install, uninstall, uninstall_all } = wire;
        Self { install, uninstall, uninstall_all }
    }
}

impl From<&KargsEdit> for v1::KargsEdit {
    fn from(edit: &KargsEdit) -> Self {
        let KargsEdit { replace, delete, delete_if_present, append, append_if_missing } =
            edit.clone();
        Self { replace, delete, delete_if_present, append, append_if_missing }
    }
}

impl From<v1::KargsEdit> for KargsEdit {
    fn from(wire: v1::KargsEdit) -> Self {
        let v1::KargsEdit { replace, delete, delete_if_present, append, append_if_missing } = wire;
        Self { replace, delete, delete_if_present, append, append_if_missing }
    }
}

impl From<CleanupScope> for v1::CleanupScope {
    fn from(scope: CleanupScope) -> Self {
        let CleanupScope { base, pending, rollback, metadata } = scope;
        Self { base, pending, rollback, metadata }
    }
}

impl From<v1::CleanupScope> for CleanupScope {
    fn from(wire: v1::CleanupScope) -> Self {
        let v1::CleanupScope { base, pending, rollback, metadata } = wire;
        Self { base, pending, rollback, metadata }
    }
}

/// Both sides have the same fields, all of them `bool`.
macro_rules! options {
    ($($field:ident),+ $(,)?) => {
        impl From<&Options> for v1::Options {
            fn from(options: &Options) -> Self {
                let Options { $($field),+ } = *options;
                Self { $($field),+ }
            }
        }

        impl From<v1::Options> for Options {
            fn from(wire: v1::Options) -> Self {
                let v1::Options { $($field),+ } = wire;
                Self { $($field),+ }
            }
        }
    };
}

options!(
    cache_only,
    download_only,
    idempotent,
    allow_inactive,
    rebuild,
    lock_finalization,
    disallow_downgrade,
    skip_branch_check,
    skip_purge,
    reboot,
    wait,
);

impl From<&Initiator> for v1::Initiator {
    fn from(initiator: &Initiator) -> Self {
        let Initiator { uid, pid, agent, command_line } = initiator.clone();
        Self { uid, pid, agent, command_line }
    }
}

impl From<v1::Initiator> for Initiator {
    fn from(wire: v1::Initiator) -> Self {
        let v1::Initiator { uid, pid, agent, command_line } = wire;
        Self { uid, pid, agent, command_line }
    }
}
