//! Pulls over HTTP with signatures: the `ostree` command signs, a server of a few lines serves.

use crate::fixture::{commit, ostree, repo, run};
use cambium_model::{Checksum, Failure, FailureKind, Unobserved};
use cambium_ostree::{CommitState, Pull, PullSource, Repo, RepoMode};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Serves the files below a directory until the process ends; returns the URL.
fn serve(dir: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let dir = dir.clone();
            std::thread::spawn(move || respond(stream, &dir));
        }
    });
    url
}

/// A client that hangs up is its own affair.
fn respond(mut stream: TcpStream, dir: &Path) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    while !lines.next()?.ok()?.is_empty() {}
    let path = first.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let (status, body) = match std::fs::read(dir.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

/// A throw-away OpenPGP key in a home of its own.
struct Key(TempDir);

impl Key {
    fn new() -> Self {
        let key = Self(tempfile::tempdir().unwrap());
        key.gpg(&["--quick-gen-key", "test@example.org", "rsa2048", "sign", "never"]);
        key.gpg(&["--output", key.public().to_str().unwrap(), "--export"]);
        key
    }

    fn gpg(&self, arguments: &[&str]) {
        let home = self.0.path().to_str().unwrap();
        let quiet = ["--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback"];
        run("gpg", &[&quiet[..], &["--passphrase", ""], arguments].concat());
    }

    fn public(&self) -> PathBuf {
        self.0.path().join("public.gpg")
    }

    /// The options of `ostree` that sign with it.
    fn options(&self) -> String {
        format!("--gpg-sign=test@example.org --gpg-homedir={}", self.0.path().display())
    }
}

impl Drop for Key {
    /// gpg leaves an agent behind that would keep the directory busy.
    fn drop(&mut self) {
        let mut command = Command::new("gpgconf");
        command.arg("--homedir").arg(self.0.path()).args(["--kill", "gpg-agent"]);
        drop(command.output());
    }
}

/// A served repository with the branch `a`, and one that has it as its remote `r`.
struct Pair {
    _dirs: [TempDir; 2],
    from: Repo,
    to: Repo,
    url: String,
    commit: Checksum,
}

impl Pair {
    /// The remote verifies what `options` say, by `trusted`.
    fn new(trusted: &Key, options: &str) -> Self {
        let (from_dir, from) = repo(RepoMode::Archive);
        let commit = commit(&from, "a", None, "1", &[("x", "1"), ("y", "2")]);
        let (to_dir, to) = repo(RepoMode::Bare);
        let url = serve(from.path().to_owned());
        let key = trusted.public().display().to_string();
        ostree(to.path(), &format!("remote add {options} --gpg-import={key} r {url}"));
        let to = Repo::open(to.path()).unwrap();
        Self { _dirs: [from_dir, to_dir], from, to, url, commit }
    }

    fn sign(&self, key: &Key) {
        ostree(
            self.from.path(),
            &format!(
                "gpg-sign --gpg-homedir={} {} test@example.org",
                key.0.path().display(),
                self.commit
            ),
        );
    }

    fn pull(&self) -> Result<(), cambium_ostree::Error> {
        self.to.pull(&Pull::newest(PullSource::Remote("r".into()), &["a"]), &Unobserved)
    }

    fn good(&self) {
        self.pull().unwrap();
        assert_eq!(self.to.resolve_ref("r:a").unwrap(), Some(self.commit.clone()));
        assert_eq!(self.to.commit_state(&self.commit).unwrap(), CommitState::Complete);
        ostree(self.to.path(), "fsck");
    }

    /// Refused: nothing has the ref, and the failure names remote, URL and remedy.
    fn bad(&self, expected: FailureKind) {
        let error = self.pull().unwrap_err();
        let failure = Failure::from(error);
        assert_eq!(failure.kind, expected, "{failure:?}");
        assert!(failure.what.contains("'r'") && failure.what.contains(&self.url), "{failure:?}");
        assert!(!failure.advice.is_empty(), "{failure:?}");
        assert_eq!(self.to.resolve_ref("r:a").unwrap(), None);
    }
}

#[test]
fn a_commit_signed_by_a_key_of_the_remote_comes_whole() {
    let key = Key::new();
    let pair = Pair::new(&key, "--set=gpg-verify=true");
    pair.bad(FailureKind::Untrusted);
    pair.sign(&Key::new());
    pair.bad(FailureKind::Untrusted);
    pair.sign(&key);
    pair.good();
}

#[test]
fn a_remote_verifies_unless_it_says_otherwise() {
    let key = Key::new();
    let pair = Pair::new(&key, "");
    pair.bad(FailureKind::Untrusted);
    let trusting = Pair::new(&key, "--no-gpg-verify");
    trusting.good();
}

fn object(repo: &Repo, checksum: &Checksum, kind: &str) -> PathBuf {
    let (shard, rest) = checksum.as_str().split_at(2);
    repo.path().join(format!("objects/{shard}/{rest}.{kind}"))
}

/// Changes one byte of a file.
fn tamper(path: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_tampered_commit_or_signature_is_refused() {
    let key = Key::new();
    let pair = Pair::new(&key, "--set=gpg-verify=true");
    pair.sign(&key);
    let commit = object(&pair.from, &pair.commit, "commit");
    let whole = std::fs::read(&commit).unwrap();
    tamper(&commit, |length| length / 2);
    pair.bad(FailureKind::Corrupt);
    std::fs::write(&commit, whole).unwrap();
    tamper(&object(&pair.from, &pair.commit, "commitmeta"), |length| length - 40);
    pair.bad(FailureKind::Untrusted);
}

#[test]
fn a_damaged_file_is_no_part_of_a_pulled_commit() {
    let key = Key::new();
    let pair = Pair::new(&key, "--set=gpg-verify=true");
    pair.sign(&key);
    let objects = pair.from.path().join("objects");
    let files = run("find", &[objects.to_str().unwrap(), "-name", "*.filez"]);
    let (one, other) = files.trim().split_once('\n').unwrap();
    // Two whole files under each other's names.
    std::fs::copy(one, other).unwrap();
    pair.bad(FailureKind::Corrupt);
}

#[test]
fn a_summary_is_verified_where_the_remote_says_so() {
    let key = Key::new();
    let options = "--set=gpg-verify=true --set=gpg-verify-summary=true";
    let pair = Pair::new(&key, options);
    pair.sign(&key);
    pair.bad(FailureKind::Untrusted);
    ostree(pair.from.path(), "summary -u");
    pair.bad(FailureKind::Untrusted);
    let stranger = Key::new();
    ostree(pair.from.path(), &format!("summary -u {}", stranger.options()));
    pair.bad(FailureKind::Untrusted);
    ostree(pair.from.path(), &format!("summary -u {}", key.options()));
    let summary = pair.from.path().join("summary");
    let whole = std::fs::read(&summary).unwrap();
    tamper(&summary, |length| length / 2);
    pair.bad(FailureKind::Untrusted);
    std::fs::write(&summary, whole).unwrap();
    pair.good();
}

#[test]
fn a_missing_branch_or_object_and_a_dead_server_are_unavailable() {
    let key = Key::new();
    let pair = Pair::new(&key, "--set=gpg-verify=true");
    pair.sign(&key);
    let head = pair.from.path().join("refs/heads/a");
    let text = std::fs::read(&head).unwrap();
    std::fs::remove_file(&head).unwrap();
    pair.bad(FailureKind::Unavailable);
    std::fs::write(&head, text).unwrap();
    let objects = pair.from.path().join("objects");
    run("find", &[objects.to_str().unwrap(), "-name", "*.filez", "-delete"]);
    pair.bad(FailureKind::Unavailable);
}
