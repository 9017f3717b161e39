//! Every verb that changes the host: plan and ask where somebody sits at a terminal, then start,
//! watch, and say what changed.

use super::transaction::{self, Watch};
use super::{Session, part, refused, unreadable};
use crate::Exit;
use crate::args::change::{Extent, Order, UnchangedExit};
use crate::invocation::Program;
use crate::output::{Shape, warn};
use crate::render::progress::Display;
use crate::render::status::Detail;
use crate::render::{diff, plan};
use anyhow::{Context as _, Result};
use cambium_model::{
    Change, Deployment, Failure, FailureKind, HostState, Initiator, Outcome, PackageDiffs, Plan,
    Request,
};
use cambium_proto::v1;
use serde_json::json;
use std::io::{BufRead as _, IsTerminal as _, Write as _};

pub(super) async fn run(session: &Session<'_>, order: Order) -> Result<Exit> {
    let unchanged = match order.unchanged {
        UnchangedExit::Success => Exit::Success,
        UnchangedExit::Code77 => Exit::Code77,
    };
    let request = Request {
        stateroot: order.stateroot,
        change: order.change,
        options: order.options,
        initiator: Initiator {
            agent: session.invocation.agent.clone(),
            command_line: session.invocation.command_line.clone(),
            ..Initiator::default()
        },
    };
    match order.extent {
        Extent::Carry => {}
        Extent::Plan => {
            let plan = make_plan(session, &request).await?;
            show_plan(session, &plan)?;
            session.output.line("Exiting because of '--dry-run' option")?;
            return Ok(if plan.unchanged { unchanged } else { Exit::Success });
        }
        Extent::Check | Extent::Preview => return look(session, &request, order.extent).await,
    }
    if asks(session, &request.change) {
        let plan = make_plan(session, &request).await?;
        if plan.unchanged {
            session.output.line("No change.")?;
            return Ok(unchanged);
        }
        show_plan(session, &plan)?;
        if !confirmed()? {
            return Err(
                Failure::new(FailureKind::Cancelled, "not confirmed; nothing has changed").into()
            );
        }
    }
    carry(session, &request, unchanged).await
}

/// Starts the transaction, watches it, and says what came of it.
async fn carry(session: &Session<'_>, request: &Request, unchanged: Exit) -> Result<Exit> {
    if let Change::Rebase { refspec, .. } = &request.change {
        session.output.line(&format!("Rebasing to {refspec}"))?;
    }
    let mut display = Display::new(&session.output, programs(session)?);
    let started = transaction::start(session, request).await?;
    if started.joined {
        display.note("joined a running transaction that asks for the same");
    }
    let outcome = transaction::watch(session, &started.id, &mut display, Watch::Own).await;
    display.clear();
    let outcome = outcome?;
    let diffs = match &outcome {
        Outcome::Succeeded { deployment: Some(deployment), .. } if makes_tree(&request.change) => {
            differences(session, deployment).await
        }
        _ => None,
    };
    if session.output.shape == Shape::Json {
        session.output.json(&json!({
            "transaction": started.id,
            "joined": started.joined,
            "result": outcome.as_str(),
            "outcome": outcome,
            "pkgdiff": diffs.as_ref().map(|diffs| diff::packages(&diffs.diffs)),
        }))?;
    } else if let Some(diffs) = &diffs {
        session.output.line(diff::block(diffs).trim_end())?;
    }
    match &outcome {
        Outcome::Succeeded { summary, .. } if !summary.is_empty() => {
            session.output.line(summary)?
        }
        Outcome::Unchanged { summary } => {
            session.output.line(summary)?;
            return Ok(unchanged);
        }
        _ => {}
    }
    match transaction::failure(outcome) {
        Some(failure) => Err(failure.into()),
        None => Ok(Exit::Success),
    }
}

/// Whether the change makes a deployment with other packages than before.
fn makes_tree(change: &Change) -> bool {
    change.packages().is_some() || matches!(change, Change::Rollback)
}

/// Whether somebody sits there who can be shown a plan and asked. rpm-ostree does not ask, so
/// nobody who calls it by that name is asked.
fn asks(session: &Session<'_>, change: &Change) -> bool {
    change.packages().is_some()
        && session.invocation.program == Program::Cambium
        && !session.global.assumeyes
        && session.output.shape == Shape::Text
        && std::io::stdin().is_terminal()
        && std::io::stdout().is_terminal()
}

fn confirmed() -> Result<bool> {
    print_prompt("Proceed? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn print_prompt(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

async fn make_plan(session: &Session<'_>, request: &Request) -> Result<Plan> {
    let message = v1::PlanRequest { request: Some(request.into()) };
    let answer = session.daemon.packages().plan(message).await.map_err(refused)?;
    let wire = part(answer.into_inner().plan, "PlanResponse.plan")?;
    let plan = Plan::try_from(wire).map_err(unreadable)?;
    match plan.problem {
        Some(problem) => Err(problem.into()),
        None => Ok(plan),
    }
}

fn show_plan(session: &Session<'_>, plan: &Plan) -> Result<()> {
    match session.output.shape {
        Shape::Json => session.output.json(&serde_json::to_value(plan)?),
        Shape::Text => session.output.text(&plan::text(plan, session.output.style)),
    }
}

/// `--check`, `--preview`: whether there is something new, and 77 where there is not.
async fn look(session: &Session<'_>, request: &Request, extent: Extent) -> Result<Exit> {
    let plan = make_plan(session, request).await?;
    plan.warnings.iter().for_each(|warning| warn(warning));
    if session.output.shape == Shape::Json {
        session.output.json(&serde_json::to_value(&plan)?)?;
    }
    if plan.unchanged {
        session.output.line(match extent {
            Extent::Check => "No updates available.",
            _ => "No upgrade available.",
        })?;
        return Ok(Exit::Code77);
    }
    if session.output.shape == Shape::Text {
        let detail = if extent == Extent::Check { Detail::Brief } else { Detail::Verbose };
        session.output.text(&plan::available(&plan, detail))?;
    }
    Ok(Exit::Success)
}

/// How the packages of the new deployment differ from those that run (or, on a sysroot that is
/// not booted, from the deployment behind it). The change is in place, so that the difference
/// cannot be had is a warning.
async fn differences(session: &Session<'_>, deployment: &str) -> Option<PackageDiffs> {
    let read = async {
        let state = session.host().await?.state;
        let Some(from) = compared(&state, deployment) else { return Ok(None) };
        let request = v1::DiffRequest {
            from: Some(from.id.to_string()),
            to: Some(deployment.to_owned()),
            changelogs: false,
        };
        let answer = session.daemon.packages().diff(request).await.map_err(refused)?;
        let diffs = PackageDiffs::try_from(answer.into_inner()).map_err(unreadable)?;
        anyhow::Ok(Some(diffs))
    };
    match read.await {
        Ok(diffs) => diffs,
        Err(error) => {
            warn(&format!("the difference of packages cannot be shown: {error:#}"));
            None
        }
    }
}

fn compared<'a>(state: &'a HostState, deployment: &str) -> Option<&'a Deployment> {
    let new = state.deployments.iter().find(|d| d.id.to_string() == deployment);
    let same = |d: &&Deployment| new.is_none_or(|new| new.id.stateroot == d.id.stateroot);
    let others = || state.deployments.iter().filter(|d| d.id.to_string() != deployment);
    state.booted().filter(|d| d.id.to_string() != deployment).or_else(|| others().find(same))
}

/// The descriptor of `--progress-fd`, opened anew (safe code cannot take over a number). That works
/// for pipes and files; a socket has no such path and is refused.
fn programs(session: &Session<'_>) -> Result<Option<std::fs::File>> {
    let Some(number) = session.global.progress_fd else { return Ok(None) };
    let path = format!("/proc/self/fd/{number}");
    let file = std::fs::OpenOptions::new().append(true).open(path);
    file.map(Some).with_context(|| format!("--progress-fd {number} cannot be written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_system_is_compared_with_and_else_the_one_behind() {
        let state = crate::render::fixture::host().state;
        let id = |at: usize| state.deployments[at].id.to_string();
        assert_eq!(compared(&state, &id(0)).unwrap().id.to_string(), id(1));
        assert_eq!(compared(&state, &id(1)).unwrap().id.to_string(), id(0));
        let mut unbooted = state.clone();
        unbooted.deployments[1].booted = false;
        assert_eq!(compared(&unbooted, &id(0)).unwrap().id.to_string(), id(1));
        unbooted.deployments.truncate(1);
        assert!(compared(&unbooted, &id(0)).is_none());
    }

    #[test]
    fn only_new_trees_are_compared() {
        assert!(makes_tree(&Change::Rollback));
        assert!(!makes_tree(&Change::RefreshMetadata { force: true }));
    }
}
