//! Deployments on a sysroot that is not running, with `ostree admin` as the oracle.

use crate::fixture::{Host, commit, os, ostree, stateroot, swap};
use cambium_model::{
    CleanupScope, DeploymentId, FailureKind, Origin, Sweep, UnlockedState, Unobserved,
};
use cambium_ostree::{
    CommitSpec, LocalChange, Metadata, Pinned, Remote, Spares, Sysroot, Tree, UsedPackages,
};
use std::path::Path;
use std::process::Command;

/// A deployment's directory as `ostree admin deploy` leaves it and as we do.
fn contents(path: &Path) -> Vec<String> {
    let mut lines: Vec<_> =
        crate::fixture::run("find", &[path.to_str().unwrap(), "-printf", "%P %y %m %U:%G %l\n"])
            .lines()
            .map(str::to_owned)
            .collect();
    lines.sort();
    lines
}

#[test]
fn a_deployment_is_what_ostree_admin_deploy_makes() {
    let ours = Host::new();
    let id = ours.deploy(&ours.first, None);
    let theirs = Host::new();
    assert_eq!(theirs.first, ours.first);
    let at = format!("--sysroot={}", theirs.path().display());
    crate::fixture::run(
        "ostree",
        &["admin", "deploy", &at, "--os=tiny", "--karg=root=LABEL=x", "--karg=quiet", "tiny/1^"],
    );
    let status = ours.status();
    assert!(status.contains(&format!("tiny {}.0", ours.first)), "{status}");
    assert!(status.contains("Version: 1"), "{status}");
    let sysroot = theirs.sysroot();
    assert_eq!(
        contents(&ours.sysroot().deployment_path(&id)),
        contents(&sysroot.deployment_path(&id))
    );
    let entry = |host: &Host| {
        std::fs::read_to_string(host.path().join("boot/loader/entries/ostree-1-tiny.conf")).unwrap()
    };
    assert_eq!(entry(&ours), entry(&theirs));
    let sealed = crate::fixture::run(
        "lsattr",
        &["-d", ours.sysroot().deployment_path(&id).to_str().unwrap()],
    );
    assert!(sealed.split(' ').next().unwrap().contains('i'), "{sealed}");
    ours.fsck();
}

#[test]
fn local_changes_of_etc_go_along_and_the_dry_run_tells_which_win() {
    let host = Host::new();
    let first = host.deploy(&host.first, None);
    let etc = host.sysroot().deployment_path(&first).join("etc");
    std::fs::write(etc.join("b"), "b changed here").unwrap();
    std::fs::write(etc.join("mine"), "mine").unwrap();
    std::fs::remove_file(etc.join("a")).unwrap();
    let conflicts = host.sysroot().etc_conflicts(&first, &host.second).unwrap();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(
        (conflicts[0].path.as_str(), conflicts[0].change),
        ("/etc/b", LocalChange::Modified)
    );

    let second = host.deploy(&host.second, Some(&first));
    let new = host.sysroot().deployment_path(&second);
    let read = |path: &str| std::fs::read_to_string(new.join(path)).unwrap();
    assert_eq!(read("etc/b"), "b changed here");
    assert_eq!(read("etc/c"), "c as shipped");
    assert_eq!(read("etc/mine"), "mine");
    assert!(!new.join("etc/a").exists());
    assert_eq!(read("usr/etc/b"), "b of version 2");
    // The old one is as it was.
    assert_eq!(std::fs::read_to_string(etc.join("b")).unwrap(), "b changed here");
    host.fsck();
}

#[test]
fn the_state_is_what_disk_and_commits_say() {
    let host = Host::new();
    let first = host.deploy(&host.first, None);
    let second = host.deploy(&host.second, Some(&first));
    let state = host.sysroot().state().unwrap();
    let ids: Vec<_> = state.deployments.iter().map(|d| d.id.clone()).collect();
    assert_eq!(ids, [second, first]);
    let new = &state.deployments[0];
    assert_eq!((new.version.as_deref(), new.base_version.as_deref()), (Some("2"), Some("2")));
    assert_eq!((new.index, new.booted, new.staged, new.pinned), (0, false, false, false));
    assert_eq!(new.unlocked, UnlockedState::None);
    assert_eq!(new.origin, Some(Origin::following("tiny/1".parse().unwrap())));
    assert_eq!(new.kernel_arguments[..2], ["root=LABEL=x", "quiet"]);
    assert_eq!(new.kernel_arguments.iter().filter(|a| a.starts_with("ostree=")).count(), 1);
    assert_eq!(new.base_checksum, new.id.checksum);
    assert_eq!(new.boot_checksum.len(), 64);
    assert_eq!(new.problem, None);
    assert_eq!(state.stateroots, [stateroot()]);
    assert!(state.repo_bytes > 0 && state.free_bytes > 0);
}

#[test]
fn damage_to_one_deployment_is_its_own_problem() {
    let host = Host::new();
    let first = host.deploy(&host.first, None);
    let second = host.deploy(&host.second, Some(&first));
    let origin = format!("{}.origin", host.sysroot().deployment_path(&second).display());
    std::fs::write(&origin, "[origin]\nrefspec=../climbs\n").unwrap();
    let state = host.sysroot().state().unwrap();
    let problem = state.deployments[0].problem.as_deref().unwrap();
    assert!(problem.contains("../climbs"), "{problem}");
    assert_eq!(state.deployments[0].origin, None);
    assert_eq!(state.deployments[1].problem, None);
}

#[test]
fn an_origin_that_libostree_cannot_parse_is_that_deployments_problem_alone() {
    let host = Host::new();
    let first = host.deploy(&host.first, None);
    let second = host.deploy(&host.second, Some(&first));
    host.sysroot().pin(&first, Pinned::Yes).unwrap();
    let before = host.sysroot().state().unwrap();
    let read = Sysroot::state_from_boot_entries(&host.path()).unwrap();
    assert_eq!(read.deployments, before.deployments, "the boot entries tell the same");
    assert_eq!(read.stateroots, before.stateroots);
    let origin = format!("{}.origin", host.sysroot().deployment_path(&second).display());
    let whole = std::fs::read(&origin).unwrap();
    for damage in
        [&b"this is no key file\n"[..], b"[origin\nrefspec=x", b"[origin]\nrefspec=\xff\n"]
    {
        std::fs::write(&origin, damage).unwrap();
        let refused = Command::new("ostree")
            .args(["admin", "status"])
            .arg(format!("--sysroot={}", host.path().display()))
            .output()
            .unwrap();
        if refused.status.success() {
            assert!(Sysroot::open(host.path()).is_ok(), "{damage:?}");
            continue;
        }
        let failure = cambium_model::Failure::from(Sysroot::open(host.path()).unwrap_err());
        assert_eq!(failure.kind, FailureKind::Corrupt);
        assert!(failure.what.contains(&origin) && failure.advice.contains("mv"), "{failure:?}");
        let state = Sysroot::state_from_boot_entries(&host.path()).unwrap();
        let ids: Vec<_> = state.deployments.iter().map(|d| d.id.clone()).collect();
        assert_eq!(ids, [second.clone(), first.clone()]);
        assert!(state.deployments[0].problem.as_deref().unwrap().contains(&origin));
        assert_eq!(state.deployments[0].version.as_deref(), Some("2"));
        assert_eq!(state.deployments[1], before.deployments[1]);
        assert_eq!(std::fs::read(&origin).unwrap(), damage, "reading changes nothing");
    }
    // What is advised works: the deployment is there without an origin, and can be left.
    std::fs::rename(&origin, format!("{origin}.damaged")).unwrap();
    let state = host.sysroot().state().unwrap();
    assert_eq!((state.deployments.len(), &state.deployments[0].origin), (2, &None));
    assert_eq!(host.sysroot().rollback(&stateroot()).unwrap(), first);
    host.sysroot().recover().unwrap();
    assert!(Path::new(&format!("{origin}.damaged")).exists());
    std::fs::write(&origin, whole).unwrap();
    assert_eq!(host.sysroot().state().unwrap().deployments[1].problem, None);
}

#[test]
fn a_layered_deployment_names_its_base_and_holds_it() {
    let host = Host::new();
    let base = &host.second;
    let repo = host.sysroot().repo().unwrap();
    let transaction = repo.transaction().unwrap();
    let mut tree = Tree::from_commit(&repo, base).unwrap();
    tree.put_bytes("usr/bin/nano", &crate::fixture::root(0o755), b"nano").unwrap();
    let metadata = Metadata::new()
        .flag("rpmostree.clientlayer", true)
        .strings("rpmostree.packages", &["nano"])
        .string("version", "2");
    let parent = Some(base.clone());
    let layered = tree.commit(&CommitSpec { parent, metadata, ..CommitSpec::default() }).unwrap();
    transaction.set_ref("rpmostree/pkg/nano/1-1.x86__64", &layered);
    transaction.set_ref("rpmostree/pkg/old/1-1.x86__64", &host.first);
    transaction.set_ref("rpmostree/base/7", &host.first);
    transaction.commit().unwrap();

    let sysroot = host.sysroot();
    let mut request = host.request(&layered, None);
    request.origin.requested = vec!["bash".into(), "nano".into()];
    let prepared = sysroot.prepare(&request, &Unobserved).unwrap();
    sysroot.swap(&swap(prepared, None)).unwrap();
    let used: UsedPackages = ["rpmostree/pkg/nano/1-1.x86__64".to_owned()].into();
    let freed = sysroot.collect(&used, Sweep::Objects, &Unobserved).unwrap();
    assert_eq!(freed.package_refs, 1);
    let refs: Vec<_> = repo.list_refs(Some("rpmostree")).unwrap().into_iter().collect();
    assert_eq!(refs[0], ("rpmostree/base/0".to_owned(), base.clone()));
    assert_eq!(refs.len(), 2);

    let state = sysroot.state().unwrap();
    let deployment = &state.deployments[0];
    assert_eq!(deployment.base_checksum, *base);
    assert_eq!(deployment.layered, ["nano"]);
    assert_eq!(deployment.inactive, ["bash"]);
    let text = sysroot.origin_text(&deployment.id).unwrap();
    assert!(text.contains("baserefspec=tiny/1"), "{text}");
    // A second collection finds nothing to do.
    assert_eq!(sysroot.collect(&used, Sweep::Objects, &Unobserved).unwrap().bytes, 0);
    host.fsck();
}

#[test]
fn rollback_and_undeploy_change_the_order_and_pins_hold() {
    let host = Host::new();
    let first = host.deploy(&host.first, None);
    let second = host.deploy(&host.second, Some(&first));
    let order = || -> Vec<DeploymentId> {
        host.sysroot().state().unwrap().deployments.into_iter().map(|d| d.id).collect()
    };
    assert_eq!(host.sysroot().rollback(&stateroot()).unwrap(), first);
    assert_eq!(order(), [first.clone(), second.clone()]);
    host.sysroot().pin(&second, Pinned::Yes).unwrap();
    assert!(host.status().contains("Pinned: yes"));
    let rollback = CleanupScope { rollback: true, ..CleanupScope::default() };
    assert_eq!(host.sysroot().cleanup(&stateroot(), rollback).unwrap(), 0);
    host.sysroot().pin(&second, Pinned::No).unwrap();
    assert_eq!(host.sysroot().cleanup(&stateroot(), rollback).unwrap(), 1);
    assert_eq!(order(), vec![first.clone()]);
    let refused =
        |error: cambium_ostree::Error| assert_eq!(error.kind(), FailureKind::Precondition);
    refused(host.sysroot().rollback(&stateroot()).unwrap_err());
    refused(host.sysroot().undeploy(&first).unwrap_err());
    assert_eq!(host.sysroot().undeploy(&second).unwrap_err().kind(), FailureKind::NotFound);
    host.sysroot().collect(&UsedPackages::new(), Sweep::Objects, &Unobserved).unwrap();
    assert!(!host.sysroot().deployment_path(&second).exists());
}

#[test]
fn two_stateroots_roll_back_and_clean_up_apart() {
    let host = Host::new();
    let first = host.deploy(&host.first, None);
    let second = host.deploy(&host.second, Some(&first));
    let other: cambium_model::Stateroot = "other".parse().unwrap();
    host.sysroot().init_stateroot(&other).unwrap();
    let mut theirs = Vec::new();
    for commit in [&host.first, &host.second] {
        let sysroot = host.sysroot();
        let mut request = host.request(commit, theirs.first());
        request.stateroot = other.clone();
        let prepared = sysroot.prepare(&request, &Unobserved).unwrap();
        sysroot.swap(&swap(prepared.clone(), theirs.first())).unwrap();
        theirs.insert(0, prepared.id);
    }
    let order = || -> Vec<DeploymentId> {
        host.sysroot().state().unwrap().deployments.into_iter().map(|d| d.id).collect()
    };
    let [b2, b1] = [theirs[0].clone(), theirs[1].clone()];
    assert_eq!(order(), [b2.clone(), b1.clone(), second.clone(), first.clone()]);
    assert_eq!(host.sysroot().rollback(&stateroot()).unwrap(), first);
    assert_eq!(order(), [first.clone(), b2.clone(), b1.clone(), second.clone()]);
    let rollback = CleanupScope { rollback: true, ..CleanupScope::default() };
    assert_eq!(host.sysroot().cleanup(&other, rollback).unwrap(), 1);
    assert_eq!(order(), [first.clone(), b2.clone(), second.clone()]);
    assert_eq!(host.sysroot().cleanup(&stateroot(), rollback).unwrap(), 1);
    assert_eq!(order(), [first, b2]);
    host.sysroot().collect(&UsedPackages::new(), Sweep::Objects, &Unobserved).unwrap();
    assert!(!host.sysroot().deployment_path(&b1).exists());
    host.fsck();
}

#[test]
fn a_forecast_is_what_a_collection_then_frees() {
    let host = Host::new();
    let first = host.deploy(&host.first, None);
    let repo = host.sysroot().repo().unwrap();
    let package = commit(&repo, "rpmostree/pkg/old/1-1.x86__64", None, "p", &[("usr/x", "large")]);
    let third = commit(&repo, "tiny/2", None, "3", &os(&[("usr/bin/three", "3")]));
    let transaction = repo.transaction().unwrap();
    transaction.delete_ref("tiny/2");
    transaction.commit().unwrap();
    // The deployment alone holds it.
    let sysroot = host.sysroot();
    let prepared = sysroot.prepare(&host.request(&third, Some(&first)), &Unobserved).unwrap();
    let id = prepared.id.clone();
    sysroot.swap(&swap(prepared, Some(&first))).unwrap();
    assert_eq!(sysroot.rollback(&stateroot()).unwrap(), first);
    let used = UsedPackages::new();
    let nothing_goes = sysroot.forecast(&[], &used).unwrap();
    let forecast = sysroot.forecast(std::slice::from_ref(&id), &used).unwrap();
    assert_eq!(forecast.refs, ["rpmostree/pkg/old/1-1.x86__64"]);
    assert!(forecast.bytes > nothing_goes.bytes && nothing_goes.bytes > 0);
    assert!(sysroot.deployment_path(&id).exists(), "a forecast removes nothing");
    assert!(repo.resolve_ref("rpmostree/pkg/old/1-1.x86__64").unwrap() == Some(package));
    let rollback = CleanupScope { rollback: true, ..CleanupScope::default() };
    assert_eq!(sysroot.cleanup(&stateroot(), rollback).unwrap(), 1);
    let freed = sysroot.collect(&used, Sweep::Objects, &Unobserved).unwrap();
    assert_eq!((freed.bytes, freed.package_refs), (forecast.bytes, 1));
}

#[test]
fn only_what_is_retained_stays_and_serials_are_not_reused() {
    let host = Host::new();
    let first = host.deploy(&host.first, None);
    let second = host.deploy(&host.second, Some(&first));
    let again = host.deploy(&host.second, Some(&second));
    assert_eq!(again.serial, 1);
    let ids: Vec<_> =
        host.sysroot().state().unwrap().deployments.into_iter().map(|d| d.id).collect();
    assert_eq!(ids, [again, second]);
    assert!(!host.sysroot().deployment_path(&first).exists());
}

#[test]
fn more_is_retained_where_more_is_asked_for() {
    let host = Host::new();
    let sysroot = host.sysroot();
    let deploy = |commit, merge: Option<&DeploymentId>, rollbacks| {
        let prepared = sysroot.prepare(&host.request(commit, merge), &Unobserved).unwrap();
        let id = prepared.id.clone();
        let retention = cambium_ostree::Retention { rollbacks };
        sysroot.swap(&cambium_ostree::Swap { retention, ..swap(prepared, merge) }).unwrap();
        id
    };
    let first = deploy(&host.first, None, 1);
    let second = deploy(&host.second, Some(&first), 1);
    // Made from the older one, which therefore stays before the newer one would.
    let third = deploy(&host.second, Some(&first), 2);
    let order = || -> Vec<DeploymentId> {
        host.sysroot().state().unwrap().deployments.into_iter().map(|d| d.id).collect()
    };
    assert_eq!(order(), vec![third.clone(), second, first.clone()]);
    let fourth = deploy(&host.second, Some(&first), 1);
    assert_eq!(order(), vec![fourth, first]);
}

#[test]
fn a_spare_becomes_the_deployment() {
    let host = Host::new();
    let repo = host.sysroot().repo().unwrap();
    Spares::of(&repo).prepare(&host.first, &Unobserved).unwrap();
    let second = host.deploy(&host.second, None);
    assert_eq!(Spares::of(&repo).list().unwrap(), []);
    let fresh = host.dir.path().join("fresh");
    repo.checkout(&host.second, &fresh, &Unobserved).unwrap();
    let mut made = contents(&host.sysroot().deployment_path(&second));
    made.retain(|line| !line.starts_with("etc"));
    assert_eq!(made, contents(&fresh));
    host.fsck();
}

#[test]
fn recovery_undoes_what_was_left_and_then_finds_nothing() {
    let host = Host::new();
    let first = host.deploy(&host.first, None);
    let sysroot = host.sysroot();
    // Killed after prepare, in the middle of a checkout, a stream and a transaction.
    let prepared = sysroot.prepare(&host.request(&host.second, Some(&first)), &Unobserved).unwrap();
    let repo = sysroot.repo().unwrap();
    let half = repo.path().join("extensions/cambium/spare/new-half/usr");
    std::fs::create_dir_all(&half).unwrap();
    std::fs::write(repo.path().join("tmp/cambium-x"), "x").unwrap();
    let transaction = repo.transaction().unwrap();
    transaction.set_ref("rpmostree/base/tmp", &host.second);
    transaction.commit().unwrap();
    let stray = host.path().join(format!("ostree/deploy/tiny/deploy/{}.7.origin", host.second));
    std::fs::write(&stray, "[origin]\nrefspec=a\n").unwrap();

    let undone = sysroot.recover().unwrap().undone;
    assert_eq!(undone.len(), 5, "{undone:?}");
    assert!(!sysroot.deployment_path(&prepared.id).exists());
    assert!(!half.exists() && !stray.exists());
    assert_eq!(repo.resolve_ref("rpmostree/base/tmp").unwrap(), None);
    assert!(sysroot.deployment_path(&first).exists());
    assert_eq!(host.sysroot().recover().unwrap().undone, Vec::<String>::new());
    host.fsck();
}

#[test]
fn without_boot_entries_nothing_is_taken_for_a_left_over() {
    let host = Host::new();
    let deployed = host.deploy(&host.first, None);
    let boot = host.path().join("boot");
    std::fs::rename(boot.join("loader"), boot.join("aside")).unwrap();
    for result in [
        host.sysroot().recover().map(|_| ()),
        host.sysroot().collect(&UsedPackages::new(), Sweep::Objects, &Unobserved).map(|_| ()),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), FailureKind::Precondition, "{error}");
        assert!(error.to_string().contains("mounted"), "{error}");
    }
    assert!(host.sysroot().deployment_path(&deployed).join("usr").is_dir());
}

#[test]
fn the_lock_is_libostrees_own() {
    let host = Host::new();
    let one = host.sysroot();
    let other = host.sysroot();
    let lock = one.try_lock().unwrap();
    assert_eq!(other.try_lock().map(drop).unwrap_err().kind(), FailureKind::Busy);
    drop(lock);
    drop(other.try_lock().unwrap());
}

#[test]
fn the_change_key_moves_with_every_change() {
    let host = Host::new();
    let key = || Sysroot::change_key(&host.path());
    let before = key();
    let first = host.deploy(&host.first, None);
    let deployed = key();
    assert_ne!(before, deployed);
    assert_eq!(deployed, key());
    host.sysroot().pin(&first, Pinned::Yes).unwrap();
    assert_ne!(deployed, key());
}

#[test]
fn what_cannot_be_deployed_leaves_no_directory() {
    let host = Host::new();
    let repo = host.sysroot().repo().unwrap();
    let no_kernel = commit(&repo, "x", None, "1", &[("usr/bin/x", "x")]);
    let both = commit(&repo, "y", None, "1", &os(&[("etc/also", "here")]));
    let sysroot = host.sysroot();
    let mut elsewhere = host.request(&host.first, None);
    elsewhere.stateroot = "none".parse().unwrap();
    for (request, kind) in [
        (host.request(&no_kernel, None), FailureKind::Precondition),
        (host.request(&both, None), FailureKind::Internal),
        (elsewhere, FailureKind::NotFound),
    ] {
        assert_eq!(sysroot.prepare(&request, &Unobserved).unwrap_err().kind(), kind);
    }
    let place = host.path().join("ostree/deploy/tiny/deploy");
    assert_eq!(std::fs::read_dir(place).unwrap().count(), 0);
    assert_eq!(host.sysroot().recover().unwrap().undone, Vec::<String>::new());
}

#[test]
fn remotes_are_added_and_listed() {
    let host = Host::new();
    let options = [("gpg-verify".to_owned(), "false".to_owned())].into();
    let remote = Remote { name: "r".into(), url: "https://example.com/repo".into(), options };
    host.sysroot().add_remote(&remote).unwrap();
    assert_eq!(host.sysroot().remotes().unwrap(), vec![remote.clone()]);
    assert!(host.sysroot().add_remote(&remote).is_err());
    let listed = ostree(&host.path().join("ostree/repo"), "remote list");
    // In a sysroot's own /etc, where the command does not look unless it is the running system's.
    assert!(listed.is_empty() || listed.trim() == "r");
}
