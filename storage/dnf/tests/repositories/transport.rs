//! The way to a repository: TLS, client certificates, proxies, passwords.

use crate::fixture::{Fixture, rpm};
use crate::server::{Authority, Request, file_of, proxy, serve, serve_requests, serve_tls};
use cambium_dnf::{Error, RepoConfig, refresh};
use cambium_model::{Failure, FailureKind, Unobserved};
use std::sync::{Arc, Mutex};

/// A fixture whose repository `web` has one package; `url` makes its URL of its directory.
fn at(url: impl FnOnce(&Fixture, std::path::PathBuf) -> String) -> Fixture {
    let mut fixture = Fixture::new();
    let dir = fixture.repo("web", &[rpm("app", "1", &[], &[])]);
    let url = url(&fixture, dir);
    fixture.config.repos[0] = RepoConfig::new("web", url);
    fixture
}

fn good(fixture: &Fixture) {
    assert_eq!(refresh(&fixture.config, &Unobserved).unwrap()[0].solvables, 1);
}

/// The error names the repository and its URL, and says what to do.
fn bad(fixture: &Fixture, expected: FailureKind) -> Error {
    let error = refresh(&fixture.config, &Unobserved).unwrap_err();
    assert_eq!(error.kind(), expected, "{error}");
    let text = error.to_string();
    let url = &fixture.config.repos[0].baseurl[0];
    assert!(text.contains("'web'") && text.contains(url.as_str()), "{text}");
    assert!(!Failure::from(refresh(&fixture.config, &Unobserved).unwrap_err()).advice.is_empty());
    error
}

#[test]
fn a_server_is_believed_by_its_authority_or_where_sslverify_is_off() {
    let mut fixture = at(|fixture, dir| {
        let authority = Authority::new(fixture.dir.path(), "ours");
        serve_tls(&authority.issue("server"), None, move |request| file_of(&dir, &request.path))
    });
    let error = bad(&fixture, FailureKind::Untrusted);
    assert!(matches!(error, Error::Certificate { .. }), "{error}");
    let stranger = Authority::new(fixture.dir.path(), "stranger");
    fixture.config.repos[0].sslcacert = Some(stranger.file());
    bad(&fixture, FailureKind::Untrusted);
    fixture.config.repos[0].sslcacert = Some(fixture.dir.path().join("ours/ca.pem"));
    good(&fixture);
    std::fs::remove_dir_all(fixture.dir.path().join("cache")).unwrap();
    fixture.config.repos[0].sslverifystatus = true;
    let error = bad(&fixture, FailureKind::Untrusted);
    assert!(error.to_string().contains("status"), "{error}");
    fixture.config.repos[0].sslverifystatus = false;
    fixture.config.repos[0].sslcacert = None;
    fixture.config.repos[0].sslverify = false;
    good(&fixture);
}

#[test]
fn a_certificate_for_another_host_is_not_believed() {
    let mut fixture = at(|fixture, dir| {
        let authority = Authority::new(fixture.dir.path(), "ours");
        let url = serve_tls(&authority.issue("server"), None, move |request| {
            file_of(&dir, &request.path)
        });
        url.replace("127.0.0.1", "localhost")
    });
    fixture.config.repos[0].sslcacert = Some(fixture.dir.path().join("ours/ca.pem"));
    bad(&fixture, FailureKind::Untrusted);
}

#[test]
fn a_client_certificate_is_shown_where_it_is_configured() {
    let mut fixture = at(|fixture, dir| {
        let ours = Authority::new(fixture.dir.path(), "ours");
        let clients = Authority::new(fixture.dir.path(), "clients");
        clients.issue("host");
        serve_tls(&ours.issue("server"), Some(&clients), move |request| {
            assert_eq!(request.client.as_deref(), Some("host"));
            file_of(&dir, &request.path)
        })
    });
    let file = |name: &str| Some(fixture.dir.path().join(name));
    let (ca, certificate, key) =
        (file("ours/ca.pem"), file("clients/host.pem"), file("clients/host.key"));
    fixture.config.repos[0].sslcacert = ca;
    bad(&fixture, FailureKind::Unavailable);
    fixture.config.repos[0].sslclientcert = certificate;
    fixture.config.repos[0].sslclientkey = key;
    good(&fixture);
}

/// Passwords as the header `Authorization` or `Proxy-Authorization` has them: `user:word`.
const CREDENTIALS: &str = "Basic dXNlcjp3b3Jk";

fn admitted(request: &Request, header: &str) -> bool {
    request.headers.get(header).is_some_and(|found| found == CREDENTIALS)
}

#[test]
fn a_password_is_given_to_the_server() {
    let mut fixture = at(|_, dir| {
        serve_requests(move |request| match admitted(request, "authorization") {
            true => file_of(&dir, &request.path),
            false => ("401 Unauthorized", 0, Vec::new()),
        })
    });
    bad(&fixture, FailureKind::Unavailable);
    fixture.config.repos[0].auth = Some("user:word".into());
    good(&fixture);
}

#[test]
fn a_proxy_is_used_with_its_password_and_not_where_none_is_said() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let mut fixture = at(|_, dir| serve(move |path| file_of(&dir, path)));
    let through = proxy(move |request| {
        seen.lock().unwrap().push(request.path.clone());
        admitted(request, "proxy-authorization")
    });
    fixture.config.repos[0].proxy = Some(through);
    bad(&fixture, FailureKind::Unavailable);
    asked.lock().unwrap().clear();
    fixture.config.repos[0].proxy_auth = Some("user:word".into());
    good(&fixture);
    let url = format!("{}/repodata/repomd.xml", fixture.config.repos[0].baseurl[0]);
    assert!(asked.lock().unwrap().contains(&url), "{asked:?} lacks {url}");
    std::fs::remove_dir_all(fixture.dir.path().join("cache")).unwrap();
    asked.lock().unwrap().clear();
    fixture.config.repos[0].proxy = Some(String::new());
    good(&fixture);
    assert!(asked.lock().unwrap().is_empty(), "{asked:?}");
}

#[test]
fn https_goes_through_the_proxys_tunnel_and_is_still_verified() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let mut fixture = at(|fixture, dir| {
        let authority = Authority::new(fixture.dir.path(), "ours");
        serve_tls(&authority.issue("server"), None, move |request| file_of(&dir, &request.path))
    });
    fixture.config.repos[0].proxy = Some(proxy(move |request| {
        seen.lock().unwrap().push(request.path.clone());
        true
    }));
    bad(&fixture, FailureKind::Untrusted);
    fixture.config.repos[0].sslcacert = Some(fixture.dir.path().join("ours/ca.pem"));
    good(&fixture);
    let host = fixture.config.repos[0].baseurl[0].trim_start_matches("https://").to_owned();
    assert!(asked.lock().unwrap().iter().all(|path| *path == host), "{asked:?}");
}

#[test]
fn a_dead_proxy_is_named() {
    let mut fixture = at(|_, dir| serve(move |path| file_of(&dir, path)));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    fixture.config.repos[0].proxy = Some(format!("http://{}", listener.local_addr().unwrap()));
    drop(listener);
    bad(&fixture, FailureKind::Unavailable);
}
