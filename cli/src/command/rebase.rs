//! `rebase` to a ref of which a part is the one that is followed now.

use super::{Session, change};
use crate::Exit;
use crate::args::rebase::RebaseArgs;
use anyhow::Result;

pub(super) async fn run(session: &Session<'_>, args: &RebaseArgs) -> Result<Exit> {
    let state = session.host().await?.state;
    let stateroot = args.change.stateroot.as_ref().or_else(|| state.default_stateroot());
    let merge = stateroot.and_then(|stateroot| state.merge_deployment(stateroot));
    let current = merge.and_then(|d| d.origin.as_ref()).map(|origin| &origin.refspec);
    change::run(session, args.order(current)?).await
}
