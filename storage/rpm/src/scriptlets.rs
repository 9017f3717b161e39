//! Which scripts of packages run when a tree is assembled, in which order and with what.
//!
//! Source of the classes and their order: surface §2.2 and §2.3. First every `%pre`, then each
//! package's `%post`, then every `%posttrans`, then `%transfiletriggerin` (of the packages and of
//! the base); package order is the caller's (see [`crate::install_order`]). Erase scripts never
//! run: a tree without a package is assembled without it, not by removing it.
//!
//! Deliberately absent: running them, and expanding macros (`-e`): a script that asks for it says
//! so in its flags and runs as it is written.

mod table;

use crate::error::{Error, Result};
use crate::header::{Header, ScriptFlags, ScriptletKind, TriggerKind};
use cambium_model::Nevra;
use table::{Rule, rule};

/// What happens to a package, which its scripts learn as their first argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It is new in the tree: scripts get `1`.
    Install,
    /// It takes the place of another version: scripts get `2`.
    Replace,
}

/// The classes of scripts that run, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScriptClass {
    /// `%pre`
    Pre,
    /// `%post`
    Post,
    /// `%posttrans`
    PostTrans,
    /// `%transfiletriggerin`
    TransFileTriggerIn,
}

impl ScriptClass {
    /// The name in messages, logs and tables, as rpm-ostree has it: `vim.post`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pre => "prein",
            Self::Post => "post",
            Self::PostTrans => "posttrans",
            Self::TransFileTriggerIn => "transfiletriggerin",
        }
    }
}

/// A script to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The package that brings it.
    pub package: Nevra,
    /// Its class.
    pub class: ScriptClass,
    /// Program and arguments; the script's file follows them, then `argument`.
    pub interpreter: Vec<String>,
    /// The text; empty where the program is all there is.
    pub body: String,
    /// `1` or `2`; none for triggers, which rpm-ostree gives none.
    pub argument: Option<u32>,
    /// How rpm would treat it.
    pub flags: ScriptFlags,
    /// For `%transfiletriggerin`, absolute path prefixes: it runs once, with the matching files on
    /// its standard input, where any matches.
    pub prefixes: Vec<String>,
    /// Of triggers: higher first.
    pub priority: u32,
}

impl Script {
    /// Which of `paths` (absolute) set this trigger off: those below one of its prefixes, in
    /// /usr but not in /usr/local, which no tree holds.
    #[must_use]
    pub fn matching<'p>(&self, paths: impl IntoIterator<Item = &'p str>) -> Vec<&'p str> {
        let inside = |path: &&str| path.starts_with("/usr/") && !path.starts_with("/usr/local/");
        let matches = |path: &&str| self.prefixes.iter().any(|prefix| path.starts_with(prefix));
        paths.into_iter().filter(inside).filter(matches).collect()
    }
}

/// A script that a package has and that is not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRun {
    /// The package.
    pub package: Nevra,
    /// Its name after `%` in a spec file, or the class where a table names it.
    pub script: String,
    /// Why not.
    pub reason: &'static str,
}

/// Everything that a transaction's packages run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptPlan {
    /// Every `%pre`, in package order.
    pub pre: Vec<Script>,
    /// Every `%post`, in package order.
    pub post: Vec<Script>,
    /// Every `%posttrans`, in package order.
    pub posttrans: Vec<Script>,
    /// Every `%transfiletriggerin`, by priority.
    pub triggers: Vec<Script>,
    /// What is left out or replaced by a script of ours, for logs.
    pub not_run: Vec<NotRun>,
}

/// Plans the scripts of `packages`, which are in install order, and the triggers of
/// `base_triggers`: packages of the base that have `%transfiletriggerin`
/// (see [`crate::rpmdb::Rpmdb::file_trigger_owners`]).
///
/// # Errors
/// [`Error::UnsupportedScript`] for Lua and for `%triggerin`, unless a table knows them;
/// [`Error::Malformed`].
pub fn plan(packages: &[(&Header, Operation)], base_triggers: &[Header]) -> Result<ScriptPlan> {
    let mut plan = ScriptPlan::default();
    for (header, operation) in packages {
        plan.add_scriptlets(header, *operation)?;
        plan.add_triggers(header)?;
    }
    for header in base_triggers {
        plan.add_file_triggers_of_base(header)?;
    }
    // Stable: equal priorities stay in package order.
    plan.triggers.sort_by_key(|script| std::cmp::Reverse(script.priority));
    Ok(plan)
}

impl ScriptPlan {
    fn leave_out(&mut self, header: &Header, script: &str, reason: &'static str) {
        let (package, script) = (header.nevra().clone(), script.to_owned());
        self.not_run.push(NotRun { package, script, reason });
    }

    fn add_scriptlets(&mut self, header: &Header, operation: Operation) -> Result<()> {
        for scriptlet in header.scriptlets() {
            let class = match scriptlet.kind {
                ScriptletKind::Pre => ScriptClass::Pre,
                ScriptletKind::Post => ScriptClass::Post,
                ScriptletKind::PostTrans => ScriptClass::PostTrans,
                other => {
                    self.leave_out(header, other.as_str(), "it has no part in assembling a tree");
                    continue;
                }
            };
            let script = Script {
                package: header.nevra().clone(),
                class,
                interpreter: scriptlet.interpreter,
                body: scriptlet.body,
                argument: Some(if operation == Operation::Install { 1 } else { 2 }),
                flags: scriptlet.flags,
                prefixes: Vec::new(),
                priority: 0,
            };
            let Some(script) = self.decide(header, script)? else { continue };
            match class {
                ScriptClass::Pre => self.pre.push(script),
                ScriptClass::Post => self.post.push(script),
                _ => self.posttrans.push(script),
            }
        }
        Ok(())
    }

    fn add_triggers(&mut self, header: &Header) -> Result<()> {
        for trigger in header.triggers()? {
            let name = trigger.kind().as_str();
            match trigger.kind() {
                TriggerKind::TransFileIn => self.add_file_trigger(header, &trigger)?,
                TriggerKind::PreIn | TriggerKind::In => match rule(&header.nevra().name, name) {
                    Some(Rule::Ignore(reason)) => self.leave_out(header, name, reason),
                    _ => return Err(unsupported(header, name, "triggers on packages cannot run")),
                },
                _ => self.leave_out(header, name, "this kind of trigger has no part in a tree"),
            }
        }
        Ok(())
    }

    fn add_file_triggers_of_base(&mut self, header: &Header) -> Result<()> {
        let triggers = header.triggers()?;
        triggers
            .iter()
            .filter(|trigger| trigger.kind() == TriggerKind::TransFileIn)
            .try_for_each(|trigger| self.add_file_trigger(header, trigger))
    }

    fn add_file_trigger(&mut self, header: &Header, trigger: &crate::Trigger) -> Result<()> {
        let prefixes = trigger.conditions.iter().map(|c| c.dependency.name.clone()).collect();
        let script = Script {
            package: header.nevra().clone(),
            class: ScriptClass::TransFileTriggerIn,
            interpreter: trigger.interpreter.clone(),
            body: trigger.body.clone(),
            argument: None,
            flags: trigger.flags,
            prefixes,
            priority: trigger.priority,
        };
        let script = self.decide(header, script)?;
        self.triggers.extend(script);
        Ok(())
    }

    /// Applies the tables and what is said of Lua.
    fn decide(&mut self, header: &Header, mut script: Script) -> Result<Option<Script>> {
        let name = script.class.as_str();
        match rule(&header.nevra().name, name) {
            Some(Rule::Ignore(reason)) => {
                self.leave_out(header, name, reason);
                return Ok(None);
            }
            Some(Rule::Replace { interpreter, body, reason }) => {
                self.leave_out(header, name, reason);
                script.interpreter = vec![interpreter.to_owned()];
                body.clone_into(&mut script.body);
                script.flags = ScriptFlags::default();
                return Ok(Some(script));
            }
            None => {}
        }
        if script.interpreter.first().is_none_or(|program| program != "<lua>") {
            return Ok(Some(script));
        }
        let marked = |line: &str| line.trim().starts_with("-- rpm-ostree-skip");
        if script.body.lines().take(10).any(marked) {
            self.leave_out(header, name, "the packager marked it with rpm-ostree-skip");
            return Ok(None);
        }
        Err(unsupported(header, name, "it is written in rpm's Lua"))
    }
}

fn unsupported(header: &Header, script: &str, problem: &'static str) -> Error {
    let (package, script) = (header.nevra().to_string(), format!("%{script}"));
    Error::UnsupportedScript { package, script, problem }
}
