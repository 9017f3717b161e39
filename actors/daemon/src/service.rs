//! The daemon's life: sockets first, then actors, recovery, service, drain.
//!
//! The control socket answers before anything heavy is loaded: libraries work on their own
//! threads, and a status needs none of them.

use crate::config::Config;
use crate::places::Places;
use crate::wiring::Actors;
use crate::{Serve, socket, telemetry};
use anyhow::{Context as _, Result};
use cambium_frontends::grpc::{self, Backend};
use cambium_frontends::metrics::{self, HostMetrics, Metrics};
use cambium_messages::coordinator::{Drain, Resume};
use cambium_tree::{FileSignatures, Host, HostConfig};
use cambium_workers::supervisor::{Health, Supervised, check};
use cambium_workers::txlog::LogPlace;
use prometheus_client::registry::Registry;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Threads of the frontends. They only translate; two keep a slow client from the others.
const FRONTEND_THREADS: usize = 2;

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When the configuration is wrong, a socket cannot be had, or the server breaks down.
pub(crate) fn run(serve: &Serve) -> Result<()> {
    let config = Config::read(serve.config.as_deref())?;
    telemetry::start(&config.daemon.log)?;
    let places = Places::of(serve, &config);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(FRONTEND_THREADS)
        .thread_name("frontend")
        .enable_all()
        .build()
        .context("cannot start the threads of the frontends")?
        .block_on(live(places, config))
}

async fn live(places: Places, config: Config) -> Result<()> {
    let control = socket::control(&places.socket, &config.socket.group)?;
    let scrapes = socket::metrics(&places.metrics).await?;
    let mut stop = StopSignals::new()?;

    let mut registry = Registry::with_prefix("cambium");
    let host = Arc::new(Host::new(HostConfig {
        sysroot: places.sysroot.clone(),
        cache: places.cache.clone(),
        recommends: config.layering.recommends,
        locked: config.layering.locked,
        limits: config.sandbox.limits(),
        scripts: config.scripts.rules,
        file_signatures: match config.layering.ima {
            true => FileSignatures::Carry,
            false => FileSignatures::Drop,
        },
    }));
    let log = LogPlace { directory: places.state.join("txlog"), keep: config.history.keep };
    let actors = Actors::start(host, log, &mut registry).await?;
    let host_metrics = HostMetrics::register(actors.ports.clone(), &mut registry);
    let metrics = Metrics { registry: Arc::new(registry), host: host_metrics };

    let (stopping, stopped) = watch::channel(false);
    let backend = Backend { ports: actors.ports.clone(), desk: actors.desk.clone() };
    let mut server = tokio::spawn(grpc::serve(control, backend, until(stopped.clone())));
    if let Some(listener) = scrapes {
        tokio::spawn(metrics::serve(listener, metrics, until(stopped.clone())));
    }
    tokio::spawn(watchdog(actors.supervised.clone()));
    notify(&[NotifyState::Ready]);
    tracing::info!(sysroot = %places.sysroot.display(), socket = %places.socket.display(), "ready");

    match actors.coordinator.send(Resume).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => tracing::error!(%failure, "recovery failed; it is tried again"),
        Err(error) => tracing::error!(%error, "the coordinator is gone"),
    }

    let ended = tokio::select! {
        () = stop.recv() => None,
        ended = &mut server => Some(ended),
    };
    notify(&[NotifyState::Stopping]);
    let grace = Duration::from_secs(config.daemon.drain_seconds);
    if tokio::time::timeout(grace, actors.coordinator.send(Drain)).await.is_err() {
        tracing::warn!("a transaction did not end in time; the next start undoes it");
    }
    // Whoever asked for the stop is told; nobody is left to notice that the receivers are gone.
    stopping.send_replace(true);
    let ended = match ended {
        Some(ended) => ended,
        None => match tokio::time::timeout(Duration::from_secs(5), server).await {
            Ok(ended) => ended,
            // Watchers that never hang up do not keep the daemon.
            Err(_) => Ok(Ok(())),
        },
    };
    actors.stop();
    ended.context("the gRPC server panicked")?.context("the gRPC server failed")
}

/// Ready when the daemon stops.
async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    stopped.wait_for(|stopped| *stopped).await.ok();
}

/// Tells systemd that the daemon lives, as long as its workers do.
async fn watchdog(workers: Vec<Supervised>) {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(interval / 3);
    loop {
        ticks.tick().await;
        match check(&workers).await {
            Health::Alive => notify(&[NotifyState::Watchdog]),
            Health::Stuck(worker) => {
                tracing::error!(worker = worker.as_str(), "a worker is stuck");
            }
        }
    }
}

/// Tells systemd, where it runs.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// The signals that stop the daemon.
struct StopSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
