//! Imports of real RPMs into a real repository.

use super::*;
use crate::fixture::{Recipe, TIME, World};
use cambium_model::{FailureKind, Unobserved};
use cambium_ostree::FileKind;
use cambium_rpm::Documentation;
use rpm::FileOptions;
use std::fs;

fn recipe() -> Recipe {
    Recipe::new("demo", "1")
        .file("/usr/bin/demo", "#!/bin/sh\n")
        .file("/etc/demo.conf", "x=1\n")
        .with(FileOptions::new("/usr/bin/ping").caps("cap_net_raw=ep").unwrap().user("daemon"), "p")
        .edit(|builder| {
            builder.with_symlink(FileOptions::symlink("/usr/bin/d", "demo")).unwrap();
            builder.with_dir_entry(FileOptions::dir("/var/lib/demo").user("daemon")).unwrap();
        })
}

#[test]
fn a_package_becomes_a_commit_in_rpm_ostrees_format() {
    let world = World::new();
    let rpm = Rpm {
        path: recipe().build(world.dir.path()),
        repository: Some(RepositoryStamp { id: "fedora".into(), timestamp: 7 }),
        checksum: Some("sha256:ab".into()),
        signature: SignaturePolicy::Unchecked,
    };
    let repo_path = world.path("repo");
    let imported =
        import(&repo_path, &[rpm], &ImportOptions::default(), &Unobserved).unwrap().remove(0);
    assert_eq!(imported.reference, "rpmostree/pkg/demo/1-1.noarch");
    let repo = world.repo();
    assert_eq!(repo.resolve_ref(&imported.reference).unwrap(), Some(imported.commit.clone()));

    let text = |path: &str| world.text(&imported.commit, path);
    assert_eq!(text("usr/etc/demo.conf").as_deref(), Some("x=1\n"));
    let lines = text("usr/lib/rpm-ostree/tmpfiles.d/demo.conf").unwrap();
    assert!(lines.starts_with("d /var/lib/demo 0755 daemon root"), "{lines}");
    let Some(Node::File(ping)) = repo.lookup(&imported.commit, "usr/bin/ping").unwrap() else {
        panic!("no ping")
    };
    let info = repo.file_info(&ping).unwrap();
    assert_eq!((info.attributes.uid, info.attributes.gid), (0, 0), "owners are set in the tree");
    assert!(info.attributes.xattrs.iter().any(|(name, _)| name == b"security.capability"));
    let Some(Node::File(link)) = repo.lookup(&imported.commit, "usr/bin/d").unwrap() else {
        panic!("no link")
    };
    let kind = repo.file_info(&link).unwrap().kind;
    assert_eq!(kind, FileKind::Symlink { target: "demo".into() });

    let info = repo.commit_info(&imported.commit).unwrap();
    assert_eq!(info.timestamp, TIME);
    for (key, kind) in [
        ("rpmostree.metadata", "ay"),
        ("rpmostree.metadata_sha256", "s"),
        ("rpmostree.nevra", "(sstsss)"),
        ("rpmostree.unpack_version", "u"),
        ("rpmostree.unpack_minor_version", "u"),
        ("rpmostree.repo", "a{sv}"),
        ("rpmostree.repodata_checksum", "s"),
    ] {
        let value = info.metadata.get(key).unwrap_or_else(|| panic!("{key} is missing"));
        assert_eq!(value.type_().as_str(), kind, "{key}");
    }
    let loaded = load_import(&repo, &imported.commit).unwrap();
    assert_eq!(loaded.header.nevra(), imported.header.nevra());
    let nevra = imported.header.nevra();
    let found = |checksum| find_import(&repo, nevra, checksum, &PayloadOptions::default()).unwrap();
    assert_eq!(found(Some("sha256:ab")).unwrap().commit, imported.commit);
    assert!(found(None).is_some() && found(Some("sha256:cd")).is_none());
    let skip = PayloadOptions { documentation: Documentation::Skip, ..PayloadOptions::default() };
    assert!(find_import(&repo, nevra, None, &skip).unwrap().is_none());
    world.fsck();
}

#[test]
fn a_package_is_labelled_by_the_policy_and_anew_from_itself_by_another() {
    use crate::fixture::policy::{CONTEXTS, check, install, labels};
    let world = World::new();
    let repo = world.repo();
    let open = |contexts: &str, binary: &str| {
        let dir = tempfile::tempdir().unwrap();
        install(&dir.path().join("etc"), contexts, binary);
        Policy::of_directory(dir.path()).unwrap().unwrap()
    };
    let path = recipe().build(world.dir.path());
    let rpm = Rpm {
        path: path.clone(),
        repository: None,
        checksum: None,
        signature: SignaturePolicy::Unchecked,
    };
    let import = |policy: &Arc<Policy>| {
        let options = ImportOptions { policy: Some(policy.clone()), ..ImportOptions::default() };
        super::import(&world.path("repo"), std::slice::from_ref(&rpm), &options, &Unobserved)
            .unwrap()
            .remove(0)
    };
    let first = open(CONTEXTS, "one");
    let imported = import(&first);
    check(&repo, &imported.commit, CONTEXTS, &[]);
    let metadata = |commit| repo.commit_info(commit).unwrap().metadata;
    let sepolicy = metadata(&imported.commit).get_string("rpmostree.sepolicy").unwrap().to_owned();
    assert_eq!(sepolicy, first.checksum());
    assert_eq!(import(&first).commit, imported.commit);

    // Another binary policy with the same contexts, and other contexts with the same binary.
    let contexts = format!("{CONTEXTS}/usr/bin/ping -- system_u:object_r:ping_exec_t:s0\n");
    for (policy, contexts) in
        [(open(CONTEXTS, "two"), CONTEXTS), (open(&contexts, "one"), &contexts)]
    {
        let moved =
            relabel(&world.path("repo"), vec![imported.clone()], Some(&policy), &Unobserved);
        let moved = moved.unwrap().remove(0);
        assert_ne!(moved.commit, imported.commit);
        check(&repo, &moved.commit, contexts, &[]);
        assert_eq!(repo.resolve_ref(&moved.reference).unwrap(), Some(moved.commit.clone()));
        // The same as if it had been imported by that policy in the first place.
        let transaction = repo.transaction().unwrap();
        transaction.delete_ref(&moved.reference);
        transaction.commit().unwrap();
        assert_eq!(import(&policy).commit, moved.commit);
    }
    let bare = relabel(&world.path("repo"), vec![imported.clone()], None, &Unobserved).unwrap();
    assert!(labels(&repo, &bare[0].commit).iter().all(|(.., label)| label.is_none()));
    assert_eq!(metadata(&bare[0].commit).get("rpmostree.sepolicy"), None);
    let plain = super::import(&world.path("repo"), &[rpm], &ImportOptions::default(), &Unobserved);
    assert_eq!(plain.unwrap()[0].commit, bare[0].commit);
    world.fsck();
}

#[test]
fn the_same_package_is_imported_once_and_another_of_its_name_anew() {
    let world = World::new();
    let first = world.import(&[recipe().build(world.dir.path())]).unwrap().remove(0);
    let again = world.import(&[recipe().build(world.dir.path())]).unwrap().remove(0);
    assert_eq!(first.commit, again.commit);
    let other = recipe().file("/usr/bin/more", "more").build(world.dir.path());
    let other = world.import(&[other]).unwrap().remove(0);
    assert_eq!(other.reference, first.reference);
    assert_ne!(other.commit, first.commit);
    let current = world.repo().resolve_ref(&first.reference).unwrap();
    assert_eq!(current, Some(other.commit));
}

#[test]
fn many_packages_come_back_in_order() {
    let world = World::new();
    let recipe = |n: usize| {
        Recipe::new(&format!("p{n}"), "1").file(&format!("/usr/share/p{n}/f"), &"x".repeat(n * 999))
    };
    let files: Vec<_> = (0..12).map(|n| recipe(n).build(world.dir.path())).collect();
    let imported = world.import(&files).unwrap();
    let names: Vec<_> = imported.iter().map(|p| p.header.nevra().name.clone()).collect();
    assert_eq!(names, (0..12).map(|n| format!("p{n}")).collect::<Vec<_>>());
    assert_eq!(world.repo().list_refs(Some("rpmostree/pkg")).unwrap().len(), 12 + 1);
    world.fsck();
}

#[test]
fn a_damaged_package_leaves_no_ref() {
    let world = World::new();
    let path = recipe().build(world.dir.path());
    let whole = fs::read(&path).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let cases = [
        ("truncated payload", whole[..whole.len() - 20].to_vec()),
        ("truncated header", whole[..300].to_vec()),
        ("flipped in the payload", flipped(whole.len() - 30)),
        ("no package", b"hello".to_vec()),
    ];
    for (name, bytes) in cases {
        fs::write(&path, bytes).unwrap();
        let error = world.import(std::slice::from_ref(&path)).unwrap_err();
        let kind = error.kind();
        assert!(matches!(kind, FailureKind::Corrupt | FailureKind::Untrusted), "{name}: {error}");
        assert_eq!(world.repo().resolve_ref("rpmostree/pkg/demo/1-1.noarch").unwrap(), None);
    }
}

#[test]
fn an_unsigned_package_is_refused_where_signatures_are_demanded() {
    let world = World::new();
    let rpm = Rpm {
        path: recipe().build(world.dir.path()),
        repository: None,
        checksum: None,
        signature: SignaturePolicy::Require(Keyring::default()),
    };
    let error =
        import(&world.path("repo"), &[rpm], &ImportOptions::default(), &Unobserved).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Untrusted);
    assert!(error.to_string().contains("demo-1-1.noarch"), "{error}");
}

/// Cancels from the start.
struct Cancelled;

impl Observer for Cancelled {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        true
    }
}

#[test]
fn a_cancelled_import_leaves_no_ref() {
    let world = World::new();
    let rpm = Rpm {
        path: recipe().build(world.dir.path()),
        repository: None,
        checksum: None,
        signature: SignaturePolicy::Unchecked,
    };
    let error =
        import(&world.path("repo"), &[rpm], &ImportOptions::default(), &Cancelled).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Cancelled);
    assert_eq!(world.repo().resolve_ref("rpmostree/pkg/demo/1-1.noarch").unwrap(), None);
}
