//! `status`

use super::Session;
use crate::Exit;
use crate::args::status::StatusArgs;
use crate::output::Shape;
use crate::render::status::{Detail, Show, Which};
use crate::render::{jsonpath, status, status_json};
use anyhow::Result;
use serde_json::Value;

pub(super) async fn run(session: &Session<'_>, args: &StatusArgs) -> Result<Exit> {
    let view = session.host().await?;
    let which = if args.booted { Which::Booted } else { Which::All };
    if let Some(expression) = &args.jsonpath {
        let document = status_json::document(&view, which);
        let found: Value = jsonpath::matches(expression, &document)?.into_iter().cloned().collect();
        session.output.json(&found)?;
    } else if session.output.shape == Shape::Json {
        session.output.json(&status_json::document(&view, which))?;
    } else {
        let detail = if args.verbose { Detail::Verbose } else { Detail::Brief };
        let show = Show { deployments: which, detail };
        session.output.text(&status::text(&view, show, session.output.style))?;
    }
    let pending = view.state.deployments.first().is_some_and(|first| !first.booted)
        && view.state.booted().is_some();
    Ok(if args.pending_exit_77 && pending { Exit::Code77 } else { Exit::Success })
}
