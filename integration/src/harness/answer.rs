//! What a command said, and how tests read it.

use serde_json::Value;
use std::process::Output;

/// A finished command.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it complained about.
    pub err: String,
    /// The command line, for messages.
    pub line: String,
}

impl Answer {
    /// The answer of a command, told apart by its line.
    #[must_use]
    pub fn new(line: String, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
            line,
        }
    }

    /// The same, checked to have ended with this code.
    ///
    /// # Panics
    /// When it ended otherwise; then with everything that it said.
    #[track_caller]
    #[must_use]
    pub fn code(self, expected: i32) -> Self {
        assert!(self.code == Some(expected), "expected {expected} of {self}");
        self
    }

    /// The same, checked to have succeeded.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "often only the check is wanted")]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    /// The same, checked to have failed and to name each of these in its complaint.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "often only the check is wanted")]
    pub fn fails_with(self, names: &[&str]) -> Self {
        let answer = self.code(1);
        for name in names {
            assert!(answer.err.contains(name), "expected '{name}' in {answer}");
        }
        answer
    }

    /// Its output as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.out) {
            Ok(value) => value,
            #[expect(clippy::panic, reason = "a test's own check")]
            Err(error) => panic!("no JSON ({error}) from {self}"),
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, out, err, line } = self;
        write!(f, "`{line}`, which ended with {code:?}\n--- out\n{out}\n--- err\n{err}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn an_answer_is_read_as_text_and_as_json() {
        let output = Command::new("echo").arg(r#"{"a": 1}"#).output().unwrap();
        let answer = Answer::new("echo".to_owned(), &output).ok();
        assert_eq!(answer.json()["a"], 1);
        let output = Command::new("sh").args(["-c", "echo no >&2; exit 1"]).output().unwrap();
        Answer::new("sh".to_owned(), &output).fails_with(&["no"]);
    }
}
