//! The scripts of a transaction, in rpm-ostree's order (surface §2.2, §2.3): sysusers, every
//! `%pre`, then each package's owners and `%post`, every `%posttrans`, `%transfiletriggerin`.
//!
//! All of it happens while the root is writable ([`super::writable`]), of which nothing mounted is
//! left, however it ends. Deliberately absent: which scripts there are and which are known not
//! to run (cambium-rpm), and the sandbox (cambium-sandbox).

use super::layer::Stage;
use super::rpmdb::Database;
use super::{Layer, owners, passwd, var};
use crate::paths::tree_path;
use crate::{Error, Result};
use cambium_model::{Nevra, Observer, Progress, ProgressUnit};
use cambium_rpm::scriptlets::{self, Operation, Script};
use cambium_rpm::{FileType, Header};
use cambium_sandbox::{Access, Bind, Program, Replacement, Root, Spec, run as sandboxed};
use std::fs;
use std::path::Path;

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
}

/// Finds out what runs for the packages `new`.
pub(super) fn plan(
    database: &Database,
    new: &[&Layer],
    replaced: &[(Nevra, Nevra)],
) -> Result<Plan> {
    let operation = |header: &Header| {
        let replaces = replaced.iter().any(|(_, by)| by == header.nevra());
        if replaces { Operation::Replace } else { Operation::Install }
    };
    let packages: Vec<_> =
        new.iter().map(|layer| (&layer.header, operation(&layer.header))).collect();
    let installed =
        if new.is_empty() { Vec::new() } else { database.installed().file_trigger_owners()? };
    let mut scripts = scriptlets::plan(&packages, &installed)?;
    for left in &scripts.not_run {
        tracing::debug!(package = %left.package, script = left.script, left.reason, "not run");
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
    Ok(Plan { scripts, lists, sysusers })
}

/// Runs everything of `plan` in the root `stage`. Returns tmpfiles.d lines for the directories
/// that scripts made below /var.
pub(super) fn run(stage: &Stage, plan: &Plan, observer: &dyn Observer) -> Result<String> {
    stage.writable.with(|| {
        let there = |path: &&&str| is_directory(&stage.merged.join(path));
        let kept = KEPT.iter().filter(there).copied().collect();
        Runner { stage, observer, root: root(stage), kept }.run(plan)
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
        written: vec![stage.upper.clone(), stage.var.clone()],
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
    observer: &'a dyn Observer,
    root: Root,
    /// Those of [`KEPT`] that are there before the first script.
    kept: Vec<&'static str>,
}

impl Runner<'_> {
    fn run(&self, plan: &Plan) -> Result<String> {
        let usr = &self.stage.merged;
        let lines = package_lines(usr)?;
        let var = &self.stage.var;
        var::lay_out(var, &lines)?;
        let view = passwd::View::prepare(usr)?;
        if plan.sysusers && usr.join("bin/systemd-sysusers").exists() {
            let program = Program::Command("/usr/bin/systemd-sysusers".into());
            self.command("systemd-sysusers", program, Vec::new(), Vec::new())?;
        }
        let before = var::directories(var)?;
        self.class("Running pre scripts", &plan.scripts.pre)?;
        // Now the users exist that packages' directories and files belong to.
        var::set_owners(var, &lines, &owners::of_directory(usr)?)?;
        self.posts(&plan.scripts.post)?;
        self.class("Running posttrans scripts", &plan.scripts.posttrans)?;
        self.triggers(plan)?;
        view.complete()?;
        var::new_lines(var, &before, &owners::of_directory(usr)?)
    }

    /// One class of scripts as a task.
    fn class(&self, text: &str, scripts: &[Script]) -> Result<()> {
        if scripts.is_empty() {
            return Ok(());
        }
        self.observer.progress(Progress::TaskBegin { text: text.to_owned() });
        for (at, script) in scripts.iter().enumerate() {
            self.step(at, scripts.len(), script);
            self.script(script, Vec::new())?;
        }
        self.observer.progress(Progress::TaskEnd { text: "done".to_owned() });
        Ok(())
    }

    /// Each package's owners, then its `%post`, in package order.
    fn posts(&self, scripts: &[Script]) -> Result<()> {
        if !scripts.is_empty() {
            let text = "Running post scripts".to_owned();
            self.observer.progress(Progress::TaskBegin { text });
        }
        let mut done = 0;
        for header in &self.stage.packages {
            let below = &self.stage.lower[1];
            owners::set_in_root(&self.stage.merged, below, header, self.observer)?;
            for script in scripts.iter().filter(|script| script.package == *header.nevra()) {
                self.step(done, scripts.len(), script);
                self.script(script, Vec::new())?;
                done += 1;
            }
        }
        if !scripts.is_empty() {
            self.observer.progress(Progress::TaskEnd { text: "done".to_owned() });
        }
        Ok(())
    }

    fn triggers(&self, plan: &Plan) -> Result<()> {
        for (trigger, list) in plan.scripts.triggers.iter().zip(&plan.lists) {
            let list = match list {
                Some(list) => list.clone(),
                None => self.find(trigger)?,
            };
            // A trigger that no file sets off does not run.
            if !list.is_empty() {
                self.script(trigger, list.into_bytes())?;
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

    fn script(&self, script: &Script, stdin: Vec<u8>) -> Result<()> {
        let mut arguments = Vec::new();
        let program = if script.body.is_empty() {
            // `%post -p /sbin/ldconfig`: rpm gives such a program no number.
            let mut words = script.interpreter.iter();
            let Some(program) = words.next() else { return Ok(()) };
            arguments.extend(words.cloned());
            Program::Command(program.into())
        } else {
            arguments.extend(script.argument.map(|number| number.to_string()));
            let interpreter = script.interpreter.clone();
            Program::Script { interpreter, text: script.body.clone().into_bytes() }
        };
        self.command(&name(script), program, arguments, stdin)
    }

    fn command(
        &self,
        name: &str,
        program: Program,
        arguments: Vec<String>,
        stdin: Vec<u8>,
    ) -> Result<()> {
        let spec = Spec {
            name: name.to_owned(),
            confinement: self.stage.confinement,
            root: self.root.clone(),
            program,
            arguments,
            stdin,
            environment: Vec::new(),
            limits: self.stage.limits,
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
            return Ok(());
        }
        let (end, output) = (outcome.ended.to_string(), outcome.output.trim_end().to_owned());
        Err(Error::Script { script, end, backend, output })
    }
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
    if !at.is_dir() {
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
