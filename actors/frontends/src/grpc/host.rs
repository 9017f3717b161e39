//! `cambium.v1.Host`: the deployments and what runs.

use super::{Backend, access, reply};
use cambium_messages::coordinator::ReadActivity;
use cambium_messages::repo::ReadHost;
use cambium_proto::v1::host_server::Host;
use cambium_proto::v1::{
    GetStatusRequest, HostStatus, ReloadRequest, ReloadResponse, WatchStatusRequest,
};
use cambium_proto::{HostView, TransactionView};
use cambium_runtime::Call;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// How often a watched host is looked at although nothing of ours rang: `ostree admin` and other
/// programs change deployments too, and a look costs a few stat calls.
const LOOK: Duration = Duration::from_secs(5);

/// The service.
#[derive(Debug)]
pub(super) struct HostService(pub(super) Backend);

impl HostService {
    async fn status(backend: &Backend) -> Result<HostStatus, Status> {
        let state = reply(backend.ports.read_host.send(ReadHost { call: Call::read() }).await)?;
        let activity = reply(backend.desk.activity.send(ReadActivity).await.map(Ok))?;
        let transaction = activity.running.map(|running| TransactionView {
            started: started(&running.id),
            id: running.id,
            request: (*running.request).clone(),
            phase: running.phase,
            finished: None,
            phases: Vec::new(),
            outcome: None,
        });
        let view = HostView {
            daemon_version: env!("CARGO_PKG_VERSION").to_owned(),
            state: (*state).clone(),
            transaction,
            waiting: u32::try_from(activity.waiting).unwrap_or(u32::MAX),
        };
        Ok(HostStatus::from(&view))
    }
}

/// When a transaction was made: its id, a UUID of version 7, holds the milliseconds since 1970.
pub(super) fn started(id: &cambium_model::TransactionId) -> u64 {
    let hex: String = id.as_str().chars().filter(|c| *c != '-').take(12).collect();
    u64::from_str_radix(&hex, 16).unwrap_or(0)
}

#[tonic::async_trait]
impl Host for HostService {
    async fn get_status(
        &self,
        _: Request<GetStatusRequest>,
    ) -> Result<Response<HostStatus>, Status> {
        Self::status(&self.0).await.map(Response::new)
    }

    type WatchStatusStream = ReceiverStream<Result<HostStatus, Status>>;

    async fn watch_status(
        &self,
        _: Request<WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        let backend = self.0.clone();
        let mut changes = backend.desk.changes.listen();
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut told = None;
            loop {
                let status = Self::status(&backend).await;
                let news = status.as_ref().ok().is_none_or(|now| told.as_ref() != Some(now));
                told = status.as_ref().ok().cloned();
                // A failed read ends the watch: the client knows the reason and may come again.
                let last = status.is_err();
                if news && sender.send(status).await.is_err() || last {
                    return;
                }
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep(LOOK) => {}
                    () = sender.closed() => return,
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn reload(
        &self,
        request: Request<ReloadRequest>,
    ) -> Result<Response<ReloadResponse>, Status> {
        access::may_change(&request)?;
        reply(self.0.ports.read_host.send(ReadHost { call: Call::read() }).await)?;
        self.0.desk.changes.ring();
        Ok(Response::new(ReloadResponse {}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_model::TransactionId;

    #[test]
    fn an_id_tells_when_it_was_made() {
        // RFC 9562, appendix A.6: 2022-02-22T19:22:22Z.
        let id = TransactionId::new("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
        assert_eq!(started(&id), 1_645_557_742_000);
        assert_eq!(started(&TransactionId::new("x")), 0);
    }
}
