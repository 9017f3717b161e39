//! `generate-docs`: man pages and completions from the argument structs.

use crate::Exit;
use crate::args::Cli;
use crate::args::generate_docs::GenerateDocsArgs;
use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap_complete::Shell;

/// Writes `man1/cambium*.1` and `completions/`.
///
/// # Errors
/// When the directory cannot be written.
pub(super) fn run(args: &GenerateDocsArgs) -> Result<Exit> {
    let man = args.directory.join("man1");
    let completions = args.directory.join("completions");
    for directory in [&man, &completions] {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make '{}'", directory.display()))?;
    }
    clap_mangen::generate_to(Cli::command(), &man)
        .with_context(|| format!("cannot write man pages to '{}'", man.display()))?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "cambium", &completions)
            .with_context(|| format!("cannot write completions to '{}'", completions.display()))?;
    }
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_public_verb_has_a_page_and_every_shell_its_completion() {
        let place = tempfile::tempdir().unwrap();
        run(&GenerateDocsArgs { directory: place.path().to_owned() }).unwrap();
        for verb in Cli::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let page = place.path().join(format!("man1/cambium-{}.1", verb.get_name()));
            let text = std::fs::read_to_string(&page).unwrap();
            assert!(text.contains(".TH"), "{}", page.display());
        }
        for name in ["cambium.bash", "_cambium", "cambium.fish"] {
            let text = std::fs::read_to_string(place.path().join("completions").join(name));
            assert!(text.unwrap().contains("rollback"), "{name}");
        }
    }
}
