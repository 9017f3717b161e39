//! A transaction's progress as it happens: one line with a bar on a terminal, plain lines
//! elsewhere, and JSON lines for programs that gave a descriptor.
//!
//! Plain lines are what GUIs match (surface §1.11), so each text is printed once, whole, at once.

use crate::output::{Chatter, Output, Shape};
use anyhow::{Context as _, Result};
use cambium_model::{Phase, Progress, ProgressUnit};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fs::File;
use std::io::{IsTerminal as _, Write as _};

use super::style::Style;

/// Where progress goes.
#[derive(Debug)]
pub struct Display {
    people: People,
    programs: Option<File>,
    phase: Option<Phase>,
    task: String,
}

#[derive(Debug)]
enum People {
    Nobody,
    Lines,
    Bar(ProgressBar),
}

/// A line for people and how it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// To stdout.
    Plain(String),
    /// To stderr.
    Warning(String),
}

/// The line that an event is, if it is one.
#[must_use]
pub fn line(event: &Progress) -> Option<Line> {
    match event {
        Progress::TaskBegin { text } | Progress::Message { text } => {
            Some(Line::Plain(text.clone()))
        }
        // "done" says nothing where the task's line is already whole.
        Progress::TaskEnd { text } if !text.is_empty() && text != "done" => {
            Some(Line::Plain(text.clone()))
        }
        Progress::Warning { text } => Some(Line::Warning(text.clone())),
        _ => None,
    }
}

/// The event as one JSON object with its number, without a newline.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn json_line(sequence: u64, event: &Progress) -> Result<String> {
    let mut value = serde_json::to_value(event)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("sequence".to_owned(), sequence.into());
    }
    Ok(value.to_string())
}

/// How far a step is, for people: `12/34 vim`, `1.2 MB/3.4 MB vim`, `50% vim`.
#[must_use]
pub fn step(done: u64, total: u64, unit: ProgressUnit, item: &str) -> String {
    let number = |count| match unit {
        ProgressUnit::Bytes => super::numbers::bytes(count),
        ProgressUnit::Items | ProgressUnit::Percent => count.to_string(),
    };
    let far = match (unit, total) {
        (ProgressUnit::Percent, _) => format!("{done}%"),
        (_, 0) => number(done),
        _ => format!("{}/{}", number(done), number(total)),
    };
    if item.is_empty() { far } else { format!("{far} {item}") }
}

impl Display {
    /// By what was asked and what stdout is. `programs` takes JSON lines.
    #[must_use]
    pub fn new(output: &Output, programs: Option<File>) -> Self {
        let dumb = Style::of(true) == Style::Plain && std::env::var_os("NO_COLOR").is_none();
        let people = if output.chatter == Chatter::Quiet || output.shape == Shape::Json {
            People::Nobody
        } else if std::io::stdout().is_terminal() && !dumb {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stdout());
            People::Bar(bar)
        } else {
            People::Lines
        };
        Self { people, programs, phase: None, task: String::new() }
    }

    /// Shows nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self { people: People::Nobody, programs: None, phase: None, task: String::new() }
    }

    /// Shows one event.
    ///
    /// # Errors
    /// When the program's descriptor or stdout cannot be written. The transaction goes on.
    pub fn show(&mut self, sequence: u64, event: &Progress) -> Result<()> {
        if let Some(programs) = &mut self.programs {
            let line = json_line(sequence, event)?;
            writeln!(programs, "{line}").context("cannot write to the descriptor of progress")?;
        }
        match event {
            Progress::Phase { phase } => self.phase = Some(*phase),
            Progress::TaskBegin { text } => self.task.clone_from(text),
            _ => {}
        }
        match &self.people {
            People::Nobody => Ok(()),
            People::Lines => match line(event) {
                Some(Line::Plain(text)) => {
                    let mut stdout = std::io::stdout().lock();
                    writeln!(stdout, "{text}")?;
                    Ok(stdout.flush()?)
                }
                Some(Line::Warning(text)) => {
                    crate::output::warn(&text);
                    Ok(())
                }
                None => Ok(()),
            },
            People::Bar(bar) => self.move_bar(bar, event),
        }
    }

    fn move_bar(&self, bar: &ProgressBar, event: &Progress) -> Result<()> {
        let phase = self.phase.map_or("", Phase::as_str);
        match event {
            Progress::Step { done, total, unit, item } => {
                if *total > 0 {
                    bar.set_style(ProgressStyle::with_template("{prefix} {msg} [{bar:24}]")?);
                    bar.set_length(*total);
                    bar.set_position(*done);
                }
                bar.set_message(format!("{} {}", self.task, step(*done, *total, *unit, item)));
            }
            Progress::Phase { .. } | Progress::TaskBegin { .. } => {
                bar.set_style(ProgressStyle::with_template("{prefix} {msg}")?);
                bar.set_message(self.task.clone());
            }
            Progress::TaskEnd { .. } | Progress::Message { .. } | Progress::Warning { .. } => {
                match line(event) {
                    Some(Line::Plain(text)) => bar.println(text),
                    Some(Line::Warning(text)) => bar.suspend(|| crate::output::warn(&text)),
                    None => {}
                }
            }
            Progress::Finished { .. } => bar.finish_and_clear(),
        }
        bar.set_prefix(Style::of(true).bold(phase));
        bar.tick();
        Ok(())
    }

    /// A line beside the progress, to stderr.
    pub fn note(&self, text: &str) {
        match &self.people {
            People::Bar(bar) => bar.suspend(|| crate::output::warn(text)),
            People::Lines | People::Nobody => crate::output::warn(text),
        }
    }

    /// Takes the bar off the terminal.
    pub fn clear(&self) {
        if let People::Bar(bar) = &self.people {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_model::Outcome;

    #[test]
    fn each_text_is_one_line_once() {
        let events = [
            Progress::Phase { phase: Phase::Resolving },
            Progress::TaskBegin { text: "Resolving dependencies".into() },
            Progress::Step { done: 1, total: 2, unit: ProgressUnit::Items, item: "x".into() },
            Progress::TaskEnd { text: "done".into() },
            Progress::TaskEnd { text: String::new() },
            Progress::Message { text: "Freed: 1.0 MB".into() },
            Progress::Warning { text: "repository gone".into() },
            Progress::Finished { outcome: Outcome::Cancelled },
        ];
        let lines: Vec<_> = events.iter().filter_map(line).collect();
        let plain = |text: &str| Line::Plain(text.to_owned());
        let expected = [
            plain("Resolving dependencies"),
            plain("Freed: 1.0 MB"),
            Line::Warning("repository gone".into()),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn programs_read_type_and_number() {
        let event = Progress::Phase { phase: Phase::Swapping };
        assert_eq!(
            json_line(7, &event).unwrap(),
            r#"{"type":"phase","phase":"swapping","sequence":7}"#
        );
        let event = Progress::Finished { outcome: Outcome::Cancelled };
        let value: serde_json::Value =
            serde_json::from_str(&json_line(8, &event).unwrap()).unwrap();
        assert_eq!((&value["type"], &value["outcome"]), (&"finished".into(), &"cancelled".into()));
    }

    #[test]
    fn steps_read_by_their_unit() {
        use ProgressUnit::{Bytes, Items, Percent};
        for (done, total, unit, item, expected) in [
            (12, 34, Items, "vim", "12/34 vim"),
            (12, 0, Items, "", "12"),
            (1_200_000, 3_400_000, Bytes, "a.rpm", "1.2 MB/3.4 MB a.rpm"),
            (50, 100, Percent, "", "50%"),
        ] {
            assert_eq!(step(done, total, unit, item), expected);
        }
    }
}
