//! Modes, owners and capabilities of packaged files, held against what `rpm -i` makes of the same
//! package in a plain root.

use super::*;
use cambium_ostree::Attributes;
use std::path::Path;
use std::process::Command;

const FILES: [&str; 7] = [
    "usr/bin/set-uid",
    "usr/bin/set-gid",
    "usr/bin/capable",
    "usr/bin/owned-and-capable",
    "usr/share/marked/owned",
    "usr/share/marked",
    "usr/share/marked/link",
];

fn recipe() -> Recipe {
    let file = |path: &str, mode: u16| FileOptions::new(path).mode(0o100_000 | mode);
    Recipe::new("marked", "1")
        .with(file("/usr/bin/set-uid", 0o4755), "x")
        .with(file("/usr/bin/set-gid", 0o2755).group("daemon"), "x")
        .with(file("/usr/bin/capable", 0o755).caps("cap_net_raw=ep").unwrap(), "x")
        .with(
            file("/usr/bin/owned-and-capable", 0o4750)
                .user("daemon")
                .group("daemon")
                .caps("cap_net_admin,cap_net_raw=p")
                .unwrap(),
            "x",
        )
        .with(file("/usr/share/marked/owned", 0o640).user("daemon"), "x")
        .edit(|builder| {
            let directory = FileOptions::dir("/usr/share/marked").permissions(0o3775);
            builder.with_dir_entry(directory.user("daemon").group("daemon")).unwrap();
            let link = FileOptions::symlink("/usr/share/marked/link", "owned").user("daemon");
            builder.with_symlink(link).unwrap();
        })
}

/// The attributes of each file as rpm itself installs it.
fn by_rpm(world: &World, rpm: &Path) -> Vec<Attributes> {
    let root = world.path("plain");
    for (name, text) in [
        ("passwd", "root:x:0:0::/:/bin/sh\ndaemon:x:2:2::/:/bin/false\n"),
        ("group", "root:x:0:\ndaemon:x:2:\n"),
    ] {
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("etc").join(name), text).unwrap();
    }
    let mut command = Command::new("rpm");
    command.arg("--root").arg(&root).args(["--dbpath", "/rpmdb", "-i", "--nodeps", "--noscripts"]);
    let output = command.arg(rpm).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    FILES.iter().map(|path| Attributes::of_path(&root.join(path)).unwrap()).collect()
}

fn in_commit(world: &World, commit: &Checksum) -> Vec<Attributes> {
    let repo = world.repo();
    let attributes = |path: &&str| match repo.lookup(commit, path).unwrap() {
        Some(Node::Directory(attributes)) => attributes,
        Some(Node::File(file)) => repo.file_info(&file).unwrap().attributes,
        None => panic!("{path} is missing"),
    };
    FILES.iter().map(attributes).collect()
}

#[test]
fn import_overlay_and_commit_keep_what_rpm_would_set() {
    let world = World::new();
    let expected = by_rpm(&world, &recipe().build(world.dir.path()));
    assert_eq!(expected[0].mode, 0o4755, "rpm set it");
    assert!(!expected[2].xattrs.is_empty() && !expected[3].xattrs.is_empty(), "rpm set them");
    // Owners are set in the tree, or in the scripts' root; the script reads what it may copy up.
    let scripted = recipe().post("set -e; touch /usr/bin/capable /usr/bin/set-uid");
    for recipe in [recipe(), scripted] {
        let layers = world.layers(vec![recipe]);
        let commit = world.assemble(&layers).unwrap().commit;
        for ((path, ours), theirs) in FILES.iter().zip(in_commit(&world, &commit)).zip(&expected) {
            // A link's own permissions mean nothing, and no commit keeps them.
            let mode = if path.ends_with("link") { theirs.mode } else { ours.mode };
            assert_eq!(Attributes { mode, ..ours }, *theirs, "{path}");
        }
    }
    world.fsck();
}
