//! `cargo xtask install DESTDIR`: what a distribution's package would hold, at its places.
//!
//! The places are those of DESIGN.md, "Names and places". Nothing is enabled or started: that is
//! the packaging's decision (systemd/90-cambium.preset says what we suggest).

use crate::shell::{self, command, step, target, workspace};
use crate::tasks::{self, Profile};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Sources below the workspace, where each goes, and with which mode.
const FILES: &[(&str, &str, u32)] = &[
    ("systemd/cambiumd.service", "usr/lib/systemd/system/cambiumd.service", 0o644),
    ("systemd/cambiumd.socket", "usr/lib/systemd/system/cambiumd.socket", 0o644),
    ("systemd/90-cambium.preset", "usr/lib/systemd/system-preset/90-cambium.preset", 0o644),
    ("systemd/cambium.sysusers", "usr/lib/sysusers.d/cambium.conf", 0o644),
    ("systemd/cambium.tmpfiles", "usr/lib/tmpfiles.d/cambium.conf", 0o644),
    ("systemd/config.toml", "usr/share/doc/cambium/config.toml", 0o644),
    ("README.md", "usr/share/doc/cambium/README.md", 0o644),
    ("LICENSE-MIT", "usr/share/licenses/cambium/LICENSE-MIT", 0o644),
    ("LICENSE-APACHE", "usr/share/licenses/cambium/LICENSE-APACHE", 0o644),
];

/// What `cambium generate-docs` makes, and where each belongs.
const DOCUMENTS: &[(&str, &str)] = &[
    ("man1", "usr/share/man/man1"),
    ("completions/cambium.bash", "usr/share/bash-completion/completions/cambium"),
    ("completions/_cambium", "usr/share/zsh/site-functions/_cambium"),
    ("completions/cambium.fish", "usr/share/fish/vendor_completions.d/cambium.fish"),
];

/// Installs a release build below `destination`.
pub(crate) fn run(destination: &Path) -> Result<()> {
    let destination = std::path::absolute(destination).context("not a path")?;
    tasks::build(Profile::Release)?;
    step("Install");
    let built = target().join("release");
    put(&built.join("cambium"), &destination, "usr/bin/cambium", 0o755)?;
    put(&built.join("cambiumd"), &destination, "usr/libexec/cambium/cambiumd", 0o755)?;
    for (source, place, mode) in FILES {
        put(&workspace().join(source), &destination, place, *mode)?;
    }
    let documents = target().join("documents");
    let (cambium, made) = (built.join("cambium"), documents.to_string_lossy().into_owned());
    shell::run(&mut command(&cambium.to_string_lossy(), &["generate-docs", &made]))?;
    for (from, place) in DOCUMENTS {
        copy(&documents.join(from), &destination, place)?;
    }
    link(&destination, "usr/bin/rpm-ostree", "cambium")?;
    println!("installed below {}", destination.display());
    Ok(())
}

fn put(source: &Path, destination: &Path, place: &str, mode: u32) -> Result<()> {
    let bytes = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
    let path = destination.join(place);
    write(&path, &bytes)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot set the mode of {}", path.display()))?;
    println!("  /{place}");
    Ok(())
}

/// A file, or the files of a directory.
fn copy(source: &Path, destination: &Path, place: &str) -> Result<()> {
    if !source.is_dir() {
        return put(source, destination, place, 0o644);
    }
    for entry in fs::read_dir(source).with_context(|| format!("no {}", source.display()))? {
        let name = entry?.file_name();
        let place = format!("{place}/{}", name.to_string_lossy());
        put(&source.join(&name), destination, &place, 0o644)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// A link is replaced, so that installing twice is installing once.
fn link(destination: &Path, place: &str, to: &str) -> Result<()> {
    let path = destination.join(place);
    if path.is_symlink() {
        fs::remove_file(&path).with_context(|| format!("cannot replace {}", path.display()))?;
    }
    symlink(to, &path).with_context(|| format!("cannot link {}", path.display()))?;
    println!("  /{place} -> {to}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_exists() {
        for (source, place, _) in FILES {
            assert!(workspace().join(source).is_file(), "{source}, for /{place}");
        }
    }

    #[test]
    fn files_get_their_place_and_mode_and_may_be_installed_twice() {
        let root = std::env::temp_dir().join(format!("cambium-install-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let source = root.join("source");
        fs::write(&source, "x").unwrap();
        for _ in 0..2 {
            put(&source, &root, "usr/bin/tool", 0o755).unwrap();
            link(&root, "usr/bin/other", "tool").unwrap();
        }
        let installed = root.join("usr/bin/other");
        assert_eq!(fs::metadata(installed).unwrap().permissions().mode() & 0o777, 0o755);
        fs::remove_dir_all(&root).unwrap();
    }
}
