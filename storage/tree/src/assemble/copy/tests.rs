//! A copy is its layers as an overlay shows them; every change in it is told, and nothing else.

use super::*;
use rustix::fs::{FileType, mknodat};
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// A tree of every kind of thing that an image holds.
fn lower(at: &Path) {
    fs::create_dir_all(at.join("share/dir/deep")).unwrap();
    fs::create_dir(at.join("share/empty")).unwrap();
    for (name, text, mode) in [
        ("tool", "tool\n", 0o755),
        ("empty", "", 0o644),
        ("set-uid", "s", 0o4755),
        ("secret", "", 0o000),
        ("share/dir/file", "file\n", 0o444),
        ("share/dir/deep/file", "deep\n", 0o600),
    ] {
        let path = at.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("tool", at.join("link")).unwrap();
    std::os::unix::fs::lchown(at.join("share/dir/file"), Some(3), Some(4)).unwrap();
    rustix::fs::lsetxattr(at.join("tool"), "user.kept", b"v", XattrFlags::empty()).unwrap();
}

fn copied() -> (TempDir, Known) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["lower", "usr"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    lower(&dir.path().join("lower"));
    merge(&[dir.path().join("lower")], &dir.path().join("usr"), &cambium_model::Unobserved)
        .unwrap();
    let known = Known::read(&dir.path().join("usr")).unwrap();
    (dir, known)
}

fn told(dir: &TempDir, known: &Known) -> Vec<String> {
    let changes = known.changes(&dir.path().join("usr"), "usr").unwrap();
    let what = |change: Change| match change {
        Change::Removed => "removed".to_owned(),
        Change::Directory(a) => format!("directory {:o}", a.mode),
        Change::Opaque(a) => format!("opaque {:o}", a.mode),
        Change::File(a) => format!("file {:o} {}:{} {}", a.mode, a.uid, a.gid, a.xattrs.len()),
        Change::Symlink(_, target) => format!("link {target}"),
    };
    changes
        .into_iter()
        .map(|changed| format!("{} {}", changed.path, what(changed.change)))
        .collect()
}

#[test]
fn a_copy_has_the_attributes_and_times_of_the_original_and_none_of_its_inodes() {
    let (dir, known) = copied();
    assert_eq!(told(&dir, &known), [""; 0], "nothing has changed");
    for name in ["", "tool", "empty", "set-uid", "secret", "link", "share/dir/file", "share/dir"] {
        let (from, to) = (dir.path().join("lower").join(name), dir.path().join("usr").join(name));
        let (a, b) = (from.symlink_metadata().unwrap(), to.symlink_metadata().unwrap());
        let seen = |m: &Metadata| (m.mode(), m.uid(), m.gid(), m.len(), m.mtime(), m.mtime_nsec());
        assert_eq!(seen(&a), seen(&b), "{name}");
        assert_ne!(a.ino(), b.ino(), "{name}");
        assert_eq!(Attributes::of_path(&from).unwrap(), Attributes::of_path(&to).unwrap());
    }
}

#[test]
fn layers_are_read_as_an_overlay_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in
        ["top/both", "top/dir-over-file", "low/both", "low/gone", "low/file-over-dir", "usr"]
    {
        fs::create_dir_all(at(name)).unwrap();
    }
    for name in [
        "top/both/x",
        "top/file-over-dir",
        "top/dir-over-file/in",
        "low/both/x",
        "low/both/y",
        "low/gone/z",
        "low/dir-over-file",
        "low/file-over-dir/z",
        "low/w",
    ] {
        fs::write(at(name), name).unwrap();
    }
    fs::set_permissions(at("top/both"), fs::Permissions::from_mode(0o711)).unwrap();
    for name in ["top/gone", "top/w"] {
        mknodat(CWD, at(name), FileType::CharacterDevice, Mode::empty(), 0).unwrap();
    }
    merge(&[at("top"), at("low")], &at("usr"), &cambium_model::Unobserved).unwrap();
    let text = |name: &str| fs::read_to_string(at("usr").join(name)).unwrap();
    let mut names: Vec<_> = fs::read_dir(at("usr"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["both", "dir-over-file", "file-over-dir"]);
    assert_eq!((text("both/x").as_str(), text("both/y").as_str()), ("top/both/x", "low/both/y"));
    assert_eq!(text("file-over-dir"), "top/file-over-dir");
    assert_eq!(text("dir-over-file/in"), "top/dir-over-file/in");
    assert_eq!(at("usr/both").metadata().unwrap().mode() & 0o777, 0o711);
}

#[test]
fn every_way_to_change_something_is_told_and_nothing_else() {
    type Way = (&'static str, fn(&Path), &'static [&'static str]);
    let ways: [Way; 12] = [
        (
            "write",
            |usr| fs::write(usr.join("tool"), "TOOL\n").unwrap(),
            &["usr/tool file 755 0:0 1"],
        ),
        (
            "write back the same with the same time",
            |usr| {
                let path = usr.join("tool");
                let before = path.metadata().unwrap();
                fs::write(&path, "TOOL\n").unwrap();
                let time = Timespec { tv_sec: before.mtime(), tv_nsec: before.mtime_nsec() };
                let times = Timestamps { last_access: time, last_modification: time };
                rustix::fs::utimensat(CWD, &path, &times, AtFlags::empty()).unwrap();
            },
            &["usr/tool file 755 0:0 1"],
        ),
        (
            "truncate",
            |usr| File::options().write(true).open(usr.join("tool")).unwrap().set_len(0).unwrap(),
            &["usr/tool file 755 0:0 1"],
        ),
        (
            "chmod",
            |usr| {
                fs::set_permissions(usr.join("empty"), fs::Permissions::from_mode(0o600)).unwrap()
            },
            &["usr/empty file 600 0:0 0"],
        ),
        (
            "chown of a link",
            |usr| std::os::unix::fs::lchown(usr.join("link"), Some(7), None).unwrap(),
            &["usr/link link tool"],
        ),
        (
            "setxattr",
            |usr| {
                let path = usr.join("empty");
                rustix::fs::lsetxattr(path, "user.new", b"v", XattrFlags::empty()).unwrap();
            },
            &["usr/empty file 644 0:0 1"],
        ),
        (
            "chmod of a directory",
            |usr| {
                fs::set_permissions(usr.join("share"), fs::Permissions::from_mode(0o700)).unwrap()
            },
            &["usr/share directory 700"],
        ),
        (
            "remove",
            |usr| fs::remove_dir_all(usr.join("share/dir")).unwrap(),
            &["usr/share directory 755", "usr/share/dir removed"],
        ),
        (
            "a directory in place of another",
            |usr| {
                fs::remove_dir_all(usr.join("share/dir")).unwrap();
                fs::create_dir(usr.join("share/dir")).unwrap();
                fs::write(usr.join("share/dir/new"), "").unwrap();
            },
            &[
                "usr/share directory 755",
                "usr/share/dir directory 755",
                "usr/share/dir/deep removed",
                "usr/share/dir/file removed",
                "usr/share/dir/new file 644 0:0 0",
            ],
        ),
        (
            "a directory moved with all below it, which an overlay would not allow",
            |usr| fs::rename(usr.join("share/dir"), usr.join("share/moved")).unwrap(),
            &[
                "usr/share directory 755",
                "usr/share/dir removed",
                "usr/share/moved directory 755",
                "usr/share/moved/deep directory 755",
                "usr/share/moved/deep/file file 600 0:0 0",
                "usr/share/moved/file file 444 3:4 0",
            ],
        ),
        (
            "two directories that change places",
            |usr| {
                fs::rename(usr.join("share/dir/deep"), usr.join("aside")).unwrap();
                fs::rename(usr.join("share/empty"), usr.join("share/dir/deep")).unwrap();
                fs::rename(usr.join("aside"), usr.join("share/empty")).unwrap();
            },
            &[
                "usr/share directory 755",
                "usr/share/dir directory 755",
                "usr/share/dir/deep directory 755",
                "usr/share/dir/deep/file removed",
                "usr/share/empty directory 755",
                "usr/share/empty/file file 600 0:0 0",
            ],
        ),
        (
            "a file in place of a directory",
            |usr| {
                fs::remove_dir(usr.join("share/empty")).unwrap();
                fs::write(usr.join("share/empty"), "").unwrap();
            },
            &["usr/share directory 755", "usr/share/empty file 644 0:0 0"],
        ),
    ];
    for (way, change, expected) in ways {
        let (dir, known) = copied();
        change(&dir.path().join("usr"));
        assert_eq!(told(&dir, &known), expected, "{way}");
    }
}

#[test]
fn what_a_commit_cannot_hold_is_refused_by_name() {
    let (dir, known) = copied();
    let usr = dir.path().join("usr");
    mknodat(CWD, usr.join("hole"), FileType::CharacterDevice, Mode::empty(), 0).unwrap();
    let error = known.changes(&usr, "usr").unwrap_err();
    assert!(matches!(error, Error::SpecialFile { path } if path == "usr/hole"));
}
