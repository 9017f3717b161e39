//! `kargs` without an edit: print. An edit is a change like others.

use super::Session;
use crate::Exit;
use crate::args::kargs::KargsArgs;
use crate::output::Shape;
use anyhow::Result;
use cambium_model::{Failure, FailureKind};
use serde_json::json;

pub(super) async fn run(session: &Session<'_>, args: &KargsArgs) -> Result<Exit> {
    let state = session.host().await?.state;
    let index = usize::try_from(args.deploy_index.unwrap_or(0))?;
    let stateroot = args.change.stateroot.as_ref();
    let deployment = match (args.deploy_index, stateroot) {
        (None, Some(stateroot)) => state.merge_deployment(stateroot),
        _ => state.deployments.get(index),
    };
    let Some(deployment) = deployment else {
        let what = match stateroot {
            Some(stateroot) => format!("stateroot '{stateroot}' has no deployment"),
            None => format!("there is no deployment with index {index}"),
        };
        return Err(Failure::new(FailureKind::NotFound, what)
            .advise("See 'cambium status --verbose'.")
            .into());
    };
    match session.output.shape {
        Shape::Json => {
            session.output.json(&json!({ "kernel-arguments": deployment.kernel_arguments }))?;
        }
        Shape::Text => {
            session.output.text(&format!("{}\n", deployment.kernel_arguments.join(" ")))?;
        }
    }
    Ok(Exit::Success)
}
