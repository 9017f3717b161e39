//! Running commands so that a person can follow and repeat them.
//!
//! Owns: where the workspace and its one target directory are, printing a command as it would be
//! typed, and turning a failed one into an error that names it.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The workspace's root: two directories above this package.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// The one target directory.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// A command that runs in the workspace's root.
pub(crate) fn command<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(workspace());
    command
}

/// The cargo that runs us, else the one on PATH.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()), arguments)
}

/// Announces a step.
pub(crate) fn step(title: &str) {
    if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        println!("\n\x1b[1m== {title}\x1b[0m");
    } else {
        println!("\n== {title}");
    }
}

/// Prints the command and runs it; a non-zero exit is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = printed(command);
    println!("$ {line}");
    let start = Instant::now();
    let status = command.status().with_context(|| format!("cannot run `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    let seconds = start.elapsed().as_secs_f32();
    if seconds > 1.0 {
        println!("  ({seconds:.1} s)");
    }
    Ok(())
}

/// What a command prints, trimmed; its errors go to our own standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = printed(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` ended with {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a program of this name is on PATH.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn printed(command: &Command) -> String {
    let mut line = String::new();
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            line.push_str(&format!("{}={} ", key.display(), quoted(value)));
        }
    }
    let program = Path::new(command.get_program());
    line.push_str(&program.file_name().unwrap_or(command.get_program()).to_string_lossy());
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&quoted(argument));
    }
    line
}

fn quoted(text: &OsStr) -> String {
    let text = text.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_printed_as_one_would_type_it() {
        let mut command = command("/usr/bin/env", &["-i", "a b", "it's", ""]);
        command.env("CI", "true");
        assert_eq!(printed(&command), r"CI=true env -i 'a b' 'it'\''s' ''");
    }

    #[test]
    fn a_failed_command_is_named() {
        let error = run(&mut command("sh", &["-c", "exit 3"])).unwrap_err().to_string();
        assert!(error.contains("sh -c 'exit 3'") && error.contains('3'), "{error}");
        let error = run(&mut command("no-such-program", &["x"])).unwrap_err().to_string();
        assert_eq!(error, "cannot run `no-such-program x`");
    }

    #[test]
    fn the_workspace_is_found() {
        assert!(workspace().join("integration/xtask/Cargo.toml").is_file());
        assert!(has("cargo") && !has("no-such-program"));
    }
}
