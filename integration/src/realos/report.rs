//! Steps as a person follows them, counted.

#![expect(clippy::print_stdout, reason = "what a program for a terminal is for")]

use anyhow::Result;
use std::time::Instant;

/// How many steps passed and failed so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Steps that did what they should.
    pub passed: usize,
    /// Steps that did not.
    pub failed: usize,
}

impl Report {
    /// Announces a part.
    pub fn title(&self, text: &str) {
        println!("\n# {text}");
    }

    /// Runs one step and tells how it went; `None` when it failed.
    pub fn step<T>(&mut self, what: &str, step: impl FnOnce() -> Result<T>) -> Option<T> {
        let start = Instant::now();
        let result = step();
        let seconds = start.elapsed().as_secs_f32();
        match result {
            Ok(value) => {
                self.passed += 1;
                println!("ok      {what} ({seconds:.1} s)");
                Some(value)
            }
            Err(error) => {
                self.failed += 1;
                println!("FAILED  {what} ({seconds:.1} s)\n{}", indented(&format!("{error:#}")));
                None
            }
        }
    }

    /// Says something that is neither right nor wrong.
    pub fn note(&self, text: &str) {
        println!("{}", indented(text));
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("        {line}\n")).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_counted_and_gives_nothing() {
        let mut report = Report::default();
        assert_eq!(report.step("one", || Ok(1)), Some(1));
        assert_eq!(report.step("two", || anyhow::bail!("no") as Result<()>), None);
        assert_eq!(report.to_string(), "1 passed, 1 failed");
    }
}
