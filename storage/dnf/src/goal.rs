//! What is asked of the solver and what it answers.

use cambium_model::{Failure, FailureKind, Solution};
use std::path::PathBuf;

/// What the packages should come to.
#[derive(Debug, Clone, Default)]
pub struct Goal {
    /// Packages to have: a name, NEVRA, glob, capability or file path each.
    pub install: Vec<String>,
    /// Installed packages to remove, by name or NEVRA.
    pub remove: Vec<String>,
    /// Whether installed packages move to the newest version.
    pub upgrade: Upgrade,
    /// RPM files to install.
    pub local_rpms: Vec<PathBuf>,
    /// Packages that may not be used, by name, NEVRA or glob.
    pub exclude: Vec<String>,
    /// Whether installed packages may change.
    pub lock_installed: LockInstalled,
    /// Whether advisories are looked up.
    pub advisories: Advisories,
}

/// Whether installed packages move to the newest version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Upgrade {
    /// They stay, unless a request needs otherwise.
    #[default]
    Keep,
    /// All of them.
    All,
}

/// Whether installed packages may change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LockInstalled {
    /// They stay as they are: a request that replaces one is a problem.
    #[default]
    Locked,
    /// The solver may replace them.
    Free,
}

/// Whether advisories are looked up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Advisories {
    /// No: their metadata is neither fetched nor loaded.
    #[default]
    Omit,
    /// Those that the packages of the solution settle.
    Load,
}

/// What the solver answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The packages, dependencies first.
    Solved(Solution),
    /// Why there are none.
    Problems(Problems),
}

/// Why a request has no solution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    /// The solver's explanations.
    pub problems: Vec<String>,
    /// Requests that nothing offers, with names that are close.
    pub missing: Vec<(String, Vec<String>)>,
}

impl From<Problems> for Failure {
    fn from(found: Problems) -> Self {
        if found.missing.is_empty() {
            let mut failure =
                Self::new(FailureKind::Unsolvable, "the packages cannot be installed together");
            failure.causes = found.problems;
            return failure;
        }
        let names: Vec<_> = found.missing.iter().map(|(name, _)| name.as_str()).collect();
        let close: Vec<_> = found.missing.iter().flat_map(|(_, close)| close.clone()).collect();
        let what = format!("Packages not found: {}", names.join(", "));
        let mut failure = Self::new(FailureKind::NotFound, what);
        failure.causes = found.problems;
        if close.is_empty() {
            failure
        } else {
            failure.advise(format!("Similar names: {}", close.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_package_is_not_found_and_names_what_is_close() {
        let problems =
            Problems { problems: vec![], missing: vec![("vmi".into(), vec!["vim".into()])] };
        let failure = Failure::from(problems);
        assert_eq!(failure.kind, FailureKind::NotFound);
        assert_eq!(failure.what, "Packages not found: vmi");
        assert_eq!(failure.advice, "Similar names: vim");
    }

    #[test]
    fn problems_are_the_causes_of_an_unsolvable_request() {
        let problems = Problems { problems: vec!["a conflicts with b".into()], missing: vec![] };
        let failure = Failure::from(problems);
        assert_eq!(failure.kind, FailureKind::Unsolvable);
        assert_eq!(failure.causes, ["a conflicts with b"]);
    }
}
