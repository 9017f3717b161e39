//! The three-way merge, path by path.

use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};

struct Three {
    dir: tempfile::TempDir,
}

impl Three {
    /// `shipped`, `current` and `new`, all with the same files.
    fn new(files: &[&str]) -> Self {
        let three = Self { dir: tempfile::tempdir().unwrap() };
        for tree in ["shipped", "current", "new"] {
            for file in files {
                let path = three.at(tree, file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "as shipped").unwrap();
            }
        }
        three
    }

    fn at(&self, tree: &str, file: &str) -> PathBuf {
        self.dir.path().join(tree).join(file)
    }

    fn merge(&self) -> Changes {
        let (shipped, current) = (self.at("shipped", ""), self.at("current", ""));
        let changes = local_changes(&shipped, &current).unwrap();
        apply(&changes, &current, &self.at("new", ""), None).unwrap();
        changes
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.at("new", file)).unwrap()
    }
}

#[test]
fn what_nobody_changed_is_as_the_new_tree_ships_it() {
    let three = Three::new(&["a", "d/b"]);
    std::fs::write(three.at("new", "a"), "newer").unwrap();
    std::fs::remove_file(three.at("new", "d/b")).unwrap();
    std::fs::write(three.at("current", ".updated"), "").unwrap();
    assert!(three.merge().is_empty());
    assert_eq!(three.read("a"), "newer");
    assert!(!three.at("new", "d/b").exists());
}

#[test]
fn local_content_wins_and_removed_stays_removed() {
    let three = Three::new(&["a", "b", "d/c", "gone/x/y"]);
    std::fs::write(three.at("current", "a"), "mine").unwrap();
    std::fs::write(three.at("new", "a"), "newer").unwrap();
    std::fs::remove_file(three.at("current", "b")).unwrap();
    std::fs::remove_dir_all(three.at("current", "gone")).unwrap();
    std::fs::create_dir(three.at("current", "added")).unwrap();
    std::fs::write(three.at("current", "added/f"), "added").unwrap();
    // Their directory is gone from the new tree: the changed file brings it back.
    std::fs::write(three.at("current", "d/c"), "changed").unwrap();
    std::fs::remove_dir_all(three.at("new", "d")).unwrap();
    let changes = three.merge();
    assert_eq!(changes[Path::new("a")], LocalChange::Modified);
    assert_eq!(changes[Path::new("b")], LocalChange::Removed);
    assert_eq!(changes[Path::new("added/f")], LocalChange::Added);
    assert_eq!(three.read("a"), "mine");
    assert_eq!(three.read("added/f"), "added");
    assert_eq!(three.read("d/c"), "changed");
    assert!(!three.at("new", "b").exists());
    assert!(!three.at("new", "gone").exists());
}

#[test]
fn modes_owners_links_and_attributes_are_changes() {
    let three = Three::new(&["mode", "owner", "xattr", "link", "directory/f"]);
    let current = |file: &str| three.at("current", file);
    std::fs::set_permissions(current("mode"), std::fs::Permissions::from_mode(0o4711)).unwrap();
    std::os::unix::fs::chown(current("owner"), Some(7), Some(8)).unwrap();
    rustix::fs::lsetxattr(current("xattr"), "user.k", b"v", XattrFlags::empty()).unwrap();
    std::fs::remove_file(current("link")).unwrap();
    symlink("elsewhere", current("link")).unwrap();
    std::fs::set_permissions(current("directory"), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(three.merge().len(), 5);
    let (shipped, new) = (three.at("current", ""), three.at("new", ""));
    assert_eq!(read(&shipped).unwrap(), read(&new).unwrap());
}

#[test]
fn a_changed_kind_replaces_what_the_new_tree_ships() {
    let three = Three::new(&["file", "dir/f"]);
    std::fs::remove_file(three.at("current", "file")).unwrap();
    std::fs::create_dir(three.at("current", "file")).unwrap();
    std::fs::write(three.at("current", "file/in"), "in").unwrap();
    std::fs::remove_dir_all(three.at("current", "dir")).unwrap();
    std::fs::write(three.at("current", "dir"), "now a file").unwrap();
    three.merge();
    assert_eq!(three.read("file/in"), "in");
    assert_eq!(three.read("dir"), "now a file");
}

#[test]
fn a_merge_that_ran_twice_is_a_merge_that_ran_once() {
    let three = Three::new(&["a", "b"]);
    std::fs::write(three.at("current", "a"), "mine").unwrap();
    std::fs::remove_file(three.at("current", "b")).unwrap();
    three.merge();
    let once = read(&three.at("new", "")).unwrap();
    three.merge();
    assert_eq!(read(&three.at("new", "")).unwrap(), once);
}
