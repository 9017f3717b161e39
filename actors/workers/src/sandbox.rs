//! The sandbox actor: assembles trees, which runs packages' scripts. The only one that spawns
//! processes. Translates and decides nothing.

use actix::prelude::*;
use cambium_messages::Reply;
use cambium_messages::sandbox::{Assemble, Reboot};
use cambium_model::Checksum;
use cambium_runtime::{Ping, Worker, guarded};
use cambium_tree::{AssembleTarget, Host};
use std::sync::Arc;

/// See the module.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// The engine.
    pub host: Arc<Host>,
    /// Its record.
    pub worker: Arc<Worker>,
}

impl Actor for Sandbox {
    type Context = SyncContext<Self>;

    /// What scripts can be confined by is asked for before the first of them, so that the host's
    /// state tells. A fresh actor finds the answer of the one before.
    fn started(&mut self, _: &mut Self::Context) {
        if let Err(reasons) = self.host.find_sandbox() {
            tracing::warn!(reasons, "packages' scripts cannot run here");
        }
    }
}

impl Handler<Ping> for Sandbox {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<Assemble> for Sandbox {
    type Result = Reply<Checksum>;

    fn handle(&mut self, message: Assemble, context: &mut Self::Context) -> Self::Result {
        let Assemble { call, target, base, solution, packages, start } = message;
        guarded(&self.worker, context, &call, "assemble the tree", || {
            let wanted = AssembleTarget {
                target: &target,
                base: &base,
                solution: &solution,
                packages: &packages,
                start,
            };
            Ok(self.host.assemble(&wanted, &call)?)
        })
    }
}

impl Handler<Reboot> for Sandbox {
    type Result = Reply<()>;

    fn handle(&mut self, message: Reboot, context: &mut Self::Context) -> Self::Result {
        guarded(&self.worker, context, &message.call, "reboot", || Ok(self.host.reboot()?))
    }
}
