//! `cancel`: tells the transaction and waits for its end.

use super::transaction::{Watch, watch};
use super::{Session, refused};
use crate::Exit;
use crate::args::cancel::CancelArgs;
use crate::render::progress::Display;
use anyhow::Result;
use cambium_model::{Failure, FailureKind, Outcome};
use cambium_proto::v1;

pub(super) async fn run(session: &Session<'_>, args: &CancelArgs) -> Result<Exit> {
    let id = match &args.id {
        Some(id) => id.clone(),
        None => match session.host().await?.transaction {
            Some(running) => {
                let title = running.request.title();
                session.output.line(&format!("Cancelling transaction: {title}"))?;
                running.id.to_string()
            }
            None => {
                session.output.line("No active transaction.")?;
                return Ok(Exit::Success);
            }
        },
    };
    let request = v1::CancelRequest { id: id.clone() };
    session.daemon.transactions().cancel(request).await.map_err(refused)?;
    let mut display = Display::silent();
    match watch(session, &id, &mut display, Watch::Only).await? {
        Outcome::Cancelled => {
            session.output.line("Cancelled.")?;
            Ok(Exit::Success)
        }
        Outcome::Failed(_) | Outcome::Interrupted { .. } => Ok(Exit::Success),
        Outcome::Succeeded { .. } | Outcome::Unchanged { .. } => {
            let what = "the transaction ended before it could be cancelled";
            Err(Failure::new(FailureKind::Precondition, what).into())
        }
    }
}
