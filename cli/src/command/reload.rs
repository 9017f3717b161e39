//! `reload`

use super::{Session, refused};
use crate::Exit;
use anyhow::Result;
use cambium_proto::v1;

pub(super) async fn run(session: &Session<'_>) -> Result<Exit> {
    session.daemon.host().reload(v1::ReloadRequest {}).await.map_err(refused)?;
    Ok(Exit::Success)
}
