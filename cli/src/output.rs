//! Where text goes: stdout for results, stderr for errors and warnings, colours for terminals.

use crate::render::style::Style;
use anyhow::Result;
use cambium_model::Failure;
use std::io::{IsTerminal as _, Write as _};

/// How this call prints.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Colours of stdout.
    pub style: Style,
    /// Whether results are JSON.
    pub shape: Shape,
    /// Whether lines for people are left out.
    pub chatter: Chatter,
}

/// The shape of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Whether lines that are no result are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chatter {
    /// They are.
    Normal,
    /// They are not (`--quiet`).
    Quiet,
}

/// Whoever read stdout has left (`cambium status --json | head`). Nothing is told, as if SIGPIPE
/// had ended the program, which Rust's runtime ignores.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
pub struct Unheard;

fn unheard(error: std::io::Error) -> anyhow::Error {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Unheard.into(),
        _ => anyhow::Error::from(error).context("cannot write to stdout"),
    }
}

impl Output {
    /// Text without colours.
    #[must_use]
    pub fn plain() -> Self {
        Self { style: Style::Plain, shape: Shape::Text, chatter: Chatter::Normal }
    }

    /// By the options and by what stdout is.
    #[must_use]
    pub fn new(global: &crate::args::Global) -> Self {
        Self {
            style: Style::of(std::io::stdout().is_terminal()),
            shape: if global.json { Shape::Json } else { Shape::Text },
            chatter: if global.quiet { Chatter::Quiet } else { Chatter::Normal },
        }
    }

    /// Writes a result as it is.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn text(&self, text: &str) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(unheard)
    }

    /// Writes a line that is no result; not with `--quiet`, not beside JSON.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn line(&self, text: &str) -> Result<()> {
        if self.chatter == Chatter::Quiet || self.shape == Shape::Json {
            return Ok(());
        }
        self.text(&format!("{text}\n"))
    }

    /// Writes a result for programs, indented as rpm-ostree indents.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn json(&self, value: &serde_json::Value) -> Result<()> {
        self.text(&format!("{}\n", serde_json::to_string_pretty(value)?))
    }
}

/// Writes a warning to stderr.
pub fn warn(text: &str) {
    let style = Style::of(std::io::stderr().is_terminal());
    complain(&format!("{} {text}\n", style.yellow("warning:")));
}

/// Writes an error to stderr: what failed, why, and on a line of its own what to do.
pub fn report(error: &anyhow::Error) {
    let style = Style::of(std::io::stderr().is_terminal());
    let text = match error.downcast_ref::<Failure>() {
        Some(failure) => crate::render::failure::text(failure, style),
        None => format!("{} {error:#}\n", style.red("error:")),
    };
    complain(&text);
}

/// There is nobody left to tell when stderr is gone too, so its failure changes nothing.
fn complain(text: &str) {
    let told = std::io::stderr().lock().write_all(text.as_bytes());
    drop(told);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reader_that_left_goes_untold() {
        let of = |kind| unheard(std::io::Error::from(kind));
        assert!(of(std::io::ErrorKind::BrokenPipe).is::<Unheard>());
        let full = of(std::io::ErrorKind::StorageFull);
        assert!(!full.is::<Unheard>() && full.to_string().contains("stdout"), "{full}");
    }
}
