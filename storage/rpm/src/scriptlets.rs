//! Which scripts of packages run when a tree is assembled, in which order and with what.
//!
//! Source of the classes and their order: surface §2.2 and §2.3, and rpm 4.18 where that says
//! nothing. First, package by package, `%triggerprein` and `%pre`; then, package by package,
//! `%filetriggerin`, `%post`, `%triggerin` and the `%filetriggerin` of low priority; then every
//! `%posttrans`; then `%transfiletriggerin`, of the base and of the packages. Package order is the
//! caller's (see [`crate::install_order`]).
//!
//! `%preun`, `%postun` and their triggers never run, although a package may be left out of a tree
//! that the one before had: nothing is erased. The tree without the package is assembled anew from
//! the base, where neither its files nor what its scripts did have ever been, so there is nothing
//! to undo; and an erase script, which expects the package's files around it, would find none.
//! `%pretrans`, `%verifyscript` and `%preuntrans`, `%postuntrans` have no part either, as in
//! rpm-ostree.
//!
//! Deliberately absent: running them, finding paths in the tree, and expanding macros (`-e`) or
//! queries (`-q`): the flags say what the script asks for, and the sandbox is the place for it.

mod rules;
mod triggers;

pub use rules::{Authority, Rules, ScriptAction, ScriptRule};
pub use triggers::Installed;

use crate::error::Result;
use crate::header::{Header, ScriptFlags, ScriptletKind, Trigger, TriggerKind};
use cambium_model::Nevra;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use triggers::{Picture, Priority};

/// What happens to a package, which its scripts learn as their first argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It is new in the tree: scripts get `1`.
    Install,
    /// It takes the place of another version: scripts get `2`.
    Replace,
}

/// The classes of scripts that run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScriptClass {
    /// `%triggerprein`
    TriggerPreIn,
    /// `%pre`
    #[serde(rename = "prein", alias = "pre")]
    Pre,
    /// `%filetriggerin`
    FileTriggerIn,
    /// `%post`
    Post,
    /// `%triggerin`
    TriggerIn,
    /// `%posttrans`
    PostTrans,
    /// `%transfiletriggerin`
    TransFileTriggerIn,
}

impl ScriptClass {
    /// The name in messages, logs and rules, as rpm-ostree has it: `vim.post`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TriggerPreIn => "triggerprein",
            Self::Pre => "prein",
            Self::FileTriggerIn => "filetriggerin",
            Self::Post => "post",
            Self::TriggerIn => "triggerin",
            Self::PostTrans => "posttrans",
            Self::TransFileTriggerIn => "transfiletriggerin",
        }
    }

    /// The class of a scriptlet, where it is one that runs.
    #[must_use]
    pub fn of_scriptlet(kind: ScriptletKind) -> Option<Self> {
        match kind {
            ScriptletKind::Pre => Some(Self::Pre),
            ScriptletKind::Post => Some(Self::Post),
            ScriptletKind::PostTrans => Some(Self::PostTrans),
            _ => None,
        }
    }

    /// The class of a trigger, where it is one that runs.
    #[must_use]
    pub fn of_trigger(kind: TriggerKind) -> Option<Self> {
        match kind {
            TriggerKind::PreIn => Some(Self::TriggerPreIn),
            TriggerKind::In => Some(Self::TriggerIn),
            TriggerKind::FileIn => Some(Self::FileTriggerIn),
            TriggerKind::TransFileIn => Some(Self::TransFileTriggerIn),
            _ => None,
        }
    }
}

/// A script to run.
#[derive(Debug, Clone)]
pub struct Script {
    /// The package that brings it.
    pub package: Nevra,
    /// Its class.
    pub class: ScriptClass,
    /// Program and arguments; the script's file follows them, then `arguments`. `["<lua>"]` for
    /// rpm's own interpreter.
    pub interpreter: Vec<String>,
    /// The text; empty where the program is all there is.
    pub body: String,
    /// `$1` and `$2`: of a package's own scripts `1` or `2`, of triggers on packages how many
    /// there are of the trigger's name and of the one that set it off, of file triggers `0`.
    pub arguments: Vec<u32>,
    /// What it asks for before it runs.
    pub flags: ScriptFlags,
    /// The directories of a relocatable package: `RPM_INSTALL_PREFIX` and its siblings.
    pub install_prefixes: Vec<String>,
    /// Of `%filetriggerin`: the files that it reads from its standard input.
    pub input: Option<Vec<String>>,
    /// Of `%transfiletriggerin`, absolute path prefixes: it runs once, with the matching files on
    /// its standard input, where any matches.
    pub prefixes: Vec<String>,
    /// Of file triggers: higher first.
    pub priority: u32,
    /// The place in install order of the package in whose turn it runs.
    pub turn: usize,
}

impl Script {
    fn of_trigger(
        header: &Header,
        trigger: &Trigger,
        class: ScriptClass,
        arguments: Vec<u32>,
    ) -> Self {
        let names = trigger.conditions.iter().map(|c| c.dependency.name.clone());
        let file_trigger = class == ScriptClass::TransFileTriggerIn;
        Self {
            package: header.nevra().clone(),
            class,
            interpreter: trigger.interpreter.clone(),
            body: trigger.body.clone(),
            arguments,
            flags: trigger.flags,
            install_prefixes: header.install_prefixes(),
            input: None,
            prefixes: if file_trigger { names.collect() } else { Vec::new() },
            priority: trigger.priority,
            turn: 0,
        }
    }

    /// Which of `paths` (absolute) set this trigger off: those below one of its prefixes, in
    /// /usr but not in /usr/local, which no tree holds.
    #[must_use]
    pub fn matching<'p>(&self, paths: impl IntoIterator<Item = &'p str>) -> Vec<&'p str> {
        let inside = |path: &&str| path.starts_with("/usr/") && !path.starts_with("/usr/local/");
        let matches = |path: &&str| self.prefixes.iter().any(|prefix| path.starts_with(prefix));
        paths.into_iter().filter(inside).filter(matches).collect()
    }

    /// Whether its failure is the transaction's. rpm-ostree fails for every class that it runs,
    /// rpm only for `%pre`; a class that rpm-ostree does not run must not fail what installs
    /// there, so it is told and passed over, as rpm does.
    #[must_use]
    pub fn must_succeed(&self) -> bool {
        let added = [ScriptClass::TriggerPreIn, ScriptClass::TriggerIn, ScriptClass::FileTriggerIn];
        !added.contains(&self.class) || self.flags.critical()
    }

    /// Whether rpm's own interpreter runs it.
    #[must_use]
    pub fn is_lua(&self) -> bool {
        self.interpreter.first().is_some_and(|program| program == "<lua>")
    }
}

/// A script with the header that it comes from, before the rules are asked.
struct Seed {
    header: Header,
    script: Script,
}

/// A script that a package has and that is not run, or not as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRun {
    /// The package.
    pub package: Nevra,
    /// Its name after `%` in a spec file, or the class where a rule names it.
    pub script: String,
    /// Why not.
    pub reason: String,
    /// Who says so.
    pub by: Authority,
}

/// Everything that a transaction's packages run.
#[derive(Debug, Clone, Default)]
pub struct ScriptPlan {
    /// `%triggerprein` and `%pre`, package by package.
    pub pre: Vec<Script>,
    /// `%filetriggerin`, `%post` and `%triggerin`, package by package.
    pub post: Vec<Script>,
    /// Every `%posttrans`, in package order.
    pub posttrans: Vec<Script>,
    /// Every `%transfiletriggerin`: the base's by priority, then each package's.
    pub triggers: Vec<Script>,
    /// What is left out or replaced by another script.
    pub not_run: Vec<NotRun>,
}

/// What is planned for.
#[derive(Clone, Copy)]
pub struct Occasion<'a> {
    /// The new packages in install order.
    pub packages: &'a [(&'a Header, Operation)],
    /// What is installed before them.
    pub installed: &'a dyn Installed,
    /// Installed packages that go, those that are replaced among them.
    pub removed: &'a [Nevra],
    /// What is decided beyond RPM's rules.
    pub rules: &'a Rules,
}

/// Plans the scripts of a transaction: those of its packages, and the triggers that they set off.
///
/// # Errors
/// [`crate::Error::Malformed`], and what reading `installed` comes to.
pub fn plan(occasion: &Occasion<'_>) -> Result<ScriptPlan> {
    let Occasion { packages, installed, removed, rules } = *occasion;
    let mut planning = Planning { plan: ScriptPlan::default(), rules, turn: 0 };
    if packages.is_empty() {
        return Ok(planning.plan);
    }
    // What is replaced stays until its replacement is there.
    let replaced = |nevra: &Nevra| {
        let by = |header: &Header| header.nevra().name == nevra.name;
        packages.iter().any(|(header, operation)| *operation == Operation::Replace && by(header))
    };
    let gone = removed.iter().filter(|nevra| !replaced(nevra)).cloned().collect();
    let mut picture = Picture::new(installed, gone)?;
    for (turn, (header, operation)) in packages.iter().enumerate() {
        planning.turn = turn;
        planning.package(&mut picture, header, *operation)?;
        let name = &header.nevra().name;
        picture.erase(removed.iter().filter(|nevra| nevra.name == *name).cloned());
    }
    let mut of_base = Vec::new();
    for owner in picture.owners_before() {
        of_base.extend(trans_file_triggers(owner)?);
    }
    // Stable: equal priorities stay in the order of installation.
    of_base.sort_by_key(|seed| Reverse(seed.script.priority));
    planning.add(of_base, |plan| &mut plan.triggers);
    for (header, _) in packages {
        let mut own = trans_file_triggers(header)?;
        own.sort_by_key(|seed| Reverse(seed.script.priority));
        planning.add(own, |plan| &mut plan.triggers);
    }
    Ok(planning.plan)
}

fn trans_file_triggers(owner: &Header) -> Result<Vec<Seed>> {
    let class = ScriptClass::TransFileTriggerIn;
    let triggers = owner.triggers()?;
    let wanted = triggers.iter().filter(|trigger| trigger.kind() == TriggerKind::TransFileIn);
    let script = |trigger| Script::of_trigger(owner, trigger, class, vec![0]);
    Ok(wanted.map(|trigger| Seed { header: owner.clone(), script: script(trigger) }).collect())
}

/// A plan under construction.
struct Planning<'a> {
    plan: ScriptPlan,
    rules: &'a Rules,
    turn: usize,
}

impl Planning<'_> {
    fn package(
        &mut self,
        picture: &mut Picture<'_>,
        header: &Header,
        operation: Operation,
    ) -> Result<()> {
        self.leave_out_foreign(header)?;
        let own = |kind| Self::scriptlet(header, kind, operation);
        let class = ScriptClass::TriggerPreIn;
        self.add(picture.package_triggers(header, class, TriggerKind::PreIn)?, |plan| {
            &mut plan.pre
        });
        self.add(own(ScriptletKind::Pre), |plan| &mut plan.pre);
        picture.install(header)?;
        self.add(picture.file_triggers(header, Priority::High)?, |plan| &mut plan.post);
        self.add(own(ScriptletKind::Post), |plan| &mut plan.post);
        let class = ScriptClass::TriggerIn;
        self.add(picture.package_triggers(header, class, TriggerKind::In)?, |plan| &mut plan.post);
        self.add(picture.file_triggers(header, Priority::Low)?, |plan| &mut plan.post);
        self.add(own(ScriptletKind::PostTrans), |plan| &mut plan.posttrans);
        Ok(())
    }

    fn scriptlet(header: &Header, kind: ScriptletKind, operation: Operation) -> Option<Seed> {
        let class = ScriptClass::of_scriptlet(kind)?;
        let scriptlet = header.scriptlets().into_iter().find(|s| s.kind == kind)?;
        let script = Script {
            package: header.nevra().clone(),
            class,
            interpreter: scriptlet.interpreter,
            body: scriptlet.body,
            arguments: vec![if operation == Operation::Install { 1 } else { 2 }],
            flags: scriptlet.flags,
            install_prefixes: header.install_prefixes(),
            input: None,
            prefixes: Vec::new(),
            priority: 0,
            turn: 0,
        };
        Some(Seed { header: header.clone(), script })
    }

    /// Notes the scripts of a new package whose classes never run.
    fn leave_out_foreign(&mut self, header: &Header) -> Result<()> {
        let foreign = header.scriptlets().into_iter();
        for script in foreign.filter(|s| ScriptClass::of_scriptlet(s.kind).is_none()) {
            let reason = "it has no part in assembling a tree";
            self.leave_out(header, script.kind.as_str(), reason, Authority::Assembly);
        }
        for trigger in header.triggers()? {
            if ScriptClass::of_trigger(trigger.kind()).is_none() {
                let reason = "nothing is erased when a tree is assembled";
                self.leave_out(header, trigger.kind().as_str(), reason, Authority::Assembly);
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, header: &Header, script: &str, reason: &str, by: Authority) {
        let (package, script) = (header.nevra().clone(), script.to_owned());
        let left = NotRun { package, script, reason: reason.to_owned(), by };
        // A trigger that many packages set off is told once.
        if !self.plan.not_run.contains(&left) {
            self.plan.not_run.push(left);
        }
    }

    fn add(
        &mut self,
        seeds: impl IntoIterator<Item = Seed>,
        list: impl Fn(&mut ScriptPlan) -> &mut Vec<Script>,
    ) {
        for Seed { header, script } in seeds {
            if let Some(mut script) = self.decide(&header, script) {
                script.turn = self.turn;
                list(&mut self.plan).push(script);
            }
        }
    }

    /// Applies the rules and what a packager says in the script.
    fn decide(&mut self, header: &Header, mut script: Script) -> Option<Script> {
        let name = script.class.as_str();
        if let Some((rule, by)) = self.rules.find(&header.nevra().name, script.class) {
            match rule.action {
                ScriptAction::Run => return Some(script),
                ScriptAction::Skip => {
                    let reason = rule.reason().to_owned();
                    self.leave_out(header, name, &reason, by);
                    return None;
                }
                ScriptAction::Replace => {
                    let reason = rule.reason().to_owned();
                    script.interpreter.clone_from(&rule.interpreter);
                    script.body.clone_from(&rule.body);
                    script.flags = ScriptFlags::default();
                    self.leave_out(header, name, &reason, by);
                    return Some(script);
                }
            }
        }
        let marked = |line: &str| line.trim().starts_with("-- rpm-ostree-skip");
        if script.is_lua() && script.body.lines().take(10).any(marked) {
            let reason = "the packager marked it with rpm-ostree-skip";
            self.leave_out(header, name, reason, Authority::Packager);
            return None;
        }
        Some(script)
    }
}
