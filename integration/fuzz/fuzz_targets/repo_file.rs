//! Foreign text as a `.repo` file.
//!
//! Invariants: no panic; every repository that comes of it has an id that is a file name and
//! nothing else, and somewhere to be fetched from; the same text gives the same repositories.

#![no_main]

use cambium_dnf::{Config, repositories};
use libfuzzer_sys::fuzz_target;
use std::fs;

fuzz_target!(|text: &str| {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    fs::write(directory.path().join("fuzz.repo"), text).unwrap();
    let mut config = Config::new(directory.path().join("cache"), directory.path().join("root"));
    config.repos_dirs = vec![directory.path().to_owned()];
    config.releasever = Some("39".to_owned());
    let Ok(repos) = repositories(&config) else { return };
    for repo in &repos {
        assert!(!repo.id.is_empty() && !repo.id.contains('/') && !repo.id.starts_with('.'));
        assert!(!repo.baseurl.is_empty() || repo.mirrorlist.is_some() || repo.metalink.is_some());
    }
    let again = repositories(&config).unwrap();
    assert_eq!(format!("{repos:?}"), format!("{again:?}"));
});
