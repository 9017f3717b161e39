//! To the bootloader actor: the only one that changes what boots next.

use crate::Reply;
use actix::Message;
use cambium_model::{
    Checksum, CleanupScope, DeploymentId, Finalization, PreparedDeployment, Stateroot, Target,
};
use cambium_runtime::Call;

/// Makes the directory of a new deployment: nothing boots it yet.
#[derive(Debug, Message)]
#[rtype(result = "Reply<PreparedDeployment>")]
pub struct PrepareDeployment {
    /// The call.
    pub call: Call,
    /// What is wanted.
    pub target: Box<Target>,
    /// The commit to check out.
    pub commit: Checksum,
}

/// Makes a prepared deployment the one that boots next: staged on a booted system, at once
/// elsewhere.
#[derive(Debug, Message)]
#[rtype(result = "Reply<DeploymentId>")]
pub struct Swap {
    /// The call.
    pub call: Call,
    /// What was prepared.
    pub prepared: PreparedDeployment,
    /// What was wanted.
    pub target: Box<Target>,
    /// Whether finalisation waits for `finalize-deployment`.
    pub finalization: Finalization,
}

/// Makes the deployment behind the default one the default.
#[derive(Debug, Message)]
#[rtype(result = "Reply<DeploymentId>")]
pub struct RollBack {
    /// The call.
    pub call: Call,
    /// Whose deployments.
    pub stateroot: Stateroot,
}

/// Drops deployments and leftovers; answers how many deployments went.
#[derive(Debug, Message)]
#[rtype(result = "Reply<usize>")]
pub struct CleanUp {
    /// The call.
    pub call: Call,
    /// Whose.
    pub stateroot: Stateroot,
    /// Which.
    pub scope: CleanupScope,
}
