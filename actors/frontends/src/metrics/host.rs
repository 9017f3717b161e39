//! Gauges of the host's state, read when they are asked for.

use cambium_messages::Ports;
use cambium_messages::repo::ReadHost;
use cambium_messages::txlog::CountRecords;
use cambium_model::{Deployment, HostState};
use cambium_runtime::Call;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// The labels of one deployment. Bounded: a host keeps a handful of deployments.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeploymentLabels {
    stateroot: String,
    checksum: String,
    version: String,
    refspec: String,
}

/// Gauges of the host's state.
#[derive(Debug, Clone)]
pub struct HostMetrics {
    ports: Ports,
    booted: Family<DeploymentLabels, Gauge>,
    staged: Family<DeploymentLabels, Gauge>,
    deployments: Gauge,
    layered_packages: Gauge,
    repo: Gauge,
    free: Gauge,
    metadata: Gauge,
    log_records: Gauge,
    up: Gauge,
}

impl HostMetrics {
    /// Gauges that are read through `ports`, added to `registry`.
    #[must_use]
    pub fn register(ports: Ports, registry: &mut Registry) -> Self {
        let metrics = Self {
            ports,
            booted: Family::default(),
            staged: Family::default(),
            deployments: Gauge::default(),
            layered_packages: Gauge::default(),
            repo: Gauge::default(),
            free: Gauge::default(),
            metadata: Gauge::default(),
            log_records: Gauge::default(),
            up: Gauge::default(),
        };
        registry.register(
            "booted_deployment_info",
            "The deployment that the system was booted from",
            metrics.booted.clone(),
        );
        registry.register(
            "staged_deployment_info",
            "The deployment that is finalised at shutdown",
            metrics.staged.clone(),
        );
        registry.register("deployments", "Deployments", metrics.deployments.clone());
        registry.register(
            "layered_packages",
            "Packages that were asked for on the deployment that boots next",
            metrics.layered_packages.clone(),
        );
        registry.register_with_unit(
            "repo",
            "Size of the objects in the repository",
            Unit::Bytes,
            metrics.repo.clone(),
        );
        registry.register_with_unit(
            "sysroot_free",
            "Free space on the sysroot's file system",
            Unit::Bytes,
            metrics.free.clone(),
        );
        registry.register_with_unit(
            "metadata_oldest_timestamp",
            "When the oldest cached repository metadata was fetched, since 1970; 0 without any",
            Unit::Seconds,
            metrics.metadata.clone(),
        );
        registry.register("log_records", "Records of the log", metrics.log_records.clone());
        registry.register(
            "host_readable",
            "Whether the sysroot could be read for this scrape",
            metrics.up.clone(),
        );
        metrics
    }

    /// Reads the host anew and sets the gauges.
    pub async fn refresh(&self) {
        let call = Call::read();
        match self.ports.read_host.send(ReadHost { call: call.clone() }).await {
            Ok(Ok(state)) => {
                self.up.set(1);
                self.set(&state);
            }
            Ok(Err(failure)) => {
                tracing::warn!(%failure, "the host cannot be read for a scrape");
                self.up.set(0);
            }
            Err(error) => {
                tracing::warn!(%error, "the host cannot be read for a scrape");
                self.up.set(0);
            }
        }
        match self.ports.count.send(CountRecords { call }).await {
            Ok(Ok(records)) => {
                self.log_records.set(gauge(records));
            }
            other => tracing::warn!(?other, "the log cannot be read for a scrape"),
        }
    }

    fn set(&self, state: &HostState) {
        self.booted.clear();
        self.staged.clear();
        for deployment in &state.deployments {
            if deployment.booted {
                self.booted.get_or_create(&labels(deployment)).set(1);
            }
            if deployment.staged {
                self.staged.get_or_create(&labels(deployment)).set(1);
            }
        }
        let layered = state.deployments.first().map_or(0, |next| next.layered.len());
        self.deployments.set(gauge(state.deployments.len() as u64));
        self.layered_packages.set(gauge(layered as u64));
        self.repo.set(gauge(state.repo_bytes));
        self.free.set(gauge(state.free_bytes));
        self.metadata.set(gauge(state.metadata_timestamp));
    }
}

fn labels(deployment: &Deployment) -> DeploymentLabels {
    let refspec = deployment.origin.as_ref().map(|origin| origin.refspec.to_string());
    DeploymentLabels {
        stateroot: deployment.id.stateroot.to_string(),
        checksum: deployment.id.checksum.to_string(),
        version: deployment.version.clone().unwrap_or_default(),
        refspec: refspec.unwrap_or_default(),
    }
}

/// Gauges are signed; nothing that is counted here comes near the limit.
fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
