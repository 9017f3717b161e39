//! `search`

use super::{Session, refused, unreadable};
use crate::Exit;
use crate::args::search::SearchArgs;
use crate::output::Shape;
use crate::render::search;
use anyhow::Result;
use cambium_model::FoundPackage;
use cambium_proto::v1;

pub(super) async fn run(session: &Session<'_>, args: &SearchArgs) -> Result<Exit> {
    let mut packages = session.daemon.packages();
    let words = args.words.clone();
    let answer = if args.provides {
        packages.what_provides(v1::WhatProvidesRequest { provides: words }).await
    } else {
        packages.search(v1::SearchRequest { words }).await
    };
    let answer = answer.map_err(refused)?.into_inner();
    let found: Vec<FoundPackage> = answer
        .packages
        .into_iter()
        .map(FoundPackage::try_from)
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    match session.output.shape {
        Shape::Json => session.output.json(&search::json(&found))?,
        Shape::Text => session.output.text(&search::text(&found, session.output.style))?,
    }
    Ok(Exit::Success)
}
