//! Refs, history, differences, space, pruning.

use crate::fixture::{commit, ostree, repo};
use cambium_model::FailureKind;
use cambium_ostree::{Change, CommitState, Error, ObjectKind, Repo, RepoMode};

#[test]
fn refs_change_with_the_transaction_or_not_at_all() {
    let (_dir, repo) = repo(RepoMode::Bare);
    let one = commit(&repo, "a/one", None, "1", &[("x", "x")]);
    let transaction = repo.transaction().unwrap();
    transaction.set_ref("a/two", &one);
    drop(transaction);
    assert_eq!(repo.resolve_ref("a/two").unwrap(), None);
    let transaction = repo.transaction().unwrap();
    transaction.set_ref("a/two", &one);
    transaction.set_ref("remote:a/three", &one);
    transaction.delete_ref("a/one");
    transaction.delete_ref("a/never");
    transaction.commit().unwrap();
    assert_eq!(repo.resolve_ref("a/one").unwrap(), None);
    assert_eq!(repo.resolve_ref("remote:a/three").unwrap(), Some(one.clone()));
    // A local branch is not looked for among the remotes.
    assert_eq!(repo.resolve_ref("a/three").unwrap(), None);
    assert_eq!(repo.resolve(&"a/two".parse().unwrap()).unwrap(), Some(one.clone()));
    assert_eq!(repo.resolve(&one.as_str().parse().unwrap()).unwrap(), Some(one));
    let absent = "0".repeat(64).parse().unwrap();
    assert_eq!(repo.resolve(&cambium_model::Refspec::Checksum(absent)).unwrap(), None);
    assert_eq!(repo.list_refs(None).unwrap().len(), 2);
}

#[test]
fn history_is_walked_as_far_as_it_is_here() {
    let (_dir, repo) = repo(RepoMode::Bare);
    let one = commit(&repo, "a", None, "1", &[("x", "1")]);
    let two = commit(&repo, "a", Some(&one), "2", &[("x", "2")]);
    let three = commit(&repo, "a", Some(&two), "3", &[("x", "3")]);
    let other = commit(&repo, "b", None, "9", &[("x", "9")]);
    assert_eq!(repo.find_version(&three, "1").unwrap(), Some(one.clone()));
    assert_eq!(repo.find_version(&three, "9").unwrap(), None);
    assert!(repo.is_on_branch(&three, &one).unwrap());
    assert!(!repo.is_on_branch(&three, &other).unwrap());
    let info = repo.commit_info(&two).unwrap();
    assert_eq!((info.parent, info.version.as_deref()), (Some(one.clone()), Some("2")));
    assert_eq!((info.timestamp, info.subject.as_str()), (1_700_000_000, "2"));
    assert!(ostree(repo.path(), "log a").contains("Version: 2"));

    // After a prune only the tip of each ref is left, and history ends there.
    let pruned = repo.prune().unwrap();
    assert!(pruned.removed > 0 && pruned.bytes > 0);
    assert_eq!(repo.find_version(&three, "1").unwrap(), None);
    assert_eq!(repo.commit_state(&one).unwrap(), CommitState::Absent);
    assert_eq!(repo.commit_state(&three).unwrap(), CommitState::Complete);
    assert!(matches!(repo.commit_info(&one), Err(Error::NoCommit { .. })));
    ostree(repo.path(), "fsck");
}

#[test]
fn a_diff_names_what_changed_and_nothing_else() {
    let (_dir, repo) = repo(RepoMode::Bare);
    let files = [("d/a", "a"), ("d/b", "b"), ("e/c", "c"), ("f/g/h", "h"), ("k", "k")];
    let from = commit(&repo, "a", None, "1", &files);
    let to =
        commit(&repo, "b", None, "1", &[("d/a", "A"), ("d/n", "n"), ("e/c", "c"), ("k/l", "l")]);
    let added = |path: &str| Change::Added(path.into());
    let removed = |path: &str| Change::Removed(path.into());
    let modified = |path: &str| Change::Modified(path.into());
    assert_eq!(
        repo.commit_diff(&from, &to).unwrap(),
        [modified("/d/a"), removed("/d/b"), added("/d/n"), removed("/f"), modified("/k")]
    );
    assert_eq!(repo.commit_diff(&from, &from).unwrap(), []);
}

#[test]
fn paths_of_a_commit_are_read_without_a_checkout() {
    let (dir, repo) = repo(RepoMode::Bare);
    let made = commit(&repo, "a", None, "1", &[("usr/share/rpm/db", "data"), ("f", "f")]);
    assert_eq!(repo.read_file(&made, "/usr/share/rpm/db").unwrap().unwrap(), b"data");
    assert_eq!(repo.read_file(&made, "usr/none").unwrap(), None);
    assert_eq!(repo.read_file(&made, "f/x").unwrap(), None);
    assert_eq!(repo.read_file(&made, "usr").unwrap_err().kind(), FailureKind::InvalidRequest);
    let policy = cambium_ostree::CopyPolicy::Copy;
    let out = dir.path().join("out");
    repo.checkout_subpath(&made, "usr/share", &out, policy).unwrap();
    std::fs::write(out.join("rpm/db"), "written").unwrap();
    // The copy is ours: the object is as it was.
    ostree(repo.path(), "fsck");
    let error = repo.checkout_subpath(&made, "none", &dir.path().join("n"), policy).unwrap_err();
    assert_eq!(error.kind(), FailureKind::NotFound);
}

#[test]
fn a_damaged_object_is_found() {
    let (_dir, repo) = repo(RepoMode::Bare);
    let made = commit(&repo, "a", None, "1", &[("f", "content")]);
    let Some(cambium_ostree::Node::File(file)) = repo.lookup(&made, "f").unwrap() else { panic!() };
    repo.fsck_object(ObjectKind::File, &file).unwrap();
    std::fs::write(repo.loose_path(&file), "other").unwrap();
    assert!(repo.fsck_object(ObjectKind::File, &file).is_err());
}

#[test]
fn work_that_does_not_fit_is_refused_before_it_starts() {
    let (_dir, repo) = repo(RepoMode::Bare);
    repo.require_space(0).unwrap();
    let error = repo.require_space(u64::MAX / 2).unwrap_err();
    assert_eq!(error.kind(), FailureKind::NoSpace);
}

#[test]
fn a_repository_that_is_not_there_is_an_error() {
    assert!(Repo::open("/nowhere/at/all").is_err());
}

/// Set for the test process that runs on a small file system of its own.
const SMALL: &str = "CAMBIUM_TEST_SMALL";

#[test]
fn a_full_disk_is_said_to_be_full_and_the_refs_stay() {
    let Some(place) = std::env::var_os(SMALL) else {
        let dir = tempfile::tempdir().unwrap();
        let script = "mount -t tmpfs -o size=4m tmpfs \"$1\" && exec \"$2\" --exact \"$3\"";
        let status = std::process::Command::new("unshare")
            .args(["-m", "sh", "-c", script, "sh"])
            .args([dir.path(), &std::env::current_exe().unwrap()])
            .arg("repos::a_full_disk_is_said_to_be_full_and_the_refs_stay")
            .env(SMALL, dir.path())
            .status()
            .unwrap();
        assert!(status.success());
        return;
    };
    let repo = Repo::create(std::path::Path::new(&place).join("repo"), RepoMode::Bare).unwrap();
    let kept = commit(&repo, "kept", None, "1", &[("f", "f")]);
    let attributes = crate::fixture::root(0o644);
    let transaction = repo.transaction().unwrap();
    // One by our own writer, one by libostree's.
    for size in [8 << 20, 900 << 10] {
        let fill = |byte: u8| repo.write_reader(&attributes, &mut vec![byte; size].as_slice());
        let error = (0..32).find_map(|byte| fill(byte).err()).unwrap();
        assert_eq!(error.kind(), FailureKind::NoSpace, "{error}: {error:?}");
    }
    drop(transaction);
    assert_eq!(repo.resolve_ref("kept").unwrap(), Some(kept));
    repo.prune().unwrap();
    commit(&repo, "more", None, "1", &[("g", "g")]);
}
