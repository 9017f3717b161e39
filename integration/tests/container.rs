//! Where nothing may be mounted and no namespace made: containers of Docker Engine with its
//! default permissions. Layering, image builds and composing work there, and come to what they
//! come to with mounts and namespaces.

#![allow(clippy::unwrap_used, reason = "a test")]

use cambium_integration::fixture::base::{Edition, Flavour};
use cambium_integration::fixture::{REF, programs};
use cambium_integration::harness::{Docker, Host, Start};
use cambium_integration::run::{ostree, output};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Packages whose scripts write, make users, leave directories in /var and need capabilities.
const PACKAGES: &str = "scripts service places privileges";

/// Files of a commit as lines, each with its attributes and its content's checksum; the rpmdb has
/// the time of its writing in it, and a directory's checksum those of all below.
fn listing(text: &str) -> Vec<String> {
    let keep = |line: &&str| !line.contains("/usr/share/rpm/") && !line.starts_with('d');
    text.lines().filter(keep).map(str::to_owned).collect()
}

/// What a shell does to get a sysroot with the fixture deployed: as `Host` does it.
fn deploy(remote: &Path, layers: &Path) -> String {
    let (remote, layers) = (remote.display(), layers.display());
    format!(
        "mkdir /host; ostree admin init-fs /host\n\
         ostree admin os-init --sysroot=/host fixture\n\
         ostree config --repo=/host/ostree/repo set sysroot.bootloader none\n\
         ostree --repo=/host/ostree/repo remote add --no-gpg-verify fixture file://{remote}\n\
         ostree --repo=/host/ostree/repo pull fixture {REF} >/dev/null\n\
         ostree admin deploy --sysroot=/host --os=fixture --karg=root=UUID=0 fixture:{REF} >/dev/null\n\
         repos=$(ls -d /host/ostree/deploy/fixture/deploy/*.0)/etc/yum.repos.d; mkdir -p $repos\n\
         printf '[fixture]\\nname=fixture\\nbaseurl=file://{layers}\\ngpgcheck=0\\n' > $repos/f.repo\n"
    )
}

/// The newest commit of a sysroot's default deployment, listed.
const LIST: &str = "commit=$(cambium --socket /run/c status --json | tr -d ' \"' | \
    sed -n 's/^checksum:\\([0-9a-f]*\\),*$/\\1/p' | sed -n 1p)\n\
    ostree fsck --quiet --repo=/host/ostree/repo >&2\n";

#[test]
fn layering_composing_and_image_builds_work_with_dockers_default_permissions() {
    let docker = Docker::start().unwrap();
    let host = Host::with(Flavour::Tiny, Start::Now).unwrap();
    let out = tempfile::tempdir().unwrap();
    let fixture = host.base().repository();
    let layers = host.layers().main();
    let shown = [fixture.parent().unwrap(), host.remote(), layers.parent().unwrap()];

    let script = deploy(host.remote(), &layers)
        + "cambiumd --sysroot /host --socket /run/c --no-dbus --metrics off 2>/run/log &\n\
           while ! [ -S /run/c ]; do sleep 0.1; done\n"
        + &format!(
            "cambium --socket /run/c install -y {PACKAGES} >&2 || {{ cat /run/log >&2; exit 1; }}\n"
        )
        + LIST
        + &format!(
            "cambium --socket /run/c status --verbose > {0}/status\n\
             ostree ls -R -C -X --repo=/host/ostree/repo $commit > {0}/listing\n\
             ls -a /host/ostree/repo/extensions/rpmostree/private > {0}/left\n",
            out.path().display()
        );
    docker.run(&shown, out.path(), &script).unwrap();
    let read = |name: &str| fs::read_to_string(out.path().join(name)).unwrap();
    let status = read("status");
    assert!(status.contains("ScriptSandbox: container (namespaces do not work ("), "{status}");
    assert!(!read("left").contains("cambium-"), "{}", read("left"));

    // The same on this machine, by bubblewrap and an overlay.
    let mut install = vec!["install", "-y"];
    install.extend(PACKAGES.split(' '));
    host.cambium(&install).ok();
    let ours = host.cambium(&["status", "--verbose"]);
    assert!(ours.out.contains("ScriptSandbox: namespaces ("), "{}", ours.out);
    let commit = host.status()["deployments"][0]["checksum"].as_str().unwrap().to_owned();
    let mut list = ostree(&host.repo(), "ls");
    let here = output(list.args(["-R", "-C", "-X", &commit])).unwrap();
    assert_eq!(listing(&read("listing")), listing(&here));
    assert!(listing(&here).len() > 100);

    compose(&docker, &host, out.path());
    build(&docker, &host);
}

/// A tree of the fixture's packages with a script of its own, here and there, to the checksum.
fn compose(docker: &Docker, host: &Host, out: &Path) {
    let packages = host.base().packages(Edition::First);
    let mut names: Vec<String> = fs::read_dir(&packages)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let stem = name.strip_suffix(".rpm")?.to_owned();
            stem.rsplitn(3, '-').nth(2).map(str::to_owned)
        })
        .filter(|name| !name.contains("kernel"))
        .collect();
    names.sort();
    let treefile = format!(
        "edition: \"2024\"\nref: fixture/composed\nrepos: [fixture]\nselinux: false\n\
         packages:\n  - {}\npostprocess:\n  - |\n    #!/bin/sh\n    set -e\n    \
         echo done > /etc/post-processed; mkdir /usr/lib/made; test -d /usr/etc\n",
        names.join(" ")
    );
    fs::write(out.join("tree.yaml"), treefile).unwrap();
    let repos = format!(
        "[fixture]\nname=fixture\nbaseurl=file://{}\nenabled=1\ngpgcheck=0\n",
        packages.display()
    );
    fs::write(out.join("fixture.repo"), repos).unwrap();
    let arguments = |place: &str| {
        format!(
            "compose tree --repo={0}/{place} --cachedir={0}/{place}-cache \
             --write-composejson-to={0}/{place}.json {0}/tree.yaml",
            out.display()
        )
    };
    let script = format!(
        "export SOURCE_DATE_EPOCH=1700000000\nostree --repo={0}/there init --mode=archive\n\
         cambiumd {1} >&2\nostree fsck --quiet --repo={0}/there >&2\n",
        out.display(),
        arguments("there")
    );
    let shown = [packages.parent().unwrap()];
    docker.run(&shown, out, &script).unwrap();
    output(ostree(&out.join("here"), "init").arg("--mode=archive")).unwrap();
    let mut command = Command::new(programs::cambiumd().unwrap());
    command.args(arguments("here").split(' ')).env("SOURCE_DATE_EPOCH", "1700000000");
    output(&mut command).unwrap();
    let commit = |place: &str| {
        let text = fs::read_to_string(out.join(place).with_extension("json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        report["ostree-commit"].as_str().unwrap().to_owned()
    };
    assert_eq!(commit("there"), commit("here"));
}

/// `cambium install` as a step of an image build.
fn build(docker: &Docker, host: &Host) {
    let context = tempfile::tempdir().unwrap();
    // What goes into a context loses owners and attributes, so the repository is no bare one.
    let remote = context.path().join("remote");
    output(ostree(&remote, "init").arg("--mode=archive")).unwrap();
    output(ostree(&remote, "pull-local").arg(host.remote()).arg(REF)).unwrap();
    let layers = context.path().join("layers");
    output(Command::new("cp").arg("-a").arg(host.layers().main()).arg(layers)).unwrap();
    let script = deploy(Path::new("/context/remote"), Path::new("/context/layers"))
        + "cambium --peer --sysroot /host install -y scripts\n\
           root=$(ls -td /host/ostree/deploy/fixture/deploy/*.[0-9] | sed -n 1p)\n\
           cat $root/usr/share/scripts/trace\n";
    let said = docker.build(context.path(), &script).unwrap();
    assert!(said.contains("post 1\n") && said.contains("posttrans 1\n"), "{said}");
}
