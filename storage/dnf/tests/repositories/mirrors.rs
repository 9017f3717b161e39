//! Where a repository is found: mirror lists, metalinks, several URLs, variables, costs.

use crate::fixture::{Fixture, names, rpm, wants};
use crate::server::{file_of, serve};
use cambium_dnf::{Error, RepoConfig, download, refresh, repositories, resolve};
use cambium_model::{FailureKind, Unobserved};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// A repository's directory and the URL of a server of it.
fn served(fixture: &mut Fixture) -> (PathBuf, String) {
    let dir = fixture.repo("web", &[rpm("app", "1", &[], &[])]);
    let from = dir.clone();
    (dir, serve(move |path| file_of(&from, path)))
}

fn dead() -> String {
    serve(|_| ("500 Internal Server Error", 0, Vec::new()))
}

fn list(text: String) -> String {
    serve(move |_| ("200 OK", text.len(), text.clone().into_bytes())) + "/mirrors"
}

#[test]
fn a_mirror_list_is_followed_past_dead_mirrors_for_metadata_and_packages() {
    let mut fixture = Fixture::new();
    let (_, url) = served(&mut fixture);
    let mut repo = RepoConfig::new("web", "");
    repo.mirrorlist = Some(list(format!("# mirrors\n{}/\n{url}/\n", dead())));
    fixture.config.repos[0] = repo;
    let solution = fixture.solve(&["app"]);
    let dest = fixture.dir.path().join("rpms");
    let fetched = download(&fixture.config, &solution.packages, &dest, &Unobserved).unwrap();
    assert!(fetched[0].file.as_ref().unwrap().exists());
}

#[test]
fn an_empty_or_missing_mirror_list_is_an_error_that_names_it() {
    let mut fixture = Fixture::new();
    served(&mut fixture);
    for url in [list("# nothing\n".into()), list("<html>not a list</html>".into()), dead()] {
        let mut repo = RepoConfig::new("web", "");
        repo.mirrorlist = Some(url.clone());
        fixture.config.repos[0] = repo;
        let error = refresh(&fixture.config, &Unobserved).unwrap_err();
        assert!(matches!(error.kind(), FailureKind::Unavailable | FailureKind::Corrupt), "{error}");
        let text = error.to_string();
        assert!(text.contains("'web'") && text.contains(&url), "{text} lacks {url}");
    }
}

fn metalink(repomd: &[u8], urls: &[&str]) -> String {
    let (size, sum) = (repomd.len(), format!("{:x}", Sha256::digest(repomd)));
    let urls: String = urls
        .iter()
        .map(|url| {
            format!(
                "<url protocol=\"http\" type=\"http\" location=\"XX\" preference=\"100\">\
                 {url}/repodata/repomd.xml</url>"
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\" type=\"dynamic\" \
         xmlns:mm0=\"http://fedorahosted.org/mirrormanager\"><files><file name=\"repomd.xml\">\
         <mm0:timestamp>1700000000</mm0:timestamp><size>{size}</size><verification>\
         <hash type=\"sha256\">{sum}</hash></verification>\
         <resources maxconnections=\"1\">{urls}</resources></file></files></metalink>"
    )
}

#[test]
fn a_metalink_names_mirrors_and_its_checksum_decides_between_them() {
    let mut fixture = Fixture::new();
    let (dir, url) = served(&mut fixture);
    let repomd = std::fs::read(dir.join("repodata/repomd.xml")).unwrap();
    let stale = serve(move |path| {
        let (status, _, mut body) = file_of(&dir, path);
        body.extend(b"<!-- older -->");
        (status, body.len(), body)
    });
    let mut repo = RepoConfig::new("web", "");
    repo.metalink = Some(list(metalink(&repomd, &[&dead(), &stale, &url])));
    fixture.config.repos[0] = repo;
    assert_eq!(names(&fixture.solve(&["app"])), ["app-1-1.noarch"]);
    fixture.config.repos[0].metalink = Some(list(metalink(&repomd, &[&stale])));
    let error = refresh(&fixture.config, &Unobserved).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(error.to_string().contains(&stale), "{error}");
    fixture.config.repos[0].metalink = Some(list("<metalink>".into()));
    let error = refresh(&fixture.config, &Unobserved).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[test]
fn variables_lead_to_the_server_from_every_place_that_says_them() {
    let mut fixture = Fixture::new();
    let dir = fixture.repo("web", &[rpm("app", "1", &[], &[])]);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let url = serve(move |path| {
        seen.lock().unwrap().push(path.to_owned());
        file_of(&dir, path.strip_prefix("/stable/12/x86_64/${none}").unwrap_or(path))
    });
    let vars = fixture.dir.path().join("vars");
    let repos = fixture.dir.path().join("repos.d");
    std::fs::create_dir(&vars).unwrap();
    std::fs::create_dir(&repos).unwrap();
    std::fs::write(vars.join("stream"), "stable\n").unwrap();
    let text =
        format!("[web]\nname=Web $releasever\nbaseurl={url}/$stream/$releasever/${{basearch}}/\n");
    std::fs::write(repos.join("web.repo"), text).unwrap();
    let root = fixture.dir.path().join("root/usr/lib");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(root.join("os-release"), "ID=x\nVERSION_ID=\"12\"\n").unwrap();
    fixture.config.repos.clear();
    fixture.config.repos_dirs = vec![repos];
    fixture.config.vars_dirs = vec![fixture.dir.path().join("nowhere"), vars];
    fixture.config.releasever = None;
    fixture.config.basearch = "x86_64".into();
    assert_eq!(repositories(&fixture.config).unwrap()[0].name, "Web 12");
    drop(refresh(&fixture.config, &Unobserved));
    assert_eq!(asked.lock().unwrap()[0], "/stable/12/x86_64/repodata/repomd.xml");
}

#[test]
fn the_lower_cost_wins_between_equal_packages() {
    for (cheap, expected) in [(0, "one"), (1, "two")] {
        let mut fixture = Fixture::new();
        let package = rpm("app", "1", &[], &[]);
        fixture.repo("one", std::slice::from_ref(&package));
        fixture.repo("two", &[package]);
        fixture.config.repos[cheap].cost = 10;
        assert_eq!(fixture.solve(&["app"]).packages[0].repository, expected);
    }
}

#[test]
fn skip_if_unavailable_decides_where_no_repository_is_to_be_had() {
    let mut fixture = Fixture::new();
    fixture.install(&[rpm("base", "1", &[], &[])]);
    fixture.config.repos.push(RepoConfig::new("web", dead()));
    let removal = cambium_dnf::Goal { remove: vec!["base".into()], ..cambium_dnf::Goal::default() };
    let error = resolve(&fixture.config, &removal, &Unobserved).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unavailable);
    fixture.config.repos[0].skip_if_unavailable = true;
    match resolve(&fixture.config, &removal, &Unobserved).unwrap() {
        cambium_dnf::Resolution::Solved(solution) => {
            assert_eq!(solution.removed.len(), 1);
            assert!(solution.warnings[0].contains("'web'"));
        }
        cambium_dnf::Resolution::Problems(problems) => panic!("{problems:?}"),
    }
    // What needs it still fails by its name, not by "not found".
    let error = resolve(&fixture.config, &wants(&["app"]), &Unobserved).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unavailable);
    assert!(error.to_string().contains("'web'"), "{error}");
}

#[test]
fn a_key_that_is_not_honoured_is_said() {
    let mut fixture = Fixture::new();
    fixture.repo("web", &[rpm("app", "1", &[], &[])]);
    fixture.config.repos[0].ignored = vec!["throttle=1M".into()];
    let solution = fixture.solve(&["app"]);
    assert!(solution.warnings[0].contains("throttle=1M"), "{:?}", solution.warnings);
}
