//! `cambium.v1.Transactions`: start, watch, cancel, and the log.

use super::host::started;
use super::{Backend, access, reply};
use cambium_messages::coordinator::{
    CancelTransaction, Joined, ReadActivity, StartTransaction, WatchTransaction,
};
use cambium_messages::txlog::{Export, ReadHistory, TransactionRecord, Verified, Verify};
use cambium_model::{Failure, FailureKind, Phase, TransactionId};
use cambium_proto::v1::transactions_server::Transactions;
use cambium_proto::v1::{
    BrokenChain, CancelRequest, CancelResponse, Event, ExportRequest, GetTransactionRequest,
    ListTransactionsRequest, ListTransactionsResponse, LogRecord, StartRequest, StartResponse,
    Transaction, VerifyRequest, VerifyResponse, WatchRequest, verify_response,
};
use cambium_proto::{TransactionView, status_from_failure};
use cambium_runtime::{Call, Watcher};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Transactions of one page, where the client does not say.
const PAGE: usize = 50;

/// Transactions of one page at most: 64 KiB each would be a very long request.
const LARGEST_PAGE: usize = 500;

/// Events on their way to one watcher. A slow one waits in the record, which is bounded.
const WINDOW: usize = 64;

/// The service.
#[derive(Debug)]
pub(super) struct TransactionsService(pub(super) Backend);

impl TransactionsService {
    /// The transaction that `id` names; the one that runs where it is empty.
    async fn named(&self, id: String) -> Result<TransactionId, Status> {
        if !id.is_empty() {
            return Ok(TransactionId::new(id));
        }
        let activity = reply(self.0.desk.activity.send(ReadActivity).await.map(Ok))?;
        activity.running.map(|running| running.id).ok_or_else(|| {
            status_from_failure(&Failure::new(FailureKind::NotFound, "No active transaction."))
        })
    }

    async fn history(
        &self,
        limit: usize,
        before: Option<TransactionId>,
        only: Option<TransactionId>,
    ) -> Result<Vec<TransactionRecord>, Status> {
        let read = ReadHistory { call: Call::read(), limit, before, only };
        reply(self.0.ports.history.send(read).await)
    }
}

/// A record of the log as clients see it.
fn view(record: TransactionRecord) -> TransactionView {
    let last = record.phases.last().map_or(Phase::Queued, |(phase, _)| *phase);
    TransactionView {
        phase: if record.outcome.is_some() { Phase::Finished } else { last },
        id: record.id,
        request: record.request,
        started: record.started,
        finished: record.finished,
        phases: record.phases,
        outcome: record.outcome,
    }
}

/// Sends what `watcher` sees until the transaction or the client ends.
async fn follow(mut watcher: Watcher, sender: mpsc::Sender<Result<Event, Status>>) {
    while let Some(batch) = watcher.next().await {
        for event in batch {
            let wire = Event::new(event.sequence, &event.progress);
            if sender.send(Ok(wire)).await.is_err() {
                return;
            }
        }
    }
}

#[tonic::async_trait]
impl Transactions for TransactionsService {
    async fn start(
        &self,
        request: Request<StartRequest>,
    ) -> Result<Response<StartResponse>, Status> {
        let who = access::may_change(&request)?;
        let StartRequest { request, idempotency_key } = request.into_inner();
        let mut request = super::wanted(request)?;
        // Who asks is the kernel's to say; the client only says what it calls itself.
        request.initiator.uid = who.uid;
        request.initiator.pid = who.pid;
        let start = StartTransaction { request: Box::new(request), idempotency_key };
        let started = reply(self.0.desk.start.send(start).await)?;
        let joined = started.joined == Joined::Existing;
        Ok(Response::new(StartResponse { id: started.id.to_string(), joined }))
    }

    type WatchStream = ReceiverStream<Result<Event, Status>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let WatchRequest { id, after_sequence } = request.into_inner();
        let watch = WatchTransaction { id: self.named(id).await?, after: after_sequence };
        let watcher = reply(self.0.desk.watch.send(watch).await)?;
        let (sender, receiver) = mpsc::channel(WINDOW);
        tokio::spawn(async move {
            let gone = sender.clone();
            tokio::select! {
                () = follow(watcher, sender) => {}
                () = gone.closed() => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn cancel(
        &self,
        request: Request<CancelRequest>,
    ) -> Result<Response<CancelResponse>, Status> {
        access::may_change(&request)?;
        let id = Some(request.into_inner().id).filter(|id| !id.is_empty()).map(TransactionId::new);
        reply(self.0.desk.cancel.send(CancelTransaction { id }).await)?;
        Ok(Response::new(CancelResponse {}))
    }

    async fn list(
        &self,
        request: Request<ListTransactionsRequest>,
    ) -> Result<Response<ListTransactionsResponse>, Status> {
        let ListTransactionsRequest { limit, cursor } = request.into_inner();
        let limit = match usize::try_from(limit) {
            Ok(0) | Err(_) => PAGE,
            Ok(limit) => limit.min(LARGEST_PAGE),
        };
        let before = Some(cursor).filter(|cursor| !cursor.is_empty()).map(TransactionId::new);
        let records = self.history(limit, before, None).await?;
        let next = match records.last() {
            Some(last) if records.len() == limit => last.id.to_string(),
            _ => String::new(),
        };
        let transactions = records.into_iter().map(|r| Transaction::from(&view(r))).collect();
        Ok(Response::new(ListTransactionsResponse { transactions, next }))
    }

    async fn get(
        &self,
        request: Request<GetTransactionRequest>,
    ) -> Result<Response<Transaction>, Status> {
        let id = TransactionId::new(request.into_inner().id);
        if let Some(record) = self.history(1, None, Some(id.clone())).await?.pop() {
            return Ok(Response::new(Transaction::from(&view(record))));
        }
        // One that waits for its turn is not in the log yet.
        let activity = reply(self.0.desk.activity.send(ReadActivity).await.map(Ok))?;
        let running = activity.running.filter(|running| running.id == id).ok_or_else(|| {
            let what = format!("no transaction '{id}' in the log");
            status_from_failure(&Failure::new(FailureKind::NotFound, what))
        })?;
        let view = TransactionView {
            started: started(&id),
            id,
            request: (*running.request).clone(),
            phase: running.phase,
            finished: None,
            phases: Vec::new(),
            outcome: None,
        };
        Ok(Response::new(Transaction::from(&view)))
    }

    async fn verify(&self, _: Request<VerifyRequest>) -> Result<Response<VerifyResponse>, Status> {
        let verified = reply(self.0.ports.verify.send(Verify { call: Call::read() }).await)?;
        let result = match verified {
            Verified::Intact { records } => verify_response::Result::Intact(records),
            Verified::Broken { at, why } => {
                verify_response::Result::Broken(BrokenChain { at, why })
            }
        };
        Ok(Response::new(VerifyResponse { result: Some(result) }))
    }

    type ExportStream = ReceiverStream<Result<LogRecord, Status>>;

    async fn export(
        &self,
        _: Request<ExportRequest>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        let lines = reply(self.0.ports.export.send(Export { call: Call::read() }).await)?;
        let (sender, receiver) = mpsc::channel(WINDOW);
        tokio::spawn(async move {
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let json = String::from_utf8_lossy(line).into_owned();
                if sender.send(Ok(LogRecord { json })).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
