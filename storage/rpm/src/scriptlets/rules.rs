//! What is decided about packages' scripts beyond RPM's own rules: the list in `rules.toml`, and
//! before it the rules of the configuration.
//!
//! Owns the rules' format and which of them counts. What the decision does to a script is
//! `crate::scriptlets`' business.

use super::ScriptClass;
use serde::{Deserialize, Serialize};

/// The list that comes with the program.
const BUILTIN: &str = include_str!("rules.toml");

/// What is done about scripts of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptRule {
    /// The package's name; a `*` at its end stands for any rest.
    pub package: String,
    /// Which of its scripts; empty for all.
    #[serde(default)]
    pub classes: Vec<ScriptClass>,
    /// What is done.
    pub action: ScriptAction,
    /// Of a replacement: the program that takes its place, with arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interpreter: Vec<String>,
    /// Of a replacement: its text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Why, for people.
    #[serde(default)]
    pub reason: String,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScriptAction {
    /// The script does not run.
    Skip,
    /// Another runs in its place.
    Replace,
    /// It runs, whatever a later rule says.
    Run,
}

/// Who decided about a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authority {
    /// RPM's classes: nothing is erased when a tree is assembled.
    Assembly,
    /// The list that comes with the program.
    Builtin,
    /// The host's configuration.
    Configuration,
    /// A mark in the script.
    Packager,
}

/// The rules that hold, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    own: Vec<ScriptRule>,
    builtin: Vec<ScriptRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rule: Vec<ScriptRule>,
}

impl Default for Rules {
    fn default() -> Self {
        Self::with(Vec::new())
    }
}

impl Rules {
    /// The list that comes with the program, after `own`.
    #[must_use]
    pub fn with(own: Vec<ScriptRule>) -> Self {
        // A test reads the list: what is compiled in can be read.
        let builtin = toml::from_str(BUILTIN).map_or_else(|_| Vec::new(), |file: File| file.rule);
        Self { own, builtin }
    }

    /// The rule for one script of a package, and whose it is.
    #[must_use]
    pub fn find(&self, package: &str, class: ScriptClass) -> Option<(&ScriptRule, Authority)> {
        let fits = |rule: &&ScriptRule| rule.fits(package, class);
        let own = self.own.iter().find(fits).map(|rule| (rule, Authority::Configuration));
        own.or_else(|| Some((self.builtin.iter().find(fits)?, Authority::Builtin)))
    }

    /// The configuration's rules as one text, for what depends on them. Empty where there is none.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let text = |rule: &ScriptRule| format!("{rule:?}\n");
        self.own.iter().map(text).collect()
    }
}

impl ScriptRule {
    fn fits(&self, package: &str, class: ScriptClass) -> bool {
        let named = match self.package.strip_suffix('*') {
            Some(start) => package.starts_with(start),
            None => package == self.package,
        };
        named && (self.classes.is_empty() || self.classes.contains(&class))
    }

    /// The reason, also where none was given.
    #[must_use]
    pub fn reason(&self) -> &str {
        if self.reason.is_empty() { "the configuration says so" } else { &self.reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builtin() -> Vec<ScriptRule> {
        toml::from_str::<File>(BUILTIN).unwrap().rule
    }

    #[test]
    fn names_and_patterns_match() {
        use ScriptClass::{Post, PostTrans};
        for (package, class, expected) in [
            ("kernel-core", PostTrans, true),
            ("kernel", Post, false),
            ("fedora-release-silverblue", PostTrans, true),
            ("bash", Post, true),
            ("bash-completion", Post, false),
        ] {
            let rules = Rules::default();
            assert_eq!(rules.find(package, class).is_some(), expected, "{package}");
        }
    }

    #[test]
    fn no_entry_is_hidden_by_an_earlier_one_and_each_has_a_reason() {
        let rules = builtin();
        assert!(rules.len() > 15);
        for (at, rule) in rules.iter().enumerate() {
            assert!(rule.reason.len() > 10 && !rule.classes.is_empty(), "{rule:?}");
            let name = rule.package.trim_end_matches('*');
            for class in &rule.classes {
                assert!(!rules[..at].iter().any(|other| other.fits(name, *class)), "{name}");
            }
            let replaces = rule.action == ScriptAction::Replace;
            assert_eq!(replaces, !rule.interpreter.is_empty(), "{rule:?}");
        }
    }

    #[test]
    fn replacements_are_valid_shell() {
        for rule in builtin().iter().filter(|rule| rule.action == ScriptAction::Replace) {
            let mut shell = std::process::Command::new(&rule.interpreter[0]);
            assert!(shell.args(["-n", "-c", &rule.body]).status().unwrap().success(), "{rule:?}");
        }
    }

    #[test]
    fn the_configuration_comes_first() {
        let rule = |package: &str, action| ScriptRule {
            package: package.into(),
            classes: vec![],
            action,
            interpreter: vec![],
            body: String::new(),
            reason: String::new(),
        };
        let rules =
            Rules::with(vec![rule("bash", ScriptAction::Run), rule("akmod-*", ScriptAction::Skip)]);
        let found = |package| {
            let (rule, by) = rules.find(package, ScriptClass::Post)?;
            Some((rule.action, by))
        };
        assert_eq!(found("bash"), Some((ScriptAction::Run, Authority::Configuration)));
        assert_eq!(found("akmod-x"), Some((ScriptAction::Skip, Authority::Configuration)));
        assert_eq!(found("setup"), Some((ScriptAction::Skip, Authority::Builtin)));
        assert_eq!(found("vim"), None);
        assert!(rules.fingerprint().contains("akmod-*"));
        assert_eq!(Rules::default().fingerprint(), "");
    }
}
