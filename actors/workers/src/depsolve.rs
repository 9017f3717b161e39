//! The depsolve actor: which packages, from where, and what would change. Translates and decides
//! nothing. One thread, since libdnf and librpm allow no more.

use actix::prelude::*;
use cambium_messages::Reply;
use cambium_messages::depsolve::{
    DiffPackages, FindPackages, ListPackages, MakePlan, RefreshMetadata, Resolve,
};
use cambium_model::{FoundPackage, Nevra, PackageDiffs, Plan, Resolution};
use cambium_runtime::{Ping, Worker, guarded};
use cambium_tree::Host;
use std::sync::Arc;

/// See the module.
#[derive(Debug, Clone)]
pub struct Depsolve {
    /// The engine.
    pub host: Arc<Host>,
    /// Its record.
    pub worker: Arc<Worker>,
}

impl Actor for Depsolve {
    type Context = SyncContext<Self>;
}

impl Handler<Ping> for Depsolve {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<Resolve> for Depsolve {
    type Result = Reply<Resolution>;

    fn handle(&mut self, message: Resolve, context: &mut Self::Context) -> Self::Result {
        let Resolve { call, target, base, fetch } = message;
        guarded(&self.worker, context, &call, "resolve dependencies", || {
            Ok(self.host.resolve(&target, &base, fetch, &call)?)
        })
    }
}

impl Handler<MakePlan> for Depsolve {
    type Result = Reply<Plan>;

    fn handle(&mut self, message: MakePlan, context: &mut Self::Context) -> Self::Result {
        let MakePlan { call, request } = message;
        guarded(&self.worker, context, &call, "make a plan", || self.host.plan(&request, &call))
    }
}

impl Handler<RefreshMetadata> for Depsolve {
    type Result = Reply<()>;

    fn handle(&mut self, message: RefreshMetadata, context: &mut Self::Context) -> Self::Result {
        let RefreshMetadata { call, freshness } = message;
        guarded(&self.worker, context, &call, "refresh metadata", || {
            Ok(self.host.refresh_metadata(freshness, &call)?)
        })
    }
}

impl Handler<FindPackages> for Depsolve {
    type Result = Reply<Vec<FoundPackage>>;

    fn handle(&mut self, message: FindPackages, context: &mut Self::Context) -> Self::Result {
        let FindPackages { call, by, terms } = message;
        guarded(&self.worker, context, &call, "find packages", || {
            Ok(self.host.find_packages(by, &terms, &call)?)
        })
    }
}

impl Handler<ListPackages> for Depsolve {
    type Result = Reply<Vec<Nevra>>;

    fn handle(&mut self, message: ListPackages, context: &mut Self::Context) -> Self::Result {
        let ListPackages { call, revision } = message;
        guarded(&self.worker, context, &call, "list packages", || {
            Ok(self.host.list_packages(&revision)?)
        })
    }
}

impl Handler<DiffPackages> for Depsolve {
    type Result = Reply<PackageDiffs>;

    fn handle(&mut self, message: DiffPackages, context: &mut Self::Context) -> Self::Result {
        let DiffPackages { call, from, to, changelogs } = message;
        guarded(&self.worker, context, &call, "compare packages", || {
            Ok(self.host.diff_packages(from.as_deref(), to.as_deref(), changelogs)?)
        })
    }
}
