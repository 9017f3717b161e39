//! To the sandbox actor: the only one that spawns processes, since scripts run in assembly.

use crate::Reply;
use actix::Message;
use cambium_model::{AssemblyStart, Base, Checksum, Imported, Solution, Target};
use cambium_runtime::Call;

/// Merges packages into the base, runs their scripts, and writes the commit.
#[derive(Debug, Message)]
#[rtype(result = "Reply<Checksum>")]
pub struct Assemble {
    /// The call.
    pub call: Call,
    /// What is wanted.
    pub target: Box<Target>,
    /// The base.
    pub base: Base,
    /// The resolution, for the commit's metadata.
    pub solution: Solution,
    /// The packages as commits, in the solution's order.
    pub packages: Vec<Imported>,
    /// From where assembly starts.
    pub start: AssemblyStart,
}

/// Asks the init system to reboot, which finalises a staged deployment on the way.
#[derive(Debug, Message)]
#[rtype(result = "Reply<()>")]
pub struct Reboot {
    /// The call.
    pub call: Call,
}
