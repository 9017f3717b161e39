//! Time and broken transfers: silence, slowness, expiry, resume.

use crate::fixture::{Fixture, createrepo, names, rpm};
use crate::server::{file_of, serve, serve_streams, silence};
use cambium_dnf::{Error, RepoConfig, download, refresh};
use cambium_model::{Failure, FailureKind, Unobserved};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

fn fixture() -> (Fixture, PathBuf) {
    let mut fixture = Fixture::new();
    let dir = fixture.repo("web", &[rpm("app", "1", &[], &[])]);
    (fixture, dir)
}

fn head(length: usize) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").into_bytes()
}

#[test]
fn a_server_that_falls_silent_is_given_up_once_after_timeout() {
    for part in ["repomd.xml", "primary"] {
        let (mut fixture, dir) = fixture();
        let silent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&silent);
        let url = serve_streams(move |request, stream| {
            let (_, length, body) = file_of(&dir, &request.path);
            stream.write_all(&head(length)).ok()?;
            if request.path.contains(part) {
                count.fetch_add(1, Ordering::SeqCst);
                stream.write_all(&body[..length / 2]).ok()?;
                return silence();
            }
            stream.write_all(&body).ok()
        });
        fixture.config.repos[0] = RepoConfig::new("web", &url);
        fixture.config.repos[0].timeout = 1;
        let error = refresh(&fixture.config, &Unobserved).unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("'web'") && text.contains(&url), "{text}");
        // With librepo's own four tries it would take four times as long.
        assert_eq!(silent.load(Ordering::SeqCst), 1, "{part}");
        assert!(!Failure::from(error).advice.is_empty());
    }
}

#[test]
fn a_silent_mirror_gives_way_to_another_one() {
    let (mut fixture, dir) = fixture();
    let silent = serve_streams(|_, _| silence());
    let good = serve(move |path| file_of(&dir, path));
    let mut repo = RepoConfig::new("web", silent);
    repo.baseurl.push(good);
    repo.timeout = 1;
    fixture.config.repos[0] = repo;
    let solution = fixture.solve(&["app"]);
    let dest = fixture.dir.path().join("rpms");
    download(&fixture.config, &solution.packages, &dest, &Unobserved).unwrap();
}

#[test]
fn minrate_is_what_counts_as_silence() {
    for (minrate, expected) in [(1, None), (1 << 40, Some(FailureKind::Unavailable))] {
        let (mut fixture, dir) = fixture();
        // The bytes come, in pieces, over more than the timeout.
        let url = serve_streams(move |request, stream| {
            let (_, length, body) = file_of(&dir, &request.path);
            stream.write_all(&head(length)).ok()?;
            for piece in body.chunks(length / 8 + 1) {
                stream.write_all(piece).ok()?;
                std::thread::park_timeout(Duration::from_millis(300));
            }
            Some(())
        });
        fixture.config.repos[0] = RepoConfig::new("web", url);
        fixture.config.repos[0].timeout = 1;
        fixture.config.repos[0].minrate = minrate;
        let failed = refresh(&fixture.config, &Unobserved).err().map(|error| error.kind());
        assert_eq!(failed, expected, "{minrate}");
    }
}

#[test]
fn metadata_is_asked_for_again_when_it_has_expired() {
    let (mut fixture, dir) = fixture();
    let served = dir.clone();
    fixture.config.repos[0] = RepoConfig::new("web", serve(move |path| file_of(&served, path)));
    fixture.solve(&["app"]);
    std::fs::write(dir.join("newer.rpm"), rpm("app", "2", &[], &[])).unwrap();
    createrepo(&dir);
    assert_eq!(names(&fixture.solve(&["app"])), ["app-1-1.noarch"]);
    let day = Duration::from_secs(24 * 60 * 60);
    for entry in std::fs::read_dir(fixture.dir.path().join("cache")).unwrap() {
        let repomd = entry.unwrap().path().join("repomd.xml");
        if repomd.exists() {
            let file = std::fs::File::options().write(true).open(repomd).unwrap();
            file.set_modified(SystemTime::now() - 2 * day).unwrap();
        }
    }
    fixture.config.repos[0].metadata_expire = None;
    assert_eq!(names(&fixture.solve(&["app"])), ["app-1-1.noarch"], "never");
    fixture.config.repos[0].metadata_expire = Some(3 * day.as_secs());
    assert_eq!(names(&fixture.solve(&["app"])), ["app-1-1.noarch"], "not yet");
    fixture.config.repos[0].metadata_expire = Some(day.as_secs());
    assert_eq!(names(&fixture.solve(&["app"])), ["app-2-1.noarch"]);
}

/// Serves a repository with ranges, and breaks packages off after a half while `broken` is set;
/// keeps the first bytes that were asked for.
fn breaking(dir: PathBuf, broken: &Arc<AtomicUsize>, starts: &Arc<Mutex<Vec<usize>>>) -> String {
    let (broken, starts) = (Arc::clone(broken), Arc::clone(starts));
    serve_streams(move |request, stream| {
        let (_, length, body) = file_of(&dir, &request.path);
        if !request.path.ends_with(".rpm") {
            stream.write_all(&head(length)).ok()?;
            return stream.write_all(&body).ok();
        }
        let from = request.range().unwrap_or(0).min(length);
        starts.lock().unwrap().push(from);
        let rest = &body[from..];
        let sent = if broken.load(Ordering::SeqCst) == 1 { rest.len() / 2 } else { rest.len() };
        let answer = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\n\
             Content-Range: bytes {from}-{}/{length}\r\nConnection: close\r\n\r\n",
            rest.len(),
            length - 1,
        );
        let whole = if from > 0 { answer.into_bytes() } else { head(length) };
        stream.write_all(&whole).ok()?;
        stream.write_all(&rest[..sent]).ok()
    })
}

#[test]
fn a_broken_download_is_continued_where_it_stopped() {
    let (mut fixture, dir) = fixture();
    let (broken, ranges) = (Arc::new(AtomicUsize::new(1)), Arc::new(Mutex::new(Vec::new())));
    fixture.config.repos[0] = RepoConfig::new("web", breaking(dir, &broken, &ranges));
    let solution = fixture.solve(&["app"]);
    let dest = fixture.dir.path().join("rpms");
    let error = download(&fixture.config, &solution.packages, &dest, &Unobserved).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unavailable, "{error}");
    assert!(error.to_string().contains("app-1-1.noarch"), "{error}");
    let part = dest.join("app-1-1.noarch.rpm.part");
    let kept = usize::try_from(std::fs::metadata(&part).unwrap().len()).unwrap();
    // Each of the tries went on from where the one before had stopped.
    let starts = ranges.lock().unwrap().clone();
    assert!(starts.len() > 1 && starts.is_sorted() && starts[1] > 0, "{starts:?}");
    assert!(kept > *starts.last().unwrap());
    broken.store(0, Ordering::SeqCst);
    ranges.lock().unwrap().clear();
    download(&fixture.config, &solution.packages, &dest, &Unobserved).unwrap();
    assert_eq!(*ranges.lock().unwrap(), [kept]);
    let left: Vec<_> = std::fs::read_dir(&dest).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["app-1-1.noarch.rpm"]);
}

#[test]
fn a_beginning_of_something_else_is_dropped_and_fetched_anew() {
    let (mut fixture, dir) = fixture();
    let (broken, ranges) = (Arc::new(AtomicUsize::new(1)), Arc::new(Mutex::new(Vec::new())));
    fixture.config.repos[0] = RepoConfig::new("web", breaking(dir, &broken, &ranges));
    let solution = fixture.solve(&["app"]);
    let dest = fixture.dir.path().join("rpms");
    download(&fixture.config, &solution.packages, &dest, &Unobserved).unwrap_err();
    let part = dest.join("app-1-1.noarch.rpm.part");
    let length = usize::try_from(std::fs::metadata(&part).unwrap().len()).unwrap();
    let mut file = std::fs::File::options().write(true).open(&part).unwrap();
    file.write_all(&vec![b'x'; length]).unwrap();
    broken.store(0, Ordering::SeqCst);
    download(&fixture.config, &solution.packages, &dest, &Unobserved).unwrap();
    assert_eq!(ranges.lock().unwrap().last(), Some(&0));
}
