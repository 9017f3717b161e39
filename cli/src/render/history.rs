//! Past transactions for people.

use super::numbers::{duration, time};
use super::style::Style;
use cambium_model::Outcome;
use cambium_proto::TransactionView;
use serde_json::{Value, json};

use super::status::Detail;

const LABEL_WIDTH: usize = 14;

/// One block for each, newest first.
#[must_use]
pub fn text(transactions: &[TransactionView], detail: Detail, style: Style) -> String {
    if transactions.is_empty() {
        return "No transactions.\n".to_owned();
    }
    let blocks: Vec<_> = transactions.iter().map(|one| block(one, detail, style)).collect();
    blocks.join("\n")
}

fn block(transaction: &TransactionView, detail: Detail, style: Style) -> String {
    let request = &transaction.request;
    let mut text = format!("{}\n", style.bold(&request.title()));
    let mut line = |label: &str, value: &str| {
        text.push_str(&format!("{label:>LABEL_WIDTH$}: {value}\n"));
    };
    let took = transaction
        .finished
        .map(|finished| format!(" ({})", duration(finished.saturating_sub(transaction.started))));
    let started = time(transaction.started / 1000);
    line("Started", &format!("{started}{}", took.unwrap_or_default()));
    match &transaction.outcome {
        Some(outcome) => line("Result", &result(outcome, style)),
        None => line("Result", &format!("running, {}", transaction.phase)),
    }
    if let Some(Outcome::Succeeded { deployment: Some(deployment), .. }) = &transaction.outcome {
        line("Deployment", deployment);
    }
    let initiator = &request.initiator;
    line(
        "Initiator",
        &format!("{} (uid {}, pid {})", initiator.agent, initiator.uid, initiator.pid),
    );
    if let Some(stateroot) = &request.stateroot {
        line("StateRoot", stateroot.as_str());
    }
    line("Id", transaction.id.as_str());
    if detail == Detail::Verbose {
        for (at, (phase, entered)) in transaction.phases.iter().enumerate() {
            let end =
                transaction.phases.get(at + 1).map(|(_, next)| *next).or(transaction.finished);
            let took =
                end.map_or_else(|| "…".to_owned(), |end| duration(end.saturating_sub(*entered)));
            line("Phase", &format!("{phase} {took}"));
        }
        if let Some(Outcome::Failed(failure)) = &transaction.outcome
            && !failure.advice.is_empty()
        {
            line("Advice", &failure.advice);
        }
    }
    text
}

fn result(outcome: &Outcome, style: Style) -> String {
    let name = outcome.as_str();
    match outcome {
        Outcome::Succeeded { .. } => style.green(name),
        Outcome::Unchanged { summary } => format!("{name}: {summary}"),
        Outcome::Failed(failure) => format!("{} ({}): {failure}", style.red(name), failure.kind),
        Outcome::Cancelled => name.to_owned(),
        Outcome::Interrupted { phase } => format!("{} while {phase}", style.red(name)),
    }
}

/// One transaction as a program reads it; times are milliseconds since 1970.
#[must_use]
pub fn json(transaction: &TransactionView) -> Value {
    let TransactionView { id, request, phase, started, finished, phases, outcome } = transaction;
    json!({
        "id": id.as_str(),
        "title": request.title(),
        "verb": request.change.verb(),
        "request": request,
        "phase": phase,
        "started": started,
        "finished": finished,
        "phases": phases,
        "result": outcome.as_ref().map(Outcome::as_str),
        "outcome": outcome,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_model::{
        Change, Failure, FailureKind, Initiator, Options, Phase, Request, TransactionId,
    };

    fn transaction(outcome: Option<Outcome>) -> TransactionView {
        TransactionView {
            id: TransactionId::new("0193"),
            request: Request {
                stateroot: None,
                change: Change::Rollback,
                options: Options::default(),
                initiator: Initiator {
                    uid: 0,
                    pid: 42,
                    agent: "cli".into(),
                    command_line: "cambium rollback".into(),
                },
            },
            phase: Phase::Swapping,
            started: 1_681_951_361_000,
            finished: outcome.is_some().then_some(1_681_951_362_500),
            phases: vec![
                (Phase::Deploying, 1_681_951_361_000),
                (Phase::Swapping, 1_681_951_362_000),
            ],
            outcome,
        }
    }

    #[test]
    fn a_failure_says_kind_cause_and_phases() {
        let failure = Failure::new(FailureKind::NoSpace, "no room").advise("Free some.");
        let one = transaction(Some(Outcome::Failed(failure)));
        let expected = "cambium rollback
       Started: 2023-04-20T00:42:41Z (1.5 s)
        Result: failed (no-space): no room
     Initiator: cli (uid 0, pid 42)
            Id: 0193
         Phase: deploying 1.0 s
         Phase: swapping 0.5 s
        Advice: Free some.
";
        assert_eq!(text(&[one], Detail::Verbose, Style::Plain), expected);
    }

    #[test]
    fn a_running_one_and_none_are_said() {
        let text_of = |list: &[TransactionView]| text(list, Detail::Brief, Style::Plain);
        assert!(text_of(&[transaction(None)]).contains("Result: running, swapping\n"));
        assert_eq!(text_of(&[]), "No transactions.\n");
        let done = Outcome::Succeeded { deployment: Some("os-1.0".into()), summary: "x".into() };
        let two = text_of(&[transaction(Some(done)), transaction(Some(Outcome::Cancelled))]);
        assert!(two.contains("Result: succeeded\n    Deployment: os-1.0\n"), "{two}");
        assert!(two.contains("0193\n\ncambium rollback\n"), "{two}");
    }

    #[test]
    fn json_says_the_result_and_the_request() {
        let value = json(&transaction(Some(Outcome::Cancelled)));
        assert_eq!(value["result"], "cancelled");
        assert_eq!(value["verb"], "rollback");
        assert_eq!(value["request"]["change"]["kind"], "rollback");
        assert_eq!(json(&transaction(None))["outcome"], Value::Null);
    }
}
