//! Pulls from another repository on disk.

use crate::fixture::{commit, ostree, repo};
use cambium_model::{FailureKind, Observer, Progress, Unobserved};
use cambium_ostree::{CommitState, Content, Pull, PullSource, Repo, RepoMode};
use std::sync::Mutex;

fn source(repo: &Repo) -> PullSource {
    let url = format!("file://{}", repo.path().canonicalize().unwrap().display());
    PullSource::Url { url, remote: Some("r".into()) }
}

#[derive(Default)]
struct Recorder {
    seen: Mutex<Vec<Progress>>,
    stop: bool,
}

impl Observer for Recorder {
    fn progress(&self, progress: Progress) {
        self.seen.lock().unwrap().push(progress);
    }

    fn cancelled(&self) -> bool {
        self.stop
    }
}

#[test]
fn a_pull_brings_the_newest_commit_under_the_remotes_name() {
    let (_from_dir, from) = repo(RepoMode::Archive);
    let one = commit(&from, "a", None, "1", &[("x", "1")]);
    let two = commit(&from, "a", Some(&one), "2", &[("x", "2")]);
    let (_dir, to) = repo(RepoMode::Bare);
    let recorder = Recorder::default();
    to.pull(&Pull::newest(source(&from), &["a"]), &recorder).unwrap();
    assert_eq!(to.resolve_ref("r:a").unwrap(), Some(two.clone()));
    assert_eq!(to.commit_state(&two).unwrap(), CommitState::Complete);
    assert_eq!(to.commit_state(&one).unwrap(), CommitState::Absent);
    ostree(to.path(), "fsck");
    let seen = recorder.seen.into_inner().unwrap();
    assert!(matches!(seen.first(), Some(Progress::TaskBegin { .. })));
    assert!(matches!(seen.last(), Some(Progress::TaskEnd { .. })));
}

#[test]
fn depth_and_commit_only_bring_history_without_trees() {
    let (_from_dir, from) = repo(RepoMode::Archive);
    let one = commit(&from, "a", None, "1", &[("x", "1")]);
    let two = commit(&from, "a", Some(&one), "2", &[("x", "2")]);
    let (_dir, to) = repo(RepoMode::Bare);
    let pull =
        Pull { content: Content::CommitOnly, depth: -1, ..Pull::newest(source(&from), &["a"]) };
    to.pull(&pull, &Unobserved).unwrap();
    assert_eq!(to.commit_state(&two).unwrap(), CommitState::Partial);
    assert_eq!(to.find_version(&two, "1").unwrap(), Some(one.clone()));
    let held = Pull { commits: vec![one.clone()], ..Pull::newest(source(&from), &["a"]) };
    to.pull(&held, &Unobserved).unwrap();
    assert_eq!(to.commit_state(&one).unwrap(), CommitState::Complete);
}

#[test]
fn what_cannot_be_reached_is_unavailable_and_what_is_stopped_is_cancelled() {
    let (_dir, to) = repo(RepoMode::Bare);
    let url = "file:///nowhere/at/all".to_owned();
    let pull = Pull::newest(PullSource::Url { url, remote: None }, &["a"]);
    assert_eq!(to.pull(&pull, &Unobserved).unwrap_err().kind(), FailureKind::Unavailable);
    let stop = Recorder { stop: true, ..Recorder::default() };
    assert_eq!(to.pull(&pull, &stop).unwrap_err().kind(), FailureKind::Cancelled);
}

#[test]
fn an_unsigned_commit_of_a_remote_that_verifies_is_untrusted() {
    let (_from_dir, from) = repo(RepoMode::Archive);
    commit(&from, "a", None, "1", &[("x", "1")]);
    let (dir, to) = repo(RepoMode::Bare);
    let PullSource::Url { url, .. } = source(&from) else { panic!() };
    let key = dir.path().join("key.gpg");
    std::fs::write(&key, "").unwrap();
    ostree(to.path(), &format!("remote add --set=gpg-verify=true r {url}"));
    let to = Repo::open(to.path()).unwrap();
    let pull = Pull::newest(PullSource::Remote("r".into()), &["a"]);
    let error = to.pull(&pull, &Unobserved).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Untrusted, "{error}: {error:?}");
    assert_eq!(to.resolve_ref("r:a").unwrap(), None);
}
