//! The bootloader actor: the only one that changes what boots next. Translates and decides
//! nothing.

use actix::prelude::*;
use cambium_messages::Reply;
use cambium_messages::bootloader::{CleanUp, PrepareDeployment, RollBack, Swap};
use cambium_model::{DeploymentId, PreparedDeployment};
use cambium_runtime::{Ping, Worker, guarded};
use cambium_tree::Host;
use std::sync::Arc;

/// See the module.
#[derive(Debug, Clone)]
pub struct Bootloader {
    /// The engine.
    pub host: Arc<Host>,
    /// Its record.
    pub worker: Arc<Worker>,
}

impl Actor for Bootloader {
    type Context = SyncContext<Self>;
}

impl Handler<Ping> for Bootloader {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<PrepareDeployment> for Bootloader {
    type Result = Reply<PreparedDeployment>;

    fn handle(&mut self, message: PrepareDeployment, context: &mut Self::Context) -> Self::Result {
        let PrepareDeployment { call, target, commit } = message;
        guarded(&self.worker, context, &call, "prepare the deployment", || {
            Ok(self.host.prepare(&target, &commit, &call)?)
        })
    }
}

impl Handler<Swap> for Bootloader {
    type Result = Reply<DeploymentId>;

    fn handle(&mut self, message: Swap, context: &mut Self::Context) -> Self::Result {
        let Swap { call, prepared, target, finalization } = message;
        guarded(&self.worker, context, &call, "swap the bootloader", || {
            Ok(self.host.swap(&prepared, &target, finalization, &call)?)
        })
    }
}

impl Handler<RollBack> for Bootloader {
    type Result = Reply<DeploymentId>;

    fn handle(&mut self, message: RollBack, context: &mut Self::Context) -> Self::Result {
        let RollBack { call, stateroot } = message;
        guarded(&self.worker, context, &call, "roll back", || {
            Ok(self.host.roll_back(&stateroot)?)
        })
    }
}

impl Handler<CleanUp> for Bootloader {
    type Result = Reply<usize>;

    fn handle(&mut self, message: CleanUp, context: &mut Self::Context) -> Self::Result {
        let CleanUp { call, stateroot, scope } = message;
        guarded(&self.worker, context, &call, "clean up", || {
            Ok(self.host.clean_up(&stateroot, scope)?)
        })
    }
}
