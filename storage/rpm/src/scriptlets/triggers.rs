//! Which triggers are set off, in which order, with which numbers and files.
//!
//! Source: rpm 4.18's lib/psm.c and lib/rpmtriggers.c, and its behaviour (the oracle of
//! cambium-tree's tests runs the same packages through `rpm -i`). Packages are walked in install
//! order over a picture of the rpmdb as rpm would have it at that moment: a package is installed
//! after its `%pre`, and a replaced one is there until its replacement is complete.

use super::{Script, ScriptClass, Seed};
use crate::error::Result;
use crate::header::{Header, Trigger, TriggerCondition, TriggerKind};
use crate::rpmdb::Rpmdb;
use cambium_model::Nevra;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashMap;

/// File triggers of at least this priority run before the package's `%post`, others after it.
/// Source: rpm's `TRIGGER_PRIORITY_BOUND`.
const BOUND: u32 = 10_000;

/// What is installed before a transaction.
pub trait Installed {
    /// Packages with triggers of any family, in the order of their installation.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn trigger_owners(&self) -> Result<Vec<Header>>;

    /// Packages of this name.
    ///
    /// # Errors
    /// As above.
    fn named(&self, name: &str) -> Result<Vec<Header>>;

    /// Every package.
    ///
    /// # Errors
    /// As above.
    fn all(&self) -> Result<Vec<Header>>;
}

impl Installed for Rpmdb {
    fn trigger_owners(&self) -> Result<Vec<Header>> {
        self.trigger_owners()
    }

    fn named(&self, name: &str) -> Result<Vec<Header>> {
        self.find_name(name)
    }

    fn all(&self) -> Result<Vec<Header>> {
        self.headers()
    }
}

/// Few packages in memory.
impl Installed for Vec<Header> {
    fn trigger_owners(&self) -> Result<Vec<Header>> {
        Ok(self.clone())
    }

    fn named(&self, name: &str) -> Result<Vec<Header>> {
        Ok(self.iter().filter(|header| header.nevra().name == name).cloned().collect())
    }

    fn all(&self) -> Result<Vec<Header>> {
        Ok(self.clone())
    }
}

/// A package and its triggers, read once.
struct Owner {
    header: Header,
    triggers: Vec<Trigger>,
}

impl Owner {
    fn of(header: Header) -> Result<Self> {
        Ok(Self { triggers: header.triggers()?, header })
    }
}

/// The rpmdb at one moment of the transaction.
pub(super) struct Picture<'a> {
    before: &'a dyn Installed,
    /// Those of `before` with triggers.
    owners: Vec<Owner>,
    /// Those of `before` that are gone by now.
    gone: Vec<Nevra>,
    /// What the transaction has installed so far.
    new: Vec<Owner>,
    /// What `before` said of names: each question opens the database.
    asked: RefCell<HashMap<String, Vec<Header>>>,
}

/// How much of the file triggers is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    /// Those before `%post`.
    High,
    /// Those after it.
    Low,
}

impl<'a> Picture<'a> {
    pub(super) fn new(before: &'a dyn Installed, gone: Vec<Nevra>) -> Result<Self> {
        let owners = before.trigger_owners()?.into_iter().map(Owner::of).collect::<Result<_>>()?;
        Ok(Self { before, owners, gone, new: Vec::new(), asked: RefCell::default() })
    }

    /// The package is installed from now on.
    pub(super) fn install(&mut self, header: &Header) -> Result<()> {
        self.new.push(Owner::of(header.clone())?);
        Ok(())
    }

    /// These are gone from now on.
    pub(super) fn erase(&mut self, packages: impl IntoIterator<Item = Nevra>) {
        self.gone.extend(packages);
    }

    /// Packages with triggers that were there before the transaction and still are.
    pub(super) fn owners_before(&self) -> impl Iterator<Item = &Header> {
        self.present().map(|owner| &owner.header)
    }

    fn present(&self) -> impl Iterator<Item = &Owner> {
        self.owners.iter().filter(|owner| !self.gone.contains(owner.header.nevra()))
    }

    fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.present().chain(&self.new)
    }

    fn named(&self, name: &str) -> Result<Vec<Header>> {
        let known = self.asked.borrow().get(name).cloned();
        let mut headers = match known {
            Some(headers) => headers,
            None => {
                let headers = self.before.named(name)?;
                self.asked.borrow_mut().insert(name.to_owned(), headers.clone());
                headers
            }
        };
        headers.retain(|header| !self.gone.contains(header.nevra()));
        let new = self.new.iter().filter(|owner| owner.header.nevra().name == name);
        headers.extend(new.map(|owner| owner.header.clone()));
        Ok(headers)
    }

    fn count(&self, header: &Header) -> Result<u32> {
        Ok(u32::try_from(self.named(&header.nevra().name)?.len()).unwrap_or(u32::MAX))
    }

    /// `%triggerin` or `%triggerprein` around `header`: first those of installed packages that it
    /// sets off, then its own that installed packages set off. `$1` is the number of packages of
    /// the trigger's name, `$2` that of the name that set it off.
    pub(super) fn package_triggers(
        &self,
        header: &Header,
        class: ScriptClass,
        kind: TriggerKind,
    ) -> Result<Vec<Seed>> {
        let mut seeds = Vec::new();
        for owner in self.owners() {
            if let Some(at) = set_off(&owner.triggers, kind, header) {
                let arguments = vec![self.count(&owner.header)?, self.count(header)?];
                seeds.push(seed(&owner.header, &owner.triggers[at], class, arguments));
            }
        }
        let triggers = header.triggers()?;
        let mut ran = vec![false; triggers.len()];
        for (at, condition) in conditions(&triggers) {
            if ran[at] {
                continue;
            }
            let sources = self.named(&condition.dependency.name)?;
            for source in &sources {
                let Some(found) = set_off(&triggers, kind, source) else { continue };
                if !std::mem::replace(&mut ran[found], true) {
                    let others = u32::try_from(sources.len()).unwrap_or(u32::MAX);
                    let arguments = vec![self.count(header)?, others];
                    seeds.push(seed(header, &triggers[found], class, arguments));
                }
            }
        }
        Ok(seeds)
    }

    /// `%filetriggerin` around `header`, which is installed by now: first those of every package
    /// that one of its files sets off, by priority; then its own that files of others set off.
    pub(super) fn file_triggers(&self, header: &Header, part: Priority) -> Result<Vec<Seed>> {
        let mut fired = Vec::new();
        // Few packages have any, and lists of files are long.
        if !self.owners().any(|owner| file_triggers_of(&owner.triggers, part).next().is_some()) {
            return Ok(fired);
        }
        let files = paths(header)?;
        for owner in self.owners() {
            for trigger in file_triggers_of(&owner.triggers, part) {
                let list = matching(trigger, [&files]);
                if !list.is_empty() {
                    fired.push(file_seed(&owner.header, trigger, list));
                }
            }
        }
        // Stable: equal priorities stay in the order of installation.
        fired.sort_by_key(|seed| Reverse(seed.script.priority));
        let triggers = header.triggers()?;
        let mut own: Vec<_> = file_triggers_of(&triggers, part).collect();
        if own.is_empty() {
            return Ok(fired);
        }
        own.sort_by_key(|trigger| Reverse(trigger.priority));
        let mut others = Vec::new();
        let before = self.before.all()?;
        let before = before.iter().filter(|header| !self.gone.contains(header.nevra()));
        for other in before.chain(self.new.iter().map(|owner| &owner.header)) {
            if other.nevra() != header.nevra() {
                others.push(paths(other)?);
            }
        }
        for trigger in own {
            let list = matching(trigger, &others);
            if !list.is_empty() {
                fired.push(file_seed(header, trigger, list));
            }
        }
        Ok(fired)
    }
}

/// Which trigger of a package the package `source` sets off: the first whose condition holds.
fn set_off(triggers: &[Trigger], kind: TriggerKind, source: &Header) -> Option<usize> {
    let nevra = source.nevra();
    let holds = |condition: &TriggerCondition| {
        condition.kind == kind
            && condition.dependency.name == nevra.name
            && condition.dependency.accepts(&nevra.evr)
    };
    conditions(triggers).into_iter().find(|(_, condition)| holds(condition)).map(|(at, _)| at)
}

/// The conditions on packages in the header's order, each with the place of its trigger.
fn conditions(triggers: &[Trigger]) -> Vec<(usize, &TriggerCondition)> {
    let each = triggers.iter().enumerate();
    let all = each.flat_map(|(at, trigger)| trigger.conditions.iter().map(move |c| (at, c)));
    let mut all: Vec<_> = all.filter(|(_, condition)| is_of_packages(condition.kind)).collect();
    all.sort_by_key(|(_, condition)| condition.position);
    all
}

fn is_of_packages(kind: TriggerKind) -> bool {
    matches!(kind, TriggerKind::In | TriggerKind::PreIn | TriggerKind::Un | TriggerKind::PostUn)
}

fn file_triggers_of(triggers: &[Trigger], part: Priority) -> impl Iterator<Item = &Trigger> {
    triggers.iter().filter(move |trigger| {
        trigger.kind() == TriggerKind::FileIn
            && (trigger.priority >= BOUND) == (part == Priority::High)
    })
}

/// A package's paths as it lists them, directories and ghosts included: so rpm tells them.
fn paths(header: &Header) -> Result<Vec<String>> {
    Ok(header.files()?.into_iter().map(|file| file.path).collect())
}

/// The paths below a trigger's prefixes, prefix by prefix and package by package.
fn matching<'p>(
    trigger: &Trigger,
    packages: impl IntoIterator<Item = &'p Vec<String>> + Clone,
) -> Vec<String> {
    let mut list = Vec::new();
    for condition in &trigger.conditions {
        let prefix = condition.dependency.name.as_str();
        let below = packages.clone().into_iter().flatten().filter(|path| path.starts_with(prefix));
        list.extend(below.cloned());
    }
    list
}

fn file_seed(owner: &Header, trigger: &Trigger, list: Vec<String>) -> Seed {
    let mut seed = seed(owner, trigger, ScriptClass::FileTriggerIn, vec![0]);
    seed.script.input = Some(list);
    seed
}

fn seed(owner: &Header, trigger: &Trigger, class: ScriptClass, arguments: Vec<u32>) -> Seed {
    let script = Script::of_trigger(owner, trigger, class, arguments);
    Seed { header: owner.clone(), script }
}
