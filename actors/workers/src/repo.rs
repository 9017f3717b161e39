//! The repository actor: the host's state, base commits, packages as files and as commits, and
//! what may be thrown away. Translates and decides nothing.
//!
//! Runs on two threads, so that a status is answered while a pull goes on; the coordinator sees
//! to it that only one of them writes.

use actix::prelude::*;
use cambium_messages::Reply;
use cambium_messages::repo::{Fetch, FindBase, Import, KeepCommit, ReadHost, Recover, Tidy};
use cambium_model::{Base, Fetched, Freed, HostState, Imported, Recovered};
use cambium_runtime::{Ping, Worker, guarded};
use cambium_tree::Host;
use std::sync::Arc;

/// Threads of this actor: one that works and one that answers.
pub const THREADS: usize = 2;

/// See the module.
#[derive(Debug, Clone)]
pub struct Repo {
    /// The engine.
    pub host: Arc<Host>,
    /// Its record.
    pub worker: Arc<Worker>,
}

impl Actor for Repo {
    type Context = SyncContext<Self>;
}

impl Handler<Ping> for Repo {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

impl Handler<ReadHost> for Repo {
    type Result = Reply<Arc<HostState>>;

    fn handle(&mut self, message: ReadHost, context: &mut Self::Context) -> Self::Result {
        guarded(&self.worker, context, &message.call, "read the host", || Ok(self.host.state()?))
    }
}

impl Handler<FindBase> for Repo {
    type Result = Reply<Base>;

    fn handle(&mut self, message: FindBase, context: &mut Self::Context) -> Self::Result {
        let FindBase { call, target, fetch } = message;
        guarded(&self.worker, context, &call, "find the base", || {
            Ok(self.host.find_base(&target, fetch, &call)?)
        })
    }
}

impl Handler<Fetch> for Repo {
    type Result = Reply<Vec<Fetched>>;

    fn handle(&mut self, message: Fetch, context: &mut Self::Context) -> Self::Result {
        let Fetch { call, packages, fetch } = message;
        guarded(&self.worker, context, &call, "fetch packages", || {
            Ok(self.host.fetch(packages, fetch, &call)?)
        })
    }
}

impl Handler<Import> for Repo {
    type Result = Reply<Vec<Imported>>;

    fn handle(&mut self, message: Import, context: &mut Self::Context) -> Self::Result {
        let Import { call, packages, repos, base } = message;
        guarded(&self.worker, context, &call, "import packages", || {
            Ok(self.host.import(packages, &repos, &base, &call)?)
        })
    }
}

impl Handler<KeepCommit> for Repo {
    type Result = Reply<()>;

    fn handle(&mut self, message: KeepCommit, context: &mut Self::Context) -> Self::Result {
        let KeepCommit { call, commit } = message;
        guarded(&self.worker, context, &call, "keep the commit", || {
            Ok(self.host.keep_commit(&commit)?)
        })
    }
}

impl Handler<Tidy> for Repo {
    type Result = Reply<Freed>;

    fn handle(&mut self, message: Tidy, context: &mut Self::Context) -> Self::Result {
        let Tidy { call, metadata, sweep } = message;
        guarded(&self.worker, context, &call, "tidy up", || {
            Ok(self.host.tidy(metadata, sweep, &call)?)
        })
    }
}

impl Handler<Recover> for Repo {
    type Result = Reply<Recovered>;

    fn handle(&mut self, message: Recover, context: &mut Self::Context) -> Self::Result {
        guarded(&self.worker, context, &message.call, "recover", || Ok(self.host.recover()?))
    }
}
