//! `--version`: YAML that the Machine Config Operator and others parse (surface §1.1).

use crate::invocation::Program;

/// The release of rpm-ostree whose surface this one keeps.
const SURFACE: &str = "2026.2";

/// The version of this program under the name that it was called by.
///
/// `Features` leaves out `container`: clients take it as leave to rebase to container images,
/// which this version cannot fetch.
#[must_use]
pub fn yaml(program: Program) -> String {
    let own = env!("CARGO_PKG_VERSION");
    let version = match program {
        Program::RpmOstree => SURFACE,
        Program::Cambium => own,
    };
    let mut text = format!("{}:\n Version: '{version}'\n", program.name());
    if let Some(revision) = option_env!("CAMBIUM_GIT_REVISION") {
        text.push_str(&format!(" Git: {revision}\n"));
    }
    if program == Program::RpmOstree {
        text.push_str(&format!(" Cambium: '{own}'\n"));
    }
    text.push_str(" Features:\n  - rust\n  - compose\n  - fedora-integration\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_key_that_clients_parse() {
        let text = yaml(Program::RpmOstree);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], ["rpm-ostree:", " Version: '2026.2'"]);
        assert!(text.contains("\n Features:\n  - rust\n"), "{text}");
        assert!(yaml(Program::Cambium).starts_with("cambium:\n Version: '"));
    }
}
