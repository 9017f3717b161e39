//! The same packages by every backend: one tree, to the checksum, and no object of the repository
//! altered, whatever a script does to the inodes that it sees.

use super::*;
use crate::fixture::Parts;
use cambium_sandbox::{Confinement, Writing};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Every combination that can be made here; a user namespace's kind of overlay works outside of
/// one too.
fn backends() -> Vec<Backend> {
    let all = [
        (Confinement::Namespaces, Writing::Overlay),
        (Confinement::Namespaces, Writing::UserOverlay),
        (Confinement::Namespaces, Writing::Copy),
        (Confinement::Chroot, Writing::Copy),
    ];
    all.map(|(confinement, writing)| Backend { confinement, writing, reason: "a test".into() })
        .into()
}

/// Assembles `recipes` by each backend in a world of its own that `more` adds to.
fn by_each(
    more: impl Fn(&Path) + Copy,
    recipes: impl Fn() -> Vec<Recipe>,
    check: impl Fn(&World, &Assembled),
) {
    let mut first: Option<(String, Checksum)> = None;
    for backend in backends() {
        let name = backend.name();
        let world = World::with(
            Recipe::new("base", "1")
                .file("/usr/bin/base-tool", "old\n")
                .file("/usr/share/old/file", "old\n")
                .trigger(
                    "/usr/share/watched",
                    "while read f; do echo $f; done >> /usr/share/order",
                ),
            more,
        );
        let layers = world.layers(recipes());
        let by = |parts: &mut Parts| parts.backend = Some(backend.clone());
        let assembled = world.assemble_with(&layers, by, &Unobserved).unwrap();
        check(&world, &assembled);
        world.fsck();
        assert_eq!(world.leftovers(), [""; 0], "{name}");
        for etc in ["etc", ".cambium-root"] {
            assert_eq!(world.repo().lookup(&assembled.commit, etc).unwrap(), None, "{name}");
        }
        let (of, content) =
            first.get_or_insert_with(|| (name.to_owned(), assembled.content_checksum.clone()));
        assert_eq!(assembled.content_checksum, *content, "{name} against {of}");
    }
}

#[test]
fn all_backends_make_the_same_tree() {
    let say = |name: &str, class: &str| format!("echo {name}.{class} $1 >> /usr/share/order\n");
    let post = "set -e; echo new > /usr/bin/base-tool; rm /usr/share/base-data\n\
        chmod 0700 /usr/bin/touch; chown 2:2 /usr/bin/cat; ln -sf other /usr/bin/sh2\n\
        mkdir -p /usr/lib/made/dir; echo f > /usr/lib/made/f; ln /usr/lib/made/f /usr/lib/made/g\n\
        rm -r /usr/share/demo; mkdir /usr/share/demo; echo again > /usr/share/demo/only\n\
        mv /usr/share/moving /usr/share/moved; cp -a /usr/bin/set-id /usr/bin/set-id-2\n\
        echo conf > /etc/made.conf; echo more >> /etc/demo.conf; test -d /usr/etc\n\
        mkdir /var/lib/state; echo x > /var/lib/state/x; echo lost > /tmp/x; echo lost > /run/y\n\
        echo lost > /lost; test ! -e /usr/share/rpm/rpmdb.sqlite; test -e /run/ostree-booted\n\
        echo told > /dev/stderr; echo x > /dev/null; systemctl preset demo.service\n";
    let pre = "echo demo:x:990:990::/:/bin/false >> /etc/passwd; echo demo:x:990: >> /etc/group\n\
        echo 'demo:!!:1::::::' > /etc/shadow; touch /etc/.pwd.lock\n";
    let setuid = || FileOptions::new("/usr/bin/set-id").user("demo").permissions(0o4755);
    let more = |root: &Path| {
        for (name, text) in [
            ("systemctl", "#!/bin/sh\necho $* >> /usr/share/called\n"),
            ("systemd-sysusers", "#!/bin/sh\ncat /usr/lib/sysusers.d/*.conf > /usr/share/users\n"),
        ] {
            let path = root.join("usr/bin").join(name);
            fs::write(&path, text).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(path, mode).unwrap();
        }
    };
    let recipes = || {
        vec![
            Recipe::new("demo", "1")
                .file("/usr/share/demo/one", "1\n")
                .file("/usr/share/moving/inner", "1\n")
                .file("/usr/share/watched/demo", "w")
                .file("/etc/demo.conf", "a\n")
                .file("/usr/lib/sysusers.d/demo.conf", "u demo - - -\n")
                .with(setuid(), "s")
                .with(FileOptions::new("/usr/bin/capable").caps("cap_net_raw=ep").unwrap(), "c")
                .edit(|builder| {
                    builder.with_dir_entry(FileOptions::dir("/var/lib/demo").user("demo")).unwrap();
                })
                .pre(&(pre.to_owned() + &say("demo", "pre")))
                .post(&(post.to_owned() + &say("demo", "post")))
                .posttrans(&say("demo", "posttrans")),
            Recipe::new("later", "1")
                .file("/usr/share/watched/later", "w")
                .trigger("/usr/bin/base", "cat >> /usr/share/order")
                .post(&("test -f /var/lib/state/x || exit 9\n".to_owned() + &say("later", "post"))),
        ]
    };
    by_each(more, recipes, |world, assembled| {
        let text = |path: &str| world.text(&assembled.commit, path);
        assert_eq!(text("usr/bin/base-tool").as_deref(), Some("new\n"));
        assert_eq!(text("usr/share/called").as_deref(), Some("preset demo.service\n"));
        assert_eq!(text("usr/etc/demo.conf").as_deref(), Some("a\nmore\n"));
        assert_eq!(text("usr/share/moved/inner").as_deref(), Some("1\n"));
        assert_eq!(text("usr/share/moving/inner"), None);
        let order = text("usr/share/order").unwrap();
        assert!(order.starts_with("demo.pre 1\ndemo.post 1\nlater.post 1\n"), "{order}");
        let Some(Node::File(file)) =
            world.repo().lookup(&assembled.commit, "usr/bin/set-id-2").unwrap()
        else {
            panic!("no set-id-2")
        };
        let attributes = world.repo().file_info(&file).unwrap().attributes;
        assert_eq!((attributes.uid, attributes.mode), (990, 0o4755));
    });
}

/// Does to each path that it is given all that may be done to an inode in place.
const HOSTILE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
int main(int count, char **paths) {
    for (int i = 1; i < count; i++) {
        const char *path = paths[i];
        struct stat s;
        if (lstat(path, &s)) { perror(path); return 1; }
        if (lchown(path, 7, 8)) perror("lchown");
        struct timespec times[2] = { { 1, 1 }, { 1, 1 } };
        utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
        if (S_ISLNK(s.st_mode)) continue;
        chmod(path, 04777);
        setxattr(path, "user.hostile", "x", 1, 0);
        if (S_ISDIR(s.st_mode)) continue;
        int fd = open(path, O_RDWR);
        if (fd < 0) { perror(path); continue; }
        pwrite(fd, "HOSTILE", 7, 0);
        char *at = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at != MAP_FAILED) { at[1] = '!'; msync(at, 4096, MS_SYNC); munmap(at, 4096); }
        ftruncate(fd, 3);
        fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8192);
        close(fd);
    }
    return 0;
}
"#;

#[test]
fn a_hostile_script_alters_no_object() {
    let build = tempfile::tempdir().unwrap();
    let source = build.path().join("hostile.c");
    fs::write(&source, HOSTILE).unwrap();
    let program = build.path().join("hostile");
    let built = Command::new("cc").arg("-o").arg(&program).arg(&source).status().unwrap();
    assert!(built.success());
    let more = |root: &Path| {
        let at = |name: &str| root.join("usr/share/kinds").join(name);
        fs::create_dir_all(at("dir/deep")).unwrap();
        for (name, text, mode) in [
            ("file", "a file\n", 0o644),
            ("empty", "", 0o644),
            ("read-only", "r\n", 0o444),
            ("secret", "s\n", 0o000),
            ("set-uid", "s\n", 0o4755),
            ("dir/deep/file", "deep\n", 0o600),
            // Twins are one object.
            ("twin", "a file\n", 0o644),
        ] {
            fs::write(at(name), text).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(at(name), mode).unwrap();
        }
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        fs::copy(&program, root.join("usr/bin/hostile")).unwrap();
    };
    let post = "cd /usr/share/kinds; hostile file empty read-only secret set-uid dir dir/deep \
        dir/deep/file link dangling /usr/share/old/file /usr/share/base-data /etc/passwd \
        /usr/share/layered/file /usr/share/layered/empty /usr/share/layered 2>&1";
    let recipes = || {
        vec![
            Recipe::new("hostile", "1")
                .file("/usr/share/layered/file", "layered\n")
                .file("/usr/share/layered/empty", "")
                .post(post),
        ]
    };
    by_each(more, recipes, |world, assembled| {
        let changed = world.text(&assembled.commit, "usr/share/kinds/file").unwrap();
        assert_eq!(changed, "H!S");
        // by_each asks fsck; here what the objects are to people.
        let base = |path: &str| world.text(&world.base, path).unwrap();
        assert_eq!(base("usr/share/kinds/file"), "a file\n");
        assert_eq!(base("usr/share/kinds/twin"), "a file\n");
        assert_eq!(world.text(&assembled.commit, "usr/share/kinds/twin").unwrap(), "a file\n");
        let kept = world.path("private/base").join(world.base.as_str());
        let of = |name: &str| {
            let at = kept.join("usr/share/kinds").join(name);
            let metadata = at.symlink_metadata().unwrap();
            use std::os::unix::fs::MetadataExt;
            (metadata.uid(), metadata.mode() & 0o7777)
        };
        assert_eq!((of("link").0, of("secret"), of("dir")), (0, (0, 0), (0, 0o755)));
    });
}

#[test]
fn a_script_that_takes_the_tree_away_fails_alone() {
    for text in ["rm -rf /usr /etc /var", "rm -rf /*", "mv /usr /elsewhere"] {
        for backend in backends() {
            let world = World::new();
            let layers = world.layers(vec![Recipe::new("demo", "1").post(text)]);
            let by = |parts: &mut Parts| parts.backend = Some(backend.clone());
            let error = world.assemble_with(&layers, by, &Unobserved).unwrap_err();
            assert_eq!(error.kind(), FailureKind::Script, "{}: {error}", backend.name());
            assert!(error.to_string().contains("demo.post"), "{error}");
            assert_eq!(world.leftovers(), [""; 0]);
            world.fsck();
        }
    }
}

#[test]
fn what_a_script_makes_that_no_tree_can_hold_is_refused_by_name() {
    for backend in backends() {
        let world = World::new();
        let layers = world.layers(vec![Recipe::new("demo", "1").post(
            "ln /dev/null /usr/null 2>&1 \
            || perl -e 1 2>/dev/null; [ -e /usr/null ] || exit 0",
        )]);
        let by = |parts: &mut Parts| parts.backend = Some(backend.clone());
        match (backend.confinement, world.assemble_with(&layers, by, &Unobserved)) {
            // The device is on another file system there.
            (Confinement::Namespaces, Ok(_)) => {}
            (Confinement::Chroot, Err(Error::SpecialFile { path })) => assert_eq!(path, "usr/null"),
            (_, other) => panic!("{}: {other:?}", backend.name()),
        }
    }
}
