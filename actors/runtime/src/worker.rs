//! What is known of a worker from outside: busy with what, since when, restarted how often.

use actix::Message;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The five workers, as metrics and logs name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkerName {
    /// Repository: status, pull, import, refs.
    Repo,
    /// Depsolver.
    Depsolve,
    /// Assembly and scripts.
    Sandbox,
    /// Deployments and what boots next.
    Bootloader,
    /// The transaction log.
    Txlog,
}

impl WorkerName {
    /// Every worker.
    pub const ALL: [Self; 5] =
        [Self::Repo, Self::Depsolve, Self::Sandbox, Self::Bootloader, Self::Txlog];

    /// Its name in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Repo => "repo",
            Self::Depsolve => "depsolve",
            Self::Sandbox => "sandbox",
            Self::Bootloader => "bootloader",
            Self::Txlog => "txlog",
        }
    }
}

impl EncodeLabelValue for WorkerName {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(self.as_str())
    }
}

/// Asks a worker whether it takes messages. An idle worker answers at once; `Supervisor` in
/// cambium-workers allows a busy one its time.
#[derive(Debug, Clone, Copy)]
pub struct Ping;

impl Message for Ping {
    type Result = ();
}

/// One worker's shared record, held by the actor and by whoever watches it.
#[derive(Debug)]
pub struct Worker {
    name: WorkerName,
    busy: Mutex<Option<(&'static str, Instant)>>,
    metrics: WorkerMetrics,
}

impl Worker {
    /// A record with metrics of its own that nobody reads.
    #[must_use]
    pub fn new(name: WorkerName) -> Self {
        Self::measured(name, WorkerMetrics::default())
    }

    /// A record that counts in `metrics`.
    #[must_use]
    pub fn measured(name: WorkerName, metrics: WorkerMetrics) -> Self {
        Self { name, busy: Mutex::new(None), metrics }
    }

    /// Whose record this is.
    #[must_use]
    pub fn name(&self) -> WorkerName {
        self.name
    }

    /// How often a panic made a fresh worker.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.metrics.restarts.get_or_create(&self.label()).get()
    }

    /// What it is doing, and for how long.
    #[must_use]
    pub fn doing(&self) -> Option<(&'static str, Duration)> {
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.map(|(what, since)| (what, since.elapsed()))
    }

    pub(crate) fn busy(&self, what: &'static str) -> Busy<'_> {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner) = Some((what, Instant::now()));
        self.metrics.busy.get_or_create(&self.label()).set(1);
        Busy(self)
    }

    pub(crate) fn restarted(&self) {
        self.metrics.restarts.get_or_create(&self.label()).inc();
    }

    fn label(&self) -> WorkerLabel {
        WorkerLabel { worker: self.name }
    }
}

/// Marks the worker idle again when the work ends, by whatever way.
pub(crate) struct Busy<'a>(&'a Worker);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        *self.0.busy.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.0.metrics.busy.get_or_create(&self.0.label()).set(0);
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkerLabel {
    worker: WorkerName,
}

/// Counters of all workers, labelled by worker.
#[derive(Debug, Clone, Default)]
pub struct WorkerMetrics {
    restarts: Family<WorkerLabel, Counter>,
    busy: Family<WorkerLabel, Gauge>,
}

impl WorkerMetrics {
    /// Adds them to `registry`, each worker present from the start with 0.
    pub fn register(&self, registry: &mut Registry) {
        for worker in WorkerName::ALL {
            self.restarts.get_or_create(&WorkerLabel { worker }).inc_by(0);
            self.busy.get_or_create(&WorkerLabel { worker }).set(0);
        }
        registry.register(
            "worker_restarts",
            "Times that a worker was built anew after a panic",
            self.restarts.clone(),
        );
        registry.register("worker_busy", "Whether the worker is working", self.busy.clone());
    }

    /// The record of one worker, counted here.
    #[must_use]
    pub fn worker(&self, name: WorkerName) -> Arc<Worker> {
        Arc::new(Worker::measured(name, self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_idle_again_when_its_work_ends() {
        let worker = Worker::new(WorkerName::Repo);
        assert!(worker.doing().is_none());
        let busy = worker.busy("import");
        assert_eq!(worker.doing().map(|(what, _)| what), Some("import"));
        drop(busy);
        assert!(worker.doing().is_none());
    }

    #[test]
    fn every_worker_shows_from_the_start() {
        let (mut registry, metrics) = (Registry::default(), WorkerMetrics::default());
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for name in WorkerName::ALL {
            let line = format!("worker_restarts_total{{worker=\"{}\"}} 0", name.as_str());
            assert!(text.contains(&line), "{line} in\n{text}");
        }
    }
}
