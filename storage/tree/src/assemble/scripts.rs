//! The scripts of a transaction, in their order (see `cambium_rpm::scriptlets`): sysusers, every
//! `%pre`, then each package's owners and `%post`, every `%posttrans`, `%transfiletriggerin`,
//! with the triggers that packages set off in one another.
//!
//! All of it happens while the root is writable ([`super::writable`]), of which nothing mounted is
//! left, however it ends. Owns: the view of the tree that scripts get, their input, and what
//! their failure means. Deliberately absent: which scripts there are and which are known not to
//! run (cambium-rpm), and the sandbox (cambium-sandbox).

mod elf;
mod interpreter;
mod librpm;

use super::inside::Inside;
use super::layer::Stage;
use super::rpmdb::Database;
use super::{Assembly, Layer, owners, passwd, var};
use crate::paths::tree_path;
use crate::{Error, Result};
use cambium_model::{Nevra, Observer, Progress, ProgressUnit};
use cambium_rpm::scriptlets::{self, Authority, NotRun, Occasion, Operation, Script};
use cambium_rpm::{FileType, Header};
use cambium_sandbox::{
    Access, Bind, Limits, Outcome, Program, Replacement, Root, Spec, run as sandboxed,
};
use interpreter::{Interpreters, Run};
use std::fs;
use std::path::{Path, PathBuf};

/// Only presets are applied: there is no running service manager, and enabling is the image's.
const SYSTEMCTL: &str = "#!/bin/sh\n\
    for word in \"$@\"; do case $word in\n\
    preset|preset-all|--root|--root=*) exec /run/cambium-systemctl \"$@\";;\n\
    esac; done\n";
/// A program that does nothing, well.
const NOTHING: &str = "#!/bin/sh\n";

/// Directories of /usr that no script may take away, even one that says it succeeded: the commit
/// would hold no system. (/usr/sbin is not one: it becomes a link to bin in Fedora 42.)
const KEPT: [&str; 4] = ["bin", "etc", "lib", "share"];

/// What will run.
#[derive(Debug, Default)]
pub(super) struct Plan {
    scripts: scriptlets::ScriptPlan,
    /// The file list of each of `scripts.triggers`; `None` where the whole tree is searched.
    lists: Vec<Option<String>>,
    /// Whether a package brings sysusers.d fragments.
    sysusers: bool,
    /// A copy of the rpmdb from before the transaction: headers for queries (`-q`).
    database: PathBuf,
}

impl Plan {
    /// Whether nothing runs, so that no root is needed.
    pub(super) fn is_empty(&self) -> bool {
        let scripts = &self.scripts;
        scripts.pre.is_empty()
            && scripts.post.is_empty()
            && scripts.posttrans.is_empty()
            && scripts.triggers.is_empty()
            && !self.sysusers
    }

    /// What the configuration left out: a fact of the commit, since another host would run it.
    pub(super) fn left_out_by_configuration(&self) -> impl Iterator<Item = &NotRun> {
        self.scripts.not_run.iter().filter(|left| left.by == Authority::Configuration)
    }
}

/// Finds out what runs for the packages `new`, while `removed` go.
pub(super) fn plan(
    database: &Database,
    new: &[&Layer],
    removed: &[Nevra],
    assembly: &Assembly<'_>,
) -> Result<Plan> {
    let operation = |header: &Header| {
        let replaces = assembly.replaced.iter().any(|(_, by)| by == header.nevra());
        if replaces { Operation::Replace } else { Operation::Install }
    };
    let packages: Vec<_> =
        new.iter().map(|layer| (&layer.header, operation(&layer.header))).collect();
    let installed = database.installed();
    let rules = assembly.rules;
    let mut scripts =
        scriptlets::plan(&Occasion { packages: &packages, installed, removed, rules })?;
    for left in &scripts.not_run {
        let NotRun { package, script, reason, by } = left;
        if *by == Authority::Configuration {
            tracing::info!(%package, script, reason, "left out by configuration");
        } else {
            tracing::debug!(%package, script, reason, "not run");
        }
    }
    let mut files = Vec::new();
    for layer in new {
        let header = layer.header.files()?.into_iter();
        let content =
            header.filter(|f| !f.attributes.ghost() && f.file_type() != FileType::Directory);
        files.extend(content.filter_map(|file| Some(format!("/{}", tree_path(&file.path)?))));
    }
    let mut lists = Vec::new();
    scripts.triggers.retain(|trigger| {
        if new.iter().any(|layer| *layer.header.nevra() == trigger.package) {
            lists.push(None);
            return true;
        }
        let matching = trigger.matching(files.iter().map(String::as_str));
        let any = !matching.is_empty();
        if any {
            lists.push(Some(matching.join("\n") + "\n"));
        }
        any
    });
    let sysusers = files.iter().any(|file| {
        file.strip_prefix("/usr/lib/sysusers.d/").is_some_and(|name| name.ends_with(".conf"))
    });
    let database = database.directory().to_owned();
    Ok(Plan { scripts, lists, sysusers, database })
}

/// Runs everything of `plan` in the root `stage`. Returns tmpfiles.d lines for what scripts made
/// below /var.
pub(super) fn run(
    stage: &Stage,
    plan: &Plan,
    accounts: &passwd::Surroundings,
    observer: &dyn Observer,
) -> Result<String> {
    stage.writable.with(|| {
        let there = |path: &&&str| is_directory(&stage.merged.join(path));
        let kept = KEPT.iter().filter(there).copied().collect();
        let interpreters =
            Interpreters::new(&stage.merged, stage.root.with_file_name("interpreter"));
        let inside = Inside::open(&stage.root)?;
        let root = root(stage);
        Runner { stage, plan, observer, root, kept, inside, interpreters }.run(accounts)
    })?
}

/// The root as the sandbox is told of it.
fn root(stage: &Stage) -> Root {
    let usr = &stage.merged;
    let mut root = Root {
        usr: usr.clone(),
        etc: usr.join("etc"),
        var: stage.var.clone(),
        links: stage.links.clone(),
        written: stage
            .writable
            .written()
            .map(|usr| vec![usr, stage.var.clone()])
            .unwrap_or_default(),
        ..Root::default()
    };
    // librpm's database is not for scripts, and would be read while it changes.
    if usr.join("share/rpm").is_dir() {
        root.masked.push("/usr/share/rpm".into());
    }
    let regular = |path: &str| usr.join(path).symlink_metadata().is_ok_and(|m| m.is_file());
    let mut replace = |path: &str, text: &str| {
        let target = Path::new("/usr").join(path);
        root.replaced.push(Replacement { target, content: text.as_bytes().to_vec() });
    };
    if regular("bin/systemctl") {
        replace("bin/systemctl", SYSTEMCTL);
        let (source, target) = (usr.join("bin/systemctl"), "/run/cambium-systemctl".into());
        root.binds.push(Bind { source, target, access: Access::ReadOnly });
    }
    // It empties the cache of a daemon that does not run, and fails without it.
    if regular("sbin/sss_cache") {
        replace("sbin/sss_cache", NOTHING);
    }
    root
}

struct Runner<'a> {
    stage: &'a Stage,
    plan: &'a Plan,
    observer: &'a dyn Observer,
    root: Root,
    /// Those of [`KEPT`] that are there before the first script.
    kept: Vec<&'static str>,
    inside: Inside,
    interpreters: Interpreters,
}

impl Runner<'_> {
    fn run(&self, accounts: &passwd::Surroundings) -> Result<String> {
        let usr = &self.stage.merged;
        let lines = package_lines(usr)?;
        let mut var = var::State::lay_out(&self.stage.var, &self.inside, lines)?;
        let view = passwd::View::prepare(&self.inside, accounts)?;
        if self.plan.sysusers && usr.join("bin/systemd-sysusers").exists() {
            self.sysusers()?;
        }
        self.class("Running pre scripts", &self.plan.scripts.pre)?;
        // Now the users exist that packages' directories and files belong to.
        var.set_owners(&owners::of_inside(&self.inside)?)?;
        self.posts()?;
        self.class("Running posttrans scripts", &self.plan.scripts.posttrans)?;
        self.triggers()?;
        view.complete(self.observer)?;
        var.into_lines(&owners::of_inside(&self.inside)?, self.observer)
    }

    fn sysusers(&self) -> Result<()> {
        let run = Run {
            program: Program::Command("/usr/bin/systemd-sysusers".into()),
            arguments: Vec::new(),
            environment: Vec::new(),
            binds: Vec::new(),
            stdin: Vec::new(),
        };
        let outcome = self.sandbox("systemd-sysusers", run, self.stage.limits)?;
        if outcome.succeeded() { Ok(()) } else { Err(ended("systemd-sysusers", &outcome)) }
    }

    /// One class of scripts as a task.
    fn class(&self, text: &str, scripts: &[Script]) -> Result<()> {
        if scripts.is_empty() {
            return Ok(());
        }
        self.observer.progress(Progress::TaskBegin { text: text.to_owned() });
        for (at, script) in scripts.iter().enumerate() {
            self.step(at, scripts.len(), script);
            self.script(script, None)?;
        }
        self.observer.progress(Progress::TaskEnd { text: "done".to_owned() });
        Ok(())
    }

    /// Each package's owners, then its `%post` and what it sets off, in package order.
    fn posts(&self) -> Result<()> {
        let scripts = &self.plan.scripts.post;
        if !scripts.is_empty() {
            let text = "Running post scripts".to_owned();
            self.observer.progress(Progress::TaskBegin { text });
        }
        let mut scripts = scripts.iter().enumerate().peekable();
        for (turn, header) in self.stage.packages.iter().enumerate() {
            let below = &self.stage.lower[1];
            owners::set_in_root(&self.inside, below, header, self.observer)?;
            while let Some((done, script)) = scripts.next_if(|(_, script)| script.turn == turn) {
                self.step(done, self.plan.scripts.post.len(), script);
                self.script(script, None)?;
            }
        }
        if !self.plan.scripts.post.is_empty() {
            self.observer.progress(Progress::TaskEnd { text: "done".to_owned() });
        }
        Ok(())
    }

    fn triggers(&self) -> Result<()> {
        for (trigger, list) in self.plan.scripts.triggers.iter().zip(&self.plan.lists) {
            let list = match list {
                Some(list) => list.clone(),
                None => self.find(trigger)?,
            };
            // A trigger that no file sets off does not run.
            if !list.is_empty() {
                self.script(trigger, Some(list.into_bytes()))?;
            }
        }
        Ok(())
    }

    /// The files of the whole tree below a trigger's prefixes, sorted.
    fn find(&self, trigger: &Script) -> Result<String> {
        let mut found = Vec::new();
        for prefix in &trigger.prefixes {
            // A prefix need not end with a whole name: its directory is searched.
            let Some((directory, _)) = prefix.trim_start_matches('/').rsplit_once('/') else {
                continue;
            };
            if let Some(inside) = format!("{directory}/").strip_prefix("usr/") {
                files_below(&self.stage.merged, inside.trim_end_matches('/'), &mut found)?;
            }
        }
        found.sort();
        found.dedup();
        let matching = trigger.matching(found.iter().map(String::as_str));
        Ok(matching.iter().map(|path| format!("{path}\n")).collect())
    }

    fn step(&self, done: usize, total: usize, script: &Script) {
        let (done, total) = (done as u64, total as u64);
        let (unit, item) = (ProgressUnit::Items, name(script));
        self.observer.progress(Progress::Step { done, total, unit, item });
    }

    fn script(&self, script: &Script, list: Option<Vec<u8>>) -> Result<()> {
        let name = name(script);
        let given = script
            .input
            .as_ref()
            .map(|files| files.iter().flat_map(|file| format!("{file}\n").into_bytes()).collect());
        let Some(script) = self.expanded(script)? else { return Ok(()) };
        let run = self.interpreters.run(&script, list.or(given))?;
        let outcome = self.sandbox(&name, run, self.stage.limits)?;
        if outcome.succeeded() {
            return Ok(());
        }
        self.failure(&script, &outcome)
    }

    /// What the failure of a script comes to: the transaction's, or a warning.
    fn failure(&self, script: &Script, outcome: &Outcome) -> Result<()> {
        let failure = ended(&name(script), outcome);
        if script.must_succeed() {
            return Err(failure);
        }
        let last = outcome.output.trim_end().lines().next_back().unwrap_or_default();
        self.observer.warning(format!("{failure}, which rpm passes over too: {last}"));
        tracing::warn!(script = name(script), end = %outcome.ended, last, "a trigger failed");
        Ok(())
    }

    /// The script with its macros and queries in place, as it asks for; `None` where that failed
    /// and need not succeed.
    fn expanded(&self, script: &Script) -> Result<Option<Script>> {
        let mut script = script.clone();
        // Macros come first, so that they can make queries: rpm's order.
        if script.flags.expand_macros() && !script.body.is_empty() {
            let run = self.interpreters.expansion(&script, &script.body)?;
            let Some(text) = self.text(&script, run)? else { return Ok(None) };
            script.body = text;
        }
        if script.flags.query_format() && !script.body.is_empty() {
            let stage = self.stage.packages.iter();
            let header = stage.into_iter().find(|header| *header.nevra() == script.package);
            let run = match header {
                Some(header) => self.interpreters.query_new(&script, header, &script.body)?,
                None => {
                    let database = &self.plan.database;
                    self.interpreters.query_installed(&script, database, &script.body)?
                }
            };
            let Some(text) = self.text(&script, run)? else { return Ok(None) };
            script.body = text;
        }
        Ok(Some(script))
    }

    /// The text that a run of rpm gives for a script.
    fn text(&self, script: &Script, run: Run) -> Result<Option<String>> {
        let limits = Limits { output: interpreter::EXPANDED, ..self.stage.limits };
        let outcome = self.sandbox(&format!("{}.expand", name(script)), run, limits)?;
        match Interpreters::text(&outcome.output).filter(|_| outcome.succeeded()) {
            Some(text) => Ok(Some(text)),
            None => self.failure(script, &outcome).map(|()| None),
        }
    }

    fn sandbox(&self, name: &str, run: Run, limits: Limits) -> Result<Outcome> {
        let mut root = self.root.clone();
        root.binds.extend(run.binds);
        let spec = Spec {
            name: name.to_owned(),
            confinement: self.stage.confinement,
            root,
            program: run.program,
            arguments: run.arguments,
            stdin: run.stdin,
            environment: run.environment,
            limits,
        };
        let outcome = sandboxed(&spec, self.observer)?;
        tracing::info!(script = name, end = %outcome.ended, elapsed = ?outcome.elapsed, "script ran");
        let (script, backend) = (name.to_owned(), outcome.backend);
        let gone = |path: &&&str| !is_directory(&self.stage.merged.join(path));
        if let Some(gone) = self.kept.iter().find(gone) {
            let end = format!("it removed or replaced /usr/{gone}, which the image needs");
            let output = outcome.output.trim_end().to_owned();
            return Err(Error::Script { script, end, backend, output });
        }
        if outcome.succeeded() {
            for line in outcome.output.lines() {
                tracing::debug!(script = name, line, "script's output");
            }
        }
        let gone = |path: &&&str| !is_directory(&self.stage.merged.join(path));
        if let Some(gone) = self.kept.iter().find(gone) {
            let end = format!("it removed or replaced /usr/{gone}, which the image needs");
            return Err(failed(name, end, &outcome));
        }
        Ok(outcome)
    }
}

fn ended(name: &str, outcome: &Outcome) -> Error {
    failed(name, outcome.ended.to_string(), outcome)
}

fn failed(name: &str, end: String, outcome: &Outcome) -> Error {
    let (script, backend) = (name.to_owned(), outcome.backend);
    Error::Script { script, end, backend, output: outcome.output.trim_end().to_owned() }
}

fn is_directory(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

/// `pkg.post`.
fn name(script: &Script) -> String {
    format!("{}.{}", script.package.name, script.class.as_str())
}

/// The tmpfiles.d lines of all packages, of a tree whose `usr` is at `usr`.
fn package_lines(usr: &Path) -> Result<String> {
    let directory = usr.join("lib/rpm-ostree/tmpfiles.d");
    let mut lines = String::new();
    if directory.is_dir() {
        for entry in fs::read_dir(&directory).map_err(Error::io("list", &directory))? {
            let path = entry.map_err(Error::io("list", &directory))?.path();
            let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
            lines += &String::from_utf8_lossy(&bytes);
            lines.push('\n');
        }
    }
    Ok(lines)
}

/// Files and links below `inside` of the directory `usr`, as `/usr/…`.
fn files_below(usr: &Path, inside: &str, found: &mut Vec<String>) -> Result<()> {
    let at = usr.join(inside);
    // A link, which a script may have made, leads out of what is listed.
    let real = |path: &Path| path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    if !at.ancestors().take_while(|path| *path != usr).all(real) {
        return Ok(());
    }
    for entry in fs::read_dir(&at).map_err(Error::io("list", &at))? {
        let entry = entry.map_err(Error::io("list", &at))?;
        let kind = entry.file_type().map_err(Error::io("read", entry.path()))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if inside.is_empty() { name } else { format!("{inside}/{name}") };
        if kind.is_dir() {
            files_below(usr, &path, found)?;
        } else {
            found.push(format!("/usr/{path}"));
        }
    }
    Ok(())
}
