//! Running another program, so that a failure says which one, and what it printed.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// What the program printed, its last newline cut.
///
/// # Errors
/// When it cannot be started, or ends with anything but 0: then with its last words.
pub fn output(command: &mut Command) -> Result<String> {
    let line = line(command);
    let output = command.output().with_context(|| format!("cannot run `{line}`"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let said = String::from_utf8_lossy(&output.stdout);
        bail!(
            "`{line}` ended with {}: {}{}",
            output.status,
            last_words(&said),
            last_words(&errors)
        );
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

/// Runs the program for its effect.
///
/// # Errors
/// As [`output`].
pub fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// The real `ostree` on a repository; arguments follow.
#[must_use]
pub fn ostree(repository: &Path, verb: &str) -> Command {
    let mut command = Command::new("ostree");
    let mut option = OsString::from("--repo=");
    option.push(repository);
    command.arg(option).arg(verb);
    command
}

/// The command as one would type it, but for quotes.
#[must_use]
pub fn line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    let cut = line.char_indices().nth(300).map_or(line.len(), |(at, _)| at);
    line.truncate(cut);
    line
}

/// The end of what a program printed: the reason stands there.
fn last_words(text: &str) -> &str {
    let from = text.char_indices().rev().nth(2000).map_or(0, |(at, _)| at);
    text[from..].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_program_and_its_last_words() {
        let error = run(Command::new("sh").args(["-c", "echo gone >&2; exit 4"])).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("`sh -c echo gone") && error.contains("gone"), "{error}");
        assert_eq!(output(Command::new("echo").arg("x")).unwrap(), "x");
        let error = run(&mut Command::new("no-such-program")).unwrap_err().to_string();
        assert_eq!(error, "cannot run `no-such-program`");
    }
}
