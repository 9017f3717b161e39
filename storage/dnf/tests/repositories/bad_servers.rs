//! Repositories over HTTP: cached, renewed, dead, damaged, cancelled.

use crate::fixture::{Fixture, names, rpm, wants};
use crate::server::{file_of, serve};
use cambium_dnf::{CachePolicy, RepoConfig, download, refresh, resolve};
use cambium_model::{Failure, FailureKind, Observer, Progress, Unobserved};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A repository `web` of one package whose server answers through `answer`.
fn web(answer: impl Fn(&Path, &str) -> crate::server::Answer + Send + Sync + 'static) -> Fixture {
    let mut fixture = Fixture::new();
    let dir = fixture.repo("web", &[rpm("app", "1", &[], &[])]);
    fixture.config.repos[0] = RepoConfig::new("web", serve(move |path| answer(&dir, path)));
    fixture
}

fn cached_files(fixture: &Fixture) -> Vec<String> {
    let mut found = Vec::new();
    for cache in std::fs::read_dir(fixture.dir.path().join("cache")).unwrap() {
        let path = cache.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("web-") {
            for entry in std::fs::read_dir(path).unwrap() {
                found.push(entry.unwrap().file_name().to_string_lossy().into_owned());
            }
        }
    }
    found.retain(|name| name != "new");
    found
}

#[test]
fn metadata_is_fetched_once_and_a_package_arrives_whole() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let fixture = web(move |dir, path| {
        count.fetch_add(1, Ordering::SeqCst);
        assert!(!path.contains("filelists"), "{path} is not needed");
        file_of(dir, path)
    });
    let solution = fixture.solve(&["app"]);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "repomd.xml and primary");
    fixture.solve(&["app"]);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let dest = fixture.dir.path().join("rpms");
    let fetched = download(&fixture.config, &solution.packages, &dest, &Unobserved).unwrap();
    let bytes = std::fs::read(fetched[0].file.as_ref().unwrap()).unwrap();
    assert_eq!(bytes.len() as u64, solution.packages[0].download_bytes);
    download(&fixture.config, &solution.packages, &dest, &Unobserved).unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 3, "it was there the second time");
}

#[test]
fn an_unchanged_repository_costs_one_small_file_to_renew() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let mut fixture = web(move |dir, path| {
        count.fetch_add(1, Ordering::SeqCst);
        file_of(dir, path)
    });
    refresh(&fixture.config, &Unobserved).unwrap();
    fixture.config.cache_policy = CachePolicy::ForceRefresh;
    refresh(&fixture.config, &Unobserved).unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

/// The error names the repository and its URL, and comes with advice.
fn says_where_and_what_to_do(fixture: &Fixture, error: cambium_dnf::Error, name: &str) {
    let url = &fixture.config.repos[0].baseurl[0];
    let failure = Failure::from(error);
    for part in ["'web'", url] {
        assert!(failure.what.contains(part), "{name}: {part} is not in {failure:?}");
    }
    assert!(!failure.advice.is_empty(), "{name}: {failure:?}");
}

#[test]
fn a_server_that_is_gone_is_unavailable() {
    let mut fixture = web(file_of);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    fixture.config.repos[0] = RepoConfig::new("web", url);
    let error = refresh(&fixture.config, &Unobserved).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unavailable, "{error}");
    says_where_and_what_to_do(&fixture, error, "gone");
}

#[test]
fn what_a_bad_server_gives_is_a_typed_error_and_is_not_cached() {
    type Case = (&'static str, fn(&Path, &str) -> crate::server::Answer, FailureKind);
    let cases: [Case; 4] = [
        ("404", |_, _| ("404 Not Found", 0, Vec::new()), FailureKind::Unavailable),
        (
            "wrong checksum",
            |dir, path| {
                let (status, length, mut body) = file_of(dir, path);
                if path.contains("primary") {
                    body[length / 2] ^= 0xff;
                }
                (status, length, body)
            },
            FailureKind::Corrupt,
        ),
        (
            "half a file",
            |dir, path| {
                let (status, length, mut body) = file_of(dir, path);
                if path.contains("primary") {
                    body.truncate(length / 2);
                }
                (status, length, body)
            },
            FailureKind::Unavailable,
        ),
        (
            "half a repomd.xml",
            |dir, path| {
                let (status, length, body) = file_of(dir, path);
                (status, length / 2, body[..length / 2].to_vec())
            },
            FailureKind::Corrupt,
        ),
    ];
    for (name, answer, expected) in cases {
        let fixture = web(answer);
        let error = resolve(&fixture.config, &wants(&["app"]), &Unobserved).unwrap_err();
        assert_eq!(error.kind(), expected, "{name}: {error}");
        says_where_and_what_to_do(&fixture, error, name);
        let whole: Vec<_> =
            cached_files(&fixture).into_iter().filter(|file| !file.ends_with(".part")).collect();
        assert!(whole.is_empty(), "{name}: {whole:?}");
    }
}

#[test]
fn a_huge_declared_size_is_refused_before_it_is_fetched() {
    let mut fixture = web(|dir, path| {
        assert!(!path.contains("primary"));
        file_of(dir, path)
    });
    fixture.config.max_metadata_bytes = 10;
    let error = refresh(&fixture.config, &Unobserved).unwrap_err();
    assert!(matches!(error, cambium_dnf::Error::TooLarge { limit: 10, .. }), "{error}");
    says_where_and_what_to_do(&fixture, error, "huge");
}

#[test]
fn a_dead_repository_stops_only_what_needs_it() {
    let mut fixture = Fixture::new();
    fixture.repo("alive", &[rpm("app", "1", &[], &[])]);
    let url = serve(|_| ("404 Not Found", 0, Vec::new()));
    fixture.config.repos.push(RepoConfig::new("dead", url));
    let solution = fixture.solve(&["app"]);
    assert_eq!(names(&solution), ["app-1-1.noarch"]);
    assert!(solution.warnings[0].contains("'dead'"), "{:?}", solution.warnings);
    let error = resolve(&fixture.config, &wants(&["other"]), &Unobserved).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unavailable);
    assert!(error.to_string().contains("'dead'"), "{error}");
}

#[test]
fn an_expired_cache_serves_while_its_repository_is_dead_and_no_cache_is_unavailable_offline() {
    let dead = Arc::new(AtomicUsize::new(0));
    let switch = Arc::clone(&dead);
    let mut fixture = web(move |dir, path| match switch.load(Ordering::SeqCst) {
        0 => file_of(dir, path),
        _ => ("500 Internal Server Error", 0, Vec::new()),
    });
    fixture.config.cache_policy = CachePolicy::CacheOnly;
    let error = refresh(&fixture.config, &Unobserved).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unavailable);
    fixture.config.cache_policy = CachePolicy::ForceRefresh;
    fixture.solve(&["app"]);
    dead.store(1, Ordering::SeqCst);
    let solution = fixture.solve(&["app"]);
    assert!(solution.warnings[0].contains("its cached metadata is used"));
}

#[test]
fn a_damaged_package_is_untrusted_and_does_not_appear() {
    let fixture = web(|dir, path| {
        let (status, length, mut body) = file_of(dir, path);
        if path.ends_with(".rpm") {
            body[length - 1] ^= 0xff;
        }
        (status, length, body)
    });
    let solution = fixture.solve(&["app"]);
    let dest = fixture.dir.path().join("rpms");
    let error = download(&fixture.config, &solution.packages, &dest, &Unobserved).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Untrusted, "{error}");
    assert!(error.to_string().contains("app-1-1.noarch"), "{error}");
    assert_eq!(std::fs::read_dir(&dest).unwrap().count(), 0);
}

/// Cancels at the first byte of progress and keeps what it was told.
#[derive(Default)]
struct Impatient(Mutex<Vec<Progress>>);

impl Observer for Impatient {
    fn progress(&self, progress: Progress) {
        self.0.lock().unwrap().push(progress);
    }

    fn cancelled(&self) -> bool {
        self.0.lock().unwrap().iter().any(|step| matches!(step, Progress::Step { .. }))
    }
}

#[test]
fn a_download_stops_when_it_is_cancelled() {
    let fixture = web(file_of);
    let solution = fixture.solve(&["app"]);
    let dest = fixture.dir.path().join("rpms");
    let error =
        download(&fixture.config, &solution.packages, &dest, &Impatient::default()).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Cancelled);
    assert!(!dest.join("app-1-1.noarch.rpm").exists());
}
