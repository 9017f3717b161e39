//! Repositories of small RPMs, an installed root, and an HTTP server of a few lines.

use cambium_dnf::{Config, Goal, RepoConfig, Resolution, resolve};
use cambium_model::{Solution, Unobserved};
use rpm::{BuildConfig, CompressionType, Dependency, FileOptions, PackageBuilder};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
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

/// What the server answers to a path: a status line, the length it claims, the bytes it sends.
pub(crate) type Answer = (&'static str, usize, Vec<u8>);

/// Serves HTTP until the process ends; returns the base URL.
pub(crate) fn serve(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || respond(stream, &*answer));
        }
    });
    url
}

/// A client that hangs up is its own affair.
fn respond(mut stream: TcpStream, answer: &dyn Fn(&str) -> Answer) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    while !lines.next()?.ok()?.is_empty() {}
    let (status, length, body) = answer(first.split(' ').nth(1)?);
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

/// The files below a directory, as a good server gives them.
pub(crate) fn file_of(dir: &Path, path: &str) -> Answer {
    match std::fs::read(dir.join(path.trim_start_matches('/'))) {
        Ok(body) => ("200 OK", body.len(), body),
        Err(_) => ("404 Not Found", 0, Vec::new()),
    }
}
