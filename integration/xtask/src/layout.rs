//! What an installation is: which file of the workspace goes to which place, with which mode.
//!
//! The places are those of DESIGN.md, "Names and places". `cargo xtask install` lays a release
//! build out by it; the packages that the tests and the real OS are made of are the same layout
//! with the programs that were just built. Nothing is enabled or started: that is the packaging's
//! decision (systemd/90-cambium.preset says what we suggest).

use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs, and where each goes.
pub const PROGRAMS: &[(&str, &str)] =
    &[("cambium", "usr/bin/cambium"), ("cambiumd", "usr/libexec/cambium/cambiumd")];

/// Sources below the workspace, and where each goes. All may be read by everybody.
pub const FILES: &[(&str, &str)] = &[
    ("systemd/cambiumd.service", "usr/lib/systemd/system/cambiumd.service"),
    ("systemd/cambiumd.socket", "usr/lib/systemd/system/cambiumd.socket"),
    ("systemd/90-cambium.preset", "usr/lib/systemd/system-preset/90-cambium.preset"),
    ("systemd/cambium.sysusers", "usr/lib/sysusers.d/cambium.conf"),
    ("systemd/cambium.tmpfiles", "usr/lib/tmpfiles.d/cambium.conf"),
    ("systemd/config.toml", "usr/share/doc/cambium/config.toml"),
    ("README.md", "usr/share/doc/cambium/README.md"),
    ("LICENSE-MIT", "usr/share/licenses/cambium/LICENSE-MIT"),
    ("LICENSE-APACHE", "usr/share/licenses/cambium/LICENSE-APACHE"),
];

/// What `cambium generate-docs` makes, and where each belongs.
const DOCUMENTS: &[(&str, &str)] = &[
    ("man1", "usr/share/man/man1"),
    ("completions/cambium.bash", "usr/share/bash-completion/completions/cambium"),
    ("completions/_cambium", "usr/share/zsh/site-functions/_cambium"),
    ("completions/cambium.fish", "usr/share/fish/vendor_completions.d/cambium.fish"),
];

/// Other names: where, and to what they lead.
const LINKS: &[(&str, &str)] = &[("usr/bin/rpm-ostree", "cambium")];

/// What is laid out, and out of what.
#[derive(Debug, Clone, Copy)]
pub struct Installation<'a> {
    /// The root of the sources.
    pub workspace: &'a Path,
    /// The directory that the programs were built into.
    pub programs: &'a Path,
}

impl Installation<'_> {
    /// Lays everything out below `destination`, over what an earlier installation left there. The
    /// answer is what was placed, as absolute paths of the installed system, in order.
    ///
    /// # Errors
    /// When a program is not built, a source is missing or a place cannot be written.
    pub fn lay_out(&self, destination: &Path) -> Result<Vec<String>> {
        let mut placed = Vec::new();
        for (name, place) in PROGRAMS {
            put(&self.programs.join(name), destination, place, 0o755, &mut placed)?;
        }
        for (source, place) in FILES {
            put(&self.workspace.join(source), destination, place, 0o644, &mut placed)?;
        }
        // Made anew: a page of a verb that is gone must not be installed.
        let documents = self.programs.join(format!("cambium-documents-{}", std::process::id()));
        let copied = self.make_documents(&documents).and_then(|()| {
            DOCUMENTS.iter().try_for_each(|(from, place)| {
                copy(&documents.join(from), destination, place, &mut placed)
            })
        });
        if documents.exists() {
            fs::remove_dir_all(&documents)
                .with_context(|| format!("cannot remove {}", documents.display()))?;
        }
        copied?;
        for (place, to) in LINKS {
            link(destination, place, to)?;
            placed.push(format!("/{place}"));
        }
        Ok(placed)
    }

    fn make_documents(&self, documents: &Path) -> Result<()> {
        let program = self.programs.join("cambium");
        let mut command = Command::new(&program);
        command.arg("generate-docs").arg(documents);
        let output =
            command.output().with_context(|| format!("cannot run {}", program.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`cambium generate-docs` ended with {}: {}", output.status, said.trim_end());
        }
        Ok(())
    }
}

fn put(
    source: &Path,
    destination: &Path,
    place: &str,
    mode: u32,
    placed: &mut Vec<String>,
) -> Result<()> {
    let path = destination.join(place);
    make_parent(&path)?;
    // A running program cannot be written to, but its name can be given to another file.
    remove_if_there(&path)?;
    fs::copy(source, &path)
        .with_context(|| format!("cannot copy {} to {}", source.display(), path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))?;
    placed.push(format!("/{place}"));
    Ok(())
}

/// A file, or the files of a directory.
fn copy(source: &Path, destination: &Path, place: &str, placed: &mut Vec<String>) -> Result<()> {
    if !source.is_dir() {
        return put(source, destination, place, 0o644, placed);
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(source).with_context(|| format!("no {}", source.display()))? {
        names.push(PathBuf::from(entry?.file_name()));
    }
    names.sort();
    for name in names {
        let place = format!("{place}/{}", name.display());
        put(&source.join(&name), destination, &place, 0o644, placed)?;
    }
    Ok(())
}

fn link(destination: &Path, place: &str, to: &str) -> Result<()> {
    let path = destination.join(place);
    make_parent(&path)?;
    remove_if_there(&path)?;
    symlink(to, &path).with_context(|| format!("cannot link {}", path.display()))
}

/// Directories that packages share keep the mode that they have; new ones get 0755, whatever the
/// umask.
fn make_parent(path: &Path) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let missing: Vec<_> = directory.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    for made in missing {
        fs::set_permissions(made, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot set the mode of {}", made.display()))?;
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot replace {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_exists() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        for (source, place) in FILES {
            assert!(workspace.join(source).is_file(), "{source}, for /{place}");
        }
    }

    #[test]
    fn no_place_is_taken_twice() {
        let places = PROGRAMS.iter().chain(FILES).chain(DOCUMENTS).map(|(_, place)| *place);
        let mut places: Vec<_> = places.chain(LINKS.iter().map(|(place, _)| *place)).collect();
        let all = places.len();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), all);
    }

    #[test]
    fn files_get_their_place_and_mode_and_may_be_installed_twice() {
        let root = std::env::temp_dir().join(format!("cambium-install-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let source = root.join("source");
        fs::write(&source, "x").unwrap();
        let mut placed = Vec::new();
        for _ in 0..2 {
            put(&source, &root, "usr/bin/tool", 0o755, &mut placed).unwrap();
            link(&root, "usr/bin/other", "tool").unwrap();
        }
        assert_eq!(placed, ["/usr/bin/tool", "/usr/bin/tool"]);
        let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("usr/bin/other"), mode("usr/bin")), (0o755, 0o755));
        fs::remove_dir_all(&root).unwrap();
    }
}
