//! The full path as oracle: the base and the packages checked out by the `ostree` program, the
//! scripts' doing repeated by hand, everything committed again. The tree must be the same, to the
//! checksum.

use super::*;
use cambium_rpm::rpmdb::{Update, update};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Makes the tree of `layers` the long way and returns its content checksum. `work` does in a
/// root what the scripts do; the root's files are copies, so it may.
fn full_path(world: &World, layers: &[Layer], autovar: &str, work: impl FnOnce(&Path)) -> String {
    let root = world.path("oracle");
    let at = root.to_str().unwrap();
    world.ostree(&["checkout", "--force-copy", world.base.as_str(), at]);
    for layer in layers {
        let commit = layer.commit.as_str();
        world.ostree(&["checkout", "--force-copy", "--union", commit, at]);
    }
    work(&root);
    let database = root.join("usr/share/rpm");
    let copy = root.join("usr/lib/sysimage/rpm-ostree-base-db");
    fs::create_dir_all(copy.parent().unwrap()).unwrap();
    let copied = Command::new("cp").arg("-a").args([&database, &copy]).status().unwrap();
    assert!(copied.success());
    let add = layers.iter().map(|layer| &layer.header).collect();
    let change = Update { add, remove: vec![], time: crate::fixture::TIME as u32 };
    update(&database, &change, &Unobserved).unwrap();
    if !autovar.is_empty() {
        let header = "# Made by cambium from the packages' files below /var and /run.\n";
        let path = root.join("usr/lib/tmpfiles.d/rpm-ostree-autovar.conf");
        fs::write(path, format!("{header}{autovar}")).unwrap();
    }
    let tree = format!("--tree=dir={at}");
    let commit = world.ostree(&["commit", "--branch=oracle", &tree]);
    let commit: Checksum = commit.trim().parse().unwrap();
    let content = world.repo().commit_info(&commit).unwrap().content_checksum;
    content.to_string()
}

fn check(layers: Vec<Recipe>, autovar: &str, work: impl FnOnce(&Path)) {
    let world = World::new();
    let layers = world.layers(layers);
    let assembled = world.assemble(&layers).unwrap();
    let expected = full_path(&world, &layers, autovar, work);
    let differing = world.ostree(&["diff", "oracle", assembled.commit.as_str()]);
    assert_eq!(assembled.content_checksum.to_string(), expected, "{differing}");
}

#[test]
fn a_merge_of_checksums_is_the_tree_that_a_checkout_makes() {
    check(
        vec![
            Recipe::new("a", "1")
                .file("/usr/bin/a", "a\n")
                .file("/usr/share/new/deep/file", "x\n")
                .file("/etc/a/conf", "x\n"),
            Recipe::new("b", "1").file("/usr/share/new/deep/other", "y\n").edit(|builder| {
                let dir = FileOptions::dir("/usr/share/new").permissions(0o700);
                builder.with_dir_entry(dir).unwrap();
                builder.with_symlink(FileOptions::symlink("/usr/bin/b", "a")).unwrap();
                builder.with_dir_entry(FileOptions::dir("/var/cache/b")).unwrap();
            }),
        ],
        "d /var/cache/b 0755 root root - -\n",
        |_| {},
    );
}

#[test]
fn what_scripts_do_in_an_overlay_is_what_they_do_in_a_copy() {
    let post = "set -e; echo new > /usr/bin/base-tool; rm /usr/share/base-data\n\
        mkdir -p /usr/lib/made; ln -s x /usr/lib/made/link; echo f > /usr/lib/made/f\n\
        rm -r /usr/share/demo; mkdir /usr/share/demo; echo again > /usr/share/demo/only\n\
        chown 2:2 /usr/bin/demo; mkdir /var/lib/state";
    check(
        vec![
            Recipe::new("demo", "1")
                .file("/usr/bin/demo", "demo\n")
                .file("/usr/share/demo/one", "1\n")
                .post(post),
        ],
        "d /var/lib/state 0755 root root - -\n",
        |root| {
            let at = |path: &str| root.join(path);
            fs::write(at("usr/bin/base-tool"), "new\n").unwrap();
            fs::remove_file(at("usr/share/base-data")).unwrap();
            fs::create_dir_all(at("usr/lib/made")).unwrap();
            std::os::unix::fs::symlink("x", at("usr/lib/made/link")).unwrap();
            fs::write(at("usr/lib/made/f"), "f\n").unwrap();
            fs::remove_dir_all(at("usr/share/demo")).unwrap();
            fs::create_dir(at("usr/share/demo")).unwrap();
            fs::write(at("usr/share/demo/only"), "again\n").unwrap();
            std::os::unix::fs::chown(at("usr/bin/demo"), Some(2), Some(2)).unwrap();
        },
    );
}
