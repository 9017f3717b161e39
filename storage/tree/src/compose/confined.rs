//! Programs of the new tree, run in the sandbox with the tree writable: depmod, dracut,
//! postprocess scripts.
//!
//! What packages bring to run is not here: that is the assembly's, with RPM's rules.

use super::Error;
use super::root::{Kind, Root};
use cambium_model::Observer;
use cambium_sandbox::{Bind, Confinement, Limits, Program, Spec};
use std::path::Path;
use std::time::Duration;

/// Links at the top level that programs are found through.
const TOP_LINKS: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Longer than any scriptlet may take: an initramfs of everything on a loaded machine needs
/// minutes, and a postprocess script may build what it likes.
const TIME: Duration = Duration::from_secs(3600);

/// A tree in which programs may be run.
pub(crate) struct Confined<'a> {
    view: cambium_sandbox::Root,
    confinement: Confinement,
    epoch: Option<u64>,
    limits: Limits,
    observer: &'a dyn Observer,
}

/// One program.
#[derive(Default)]
pub(crate) struct Call<'a> {
    /// How messages call it.
    pub name: &'a str,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Files and directories shown besides the tree.
    pub binds: Vec<Bind>,
    /// Added to the environment.
    pub environment: Vec<(&'a str, &'a str)>,
}

impl<'a> Confined<'a> {
    /// Makes `root` ready; `epoch` becomes SOURCE_DATE_EPOCH inside. Programs get `limits`, but
    /// never less than an hour.
    pub(crate) fn new(
        root: &Root,
        confinement: Confinement,
        epoch: Option<u64>,
        limits: Limits,
        observer: &'a dyn Observer,
    ) -> Result<Self, Error> {
        let mut links = Vec::new();
        for entry in root.list("/")? {
            if entry.kind == Kind::Link && TOP_LINKS.contains(&entry.name.as_str()) {
                let target = root.read_link(&entry.name)?;
                links.push((entry.name, target));
            }
        }
        root.make_directory("/etc")?;
        root.make_directory("/var/tmp")?;
        root.set_mode("/var/tmp", 0o1777)?;
        let at = |name: &str| root.path().join(name);
        let view = cambium_sandbox::Root {
            usr: at("usr"),
            etc: at("usr/etc"),
            var: at("var"),
            links,
            ..cambium_sandbox::Root::default()
        };
        let limits = Limits { time: limits.time.max(TIME), ..limits };
        Ok(Self { view, confinement, epoch, limits, observer })
    }

    /// Runs a program of the tree.
    pub(crate) fn command(&self, program: &str, call: Call<'_>) -> Result<(), Error> {
        self.run(Program::Command(Path::new(program).to_owned()), call)
    }

    /// Runs a script by the interpreter that its first line names, /bin/sh where it names none.
    pub(crate) fn script(&self, text: &[u8], call: Call<'_>) -> Result<(), Error> {
        self.run(Program::Script { interpreter: interpreter(text), text: text.to_vec() }, call)
    }

    fn run(&self, program: Program, call: Call<'_>) -> Result<(), Error> {
        let mut root = self.view.clone();
        root.binds.extend(call.binds);
        let own = call.environment.iter().map(|(key, value)| ((*key).into(), (*value).into()));
        let epoch = self.epoch.map(|epoch| ("SOURCE_DATE_EPOCH".to_owned(), epoch.to_string()));
        let spec = Spec {
            name: call.name.to_owned(),
            confinement: self.confinement,
            root,
            program,
            arguments: call.arguments,
            stdin: Vec::new(),
            environment: own.chain(epoch).collect(),
            limits: self.limits,
        };
        let outcome = cambium_sandbox::run(&spec, self.observer)?;
        tracing::debug!(name = call.name, elapsed = ?outcome.elapsed, "program ended");
        if outcome.succeeded() {
            return Ok(());
        }
        Err(Error::Program {
            name: call.name.to_owned(),
            ended: outcome.ended,
            output: outcome.output,
        })
    }
}

/// The words after `#!`.
fn interpreter(text: &[u8]) -> Vec<String> {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let words = first.strip_prefix(b"#!").map(String::from_utf8_lossy);
    let words: Vec<String> =
        words.iter().flat_map(|line| line.split_whitespace()).map(str::to_owned).collect();
    if words.is_empty() { vec!["/bin/sh".to_owned()] } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_interpreter() {
        for (text, words) in [
            ("#!/bin/bash\nx", vec!["/bin/bash"]),
            ("#! /usr/bin/env python3\n", vec!["/usr/bin/env", "python3"]),
            ("echo\n", vec!["/bin/sh"]),
            ("#!\n", vec!["/bin/sh"]),
            ("", vec!["/bin/sh"]),
        ] {
            assert_eq!(interpreter(text.as_bytes()), words, "{text}");
        }
    }
}
