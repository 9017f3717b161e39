//! Every kind of request on a host with one deployment that layers vim and a local package.

use super::*;
use crate::{DeploymentId, Options};

const COMMIT: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn host() -> HostState {
    let checksum: Checksum = COMMIT.parse().unwrap();
    let mut origin = Origin::following("fedora:os/main".parse().unwrap());
    origin.requested = vec!["vim".into()];
    origin.requested_local =
        vec![LocalPackage { sha256: "0".repeat(64), nevra: "tool-1-1.noarch".into() }];
    let stateroot: Stateroot = "os".parse().unwrap();
    let id = DeploymentId { stateroot: stateroot.clone(), checksum, serial: 0 };
    let mut deployment = Deployment::bare(id);
    (deployment.booted, deployment.origin) = (true, Some(origin));
    HostState {
        sysroot: "/".into(),
        deployments: vec![deployment],
        stateroots: vec![stateroot],
        ..HostState::default()
    }
}

fn request(change: Change) -> Request {
    Request { stateroot: None, change, options: Options::default(), initiator: Default::default() }
}

fn packages(install: &[&str], uninstall: &[&str]) -> PackageChange {
    let own = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect();
    PackageChange { install: own(install), uninstall: own(uninstall), uninstall_all: false }
}

fn target(request: &Request) -> Target {
    match intend(request, &host()) {
        Ok(Intent::Deploy(target)) => *target,
        other => panic!("{other:?}"),
    }
}

#[test]
fn packages_keep_the_base_and_change_the_requests() {
    for (install, uninstall, left) in [
        (&["zsh"][..], &[][..], &["vim", "zsh"][..]),
        (&["emacs"], &["vim"], &["emacs"]),
        (&[], &["tool"], &["vim"]),
        (&[], &["tool-1-1.noarch"], &["vim"]),
    ] {
        let target = target(&request(Change::Packages(packages(install, uninstall))));
        assert_eq!(target.base, BaseChoice::Keep);
        assert_eq!(target.origin.requested, left);
        let drops_local = uninstall.iter().any(|name| name.starts_with("tool"));
        assert_eq!(target.origin.requested_local.is_empty(), drops_local);
    }
}

#[test]
fn what_is_requested_already_or_not_at_all_is_refused_unless_idempotent() {
    for (change, kind) in [
        (packages(&["vim"], &[]), FailureKind::InvalidRequest),
        (packages(&[], &["zsh"]), FailureKind::NotFound),
        (packages(&[" "], &[]), FailureKind::InvalidRequest),
    ] {
        let mut request = request(Change::Packages(change.clone()));
        assert_eq!(intend(&request, &host()).unwrap_err().kind, kind, "{change:?}");
        request.options.idempotent = true;
        let unchanged = Ok(Intent::Unchanged("No change.".into()));
        let empty = change.install == [" "];
        assert_eq!(intend(&request, &host()) == unchanged, !empty, "{change:?}");
    }
}

#[test]
fn uninstall_all_leaves_no_request() {
    let all = PackageChange { uninstall_all: true, ..PackageChange::default() };
    let target = target(&request(Change::Packages(all)));
    assert!(!target.origin.needs_assembly());
}

#[test]
fn a_revision_is_a_commit_or_a_version() {
    for (text, expected) in [
        (COMMIT, BaseChoice::Commit(COMMIT.parse().unwrap())),
        (&format!("revision={COMMIT}"), BaseChoice::Commit(COMMIT.parse().unwrap())),
        ("version=41.2", BaseChoice::Version("41.2".into())),
        ("41.2", BaseChoice::Version("41.2".into())),
    ] {
        let change = Change::Deploy { revision: text.into(), packages: PackageChange::default() };
        assert_eq!(target(&request(change)).base, expected, "{text}");
    }
    for text in ["revision=41", "sha256:00"] {
        let change = Change::Deploy { revision: text.into(), packages: PackageChange::default() };
        let failure = intend(&request(change), &host()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidRequest, "{text}");
    }
}

#[test]
fn upgrade_takes_the_newest_and_lets_go_of_a_pin() {
    let mut host = host();
    let upgrade = Change::Upgrade { packages: PackageChange::default(), allow_downgrade: false };
    let origin = host.deployments[0].origin.as_mut().unwrap();
    origin.override_commit = Some(COMMIT.parse().unwrap());
    match intend(&request(upgrade.clone()), &host) {
        Ok(Intent::Deploy(target)) => {
            assert_eq!(target.base, BaseChoice::Newest);
            assert_eq!(target.origin.override_commit, None);
            assert!(target.forbid_downgrade);
        }
        other => panic!("{other:?}"),
    }
    let origin = host.deployments[0].origin.as_mut().unwrap();
    origin.refspec = Refspec::Checksum(COMMIT.parse().unwrap());
    origin.override_commit = None;
    let pinned = Intent::Unchanged("Pinned to commit; no upgrade available".into());
    assert_eq!(intend(&request(upgrade.clone()), &host), Ok(pinned));
    let origin = host.deployments[0].origin.as_mut().unwrap();
    origin.unconfigured_state = Some("subscribe first".into());
    let failure = intend(&request(upgrade), &host).unwrap_err();
    assert_eq!((failure.kind, &*failure.what), (FailureKind::Precondition, "subscribe first"));
}

#[test]
fn rebase_follows_another_ref_and_keeps_the_layers() {
    let refspec: Refspec = "fedora:os/next".parse().unwrap();
    let change = Change::Rebase {
        refspec: refspec.clone(),
        revision: None,
        packages: PackageChange::default(),
    };
    let target = target(&request(change));
    assert_eq!((target.base, target.origin.refspec), (BaseChoice::Newest, refspec));
    assert_eq!(target.origin.requested, ["vim"]);
}

#[test]
fn kernel_arguments_change_nothing_else() {
    let edit = KargsEdit { append: vec!["quiet".into()], ..KargsEdit::default() };
    let target = target(&request(Change::KernelArguments(edit.clone())));
    assert_eq!((target.base, target.kargs), (BaseChoice::Keep, Some(edit)));
    assert_eq!(Some(&target.origin), host().deployments[0].origin.as_ref());
}

#[test]
fn an_unknown_stateroot_or_a_broken_origin_stops_it() {
    let mut unknown = request(Change::Packages(packages(&["zsh"], &[])));
    unknown.stateroot = Some("other".parse().unwrap());
    let failure = intend(&unknown, &host()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotFound);
    assert!(failure.advice.contains("os"), "{}", failure.advice);

    let mut broken = host();
    broken.deployments[0].origin = None;
    broken.deployments[0].problem = Some("line 3 is no key".into());
    let failure = intend(&request(Change::Packages(packages(&["zsh"], &[]))), &broken).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Corrupt);
    assert!(failure.to_string().contains("line 3"), "{failure}");

    let empty = HostState::default();
    let failure = intend(&request(Change::Rollback), &empty).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Precondition);
}

#[test]
fn requests_without_a_new_tree_are_told_apart() {
    let os: Stateroot = "os".parse().unwrap();
    let scope = CleanupScope { pending: true, ..CleanupScope::default() };
    for (change, expected) in [
        (Change::Rollback, Intent::Rollback(os.clone())),
        (Change::Cleanup(scope), Intent::Cleanup(os.clone(), scope)),
        (Change::RefreshMetadata { force: true }, Intent::RefreshMetadata { force: true }),
    ] {
        assert_eq!(intend(&request(change), &host()), Ok(expected));
    }
}

#[test]
fn packages_given_as_files_or_urls_are_refused_as_such() {
    for name in ["./x.rpm", "x-1-1.noarch.rpm", "https://example.org/x", "file:///x.rpm"] {
        let change = Change::Packages(packages(&[name], &[]));
        let failure = intend(&request(change), &host()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::InvalidRequest);
        assert!(failure.what.contains(name) && failure.what.contains("yet"), "{failure:?}");
        assert!(!failure.advice.is_empty());
    }
    let change = Change::Packages(packages(&["/usr/bin/x"], &[]));
    assert!(intend(&request(change), &host()).is_ok(), "whatever provides the path");
}
