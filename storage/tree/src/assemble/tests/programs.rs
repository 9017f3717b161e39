//! The programs that packages' scripts call most, this machine's own, in the scripts' root: users,
//! services, caches, alternatives.

use super::*;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A base with these programs, and files of a path and a text.
fn world(programs: &[&str], files: &[(&str, &str)]) -> World {
    let package = Recipe::new("base", "1").file("/usr/bin/base-tool", "old\n");
    World::with(package, |root| {
        for path in programs {
            crate::fixture::program(root, path);
        }
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("usr/sbin", root.join("sbin")).unwrap();
    })
}

/// A base with accounts as a Fedora or Debian has them.
fn world_with_accounts(programs: &[&str]) -> World {
    let files = [
        ("usr/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:2:2::/:/bin/false\n"),
        ("usr/etc/group", "root:x:0:\ndaemon:x:2:\n"),
        ("usr/etc/login.defs", "SYS_UID_MIN 201\nSYS_UID_MAX 999\n"),
    ];
    world(programs, &files)
}

/// The commit checked out.
fn checkout(world: &World, commit: &Checksum) -> PathBuf {
    let at = world.path(&format!("checkout-{}", commit.short()));
    world.ostree(&["checkout", "--force-copy", commit.as_str(), at.to_str().unwrap()]);
    at
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

#[test]
fn users_of_the_real_tools_land_in_the_image_and_nobody_else_does() {
    let world =
        world_with_accounts(&["/usr/sbin/useradd", "/usr/sbin/groupadd", "/usr/sbin/usermod"]);
    let pre = "set -e; groupadd -r svc\n\
        useradd -r -g svc -d /var/lib/svc -s /bin/false -c 'A service' svc\n\
        usermod -a -G daemon svc";
    let owned = FileOptions::new("/usr/share/svc/owned").user("svc").group("svc");
    let recipe = Recipe::new("svc", "1").with(owned, "x").pre(pre).post("id svc");
    let layers = world.layers(vec![recipe]);
    let commit = world.assemble(&layers).unwrap().commit;
    let text = |name: &str| world.text(&commit, &format!("usr/etc/{name}")).unwrap_or_default();
    let names = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(':').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&text("passwd")), ["root", "daemon", "svc"]);
    assert_eq!(names(&text("group")), ["root", "daemon", "svc"]);
    assert!(text("group").contains("daemon:x:2:svc\n"), "{}", text("group"));
    let passwd = text("passwd");
    let fields: Vec<_> = passwd.lines().last().unwrap().split(':').collect();
    assert_eq!((fields[1], fields[5]), ("x", "/var/lib/svc"), "the secret is not in passwd");
    let root = checkout(&world, &commit);
    let uid: u32 = fields[2].parse().unwrap();
    assert!((201..=999).contains(&uid));
    assert_eq!(root.join("usr/share/svc/owned").metadata().unwrap().uid(), uid);
    for name in ["shadow", "gshadow"] {
        assert_eq!(mode(&root.join("usr/etc").join(name)), 0, "{name}");
    }
    for left in ["passwd-", "shadow-", "group-", ".pwd.lock", "subuid"] {
        assert!(!root.join("usr/etc").join(left).exists(), "{left}");
    }
    // No day, no lock, no order of the tools' is in the tree.
    assert_eq!(world.assemble(&layers).unwrap().commit, commit);
    world.fsck();
}

#[test]
fn real_sysusers_run_before_pre() {
    let world = world_with_accounts(&["/usr/bin/systemd-sysusers"]);
    let owned = FileOptions::new("/usr/share/svc/owned").user("svc");
    let recipe = Recipe::new("svc", "1")
        .file("/usr/lib/sysusers.d/svc.conf", "u svc 471 \"A service\" /var/lib/svc\n")
        .with(owned, "x")
        .pre("test \"$(id -u svc)\" = 471");
    let commit = world.assemble(&world.layers(vec![recipe])).unwrap().commit;
    let root = checkout(&world, &commit);
    assert_eq!(root.join("usr/share/svc/owned").metadata().unwrap().uid(), 471);
    assert_eq!(mode(&root.join("usr/etc/shadow")), 0);
    assert!(world.text(&commit, "usr/etc/passwd").unwrap().contains("svc:x:471:471:A service:"));
}

#[test]
fn the_real_systemctl_applies_presets_and_nothing_else() {
    let world = world(&["/usr/bin/systemctl"], &[]);
    let unit = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
    let post = "systemctl daemon-reload; systemctl --no-reload preset a.service b.service\n\
        systemctl start a.service; systemctl enable b.service; systemctl is-active a.service";
    let recipe = Recipe::new("demo", "1")
        .file("/usr/lib/systemd/system/a.service", unit)
        .file("/usr/lib/systemd/system/b.service", unit)
        .file("/usr/lib/systemd/system-preset/50-a.preset", "enable a.service\ndisable *\n")
        .post(post);
    let commit = world.assemble(&world.layers(vec![recipe])).unwrap().commit;
    let wants = checkout(&world, &commit).join("usr/etc/systemd/system/multi-user.target.wants");
    let target = fs::read_link(wants.join("a.service")).unwrap();
    assert!(target.ends_with("lib/systemd/system/a.service"), "{}", target.display());
    assert!(!wants.join("b.service").is_symlink());
}

#[test]
fn caches_are_made_by_the_triggers_that_own_them() {
    let schema = "<schemalist><schema id='org.x' path='/org/x/'>\
        <key name='k' type='b'><default>true</default></key></schema></schemalist>\n";
    let programs = [
        "/usr/bin/glib-compile-schemas",
        "/usr/sbin/ldconfig",
        "/usr/bin/fc-cache",
        "/sbin/depmod",
        "/usr/bin/update-mime-database",
    ];
    let package = Recipe::new("base", "1")
        .file("/usr/bin/base-tool", "old\n")
        .trigger(
            "/usr/share/glib-2.0/schemas",
            "exec /usr/bin/glib-compile-schemas /usr/share/glib-2.0/schemas",
        )
        .trigger("/usr/share/fonts", "exec fc-cache -f")
        .trigger("/usr/share/mime", "exec update-mime-database /usr/share/mime")
        .trigger("/usr/lib/libdemo", "exec /sbin/ldconfig");
    let world = World::with(package, |root| {
        for path in programs {
            crate::fixture::program(root, path);
        }
        fs::create_dir_all(root.join("usr/etc/fonts")).unwrap();
        fs::copy("/etc/fonts/fonts.conf", root.join("usr/etc/fonts/fonts.conf")).unwrap();
        std::os::unix::fs::symlink("usr/sbin", root.join("sbin")).unwrap();
    });
    let font = fs::read("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf").unwrap();
    let mime = "<mime-info xmlns='http://www.freedesktop.org/standards/shared-mime-info'>\
        <mime-type type='text/x-demo'><glob pattern='*.demo'/></mime-type></mime-info>\n";
    let library = fs::canonicalize("/usr/lib/x86_64-linux-gnu/libz.so.1").unwrap();
    let recipe = Recipe::new("demo", "1")
        .file("/usr/share/glib-2.0/schemas/org.x.gschema.xml", schema)
        .file("/usr/share/mime/packages/demo.xml", mime)
        .file("/usr/lib/modules/6.1/modules.order", "")
        .file("/usr/lib/modules/6.1/modules.builtin", "")
        .edit(|builder| {
            let path = FileOptions::new("/usr/share/fonts/demo.ttf");
            builder.with_file_contents(font, path).unwrap();
            let path = FileOptions::new("/usr/lib/libdemo.so.1").permissions(0o755);
            builder.with_file_contents(fs::read(library).unwrap(), path).unwrap();
        })
        .post("depmod -a 6.1");
    let commit = world.assemble(&world.layers(vec![recipe])).unwrap().commit;
    let root = checkout(&world, &commit);
    for made in [
        "usr/share/glib-2.0/schemas/gschemas.compiled",
        "usr/share/mime/mime.cache",
        "usr/lib/modules/6.1/modules.dep.bin",
        "usr/etc/ld.so.cache",
    ] {
        assert!(root.join(made).is_file(), "{made}");
    }
    let cache = fs::read(root.join("usr/etc/ld.so.cache")).unwrap();
    let named = |cache: &[u8], name: &[u8]| cache.windows(name.len()).any(|part| part == name);
    assert!(named(&cache, b"/lib/libz.so.1") || named(&cache, b"libdemo"));
    // The fonts' cache is below /var: the first boot makes it again.
    assert!(!root.join("var/cache/fontconfig").exists());
    let autovar = world.text(&commit, "usr/lib/tmpfiles.d/rpm-ostree-autovar.conf").unwrap();
    assert!(autovar.contains("d /var/cache/fontconfig 0755 root root"), "{autovar}");
}

#[test]
fn alternatives_survive_in_etc_and_var() {
    let files = [("usr/etc/alternatives/README", "x\n")];
    let world = world(&["/usr/bin/update-alternatives"], &files);
    let post = "set -e; mkdir -p /var/lib/dpkg/alternatives\n\
        mkdir '/var/lib/a b'; echo ' x %y \\z' > '/var/lib/a b/f'; ln -s 'p%q\\r' '/var/lib/l i'\n\
        update-alternatives --install /usr/bin/pager pager /usr/bin/demo-pager 10 \
        --slave /usr/share/pager.1 pager.1 /usr/share/demo-pager.1";
    let recipe = Recipe::new("demo", "1")
        .file("/usr/bin/demo-pager", "#!/bin/sh\n")
        .file("/usr/share/demo-pager.1", "x")
        .post(post);
    let later = Recipe::new("later", "1")
        .post("update-alternatives --query pager | grep -q 'Value: /usr/bin/demo-pager'");
    let commit = world.assemble(&world.layers(vec![recipe, later])).unwrap().commit;
    let root = checkout(&world, &commit);
    let link = |path: &str| fs::read_link(root.join(path)).unwrap().display().to_string();
    assert_eq!(link("usr/bin/pager"), "/etc/alternatives/pager");
    assert_eq!(link("usr/etc/alternatives/pager"), "/usr/bin/demo-pager");
    assert_eq!(link("usr/etc/alternatives/pager.1"), "/usr/share/demo-pager.1");

    // What the first boot makes of the lines is what the script wrote, by systemd's own reading.
    let boot = world.path("boot");
    fs::create_dir_all(boot.join("etc")).unwrap();
    fs::copy("/etc/passwd", boot.join("etc/passwd")).unwrap();
    fs::copy("/etc/group", boot.join("etc/group")).unwrap();
    let conf = root.join("usr/lib/tmpfiles.d/rpm-ostree-autovar.conf");
    let mut tmpfiles = Command::new("systemd-tmpfiles");
    tmpfiles.arg(format!("--root={}", boot.display())).args(["--create"]).arg(conf);
    let output = tmpfiles.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let odd = fs::read_to_string(boot.join("var/lib/a b/f")).unwrap();
    assert_eq!(odd, " x %y \\z\n");
    assert_eq!(fs::read_link(boot.join("var/lib/l i")).unwrap(), Path::new("p%q\\r"));
    let state = fs::read_to_string(boot.join("var/lib/dpkg/alternatives/pager")).unwrap();
    assert!(
        state.starts_with("auto\n/usr/bin/pager\npager.1\n/usr/share/pager.1\n\n"),
        "{state:?}"
    );
    assert!(state.ends_with("/usr/bin/demo-pager\n10\n/usr/share/demo-pager.1\n\n"), "{state:?}");
}

#[test]
fn certificates_are_hashed_into_etc() {
    let tools = [
        "sed", "find", "mktemp", "readlink", "sort", "tr", "wc", "openssl", "cut", "tail",
        "basename", "dirname", "tee", "env", "test",
    ];
    let programs: Vec<_> = tools.iter().map(|name| format!("/usr/bin/{name}")).collect();
    let mut programs: Vec<_> = programs.iter().map(String::as_str).collect();
    programs.push("/usr/sbin/update-ca-certificates");
    let world = world(
        &programs,
        &[("usr/etc/ssl/certs/README", "x"), ("usr/etc/ca-certificates.conf", "")],
    );
    let dir = world.path("certificate");
    fs::create_dir(&dir).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Demo", "-days", "9999",
    ]);
    openssl.arg("-keyout").arg(dir.join("key")).arg("-out").arg(dir.join("crt"));
    assert!(openssl.output().unwrap().status.success());
    let certificate = fs::read_to_string(dir.join("crt")).unwrap();
    let recipe = Recipe::new("demo", "1")
        .file("/usr/share/ca-certificates/demo.crt", &certificate)
        .post("echo demo.crt >> /etc/ca-certificates.conf; update-ca-certificates");
    let commit = world.assemble(&world.layers(vec![recipe])).unwrap().commit;
    let root = checkout(&world, &commit);
    let bundle = fs::read_to_string(root.join("usr/etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert!(bundle.contains(certificate.trim()));
    let names = fs::read_dir(root.join("usr/etc/ssl/certs")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert!(root.join("usr/etc/ssl/certs/demo.pem").is_symlink(), "{names:?}");
}
