//! A root small enough to make for each test: a shell and some programs of the machine.
//!
//! Used by the unit tests, the tests beside this file and the benchmark.

use super::Root;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Programs that the small root holds.
const PROGRAMS: [&str; 18] = [
    "bash", "cat", "chown", "echo", "env", "id", "ln", "ls", "mkdir", "mknod", "mount", "mv",
    "perl", "rm", "sleep", "touch", "true", "unshare",
];

/// A root with a shell: the machine's own programs with the libraries that ldd names.
pub(crate) fn root() -> (TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    let root = root_in(dir.path());
    (dir, root)
}

/// The same in a directory that is there already.
pub(crate) fn root_in(dir: &Path) -> Root {
    let bin = dir.join("usr/bin");
    for sub in ["usr/bin", "usr/etc", "usr/share/rpm", "var/tmp"] {
        fs::create_dir_all(dir.join(sub)).unwrap();
    }
    fs::write(dir.join("usr/share/rpm/db"), "x").unwrap();
    let mut libraries = BTreeSet::new();
    for name in PROGRAMS {
        let path = PathBuf::from("/usr/bin").join(name);
        fs::copy(&path, bin.join(name)).unwrap();
        let ldd = Command::new("ldd").arg(&path).output().unwrap();
        let text = String::from_utf8(ldd.stdout).unwrap();
        libraries.extend(text.split_whitespace().filter(|w| w.starts_with('/')).map(str::to_owned));
    }
    for library in libraries {
        let real = fs::canonicalize(&library).unwrap();
        let under_usr = Path::new(&library).strip_prefix("/").unwrap();
        let target = match under_usr.strip_prefix("usr") {
            Ok(_) => dir.join(under_usr),
            Err(_) => dir.join("usr").join(under_usr),
        };
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(real, target).unwrap();
    }
    std::os::unix::fs::symlink("bash", bin.join("sh")).unwrap();
    let links = ["bin", "lib", "lib64"].map(|n| (n.to_owned(), format!("usr/{n}")));
    let at = |sub: &str| dir.join(sub);
    Root {
        usr: at("usr"),
        etc: at("usr/etc"),
        var: at("var"),
        links: links.to_vec(),
        masked: vec!["/usr/share/rpm".into()],
        ..Root::default()
    }
}
