//! Trees made in memory against what `ostree commit` makes of the same files.

use crate::fixture::{commit, describe, ostree, repo, root};
use cambium_model::{Checksum, FailureKind};
use cambium_ostree::{
    Attributes, Child, CommitSpec, ConflictPolicy, Error, FileKind, Node, Repo, RepoMode, Tree,
};
use rustix::fs::{XattrFlags, lsetxattr};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A file whose content is too large for memory.
fn large() -> Vec<u8> {
    (0..3_000_000u32).flat_map(|n| n.to_le_bytes()).take(3_000_001).collect()
}

/// Files of every kind on disk.
fn files(at: &Path) {
    std::fs::create_dir_all(at.join("usr/bin")).unwrap();
    std::fs::create_dir_all(at.join("usr/share/empty")).unwrap();
    std::fs::write(at.join("usr/bin/su"), "su").unwrap();
    std::fs::write(at.join("usr/bin/ping"), "ping").unwrap();
    std::fs::write(at.join("usr/bin/none"), "").unwrap();
    std::fs::write(at.join("usr/share/large"), large()).unwrap();
    symlink("../share", at.join("usr/bin/link")).unwrap();
    let mode = |path: &str, mode| {
        std::fs::set_permissions(at.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    std::os::unix::fs::chown(at.join("usr/bin/su"), Some(3), Some(4)).unwrap();
    std::os::unix::fs::chown(at.join("usr/share/large"), Some(5), Some(6)).unwrap();
    mode("usr/bin/su", 0o4755);
    mode("usr/bin/ping", 0o755);
    mode("usr/bin/none", 0o600);
    mode("usr/share/large", 0o640);
    mode("usr/share/empty", 0o1777);
    for path in ["", "usr", "usr/bin", "usr/share"] {
        mode(path, 0o755);
    }
    let set = |path: &str, name: &str, value: &[u8]| {
        lsetxattr(at.join(path), name, value, XattrFlags::empty()).unwrap();
    };
    set("usr/bin/ping", "security.capability", &CAPABILITY);
    set("usr/share/large", "user.b", b"2");
    set("usr/share/large", "user.a", b"1");
    set("usr/share", "user.c", b"3");
}

/// The same files through [`Tree`].
fn tree(repo: &Repo) -> Checksum {
    let xattrs = |list: &[(&str, &[u8])]| {
        list.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect()
    };
    let mut tree = Tree::empty(repo);
    let share = Attributes { xattrs: xattrs(&[("user.c", b"3")]), ..root(0o755) };
    tree.ensure_dir("usr/share", &share).unwrap();
    tree.ensure_dir("usr/share/empty", &root(0o1777)).unwrap();
    tree.put_bytes("usr/bin/su", &Attributes { uid: 3, gid: 4, ..root(0o4755) }, b"su").unwrap();
    let ping =
        Attributes { xattrs: xattrs(&[("security.capability", &CAPABILITY)]), ..root(0o755) };
    tree.put_bytes("/usr/bin/ping", &ping, b"ping").unwrap();
    tree.put_bytes("usr/bin//none", &root(0o600), b"").unwrap();
    tree.put_symlink("usr/bin/link", &root(0), "../share").unwrap();
    let attributes = Attributes {
        uid: 5,
        gid: 6,
        xattrs: xattrs(&[("user.b", b"2"), ("user.a", b"1")]),
        ..root(0o640)
    };
    tree.put_reader("usr/share/large", &attributes, &mut large().as_slice()).unwrap();
    tree.commit(&CommitSpec::default()).unwrap()
}

fn same_as_ostree_commit(mode: RepoMode) {
    let (dir, repo) = repo(mode);
    let disk = dir.path().join("disk");
    files(&disk);
    let transaction = repo.transaction().unwrap();
    let ours = tree(&repo);
    transaction.set_ref("ours", &ours);
    transaction.commit().unwrap();
    let theirs = ostree(repo.path(), &format!("commit -b theirs --tree=dir={}", disk.display()));
    let theirs: Checksum = theirs.trim().parse().unwrap();
    assert_eq!(
        repo.commit_info(&ours).unwrap().content_checksum,
        repo.commit_info(&theirs).unwrap().content_checksum,
        "{mode:?}"
    );
    // Without theirs only objects that we wrote are left.
    let (_dir, alone) = crate::fixture::repo(mode);
    let transaction = alone.transaction().unwrap();
    let ours = tree(&alone);
    transaction.set_ref("ours", &ours);
    transaction.commit().unwrap();
    ostree(alone.path(), "fsck");
    assert_eq!(alone.read_file(&ours, "usr/share/large").unwrap().unwrap(), large());
}

#[test]
fn a_bare_tree_is_what_ostree_commit_makes() {
    same_as_ostree_commit(RepoMode::Bare);
}

#[test]
fn a_bare_user_tree_is_what_ostree_commit_makes() {
    same_as_ostree_commit(RepoMode::BareUser);
}

#[test]
fn an_archive_tree_is_what_ostree_commit_makes() {
    same_as_ostree_commit(RepoMode::Archive);
}

#[test]
fn a_merge_is_what_checkout_and_commit_make() {
    let (dir, repo) = repo(RepoMode::Bare);
    let base_files = [("usr/bin/a", "a"), ("usr/lib/x/one", "1"), ("usr/lib/y/two", "2")];
    let base = commit(&repo, "base", None, "1", &base_files);
    let package_files = [("usr/bin/b", "b"), ("usr/lib/x/one", "1"), ("usr/new/deep/c", "c")];
    let package = commit(&repo, "package", None, "1", &package_files);

    let transaction = repo.transaction().unwrap();
    let mut tree = Tree::from_commit(&repo, &base).unwrap();
    tree.merge(&package, "package", ConflictPolicy::Refuse).unwrap();
    let merged = tree.commit(&CommitSpec::default()).unwrap();
    transaction.set_ref("merged", &merged);
    let stats = transaction.commit().unwrap();
    // The root, usr and usr/bin; usr/new is theirs as it is and usr/lib did not change.
    assert_eq!(stats.metadata_written, 3 + 1);
    assert_eq!(stats.content_written, 0);

    let out = dir.path().join("out");
    ostree(repo.path(), &format!("checkout -H base {}", out.display()));
    ostree(repo.path(), &format!("checkout -H --union-identical package {}", out.display()));
    let oracle = ostree(repo.path(), &format!("commit -b oracle --tree=dir={}", out.display()));
    let oracle: Checksum = oracle.trim().parse().unwrap();
    assert_eq!(
        repo.commit_info(&merged).unwrap().content_checksum,
        repo.commit_info(&oracle).unwrap().content_checksum
    );
    ostree(repo.path(), "fsck");
}

fn merge(policy: ConflictPolicy, theirs: &[(&str, &str)]) -> (Result<(), Error>, String) {
    let (dir, repo) = repo(RepoMode::Bare);
    let base = commit(&repo, "base", None, "1", &[("d/same", "s"), ("d/x", "ours"), ("e/y", "y")]);
    let other = commit(&repo, "other", None, "1", theirs);
    let transaction = repo.transaction().unwrap();
    let mut tree = Tree::from_commit(&repo, &base).unwrap();
    let result = tree.merge(&other, "other", policy);
    let merged = tree.commit(&CommitSpec::default()).unwrap();
    transaction.set_ref("merged", &merged);
    transaction.commit().unwrap();
    if result.is_err() {
        let content = |commit| repo.commit_info(commit).unwrap().content_checksum;
        assert_eq!(content(&merged), content(&base), "a refused merge changed the tree");
    }
    let x = repo.read_file(&merged, "d/x").unwrap().unwrap();
    drop(dir);
    (result, String::from_utf8(x).unwrap())
}

#[test]
fn a_conflict_names_every_path_and_changes_nothing() {
    let theirs = [("d/same", "s"), ("d/x", "theirs"), ("e", "a file"), ("f", "new")];
    let (result, x) = merge(ConflictPolicy::Refuse, &theirs);
    let error = result.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Conflict);
    let Error::Conflicts { conflicts, .. } = error else { panic!("{error}") };
    let paths: Vec<_> = conflicts.iter().map(|conflict| conflict.path.as_str()).collect();
    assert_eq!(paths, ["/d/x", "/e"]);
    assert_eq!(conflicts[1].ours, "directory");
    assert_eq!(x, "ours");
}

#[test]
fn the_policy_decides_whose_file_stays() {
    let theirs = [("d/same", "s"), ("d/x", "theirs")];
    let (result, x) = merge(ConflictPolicy::KeepOurs, &theirs);
    assert!(result.is_ok());
    assert_eq!(x, "ours");
    let (result, x) = merge(ConflictPolicy::TakeTheirs, &theirs);
    assert!(result.is_ok());
    assert_eq!(x, "theirs");
    let (result, _) = merge(ConflictPolicy::TakeTheirs, &[("e", "a file")]);
    assert_eq!(result.unwrap_err().kind(), FailureKind::Conflict);
}

#[test]
fn directories_keep_the_bases_attributes() {
    let (_dir, repo) = repo(RepoMode::Bare);
    let made = |mode| {
        let transaction = repo.transaction().unwrap();
        let mut tree = Tree::empty(&repo);
        tree.ensure_dir("d", &root(mode)).unwrap();
        tree.put_bytes(&format!("d/{mode}"), &root(0o644), b"x").unwrap();
        let made = tree.commit(&CommitSpec::default()).unwrap();
        transaction.commit().unwrap();
        made
    };
    let (base, other) = (made(0o700), made(0o755));
    let mut tree = Tree::from_commit(&repo, &base).unwrap();
    tree.merge(&other, "other", ConflictPolicy::Refuse).unwrap();
    assert_eq!(tree.lookup("d").unwrap(), Some(Node::Directory(root(0o700))));
    assert_eq!(tree.list("d").unwrap().len(), 2);
    tree.set_dir("d", &root(0o711)).unwrap();
    assert_eq!(tree.lookup("d").unwrap(), Some(Node::Directory(root(0o711))));
}

#[test]
fn edits_touch_what_they_name() {
    let (_dir, repo) = repo(RepoMode::Bare);
    let base = commit(&repo, "base", None, "1", &[("a/b/c", "c"), ("a/d", "d"), ("k", "k")]);
    let mut tree = Tree::from_commit(&repo, &base).unwrap();
    assert!(tree.remove("a/b/c").unwrap());
    assert!(!tree.remove("a/b/c").unwrap());
    assert!(!tree.remove("none/at/all").unwrap());
    tree.copy("a/d", "x/y/z").unwrap();
    tree.rename("k", "a/k").unwrap();
    tree.put_from("copy", &base, "a").unwrap();
    assert_eq!(tree.read_file("copy/b/c").unwrap().unwrap(), b"c");
    assert_eq!(tree.read_file("x/y/z").unwrap().unwrap(), b"d");
    assert_eq!(tree.lookup("k").unwrap(), None);
    let names: Vec<_> = tree.list("a").unwrap().into_iter().collect();
    assert_eq!(names.len(), 3);
    assert_eq!(names[0], ("b".to_owned(), Child::Directory));

    let check = |result: Result<(), Error>, kind| assert_eq!(result.unwrap_err().kind(), kind);
    let d = match tree.lookup("a/d").unwrap() {
        Some(Node::File(file)) => file,
        other => panic!("{other:?}"),
    };
    check(tree.put_object("a/d/e", &d), FailureKind::InvalidRequest);
    check(tree.put_object("a", &d), FailureKind::InvalidRequest);
    check(tree.put_object("a/../e", &d), FailureKind::InvalidRequest);
    check(tree.ensure_dir("a/d", &root(0o755)), FailureKind::InvalidRequest);
    check(tree.copy("none", "x"), FailureKind::NotFound);
    check(tree.list("a/d").map(drop), FailureKind::NotFound);
    check(tree.put_from("x", &base, "none"), FailureKind::NotFound);
}

#[test]
fn nothing_is_written_outside_of_a_transaction() {
    let (_dir, repo) = repo(RepoMode::Bare);
    let mut tree = Tree::empty(&repo);
    let error = tree.put_bytes("a", &root(0o644), b"a").unwrap_err();
    assert!(matches!(error, Error::NoTransaction { .. }), "{error}");
    assert!(tree.write().is_err());
}

#[test]
fn an_object_tells_what_it_is() {
    let (_dir, repo) = repo(RepoMode::Bare);
    let transaction = repo.transaction().unwrap();
    let made = tree(&repo);
    transaction.set_ref("x", &made);
    transaction.commit().unwrap();
    let info = |path: &str| match repo.lookup(&made, path).unwrap() {
        Some(Node::File(file)) => repo.file_info(&file).unwrap(),
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!(info("usr/bin/link").kind, FileKind::Symlink { target: "../share".into() });
    let ping = info("usr/bin/ping");
    assert_eq!(ping.kind, FileKind::Regular { size: 4 });
    assert_eq!(ping.attributes.xattrs, [(b"security.capability".to_vec(), CAPABILITY.to_vec())]);
    assert_eq!(
        (info("usr/bin/su").attributes.uid, info("usr/bin/su").attributes.mode),
        (3, 0o4755)
    );
}

#[test]
fn threads_with_handles_of_their_own_import_in_parallel() {
    let (dir, repo) = repo(RepoMode::Bare);
    let path = repo.path().to_owned();
    std::thread::scope(|scope| {
        for n in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let repo = Repo::open(path).unwrap();
                let own = n.to_string();
                let files = [("shared", "same"), ("own", own.as_str())];
                commit(&repo, &format!("package/{n}"), None, "1", &files);
            });
        }
    });
    assert_eq!(repo.list_refs(Some("package")).unwrap().len(), 4);
    ostree(&path, "fsck");
    assert!(!describe(dir.path()).is_empty());
}
