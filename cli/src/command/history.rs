//! `history`: the log, its check, and its export.

use super::{Session, part, refused, unreadable};
use crate::Exit;
use crate::args::history::HistoryArgs;
use crate::output::Shape;
use crate::render::history;
use crate::render::status::Detail;
use anyhow::Result;
use cambium_model::{Failure, FailureKind};
use cambium_proto::v1::verify_response::Result as Verdict;
use cambium_proto::{TransactionView, v1};
use serde_json::json;

/// Transactions asked for at once.
const PAGE: u32 = 100;

pub(super) async fn run(session: &Session<'_>, args: &HistoryArgs) -> Result<Exit> {
    if args.verify {
        return verify(session).await;
    }
    if args.export {
        return export(session).await;
    }
    let limit = if args.all { usize::MAX } else { usize::try_from(args.limit)? };
    let transactions = read(session, limit).await?;
    match session.output.shape {
        // A stream of objects, as rpm-ostree's.
        Shape::Json => {
            for transaction in &transactions {
                session.output.json(&history::json(transaction))?;
            }
        }
        Shape::Text => {
            let detail = if args.verbose { Detail::Verbose } else { Detail::Brief };
            session.output.text(&history::text(&transactions, detail, session.output.style))?;
        }
    }
    Ok(Exit::Success)
}

async fn read(session: &Session<'_>, limit: usize) -> Result<Vec<TransactionView>> {
    let mut transactions: Vec<TransactionView> = Vec::new();
    let mut cursor = String::new();
    while transactions.len() < limit {
        let left = u32::try_from(limit - transactions.len()).unwrap_or(PAGE).min(PAGE);
        let request = v1::ListTransactionsRequest { limit: left, cursor };
        let page = session.daemon.transactions().list(request).await.map_err(refused)?;
        let v1::ListTransactionsResponse { transactions: some, next } = page.into_inner();
        for one in some {
            transactions.push(one.try_into().map_err(unreadable)?);
        }
        if next.is_empty() {
            break;
        }
        cursor = next;
    }
    Ok(transactions)
}

async fn verify(session: &Session<'_>) -> Result<Exit> {
    let answer = session.daemon.transactions().verify(v1::VerifyRequest {}).await;
    let verdict = part(answer.map_err(refused)?.into_inner().result, "VerifyResponse.result")?;
    if session.output.shape == Shape::Json {
        session.output.json(&match &verdict {
            Verdict::Intact(records) => json!({ "intact": true, "records": records }),
            Verdict::Broken(v1::BrokenChain { at, why }) => {
                json!({ "intact": false, "at": at, "why": why })
            }
        })?;
    }
    match verdict {
        Verdict::Intact(records) => {
            session.output.line(&format!("The log is intact: {records} records."))?;
            Ok(Exit::Success)
        }
        Verdict::Broken(v1::BrokenChain { at, why }) => {
            let what = format!("the log is broken at record {at}");
            Err(Failure { causes: vec![why], ..Failure::new(FailureKind::Corrupt, what) }
                .advise("Records from there on cannot be trusted; compare with an earlier export.")
                .into())
        }
    }
}

async fn export(session: &Session<'_>) -> Result<Exit> {
    let answer = session.daemon.transactions().export(v1::ExportRequest {}).await;
    let mut records = answer.map_err(refused)?.into_inner();
    while let Some(record) = records.message().await.map_err(refused)? {
        session.output.text(&format!("{}\n", record.json))?;
    }
    Ok(Exit::Success)
}
