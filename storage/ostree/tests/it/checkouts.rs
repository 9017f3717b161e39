//! Our own hard-link checkout and spares, against `ostree checkout`.

use crate::fixture::{commit, describe, ostree, repo, root};
use cambium_model::Unobserved;
use cambium_ostree::{Attributes, CommitSpec, RepoMode, Spares, Tree};

fn varied(repo: &cambium_ostree::Repo, edition: &str) -> cambium_model::Checksum {
    let transaction = repo.transaction().unwrap();
    let mut tree = Tree::empty(repo);
    let xattrs = vec![(b"user.edition".to_vec(), edition.as_bytes().to_vec())];
    tree.ensure_dir("d", &Attributes { uid: 1, gid: 2, mode: 0o2750, xattrs }).unwrap();
    tree.put_bytes("d/same", &root(0o4755), b"same").unwrap();
    tree.put_bytes("d/other", &root(0o644), edition.as_bytes()).unwrap();
    tree.put_bytes(&format!("only/{edition}/deep/f"), &root(0o600), b"f").unwrap();
    tree.put_bytes("kind", &root(0o644), b"file").unwrap();
    tree.put_symlink("link", &root(0), edition).unwrap();
    if edition == "two" {
        tree.remove("kind").unwrap();
        tree.put_bytes("kind/is/directory", &root(0o644), b"now").unwrap();
    }
    let made = tree.commit(&CommitSpec::default()).unwrap();
    transaction.set_ref(edition, &made);
    transaction.commit().unwrap();
    made
}

#[test]
fn a_checkout_is_what_ostree_checkout_makes() {
    let (dir, repo) = repo(RepoMode::Bare);
    let made = varied(&repo, "one");
    let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
    repo.checkout(&made, &ours, &Unobserved).unwrap();
    ostree(repo.path(), &format!("checkout -H {made} {}", theirs.display()));
    assert_eq!(describe(&ours), describe(&theirs));
    assert!(repo.checkout(&made, &ours, &Unobserved).is_err(), "it is there already");
}

#[test]
fn a_repository_without_links_is_checked_out_by_libostree() {
    let (dir, repo) = repo(RepoMode::Archive);
    let made = commit(&repo, "a", None, "1", &[("x/y", "z")]);
    repo.checkout(&made, &dir.path().join("out"), &Unobserved).unwrap();
    assert_eq!(std::fs::read(dir.path().join("out/x/y")).unwrap(), b"z");
}

#[test]
fn a_patched_spare_is_a_fresh_checkout() {
    let (dir, repo) = repo(RepoMode::Bare);
    let (one, two) = (varied(&repo, "one"), varied(&repo, "two"));
    let spares = Spares::of(&repo);
    spares.prepare(&one, &Unobserved).unwrap();
    assert_eq!(spares.list().unwrap(), vec![one.clone()]);
    for (to, name) in [(&two, "a"), (&one, "b")] {
        // The spare is patched to another commit and takes its name.
        spares.prepare(to, &Unobserved).unwrap();
        assert_eq!(spares.list().unwrap(), vec![to.clone()]);
        let fresh = dir.path().join(name);
        repo.checkout(to, &fresh, &Unobserved).unwrap();
        let spare = repo.path().join("extensions/cambium/spare").join(to.as_str());
        assert_eq!(describe(&spare), describe(&fresh));
    }
    ostree(repo.path(), "fsck");
    assert_eq!(spares.retain(&[]).unwrap(), [one.to_string()]);
    assert_eq!(spares.list().unwrap(), []);
}
