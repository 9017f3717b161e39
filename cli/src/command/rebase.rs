//! `rebase`: the new ref, beside the one that is followed where a part of that is kept.

use super::{Session, change};
use crate::Exit;
use crate::args::rebase::RebaseArgs;
use anyhow::Result;

pub(super) async fn run(session: &Session<'_>, args: &RebaseArgs) -> Result<Exit> {
    let mut current = None;
    if args.needs_current() {
        let state = session.host().await?.state;
        let stateroot = args.change.stateroot.as_ref().or_else(|| state.default_stateroot());
        let merge = stateroot.and_then(|stateroot| state.merge_deployment(stateroot));
        current = merge.and_then(|d| d.origin.as_ref()).map(|origin| origin.refspec.clone());
    }
    let order = args.order(current.as_ref())?;
    if let cambium_model::Change::Rebase { refspec, .. } = &order.change {
        session.output.line(&format!("Rebasing to {refspec}"))?;
    }
    change::run(session, order).await
}
