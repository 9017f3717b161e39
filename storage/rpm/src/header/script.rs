//! Scriptlets and triggers as a header holds them.
//!
//! Source of the tags: rpm's docs/manual/tags.md, triggers.md and file_triggers.md. Which of them
//! run, and in what order, is `crate::scriptlets`' business.

use super::{Dependency, Sense, lossy};
use crate::error::Malformed;
use crate::wire::Blob;
use cambium_model::Evr;

/// Which scriptlet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScriptletKind {
    /// `%pretrans`
    PreTrans,
    /// `%pre`
    Pre,
    /// `%post`
    Post,
    /// `%preun`
    PreUn,
    /// `%postun`
    PostUn,
    /// `%posttrans`
    PostTrans,
    /// `%preuntrans`
    PreUnTrans,
    /// `%postuntrans`
    PostUnTrans,
    /// `%verifyscript`
    Verify,
}

/// (kind, spec file's name, tags of body, interpreter, flags)
const SCRIPTLETS: [(ScriptletKind, &str, [u32; 3]); 9] = [
    (ScriptletKind::PreTrans, "pretrans", [1151, 1153, 5024]),
    (ScriptletKind::Pre, "pre", [1023, 1085, 5020]),
    (ScriptletKind::Post, "post", [1024, 1086, 5021]),
    (ScriptletKind::PreUn, "preun", [1025, 1087, 5022]),
    (ScriptletKind::PostUn, "postun", [1026, 1088, 5023]),
    (ScriptletKind::PostTrans, "posttrans", [1152, 1154, 5025]),
    (ScriptletKind::PreUnTrans, "preuntrans", [5104, 5105, 5108]),
    (ScriptletKind::PostUnTrans, "postuntrans", [5106, 5107, 5109]),
    (ScriptletKind::Verify, "verifyscript", [1079, 1091, 5026]),
];

impl ScriptletKind {
    /// The name after `%` in a spec file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        SCRIPTLETS.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }
}

/// How a script is treated before it runs. Source: rpmscriptFlags_e.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScriptFlags(pub u32);

impl ScriptFlags {
    /// `-e`: macros are expanded when it runs. Whoever runs it expands them in the sandbox, never
    /// here: what a macro does is the packager's to say.
    #[must_use]
    pub fn expand_macros(self) -> bool {
        self.0 & 1 != 0
    }

    /// `-q`: header queries are formatted when it runs.
    #[must_use]
    pub fn query_format(self) -> bool {
        self.0 & 2 != 0
    }

    /// `-c`: a failure stops the transaction.
    #[must_use]
    pub fn critical(self) -> bool {
        self.0 & 4 != 0
    }
}

/// One scriptlet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scriptlet {
    /// Which.
    pub kind: ScriptletKind,
    /// Program and its arguments (`-p`); `["<lua>"]` for rpm's own Lua.
    pub interpreter: Vec<String>,
    /// The text; empty where the interpreter is all there is (`%post -p /sbin/ldconfig`).
    pub body: String,
    /// How it is treated.
    pub flags: ScriptFlags,
}

/// What sets a trigger off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TriggerKind {
    /// `%triggerprein`
    PreIn,
    /// `%triggerin`
    In,
    /// `%triggerun`
    Un,
    /// `%triggerpostun`
    PostUn,
    /// `%filetriggerin`
    FileIn,
    /// `%filetriggerun`
    FileUn,
    /// `%filetriggerpostun`
    FilePostUn,
    /// `%transfiletriggerin`
    TransFileIn,
    /// `%transfiletriggerun`
    TransFileUn,
    /// `%transfiletriggerpostun`
    TransFilePostUn,
}

impl TriggerKind {
    /// The name after `%` in a spec file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreIn => "triggerprein",
            Self::In => "triggerin",
            Self::Un => "triggerun",
            Self::PostUn => "triggerpostun",
            Self::FileIn => "filetriggerin",
            Self::FileUn => "filetriggerun",
            Self::FilePostUn => "filetriggerpostun",
            Self::TransFileIn => "transfiletriggerin",
            Self::TransFileUn => "transfiletriggerun",
            Self::TransFilePostUn => "transfiletriggerpostun",
        }
    }
}

/// A package with a version for triggers, a path prefix for file triggers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerCondition {
    /// What it is about. A file trigger's `name` is a path prefix.
    pub dependency: Dependency,
    /// What sets it off.
    pub kind: TriggerKind,
    /// Its place among all conditions of its family in the header, which is rpm's order of asking.
    pub position: usize,
}

/// One trigger script with what sets it off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Its conditions; never empty.
    pub conditions: Vec<TriggerCondition>,
    /// Program and its arguments.
    pub interpreter: Vec<String>,
    /// The text.
    pub body: String,
    /// How it is treated.
    pub flags: ScriptFlags,
    /// File triggers run from the highest priority to the lowest; 1000000 unless said.
    pub priority: u32,
}

impl Trigger {
    /// What sets it off: all conditions of one script are of one kind.
    #[must_use]
    pub fn kind(&self) -> TriggerKind {
        self.conditions.first().map_or(TriggerKind::In, |condition| condition.kind)
    }
}

pub(super) fn read_scriptlets(blob: &Blob) -> Vec<Scriptlet> {
    let mut scriptlets = Vec::new();
    for (kind, _, [body, program, flags]) in SCRIPTLETS {
        let interpreter: Vec<_> = blob.strings(program).map(lossy).collect();
        if interpreter.is_empty() && !blob.has(body) {
            continue;
        }
        let interpreter = if interpreter.is_empty() { vec!["/bin/sh".into()] } else { interpreter };
        let flags = ScriptFlags(blob.number(flags).unwrap_or(0) as u32);
        let body = blob.string(body).map(lossy).unwrap_or_default();
        scriptlets.push(Scriptlet { kind, interpreter, body, flags });
    }
    scriptlets
}

/// Tags of one family of triggers.
struct Family {
    scripts: u32,
    programs: u32,
    flags: u32,
    names: u32,
    indexes: u32,
    versions: u32,
    senses: u32,
    priorities: Option<u32>,
    /// (flag of the condition, kind)
    kinds: &'static [(u32, TriggerKind)],
}

const FAMILIES: [Family; 3] = [
    Family {
        scripts: 1065,
        programs: 1092,
        flags: 5027,
        names: 1066,
        indexes: 1069,
        versions: 1067,
        senses: 1068,
        priorities: None,
        kinds: &[
            (1 << 25, TriggerKind::PreIn),
            (1 << 16, TriggerKind::In),
            (1 << 17, TriggerKind::Un),
            (1 << 18, TriggerKind::PostUn),
        ],
    },
    Family {
        scripts: 5066,
        programs: 5067,
        flags: 5068,
        names: 5069,
        indexes: 5070,
        versions: 5071,
        senses: 5072,
        priorities: Some(5084),
        kinds: &[
            (1 << 16, TriggerKind::FileIn),
            (1 << 17, TriggerKind::FileUn),
            (1 << 18, TriggerKind::FilePostUn),
        ],
    },
    Family {
        scripts: 5076,
        programs: 5077,
        flags: 5078,
        names: 5079,
        indexes: 5080,
        versions: 5081,
        senses: 5082,
        priorities: Some(5085),
        kinds: &[
            (1 << 16, TriggerKind::TransFileIn),
            (1 << 17, TriggerKind::TransFileUn),
            (1 << 18, TriggerKind::TransFilePostUn),
        ],
    },
];

const DEFAULT_PRIORITY: u32 = 1_000_000;

pub(super) fn read_triggers(blob: &Blob) -> Result<Vec<Trigger>, Malformed> {
    let mut triggers = Vec::new();
    for family in FAMILIES {
        let mut programs = blob.strings(family.programs).map(lossy);
        let mut flags = blob.numbers(family.flags).into_iter();
        let mut priorities =
            family.priorities.map(|tag| blob.numbers(tag)).unwrap_or_default().into_iter();
        let first = triggers.len();
        triggers.extend(blob.strings(family.scripts).map(|body| Trigger {
            conditions: Vec::new(),
            interpreter: vec![programs.next().unwrap_or_else(|| "/bin/sh".into())],
            body: lossy(body),
            flags: ScriptFlags(flags.next().unwrap_or(0) as u32),
            priority: priorities.next().map_or(DEFAULT_PRIORITY, |number| number as u32),
        }));
        let mut versions = blob.strings(family.versions).map(lossy);
        let mut senses = blob.numbers(family.senses).into_iter();
        let names = blob.strings(family.names).zip(blob.numbers(family.indexes));
        for (position, (name, index)) in names.enumerate() {
            let sense = senses.next().unwrap_or(0) as u32;
            let kind = family.kinds.iter().find(|(flag, _)| sense & flag != 0);
            let (_, kind) = kind.ok_or(Malformed::Inconsistent("trigger flags"))?;
            let evr = Evr::parse(&versions.next().unwrap_or_default());
            let dependency = Dependency { name: lossy(name), evr, sense: Sense(sense) };
            let script =
                usize::try_from(index).ok().and_then(|index| triggers.get_mut(first + index));
            let script = script.ok_or(Malformed::Inconsistent("triggers"))?;
            script.conditions.push(TriggerCondition { dependency, kind: *kind, position });
        }
        if triggers.iter().skip(first).any(|trigger| trigger.conditions.is_empty()) {
            return Err(Malformed::Inconsistent("triggers"));
        }
    }
    Ok(triggers)
}
