//! Assemblies of real packages whose scripts really run, on a base with a real shell.

mod attributes;
mod backends;
mod hostile;
mod labels;
mod oracle;
mod programs;
mod rpm_oracle;
mod scripts;

use super::*;
use crate::fixture::{Recipe, World, conflicts, extension};
use cambium_model::{FailureKind, Unobserved};
use cambium_ostree::Node;
use cambium_rpm::rpmdb::Rpmdb;
use rpm::FileOptions;

fn names(world: &World, commit: &Checksum) -> Vec<String> {
    let directory = world.path(&format!("rpmdb-{commit}"));
    let policy = cambium_ostree::CopyPolicy::Copy;
    world.repo().checkout_subpath(commit, "usr/share/rpm", &directory, policy).unwrap();
    let list = Rpmdb::open(&directory).unwrap().list().unwrap();
    list.into_iter().map(|package| package.nevra.to_string()).collect()
}

#[test]
fn packages_without_scripts_need_no_root() {
    let world = World::new();
    let layers = world.layers(vec![
        Recipe::new("demo", "1").file("/usr/bin/demo", "demo\n").file("/etc/demo.conf", "x\n"),
        Recipe::new("lib", "2").edit(|builder| {
            builder.with_dir_entry(FileOptions::dir("/var/lib/lib")).unwrap();
        }),
    ]);
    let assembled = world.assemble(&layers).unwrap();
    let commit = &assembled.commit;
    let text = |path: &str| world.text(commit, path);
    assert_eq!(text("usr/bin/demo").as_deref(), Some("demo\n"));
    assert_eq!(text("usr/etc/demo.conf").as_deref(), Some("x\n"));
    assert_eq!(text("usr/bin/base-tool").as_deref(), Some("old\n"));
    let autovar = text("usr/lib/tmpfiles.d/rpm-ostree-autovar.conf").unwrap();
    assert!(autovar.ends_with("\nd /var/lib/lib 0755 root root - -\n"), "{autovar}");
    assert_eq!(names(&world, commit), ["base-1-1.noarch", "demo-1-1.noarch", "lib-2-1.noarch"]);

    let repo = world.repo();
    let info = repo.commit_info(commit).unwrap();
    assert_eq!(info.parent.as_ref(), Some(&world.base));
    assert_eq!(info.version.as_deref(), Some("1"));
    assert_eq!(info.content_checksum, assembled.content_checksum);
    let base_db = "usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite";
    let of_base = repo.lookup(&world.base, "usr/share/rpm/rpmdb.sqlite").unwrap();
    assert_eq!(repo.lookup(commit, base_db).unwrap(), of_base);
    // No checkout of the base was made, and nothing temporary is left.
    assert!(!world.path("private/base").exists());
    assert_eq!(world.leftovers(), [""; 0]);
    assert!(!assembled.stats.steps().iter().any(|(step, _)| *step == Step::Scripts));
    world.fsck();
}

#[test]
fn a_tree_is_the_same_however_often_it_is_made() {
    let world = World::new();
    let layers = world.layers(vec![Recipe::new("demo", "1").file("/usr/bin/demo", "demo\n")]);
    let first = world.assemble(&layers).unwrap();
    assert_eq!(world.assemble(&layers).unwrap().commit, first.commit);
}

#[test]
fn conflicts_are_found_first_and_name_both_owners() {
    let world = World::new();
    let refs = world.repo().list_refs(None).unwrap();
    let layers = world.layers(vec![
        Recipe::new("a", "1").file("/usr/bin/base-tool", "other\n").file("/usr/bin/same", "1\n"),
        Recipe::new("b", "1").file("/usr/bin/same", "2\n").file("/usr/share/base-data", "2\n"),
        Recipe::new("c", "1").file("/usr/bin/base-tool", "old\n"),
    ]);
    let error = world.assemble(&layers).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Conflict);
    let owned = |text: &str| text.to_owned();
    let expected = [
        ("usr/bin/same", "b-1-1.noarch", "a-1-1.noarch"),
        ("usr/bin/base-tool", "a-1-1.noarch", "base-1-1.noarch of the base"),
        ("usr/share/base-data", "b-1-1.noarch", "the base, where no package owns it"),
    ];
    let mut expected: Vec<_> =
        expected.iter().map(|(a, b, c)| (owned(a), owned(b), owned(c))).collect();
    expected.sort();
    let found = conflicts(error);
    assert_eq!(found, expected, "c's file is the base's own, so it may be shared");

    // Between two packages, where neither conflicts with the base.
    let layers = world.layers(vec![
        Recipe::new("d", "1").file("/usr/bin/same", "1\n"),
        Recipe::new("e", "1").file("/usr/bin/same", "2\n"),
    ]);
    let found = conflicts(world.assemble(&layers).unwrap_err());
    assert_eq!(found, [(owned("usr/bin/same"), owned("e-1-1.noarch"), owned("d-1-1.noarch"))]);
    assert_eq!(world.leftovers(), [""; 0]);
    assert_eq!(world.repo().list_refs(None).unwrap().len(), refs.len() + 5, "only imports");
}

#[test]
fn a_second_kernel_is_refused_by_name() {
    let world = World::new();
    let kernel = "/usr/lib/modules/6.1/vmlinuz";
    let layers = world.layers(vec![Recipe::new("kernel", "6.1").file(kernel, "k")]);
    let error = world.assemble(&layers).unwrap_err();
    assert!(
        matches!(&error, Error::Kernel { package, path }
            if package == "kernel-6.1-1.noarch" && path == "usr/lib/modules/6.1/vmlinuz"),
        "{error}"
    );
    let module = "/usr/lib/modules/6.1/extra/m.ko";
    let layers = world.layers(vec![Recipe::new("kmod", "1").file(module, "m")]);
    world.assemble(&layers).unwrap();
}

#[test]
fn a_base_without_an_rpmdb_is_refused() {
    let mut world = World::new();
    let repo = world.repo();
    let transaction = repo.transaction().unwrap();
    world.base = Tree::empty(&repo).commit(&CommitSpec::default()).unwrap();
    transaction.commit().unwrap();
    let error = world.assemble(&[]).unwrap_err();
    assert!(matches!(error, Error::NoBase { path: "usr/share/rpm", .. }), "{error}");
    assert_eq!(world.leftovers(), [""; 0]);
}

#[test]
fn a_removed_base_package_takes_its_files_along() {
    let world = World::with(
        Recipe::new("base", "1").file("/usr/bin/base-tool", "old\n").edit(|builder| {
            builder.with_dir_entry(FileOptions::dir("/usr/share/base")).unwrap();
            builder.with_dir_entry(FileOptions::dir("/usr/bin")).unwrap();
        }),
        |_| {},
    );
    let layers = world.layers(vec![Recipe::new("demo", "1").file("/usr/bin/demo", "demo\n")]);
    let removed: Nevra = "base-1-1.noarch".parse().unwrap();
    let remove = |parts: &mut crate::fixture::Parts| parts.removed = vec![removed.clone()];
    let commit = world.assemble_with(&layers, remove, &Unobserved).unwrap().commit;
    let repo = world.repo();
    for gone in ["usr/bin/base-tool", "usr/share/base"] {
        assert_eq!(repo.lookup(&commit, gone).unwrap(), None, "{gone}");
    }
    let kept = repo.lookup(&commit, "usr/bin").unwrap();
    assert!(matches!(kept, Some(Node::Directory(_))), "it is not empty");
    assert_eq!(names(&world, &commit), ["demo-1-1.noarch"]);

    let missing = |parts: &mut crate::fixture::Parts| {
        parts.removed = vec!["nobody-1-1.noarch".parse().unwrap()];
    };
    let error = world.assemble_with(&layers, missing, &Unobserved).unwrap_err();
    assert!(matches!(&error, Error::NotInBase { package, .. } if package == "nobody-1-1.noarch"));
}

#[test]
fn a_replaced_package_is_one_replacement() {
    let world = World::new();
    let new = Recipe::new("base", "2")
        .file("/usr/bin/base-tool", "new\n")
        .post("echo $1 > /usr/share/argument");
    let layers = world.layers(vec![new]);
    let (old, by): (Nevra, Nevra) =
        ("base-1-1.noarch".parse().unwrap(), "base-2-1.noarch".parse().unwrap());
    let replace = |parts: &mut crate::fixture::Parts| {
        parts.removed = vec![old.clone()];
        parts.replaced = vec![(old, by)];
    };
    let commit = world.assemble_with(&layers, replace, &Unobserved).unwrap().commit;
    assert_eq!(world.text(&commit, "usr/bin/base-tool").as_deref(), Some("new\n"));
    assert_eq!(world.text(&commit, "usr/share/argument").as_deref(), Some("2\n"));
    assert_eq!(names(&world, &commit), ["base-2-1.noarch"]);
    let metadata = world.repo().commit_info(&commit).unwrap().metadata;
    let count = |key: &str| metadata.get(key).unwrap().n_children();
    assert_eq!(count("rpmostree.removed-base-packages"), 0);
    assert_eq!(count("rpmostree.replaced-base-packages"), 1);
}

#[test]
fn owners_are_those_of_the_tree() {
    let world = World::new();
    let setgid =
        FileOptions::new("/usr/bin/tool").user("daemon").group("daemon").permissions(0o2755);
    let nobody = FileOptions::new("/usr/bin/nobodys").user("missing");
    let layers = world.layers(vec![Recipe::new("demo", "1").with(setgid, "t").with(nobody, "n")]);
    let commit = world.assemble(&layers).unwrap().commit;
    let repo = world.repo();
    let attributes = |path: &str| match repo.lookup(&commit, path).unwrap() {
        Some(Node::File(file)) => repo.file_info(&file).unwrap().attributes,
        other => panic!("{path}: {other:?}"),
    };
    let tool = attributes("usr/bin/tool");
    assert_eq!((tool.uid, tool.gid, tool.mode), (2, 2, 0o2755));
    assert_eq!(attributes("usr/bin/nobodys").uid, 0);
    world.fsck();
}

#[test]
fn packages_are_added_to_a_layered_commit_without_running_old_scripts() {
    let world = World::new();
    let layers = world.layers(vec![
        Recipe::new("a", "1").file("/usr/bin/a", "a\n").post("echo a >> /usr/share/ran"),
        Recipe::new("b", "1").file("/usr/bin/b", "b\n").post("echo b >> /usr/share/ran"),
    ]);
    let first = world.assemble(&layers[..1]).unwrap().commit;
    let begin = |parts: &mut crate::fixture::Parts| {
        parts.extend = Some(extension(&first, &layers[..1]));
    };
    let second = world.assemble_with(&layers, begin, &Unobserved).unwrap().commit;
    // Had a's script run again, its line would stand twice.
    assert_eq!(world.text(&second, "usr/share/ran").as_deref(), Some("a\nb\n"));
    let rebuilt = world.assemble(&layers).unwrap().commit;
    assert_eq!(world.text(&rebuilt, "usr/share/ran").as_deref(), Some("a\nb\n"));
    assert_eq!(names(&world, &second), names(&world, &rebuilt));
    let changes = world.repo().commit_diff(&rebuilt, &second).unwrap();
    assert!(changes.len() <= 1, "at most the rpmdb's bytes differ: {changes:?}");
    assert_eq!(world.repo().commit_info(&second).unwrap().parent, Some(world.base.clone()));

    // A layered commit that holds what is no longer wanted is not begun from.
    let only_b = world.assemble_with(&layers[1..], begin_from(&first, &layers[..1]), &Unobserved);
    let only_b = only_b.unwrap().commit;
    assert_eq!(names(&world, &only_b), ["b-1-1.noarch", "base-1-1.noarch"]);
    assert_eq!(world.text(&only_b, "usr/share/ran").as_deref(), Some("b\n"));
}

fn begin_from<'a>(
    commit: &'a Checksum,
    layers: &'a [Layer],
) -> impl FnOnce(&mut crate::fixture::Parts) + 'a {
    move |parts| parts.extend = Some(extension(commit, layers))
}
