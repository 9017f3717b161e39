//! The one file that knows every actor: who is started, on how many threads, and who may send
//! what to whom.

use actix::{Actor, Addr, SyncArbiter};
use anyhow::{Context as _, Result};
use cambium_messages::{Desk, Ports};
use cambium_runtime::{Changes, WorkerMetrics, WorkerName};
use cambium_tree::Host;
use cambium_workers::bootloader::Bootloader;
use cambium_workers::coordinator::{Coordinator, CoordinatorMetrics};
use cambium_workers::depsolve::Depsolve;
use cambium_workers::repo::{self, Repo};
use cambium_workers::sandbox::Sandbox;
use cambium_workers::supervisor::Supervised;
use cambium_workers::txlog::{LogPlace, Txlog};
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// The running actors, seen from the frontends.
#[derive(Debug)]
pub(crate) struct Actors {
    pub(crate) ports: Ports,
    pub(crate) desk: Desk,
    pub(crate) coordinator: Addr<Coordinator>,
    pub(crate) supervised: Vec<Supervised>,
    system: actix::System,
    thread: JoinHandle<()>,
}

impl Actors {
    /// Starts every actor, on threads of their own.
    ///
    /// # Errors
    /// When a thread cannot be had.
    pub(crate) async fn start(
        host: Arc<Host>,
        log: LogPlace,
        registry: &mut Registry,
    ) -> Result<Self> {
        let workers = WorkerMetrics::default();
        workers.register(registry);
        let transactions = CoordinatorMetrics::default();
        transactions.register(registry);
        let (sender, receiver) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("actors".to_owned())
            .spawn(move || {
                let system = actix::System::new();
                let wired =
                    system.block_on(async move { wire(&host, log, &workers, transactions) });
                if sender.send((wired, actix::System::current())).is_err() {
                    tracing::error!("nobody waits for the actors");
                    return;
                }
                if let Err(error) = system.run() {
                    tracing::error!(%error, "the actors ended");
                }
            })
            .context("cannot start the thread of the actors")?;
        let (wired, system) = receiver.await.context("the actors did not start")?;
        let Wired { ports, desk, coordinator, supervised } = wired;
        Ok(Self { ports, desk, coordinator, supervised, system, thread })
    }

    /// Ends the actors. Their work is over by now: the coordinator was drained.
    pub(crate) fn stop(self) {
        self.system.stop();
        if self.thread.join().is_err() {
            tracing::error!("the thread of the actors panicked");
        }
    }
}

struct Wired {
    ports: Ports,
    desk: Desk,
    coordinator: Addr<Coordinator>,
    supervised: Vec<Supervised>,
}

fn wire(
    host: &Arc<Host>,
    log: LogPlace,
    metrics: &WorkerMetrics,
    transactions: CoordinatorMetrics,
) -> Wired {
    let record = |name| metrics.worker(name);
    let (w_repo, w_depsolve) = (record(WorkerName::Repo), record(WorkerName::Depsolve));
    let (w_sandbox, w_bootloader) = (record(WorkerName::Sandbox), record(WorkerName::Bootloader));
    let w_txlog = record(WorkerName::Txlog);

    let actor = Repo { host: host.clone(), worker: w_repo.clone() };
    let repo = SyncArbiter::start(repo::THREADS, move || actor.clone());
    let actor = Depsolve { host: host.clone(), worker: w_depsolve.clone() };
    let depsolve = SyncArbiter::start(1, move || actor.clone());
    let actor = Sandbox { host: host.clone(), worker: w_sandbox.clone() };
    let sandbox = SyncArbiter::start(1, move || actor.clone());
    let actor = Bootloader { host: host.clone(), worker: w_bootloader.clone() };
    let bootloader = SyncArbiter::start(1, move || actor.clone());
    let actor = Txlog::new(log, w_txlog.clone());
    let txlog = SyncArbiter::start(1, move || actor.clone());

    let ports = Ports {
        read_host: repo.clone().recipient(),
        find_base: repo.clone().recipient(),
        fetch: repo.clone().recipient(),
        import: repo.clone().recipient(),
        keep_commit: repo.clone().recipient(),
        tidy: repo.clone().recipient(),
        recover: repo.clone().recipient(),
        resolve: depsolve.clone().recipient(),
        make_plan: depsolve.clone().recipient(),
        refresh_metadata: depsolve.clone().recipient(),
        find_packages: depsolve.clone().recipient(),
        list_packages: depsolve.clone().recipient(),
        diff_packages: depsolve.clone().recipient(),
        assemble: sandbox.clone().recipient(),
        reboot: sandbox.clone().recipient(),
        prepare: bootloader.clone().recipient(),
        swap: bootloader.clone().recipient(),
        roll_back: bootloader.clone().recipient(),
        clean_up: bootloader.clone().recipient(),
        begin: txlog.clone().recipient(),
        enter: txlog.clone().recipient(),
        finish: txlog.clone().recipient(),
        note_host: txlog.clone().recipient(),
        unfinished: txlog.clone().recipient(),
        history: txlog.clone().recipient(),
        count: txlog.clone().recipient(),
        verify: txlog.clone().recipient(),
        export: txlog.clone().recipient(),
    };
    let changes = Changes::default();
    let coordinator = Coordinator::new(ports.clone(), transactions, changes.clone()).start();
    let desk = Desk {
        start: coordinator.clone().recipient(),
        watch: coordinator.clone().recipient(),
        cancel: coordinator.clone().recipient(),
        activity: coordinator.clone().recipient(),
        changes,
    };
    let supervised = vec![
        Supervised { worker: w_repo, ping: repo.recipient() },
        Supervised { worker: w_depsolve, ping: depsolve.recipient() },
        Supervised { worker: w_sandbox, ping: sandbox.recipient() },
        Supervised { worker: w_bootloader, ping: bootloader.recipient() },
        Supervised { worker: w_txlog, ping: txlog.recipient() },
    ];
    Wired { ports, desk, coordinator, supervised }
}
