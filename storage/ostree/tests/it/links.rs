//! A file system that allows no further link to an object: the file is copied, as libostree does.

use crate::fixture::{Host, describe, root, stateroot, swap};
use cambium_model::{Sweep, Unobserved};
use cambium_ostree::{CommitSpec, Metadata, Repo, RepoMode, Spares, Tree, UsedPackages};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// Set for the process that has the mount.
const INSIDE: &str = "CAMBIUM_TEST_LINKS";

/// ext4's limit.
const MOST: u64 = 65_000;

/// Runs `test` again in a mount namespace of its own with a small ext4 mounted, which goes with it.
fn on_ext4(test: &str, body: impl FnOnce(&Path)) {
    if let Some(place) = std::env::var_os(INSIDE) {
        return body(Path::new(&place));
    }
    let dir = tempfile::tempdir().unwrap();
    let script = "truncate -s 256M image && mkfs.ext4 -q -F image && mkdir fs && \
                  mount -o loop image fs && exec \"$0\" --exact \"$1\" --nocapture";
    let ran = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-ec", script])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(INSIDE, dir.path().join("fs"))
        .current_dir(dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && text.contains("1 passed"), "{text}");
}

/// Links the object of a file until the file system refuses.
fn exhaust(place: &Path, file: &Path) {
    let used = std::fs::metadata(file).unwrap().nlink();
    let links = place.join("links");
    std::fs::create_dir(&links).unwrap();
    for n in used..MOST {
        std::fs::hard_link(file, links.join(n.to_string())).unwrap();
    }
    assert_eq!(std::fs::metadata(file).unwrap().nlink(), MOST);
    assert!(std::fs::hard_link(file, links.join("one more")).is_err());
}

/// A tree whose `full` will have no link left, with all that a copy must keep, and other files.
fn tree(repo: &Repo, more: &[(&str, &str)]) -> cambium_model::Checksum {
    let transaction = repo.transaction().unwrap();
    let mut tree = Tree::empty(repo);
    let mut full = root(0o4751);
    (full.uid, full.gid) = (7, 8);
    full.xattrs = vec![(b"user.kept".to_vec(), b"value".to_vec())];
    tree.put_bytes("usr/bin/full", &full, b"content").unwrap();
    for (path, content) in more {
        tree.put_bytes(path, &root(0o644), content.as_bytes()).unwrap();
    }
    let commit = tree.commit(&CommitSpec { metadata: Metadata::new(), ..CommitSpec::default() });
    let commit = commit.unwrap();
    transaction.set_ref(if more.is_empty() { "a" } else { "b" }, &commit);
    transaction.commit().unwrap();
    commit
}

/// Without inode numbers, which differ where a file was copied.
fn described(path: &Path) -> String {
    let number = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        words.into_iter().filter(|word| word.parse::<u64>().is_err()).collect::<Vec<_>>().join(" ")
    };
    describe(path).lines().map(number).collect::<Vec<_>>().join("\n")
}

#[test]
fn checkouts_spares_and_patches_copy_what_cannot_be_linked() {
    on_ext4("links::checkouts_spares_and_patches_copy_what_cannot_be_linked", |place| {
        let repo = Repo::create(place.join("repo"), RepoMode::Bare).unwrap();
        let first = tree(&repo, &[]);
        let second = tree(&repo, &[("usr/bin/other", "other")]);
        let linked = place.join("linked");
        repo.checkout(&second, &linked, &Unobserved).unwrap();
        exhaust(place, &linked.join("usr/bin/full"));
        let copied = place.join("copied");
        repo.checkout(&second, &copied, &Unobserved).unwrap();
        let full = copied.join("usr/bin/full");
        let found = std::fs::metadata(&full).unwrap();
        assert_eq!(
            (found.nlink(), found.mode() & 0o7777, found.uid(), found.gid()),
            (1, 0o4751, 7, 8)
        );
        assert_eq!(found.mtime(), std::fs::metadata(linked.join("usr/bin/full")).unwrap().mtime());
        assert_eq!(described(&copied), described(&linked));
        // A patch that adds the file, and a spare made from nothing.
        let empty = {
            let transaction = repo.transaction().unwrap();
            let mut tree = Tree::empty(&repo);
            tree.put_bytes("etc/x", &root(0o644), b"x").unwrap();
            let commit = tree.commit(&CommitSpec::default()).unwrap();
            transaction.set_ref("c", &commit);
            transaction.commit().unwrap();
            commit
        };
        let spares = Spares::of(&repo);
        spares.prepare(&empty, &Unobserved).unwrap();
        spares.prepare(&second, &Unobserved).unwrap();
        let spare = repo.path().join("extensions/cambium/spare").join(second.as_str());
        assert_eq!(described(&spare), described(&linked));
        spares.retain(&[]).unwrap();
        spares.prepare(&first, &Unobserved).unwrap();
        let spare = repo.path().join("extensions/cambium/spare").join(first.as_str());
        assert_eq!(std::fs::metadata(spare.join("usr/bin/full")).unwrap().nlink(), 1);
    });
}

#[test]
fn a_deployment_is_made_where_an_object_has_no_link_left() {
    on_ext4("links::a_deployment_is_made_where_an_object_has_no_link_left", |place| {
        let host = Host::new_in(place);
        let first = host.deploy(&host.first, None);
        let kept = host.sysroot().deployment_path(&first).join("usr/share/doc/readme");
        exhaust(place, &kept);
        let sysroot = host.sysroot();
        let request = host.request(&host.second, Some(&first));
        let prepared = sysroot.prepare(&request, &Unobserved).unwrap();
        let id = prepared.id.clone();
        assert_eq!(id.stateroot, stateroot());
        sysroot.swap(&swap(prepared, Some(&first))).unwrap();
        sysroot.collect(&UsedPackages::new(), Sweep::Objects, &Unobserved).unwrap();
        let copy = sysroot.deployment_path(&id).join("usr/share/doc/readme");
        assert_eq!(std::fs::metadata(&copy).unwrap().nlink(), 1);
        assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&kept).unwrap());
        host.fsck();
    });
}
