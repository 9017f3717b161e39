//! What the coordinator counts: transactions by verb and result, seconds by phase, the queue.

use cambium_model::{Change, Outcome, Phase};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::fmt::Write as _;
use std::time::Duration;

/// A label whose values come from a fixed list of the model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Name(&'static str);

impl EncodeLabelValue for Name {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    verb: Name,
    result: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: Name,
}

type PhaseSeconds = Family<PhaseLabels, Histogram, fn() -> Histogram>;

/// Counters of transactions.
#[derive(Debug, Clone)]
pub struct CoordinatorMetrics {
    transactions: Family<ResultLabels, Counter>,
    phase_seconds: PhaseSeconds,
    queue: Gauge,
}

impl Default for CoordinatorMetrics {
    fn default() -> Self {
        Self {
            transactions: Family::default(),
            phase_seconds: Family::new_with_constructor(histogram),
            queue: Gauge::default(),
        }
    }
}

/// From a cached step (10 ms) to a large download on a thin line (10 min).
fn histogram() -> Histogram {
    Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0])
}

impl CoordinatorMetrics {
    /// Adds them to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "transactions",
            "Transactions that ended, by verb and result",
            self.transactions.clone(),
        );
        registry.register_with_unit(
            "transaction_phase",
            "Time that a transaction spent in a phase",
            Unit::Seconds,
            self.phase_seconds.clone(),
        );
        registry.register(
            "transactions_waiting",
            "Transactions that wait for their turn",
            self.queue.clone(),
        );
    }

    pub(super) fn queue(&self, waiting: usize) {
        self.queue.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    pub(super) fn phase(&self, phase: Phase, took: Duration) {
        let labels = PhaseLabels { phase: Name(phase.as_str()) };
        self.phase_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub(super) fn ended(&self, change: &Change, outcome: &Outcome) {
        let labels = ResultLabels { verb: Name(change.verb()), result: Name(outcome.as_str()) };
        self.transactions.get_or_create(&labels).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_verb_and_result() {
        let (metrics, mut registry) = (CoordinatorMetrics::default(), Registry::default());
        metrics.register(&mut registry);
        metrics.ended(&Change::Rollback, &Outcome::Cancelled);
        metrics.phase(Phase::Resolving, Duration::from_millis(20));
        metrics.queue(3);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "transactions_total{verb=\"rollback\",result=\"cancelled\"} 1",
            "transaction_phase_seconds_count{phase=\"resolving\"} 1",
            "transactions_waiting 3",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
