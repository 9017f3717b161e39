//! One transaction from the client's side: start, watch to the end, cancel on Ctrl-C, and take up
//! the watch again where the connection is lost.

use super::{Session, refused, unreadable};
use crate::render::progress::Display;
use anyhow::Result;
use cambium_model::{Failure, FailureKind, Outcome, Progress, Request};
use cambium_proto::{TransactionView, v1};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tonic::{Code, Status};

/// How long a lost daemon may be away: its restart by systemd, recovery included.
const AWAY: Duration = Duration::from_secs(60);

/// Between two attempts to reach it.
const ATTEMPT: Duration = Duration::from_millis(250);

/// What Ctrl-C means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    /// Cancel the transaction, once, and go on watching.
    Own,
    /// Stop watching, as for any program.
    Only,
}

/// Starts `request`, or joins the one that asks for the same.
pub(super) async fn start(session: &Session<'_>, request: &Request) -> Result<v1::StartResponse> {
    let message = v1::StartRequest {
        request: Some(request.into()),
        idempotency_key: Some(key(&request.initiator.agent)),
    };
    let mut transactions = session.daemon.transactions();
    let answer = match transactions.start(message.clone()).await {
        // The key makes a second attempt the same transaction, should the first have arrived.
        Err(status) if is_lost(&status) => transactions.start(message).await,
        answer => answer,
    };
    Ok(answer.map_err(refused)?.into_inner())
}

/// A key that no other call has: who, which process, when.
fn key(agent: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    format!("{agent}-{}-{now}", std::process::id())
}

/// Follows transaction `id` to its end.
pub(super) async fn watch(
    session: &Session<'_>,
    id: &str,
    display: &mut Display,
    mode: Watch,
) -> Result<Outcome> {
    let mut interrupt = match mode {
        Watch::Own => Some(signal(SignalKind::interrupt())?),
        Watch::Only => None,
    };
    let mut after = 0;
    let mut lost_since = None;
    loop {
        let request = v1::WatchRequest { id: id.to_owned(), after_sequence: after };
        let attempt = session.daemon.transactions().watch(request).await;
        let ended = match attempt {
            Ok(events) => {
                let before = after;
                let ended =
                    follow(session, id, events.into_inner(), display, &mut after, &mut interrupt)
                        .await;
                if after != before {
                    lost_since = None;
                }
                ended?
            }
            Err(status) => Ended::Lost(status),
        };
        let status = match ended {
            Ended::Finished(outcome) => return Ok(outcome),
            Ended::Lost(status) => status,
        };
        // A daemon that was restarted has no events left, but its log says how it ended.
        if status.code() == Code::NotFound
            && let Some(outcome) = logged(session, id).await?
        {
            return Ok(outcome);
        }
        let patient = is_lost(&status) || status.code() == Code::NotFound;
        let since = *lost_since.get_or_insert_with(|| {
            if patient {
                display.note("the connection to the daemon is lost; trying again");
            }
            Instant::now()
        });
        if !patient || since.elapsed() > AWAY {
            return Err(refused(status).into());
        }
        tokio::time::sleep(ATTEMPT).await;
    }
}

enum Ended {
    Finished(Outcome),
    Lost(Status),
}

/// Shows what one stream brings, until the transaction or the stream ends.
async fn follow(
    session: &Session<'_>,
    id: &str,
    mut events: tonic::Streaming<v1::Event>,
    display: &mut Display,
    after: &mut u64,
    interrupt: &mut Option<Signal>,
) -> Result<Ended> {
    loop {
        let event = tokio::select! {
            event = events.message() => event,
            () = interrupted(interrupt) => {
                // Once: whoever presses it again still waits for a clean end.
                *interrupt = None;
                display.note("Caught SIGINT, cancelling transaction");
                let request = v1::CancelRequest { id: id.to_owned() };
                if let Err(status) = session.daemon.transactions().cancel(request).await {
                    display.note(&refused(status).to_string());
                }
                continue;
            }
        };
        let event = match event {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(Ended::Lost(Status::unavailable("the daemon went away"))),
            Err(status) => return Ok(Ended::Lost(status)),
        };
        let sequence = event.sequence;
        let progress = Progress::try_from(event).map_err(unreadable)?;
        *after = sequence;
        if let Err(error) = display.show(sequence, &progress) {
            // The transaction goes on, and its end is still worth waiting for.
            *display = Display::silent();
            crate::output::warn(&format!("progress is not shown any more: {error:#}"));
        }
        if let Progress::Finished { outcome } = progress {
            return Ok(Ended::Finished(outcome));
        }
    }
}

/// Comes back when Ctrl-C is pressed; never where nobody listens for it.
async fn interrupted(interrupt: &mut Option<Signal>) {
    match interrupt {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// How the log says that `id` ended, if it has.
async fn logged(session: &Session<'_>, id: &str) -> Result<Option<Outcome>> {
    let request = v1::GetTransactionRequest { id: id.to_owned() };
    match session.daemon.transactions().get(request).await {
        Ok(transaction) => {
            let view = TransactionView::try_from(transaction.into_inner()).map_err(unreadable)?;
            Ok(view.outcome)
        }
        Err(status) if status.code() == Code::NotFound || is_lost(&status) => Ok(None),
        Err(status) => Err(refused(status).into()),
    }
}

/// Whether `status` is the transport's rather than the daemon's: what the daemon says carries
/// details. A daemon that is stopping says so, and will be back.
fn is_lost(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal => {
            status.details().is_empty()
        }
        Code::Aborted => refused(status.clone()).kind == FailureKind::Interrupted,
        _ => false,
    }
}

/// The end of a transaction as this program's own end.
pub(super) fn failure(outcome: Outcome) -> Option<Failure> {
    match outcome {
        Outcome::Succeeded { .. } | Outcome::Unchanged { .. } => None,
        Outcome::Failed(failure) => Some(failure),
        Outcome::Cancelled => {
            Some(Failure::new(FailureKind::Cancelled, "the transaction was cancelled"))
        }
        Outcome::Interrupted { phase } => {
            let what = format!("the daemon stopped while {phase}; nothing has changed");
            Some(Failure::new(FailureKind::Interrupted, what).advise("Run the command again."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_model::Phase;

    #[test]
    fn only_the_transports_words_are_a_lost_connection() {
        let own = |kind| cambium_proto::status_from_failure(&Failure::new(kind, "x"));
        for (status, lost) in [
            (Status::unavailable("tcp connect error"), true),
            (Status::unknown("h2 protocol error"), true),
            (Status::not_found("x"), false),
            (own(FailureKind::Unavailable), false),
            (own(FailureKind::Internal), false),
            (own(FailureKind::Busy), false),
            (own(FailureKind::Interrupted), true),
        ] {
            assert_eq!(is_lost(&status), lost, "{status:?}");
        }
    }

    #[test]
    fn only_success_is_no_failure() {
        let summary = || "x".to_owned();
        let none = [
            Outcome::Succeeded { deployment: None, summary: summary() },
            Outcome::Unchanged { summary: summary() },
        ];
        assert!(none.into_iter().all(|outcome| failure(outcome).is_none()));
        let cancelled = failure(Outcome::Cancelled).unwrap();
        assert_eq!(cancelled.kind, FailureKind::Cancelled);
        let interrupted = failure(Outcome::Interrupted { phase: Phase::Fetching }).unwrap();
        assert!(interrupted.what.contains("fetching"), "{interrupted}");
    }

    #[test]
    fn keys_differ_from_call_to_call() {
        assert_ne!(key("cli"), key("other"));
        assert!(key("cli").starts_with("cli-"));
    }
}
