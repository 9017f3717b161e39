//! Repositories of small RPMs, and an installed root.

use cambium_dnf::{Config, Goal, RepoConfig, Resolution, resolve};
use cambium_model::{Solution, Unobserved};
use rpm::{BuildConfig, CompressionType, Dependency, FileOptions, PackageBuilder};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    pub(crate) config: Config,
}

pub(crate) fn rpm(name: &str, version: &str, requires: &[&str], files: &[&str]) -> Vec<u8> {
    let mut builder = PackageBuilder::new(name, version, "MIT", "noarch", &format!("The {name}"));
    builder.release("1");
    builder.using_config(BuildConfig::v4().compression(CompressionType::Gzip));
    for capability in requires {
        builder.requires(Dependency::any(*capability));
    }
    for path in files {
        builder.with_file_contents(*path, FileOptions::new(*path).mode(0o100_644)).unwrap();
    }
    let mut bytes = Vec::new();
    builder.build().unwrap().write(&mut bytes).unwrap();
    bytes
}

pub(crate) fn createrepo(dir: &Path) {
    let made = Command::new("createrepo_c").arg("-q").arg(dir).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("root")).unwrap();
        let mut config = Config::new(dir.path().join("cache"), dir.path().join("root"));
        config.releasever = Some("1".to_owned());
        Self { dir, config }
    }

    /// Makes a repository of packages and configures it.
    pub(crate) fn repo(&mut self, id: &str, packages: &[Vec<u8>]) -> PathBuf {
        let dir = self.dir.path().join(id);
        std::fs::create_dir(&dir).unwrap();
        for (at, bytes) in packages.iter().enumerate() {
            std::fs::write(dir.join(format!("p{at}.rpm")), bytes).unwrap();
        }
        createrepo(&dir);
        self.config.repos.push(RepoConfig::new(id, format!("file://{}", dir.display())));
        dir
    }

    /// Puts packages into the root's rpmdb.
    pub(crate) fn install(&self, packages: &[Vec<u8>]) {
        let root = self.dir.path().join("root");
        for (at, bytes) in packages.iter().enumerate() {
            let path = self.dir.path().join(format!("base{at}.rpm"));
            std::fs::write(&path, bytes).unwrap();
            let done = Command::new("rpm")
                .args([
                    "--justdb",
                    "--nodeps",
                    "--nosignature",
                    "--define",
                    "_dbpath /usr/share/rpm",
                ])
                .arg("--root")
                .arg(&root)
                .arg("-i")
                .arg(&path)
                .output()
                .unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }

    pub(crate) fn resolve(&self, goal: &Goal) -> Resolution {
        resolve(&self.config, goal, &Unobserved).unwrap()
    }

    pub(crate) fn solve(&self, install: &[&str]) -> Solution {
        match self.resolve(&wants(install)) {
            Resolution::Solved(solution) => solution,
            Resolution::Problems(problems) => panic!("{problems:?}"),
        }
    }
}

pub(crate) fn wants(install: &[&str]) -> Goal {
    Goal { install: install.iter().map(|&spec| spec.to_owned()).collect(), ..Goal::default() }
}

pub(crate) fn names(solution: &Solution) -> Vec<String> {
    solution.packages.iter().map(|package| package.nevra.to_string()).collect()
}
