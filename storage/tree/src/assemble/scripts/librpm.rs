//! The `rpm` program that scripts need besides themselves: rpm's embedded Lua, macros (`-e`) and
//! header queries (`-q`), all of them inside the sandbox.
//!
//! The tree's own `rpm` is taken where it has one: its Lua is what its packages are written for.
//! A tree without one borrows the host's: the program, the libraries that it needs, its loader
//! and its configuration are shown below /run, where nothing of the tree can be mistaken for
//! them, and the program is started by its own loader. Nothing of either runs in this process.

use super::elf;
use crate::{Error, Result};
use cambium_sandbox::{Access, Bind};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where a tree has it; the second place is rpm-ostree's, for trees with `cliwrap`.
const IN_TREE: [&str; 2] = ["bin/rpm", "libexec/rpm-ostree/wrapped/rpm"];
/// Where the host has it, and its configuration.
const ON_HOST: &str = "/usr/bin/rpm";
const HOST_CONFIGURATION: &str = "/usr/lib/rpm";
/// Where the host's is shown inside.
const SHOWN: &str = "/run/cambium-rpm";

/// A way to call `rpm` inside.
#[derive(Debug, Default)]
pub(super) struct RpmProgram {
    /// The program and the arguments before rpm's own.
    pub(super) command: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) binds: Vec<Bind>,
}

impl RpmProgram {
    /// The one for a tree whose `usr` is at `usr`; `None` where neither it nor the host has any.
    pub(super) fn find(usr: &Path) -> Result<Option<Self>> {
        let configured = usr.join("lib/rpm/rpmrc").is_file();
        for place in IN_TREE {
            // A shell script of that name is a wrapper that would refuse.
            if configured && elf::is_elf(&beginning(&usr.join(place))) {
                let command = vec![format!("/usr/{place}")];
                return Ok(Some(Self { command, ..Self::default() }));
            }
        }
        Self::borrowed(Path::new(ON_HOST), &library_directories()?)
    }

    fn borrowed(program: &Path, directories: &BTreeSet<PathBuf>) -> Result<Option<Self>> {
        let Some(needs) = read_needs(program)? else { return Ok(None) };
        let Some(loader) = needs.loader else { return Ok(None) };
        let mut binds = BTreeMap::new();
        let mut open = needs.libraries;
        while let Some(name) = open.pop() {
            // A name with a slash would leave the directory it is shown in.
            if binds.contains_key(&name) || name.contains('/') {
                continue;
            }
            let found = directories.iter().map(|dir| dir.join(&name)).find(|path| path.exists());
            let Some(path) = found else { return Ok(None) };
            open.extend(read_needs(&path)?.unwrap_or_default().libraries);
            binds.insert(name, path);
        }
        let bind = |source: &Path, target: String| {
            let source = source.canonicalize().map_err(Error::io("find", source))?;
            Ok::<_, Error>(Bind { source, target: target.into(), access: Access::ReadOnly })
        };
        let mut shown = vec![
            bind(program, format!("{SHOWN}/rpm"))?,
            bind(Path::new(&loader), format!("{SHOWN}/loader"))?,
            bind(Path::new(HOST_CONFIGURATION), format!("{SHOWN}/configuration"))?,
        ];
        for (name, path) in &binds {
            shown.push(bind(path, format!("{SHOWN}/lib/{name}"))?);
        }
        let command =
            ["loader", "--library-path", "lib", "rpm"].map(|word| match word.starts_with('-') {
                true => word.to_owned(),
                false => format!("{SHOWN}/{word}"),
            });
        let environment = vec![("RPM_CONFIGDIR".into(), format!("{SHOWN}/configuration"))];
        Ok(Some(Self { command: command.into(), environment, binds: shown }))
    }
}

/// Enough of a file to tell what it is; nothing where it cannot be read.
fn beginning(path: &Path) -> Vec<u8> {
    use std::io::Read;
    let mut bytes = Vec::new();
    // An error means that it is not there, or no file.
    drop(fs::File::open(path).and_then(|file| file.take(16).read_to_end(&mut bytes)));
    bytes
}

fn read_needs(path: &Path) -> Result<Option<elf::Needs>> {
    match fs::read(path) {
        Ok(bytes) => Ok(elf::needs(&bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// The directories that this process has libraries from. librpm is one of them, so whatever `rpm`
/// needs is where the loader found it for us.
fn library_directories() -> Result<BTreeSet<PathBuf>> {
    let path = Path::new("/proc/self/maps");
    let maps = fs::read_to_string(path).map_err(Error::io("read", path))?;
    let files = maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..]));
    let libraries = files.filter(|file| file.contains(".so"));
    Ok(libraries.filter_map(|file| Path::new(file).parent().map(Path::to_owned)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trees_own_is_taken_before_the_hosts() {
        let dir = tempfile::tempdir().unwrap();
        let usr = dir.path();
        let first = |usr: &Path| RpmProgram::find(usr).unwrap().unwrap().command[0].clone();
        assert_eq!(first(usr), "/run/cambium-rpm/loader");
        for path in ["bin", "lib/rpm", "libexec/rpm-ostree/wrapped"] {
            fs::create_dir_all(usr.join(path)).unwrap();
        }
        fs::write(usr.join("lib/rpm/rpmrc"), "").unwrap();
        fs::copy(ON_HOST, usr.join(IN_TREE[1])).unwrap();
        fs::write(usr.join(IN_TREE[0]), "#!/bin/sh\nexit 1\n").unwrap();
        assert_eq!(first(usr), "/usr/libexec/rpm-ostree/wrapped/rpm");
        fs::copy(ON_HOST, usr.join(IN_TREE[0])).unwrap();
        assert_eq!(first(usr), "/usr/bin/rpm");
    }

    #[test]
    fn what_is_borrowed_is_whole() {
        let found = RpmProgram::borrowed(Path::new(ON_HOST), &library_directories().unwrap());
        let found = found.unwrap().unwrap();
        let targets: Vec<_> =
            found.binds.iter().map(|bind| bind.target.display().to_string()).collect();
        for wanted in ["librpm.so.", "librpmio.so.", "libc.so.", "liblua"] {
            assert!(targets.iter().any(|target| target.contains(wanted)), "{wanted}: {targets:?}");
        }
        let nowhere = RpmProgram::borrowed(Path::new(ON_HOST), &BTreeSet::new()).unwrap();
        assert!(nowhere.is_none(), "a library is missing");
    }
}
