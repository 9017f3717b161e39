//! `repo_gpgcheck`: repomd.xml is used only where a key that is named has signed it.

use crate::fixture::{Fixture, rpm, wants};
use crate::server::{file_of, serve};
use cambium_dnf::{CachePolicy, Error, RepoConfig, refresh, resolve};
use cambium_model::{Failure, FailureKind, Unobserved};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A throw-away OpenPGP key in a home of its own.
struct Key(TempDir);

impl Key {
    fn new() -> Self {
        let key = Self(TempDir::new().unwrap());
        key.gpg(&["--quick-gen-key", "test@example.org", "rsa2048", "sign", "never"]);
        key.gpg(&["--armor", "--output", key.public().to_str().unwrap(), "--export"]);
        key
    }

    fn gpg(&self, arguments: &[&str]) {
        let quiet =
            ["--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""];
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(self.0.path()).args(quiet).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn public(&self) -> PathBuf {
        self.0.path().join("public.asc")
    }

    fn url(&self) -> String {
        format!("file://{}", self.public().display())
    }

    /// Signs the metadata of a repository.
    fn sign(&self, repo: &Path) {
        self.gpg(&["--armor", "--detach-sign", repo.join("repodata/repomd.xml").to_str().unwrap()]);
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

/// A repository `web`, its directory and a key; nothing is signed yet.
fn unsigned() -> (Fixture, PathBuf, Key) {
    let mut fixture = Fixture::new();
    let dir = fixture.repo("web", &[rpm("app", "1", &[], &[])]);
    let served = dir.clone();
    let mut repo = RepoConfig::new("web", serve(move |path| file_of(&served, path)));
    let key = Key::new();
    repo.repo_gpgcheck = true;
    repo.gpgkey = vec![key.url()];
    fixture.config.repos[0] = repo;
    (fixture, dir, key)
}

fn refused(fixture: &Fixture, part: &str) {
    let error = refresh(&fixture.config, &Unobserved).unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("'web'") && text.contains(part), "{text} lacks {part}");
    let url = fixture.config.repos[0].baseurl[0].trim_start_matches("file://");
    assert!(text.contains(url), "{text} lacks {url}");
    let failure = Failure::from(error);
    assert_eq!(failure.kind, FailureKind::Untrusted);
    assert!(!failure.advice.is_empty());
}

#[test]
fn signed_metadata_is_used_and_nothing_of_the_check_stays_behind() {
    let (fixture, dir, key) = unsigned();
    key.sign(&dir);
    assert_eq!(refresh(&fixture.config, &Unobserved).unwrap()[0].solvables, 1);
    for cache in std::fs::read_dir(fixture.dir.path().join("cache")).unwrap() {
        assert!(!cache.unwrap().path().join("gpg").exists());
    }
    let directory = fixture.dir.path().to_str().unwrap();
    let left = || Command::new("pgrep").args(["-f", directory]).output().unwrap().stdout;
    // An agent goes by itself once it sees that its directory is gone, which takes it a moment.
    let until = Instant::now() + Duration::from_secs(30);
    while !left().is_empty() && Instant::now() < until {}
    assert!(left().is_empty(), "{}", String::from_utf8_lossy(&left()));
}

#[test]
fn a_missing_signature_a_wrong_key_and_tampered_metadata_are_refused() {
    let (mut fixture, dir, key) = unsigned();
    refused(&fixture, "not signed");
    let stranger = Key::new();
    stranger.sign(&dir);
    refused(&fixture, "signature");
    key.sign(&dir);
    let repomd = dir.join("repodata/repomd.xml");
    let text = std::fs::read_to_string(&repomd).unwrap();
    std::fs::write(&repomd, text.replace("<revision>", "<revision>1")).unwrap();
    refused(&fixture, "signature");
    std::fs::write(&repomd, text).unwrap();
    fixture.config.repos[0].gpgkey = vec![stranger.url()];
    refused(&fixture, "signature");
    // One of several keys suffices.
    fixture.config.repos[0].gpgkey.push(key.url());
    assert_eq!(refresh(&fixture.config, &Unobserved).unwrap().len(), 1);
}

#[test]
fn a_bad_signature_does_not_fall_back_to_what_is_cached_and_names_itself_beside_living_ones() {
    let (mut fixture, dir, key) = unsigned();
    key.sign(&dir);
    refresh(&fixture.config, &Unobserved).unwrap();
    Key::new().sign(&dir);
    fixture.config.cache_policy = CachePolicy::ForceRefresh;
    refused(&fixture, "signature");
    fixture.repo("alive", &[rpm("other", "1", &[], &[])]);
    let solution = fixture.solve(&["other"]);
    assert!(solution.warnings[0].contains("'web'"), "{:?}", solution.warnings);
    assert!(resolve(&fixture.config, &wants(&["app"]), &Unobserved).is_err());
}

#[test]
fn what_was_cached_unchecked_is_not_used_once_the_check_is_on() {
    let (mut fixture, _, _) = unsigned();
    fixture.config.repos[0].repo_gpgcheck = false;
    refresh(&fixture.config, &Unobserved).unwrap();
    fixture.config.repos[0].repo_gpgcheck = true;
    refused(&fixture, "not signed");
}

#[test]
fn a_repository_on_this_machine_is_checked_too() {
    let (mut fixture, dir, key) = unsigned();
    fixture.config.repos[0].baseurl = vec![format!("file://{}", dir.display())];
    refused(&fixture, "not signed");
    Key::new().sign(&dir);
    refused(&fixture, "signature");
    key.sign(&dir);
    assert_eq!(refresh(&fixture.config, &Unobserved).unwrap()[0].solvables, 1);
}

#[test]
fn a_key_is_a_file_of_the_host_and_its_own_root_comes_first() {
    let (mut fixture, dir, key) = unsigned();
    key.sign(&dir);
    let root = fixture.dir.path().join("host");
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::copy(key.public(), root.join("etc/key")).unwrap();
    fixture.config.keys_root = Some(root);
    fixture.config.repos[0].gpgkey = vec!["file:///etc/key".into()];
    assert_eq!(refresh(&fixture.config, &Unobserved).unwrap().len(), 1);
    fixture.config.repos[0].gpgkey = vec!["https://example.org/key".into()];
    let error = refresh(&fixture.config, &Unobserved).unwrap_err();
    assert!(matches!(error, Error::RepoConfig { .. }), "{error}");
}
