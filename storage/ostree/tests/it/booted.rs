//! Staging on a system that takes itself for booted: namespaces of its own, the deployment as
//! root directory, `/run/ostree-booted` there. libostree's own command stages the same, reads
//! what we staged, and finalises it.

use crate::fixture::{Host, run, swap};
use cambium_model::{DeploymentId, FailureKind, Unobserved};
use cambium_ostree::{Finalization, Retention, Sysroot};
use std::path::Path;

/// Set for the test process that runs inside.
const INSIDE: &str = "CAMBIUM_TEST_BOOTED";

/// Mounts what the initramfs would, and enters the deployment `$1` of the sysroot `$2` with the
/// test binary `$3`, test `$4`.
const ENTER: &str = r#"
set -e
D=$1; S=$2
mount --make-rprivate /
mount --bind "$D" "$D"
mount --bind "$S" "$D/sysroot"; mount --bind "$S/boot" "$D/boot"
mount --bind "$S/ostree/deploy/tiny/var" "$D/var"
mount --bind /usr "$D/usr"
mount -t proc proc "$D/proc"; mount --bind /dev "$D/dev"
mount -t tmpfs tmpfs "$D/run"; mount -t tmpfs tmpfs "$D/tmp"
touch "$D/run/ostree-booted" "$D/tmp/test"
mount --bind "$3" "$D/tmp/test"
exec env TMPDIR=/tmp HOME=/tmp chroot "$D" /tmp/test --exact "$4" --nocapture
"#;

/// Runs the test `name` again, inside the host's deployment. Returns whether this is outside.
fn enter(
    name: &str,
    prepare: impl FnOnce() -> (Host, DeploymentId),
) -> Option<(Host, DeploymentId)> {
    if std::env::var_os(INSIDE).is_some() {
        return None;
    }
    let (host, id) = prepare();
    let deployment = host.sysroot().deployment_path(&id);
    let output = std::process::Command::new("unshare")
        .args(["-m", "-p", "--fork", "bash", "-c", ENTER, "enter"])
        .args([&deployment, &host.path(), &std::env::current_exe().unwrap()])
        .arg(name)
        .env(INSIDE, format!("{} {}", host.second, id))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert!(text.contains("1 passed"), "the test did not run inside: {text}");
    Some((host, id))
}

fn host() -> (Host, DeploymentId) {
    let host = Host::new();
    // The mount points and links of a tree that can be entered.
    let script = r#"cd "$1"; mkdir -p t; ostree --repo=s/ostree/repo checkout -U tiny/1^ t/1;
        ostree --repo=s/ostree/repo checkout -U tiny/1 t/2;
        for t in t/1 t/2; do mkdir -p $t/proc $t/sys $t/dev $t/run $t/tmp $t/var $t/sysroot $t/boot;
        ln -s usr/lib $t/lib; ln -s usr/lib64 $t/lib64; ln -s usr/bin $t/bin;
        ln -s sysroot/ostree $t/ostree; done
        ostree --repo=s/ostree/repo commit -b tiny/1 --tree=dir=t/1 --add-metadata-string=version=1
        ostree --repo=s/ostree/repo commit -b tiny/1 --tree=dir=t/2 --add-metadata-string=version=2"#;
    let printed = run("bash", &["-ec", script, "make", host.dir.path().to_str().unwrap()]);
    let commits: Vec<cambium_model::Checksum> =
        printed.lines().map(|line| line.parse().unwrap()).collect();
    let mut host = host;
    host.first = commits[0].clone();
    host.second = commits[1].clone();
    let id = host.deploy(&host.first, None);
    let etc = host.sysroot().deployment_path(&id).join("etc");
    std::fs::write(etc.join("a"), "a changed here").unwrap();
    (host, id)
}

/// The second commit and the booted deployment.
fn inside() -> (cambium_model::Checksum, DeploymentId) {
    let text = std::env::var(INSIDE).unwrap();
    let commit = text.split_once(' ').unwrap().0.parse().unwrap();
    let state = Sysroot::open("/").unwrap().state().unwrap();
    (commit, state.booted().unwrap().id.clone())
}

fn stage(commit: &cambium_model::Checksum, merge: &DeploymentId, finalization: Finalization) {
    let sysroot = Sysroot::open("/").unwrap();
    let _lock = sysroot.try_lock().unwrap();
    let mut kernel_arguments = sysroot.state().unwrap().deployments[0].kernel_arguments.clone();
    kernel_arguments.push("foo".into());
    let request = cambium_ostree::DeployRequest {
        stateroot: crate::fixture::stateroot(),
        commit: commit.clone(),
        origin: cambium_model::Origin::following("tiny/1".parse().unwrap()),
        previous_origin: None,
        merge: Some(merge.clone()),
        kernel_arguments: Some(kernel_arguments),
    };
    let prepared = sysroot.prepare(&request, &Unobserved).unwrap();
    let retention = Retention::default();
    sysroot
        .swap(&cambium_ostree::Swap { finalization, retention, ..swap(prepared, Some(merge)) })
        .unwrap();
}

const RECORD: &str = "/run/ostree/staged-deployment";

#[test]
fn the_staged_record_is_libostrees_byte_for_byte() {
    let name = "booted::the_staged_record_is_libostrees_byte_for_byte";
    if enter(name, host).is_some() {
        return;
    }
    let (commit, booted) = inside();
    run("ostree", &["admin", "deploy", "--stage", "--karg-append=foo", "tiny/1"]);
    let theirs = std::fs::read(RECORD).unwrap();
    let target = Sysroot::open("/").unwrap().state().unwrap().deployments[0].id.clone();
    let list = |id: &DeploymentId| {
        let path = Sysroot::open("/").unwrap().deployment_path(id);
        let mut lines: Vec<String> =
            run("find", &[path.to_str().unwrap(), "-printf", "%P %y %m %U:%G %l\n"])
                .lines()
                .map(str::to_owned)
                .collect();
        lines.sort();
        lines
    };
    let their_files = list(&target);
    run("ostree", &["admin", "undeploy", "0"]);
    assert!(!Path::new(RECORD).exists());

    stage(&commit, &booted, Finalization::AtShutdown);
    assert_eq!(std::fs::read(RECORD).unwrap(), theirs);
    assert_eq!(list(&target), their_files);
    let status = run("ostree", &["admin", "status"]);
    assert!(status.contains("(staged)"), "{status}");
}

#[test]
fn libostree_finalises_what_we_staged() {
    let name = "booted::libostree_finalises_what_we_staged";
    if let Some((host, old)) = enter(name, host) {
        // Outside again, after the shutdown.
        let state = host.sysroot().state().unwrap();
        assert_eq!(state.deployments.len(), 2);
        let new = &state.deployments[0];
        assert_eq!((&new.id.checksum, &state.deployments[1].id), (&host.second, &old));
        assert!(new.kernel_arguments.contains(&"foo".to_owned()));
        let etc = host.sysroot().deployment_path(&new.id).join("etc");
        assert_eq!(std::fs::read_to_string(etc.join("a")).unwrap(), "a changed here");
        assert_eq!(std::fs::read_to_string(etc.join("c")).unwrap(), "c as shipped");
        host.fsck();
        return;
    }
    let (commit, booted) = inside();
    stage(&commit, &booted, Finalization::AtShutdown);
    run("ostree", &["admin", "finalize-staged"]);
}

#[test]
fn a_locked_deployment_waits_and_a_staged_one_can_be_dropped() {
    let name = "booted::a_locked_deployment_waits_and_a_staged_one_can_be_dropped";
    if let Some((host, old)) = enter(name, host) {
        let state = host.sysroot().state().unwrap();
        assert_eq!(state.deployments.len(), 1);
        assert_eq!(state.deployments[0].id, old);
        return;
    }
    let (commit, booted) = inside();
    let sysroot = || Sysroot::open("/").unwrap();
    stage(&commit, &booted, Finalization::Locked);
    let staged = sysroot().state().unwrap().deployments[0].clone();
    assert!(staged.staged && staged.finalization_locked && !staged.booted);
    run("ostree", &["admin", "finalize-staged"]);
    assert!(!sysroot().state().unwrap().deployments[0].booted, "a locked one was finalised");

    sysroot().unlock_finalization().unwrap();
    assert!(!sysroot().state().unwrap().deployments[0].finalization_locked);
    assert_eq!(
        sysroot().rollback(&booted.stateroot).unwrap_err().kind(),
        FailureKind::Precondition
    );
    assert_eq!(sysroot().undeploy(&booted).unwrap_err().kind(), FailureKind::Precondition);
    let pending = cambium_model::CleanupScope { pending: true, ..Default::default() };
    assert_eq!(sysroot().cleanup(&booted.stateroot, pending).unwrap(), 1);
    assert!(!Path::new(RECORD).exists());
    assert!(sysroot().state().unwrap().deployments[0].booted);
    assert_eq!(sysroot().unlock_finalization().unwrap_err().kind(), FailureKind::Precondition);
}
