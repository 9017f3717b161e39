//! How one actor reaches the others: recipients of single messages, never addresses.

use crate::{bootloader, coordinator, depsolve, repo, sandbox, txlog};
use actix::{MailboxError, Recipient};
use cambium_model::{Failure, FailureKind};
use cambium_runtime::Changes;

/// What every request answers.
pub type Reply<T> = Result<T, Failure>;

/// Every message that the coordinator and the frontends may send to a worker. Wired once, in
/// actors/daemon.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Repository actor.
    pub read_host: Recipient<repo::ReadHost>,
    /// Repository actor.
    pub find_base: Recipient<repo::FindBase>,
    /// Repository actor.
    pub fetch: Recipient<repo::Fetch>,
    /// Repository actor.
    pub import: Recipient<repo::Import>,
    /// Repository actor.
    pub keep_commit: Recipient<repo::KeepCommit>,
    /// Repository actor.
    pub tidy: Recipient<repo::Tidy>,
    /// Repository actor.
    pub recover: Recipient<repo::Recover>,
    /// Depsolve actor.
    pub resolve: Recipient<depsolve::Resolve>,
    /// Depsolve actor.
    pub make_plan: Recipient<depsolve::MakePlan>,
    /// Depsolve actor.
    pub refresh_metadata: Recipient<depsolve::RefreshMetadata>,
    /// Depsolve actor.
    pub find_packages: Recipient<depsolve::FindPackages>,
    /// Depsolve actor.
    pub list_packages: Recipient<depsolve::ListPackages>,
    /// Depsolve actor.
    pub diff_packages: Recipient<depsolve::DiffPackages>,
    /// Sandbox actor.
    pub assemble: Recipient<sandbox::Assemble>,
    /// Sandbox actor.
    pub reboot: Recipient<sandbox::Reboot>,
    /// Bootloader actor.
    pub prepare: Recipient<bootloader::PrepareDeployment>,
    /// Bootloader actor.
    pub swap: Recipient<bootloader::Swap>,
    /// Bootloader actor.
    pub roll_back: Recipient<bootloader::RollBack>,
    /// Bootloader actor.
    pub clean_up: Recipient<bootloader::CleanUp>,
    /// Transaction log actor.
    pub begin: Recipient<txlog::Begin>,
    /// Transaction log actor.
    pub enter: Recipient<txlog::Enter>,
    /// Transaction log actor.
    pub finish: Recipient<txlog::Finish>,
    /// Transaction log actor.
    pub note_host: Recipient<txlog::NoteHost>,
    /// Transaction log actor.
    pub unfinished: Recipient<txlog::ListUnfinished>,
    /// Transaction log actor.
    pub history: Recipient<txlog::ReadHistory>,
    /// Transaction log actor.
    pub count: Recipient<txlog::CountRecords>,
    /// Transaction log actor.
    pub verify: Recipient<txlog::Verify>,
    /// Transaction log actor.
    pub export: Recipient<txlog::Export>,
}

/// What a frontend may send to the coordinator. Wired once, in actors/daemon.
#[derive(Debug, Clone)]
pub struct Desk {
    /// Starts a transaction.
    pub start: Recipient<coordinator::StartTransaction>,
    /// Follows one.
    pub watch: Recipient<coordinator::WatchTransaction>,
    /// Cancels one.
    pub cancel: Recipient<coordinator::CancelTransaction>,
    /// Says what runs.
    pub activity: Recipient<coordinator::ReadActivity>,
    /// Says when something about the host may have changed.
    pub changes: Changes,
}

/// A message that never came back: its actor is gone (the daemon stops) or its mailbox is full.
#[must_use]
pub fn lost(error: &MailboxError) -> Failure {
    let failure = match error {
        MailboxError::Closed => Failure::new(FailureKind::Interrupted, "the daemon is stopping"),
        MailboxError::Timeout => Failure::new(FailureKind::Timeout, "a worker did not answer"),
    };
    failure.advise("Try again; if it stays so, see the daemon's log.")
}
