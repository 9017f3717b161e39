//! Labels of layered trees, held against what libselinux says of the tree's own policy.

use super::*;
use crate::fixture::policy::{self, CONTEXTS};
use cambium_ostree::Attributes;
use std::sync::Mutex;

fn world(contexts: &'static str) -> World {
    World::with(Recipe::new("base", "1").file("/usr/bin/base-tool", "old\n"), move |root| {
        policy::install(&root.join("usr/etc"), contexts, "binary");
    })
}

fn demo() -> Recipe {
    Recipe::new("demo", "1")
        .file("/usr/bin/demo", "demo\n")
        .file("/etc/demo.d/demo.conf", "x\n")
        .file("/opt/demo/bin/tool", "x\n")
        .edit(|builder| {
            builder.with_dir_entry(FileOptions::dir("/var/lib/demo")).unwrap();
            builder.with_dir_entry(FileOptions::dir("/usr/share/demo/bin")).unwrap();
            builder.with_symlink(FileOptions::symlink("/usr/bin/d", "demo")).unwrap();
        })
}

/// The texts of tasks.
#[derive(Default)]
struct Tasks(Mutex<Vec<String>>);

impl Observer for Tasks {
    fn progress(&self, progress: Progress) {
        if let Progress::TaskBegin { text } = progress {
            self.0.lock().unwrap().push(text);
        }
    }

    fn cancelled(&self) -> bool {
        false
    }
}

impl Tasks {
    fn relabels(&self) -> bool {
        self.0.lock().unwrap().iter().any(|text| text == "Relabeling")
    }
}

#[test]
fn every_file_of_a_layered_tree_has_the_label_of_its_policy() {
    let world = world(CONTEXTS);
    let script = "set -e; echo new >> /etc/passwd; mkdir -p /usr/lib/made/bin /usr/share/made\n\
        echo f > /usr/lib/made/bin/f; ln -s f /usr/lib/made/bin/link; touch /etc/made\n\
        rm -r /usr/share/demo; mkdir /usr/share/demo; mkdir /var/lib/state";
    let scripted = Recipe::new("scripted", "1").file("/usr/share/x", "x").post(script);
    for layers in [vec![demo()], vec![demo(), scripted]] {
        let layers = world.layers(layers);
        let observer = Tasks::default();
        let commit = world.assemble_with(&layers, |_| {}, &observer).unwrap().commit;
        assert!(policy::check(&world.repo(), &commit, CONTEXTS, &[]) > 50);
        assert!(!observer.relabels(), "the base and the packages have their labels");
        // The base's objects are the base's.
        for path in ["usr/bin/bash", "usr/share/base-data", "usr/bin/sh"] {
            let file = world.repo().lookup(&world.base, path).unwrap();
            assert_eq!(world.repo().lookup(&commit, path).unwrap(), file, "{path}");
        }
    }
    world.fsck();
}

#[test]
fn what_the_base_labels_otherwise_stays_so() {
    let mut world = world(CONTEXTS);
    let own = Attributes {
        xattrs: vec![(b"security.selinux".to_vec(), b"system_u:object_r:own_t:s0\0".to_vec())],
        ..Attributes::root(0o755)
    };
    let repo = world.repo();
    let transaction = repo.transaction().unwrap();
    let mut tree = Tree::from_commit(&repo, &world.base).unwrap();
    tree.set_dir("usr/share/own", &own).unwrap();
    tree.put_bytes("usr/share/own/file", &own, b"base's").unwrap();
    world.base = tree.commit(&CommitSpec::default()).unwrap();
    transaction.commit().unwrap();
    let guest = Recipe::new("guest", "1").file("/usr/share/own/guest", "g").edit(|builder| {
        builder.with_dir_entry(FileOptions::dir("/usr/share/own")).unwrap();
    });
    let script = "chmod 700 /usr/share/own; echo > /usr/share/own/made";
    for layers in [vec![guest], vec![Recipe::new("script", "1").file("/usr/x", "").post(script)]] {
        let commit = world.assemble(&world.layers(layers)).unwrap().commit;
        let kept = ["/usr/share/own", "/usr/share/own/file"];
        policy::check(&repo, &commit, CONTEXTS, &kept);
        for (path, _, label) in policy::labels(&repo, &commit) {
            if kept.contains(&path.as_str()) {
                assert_eq!(label.as_deref(), Some("system_u:object_r:own_t:s0"), "{path}");
            }
        }
    }
}

#[test]
fn a_script_that_changes_the_policy_has_the_whole_tree_labelled_anew() {
    let world = world(CONTEXTS);
    let line = "/usr/share/base-data -- system_u:object_r:data_t:s0\n";
    let script =
        format!("echo '{}' >> /etc/selinux/tiny/contexts/files/file_contexts", line.trim());
    let layers = world.layers(vec![demo(), Recipe::new("module", "1").post(&script)]);
    let observer = Tasks::default();
    let commit = world.assemble_with(&layers, |_| {}, &observer).unwrap().commit;
    policy::check(&world.repo(), &commit, &format!("{CONTEXTS}{line}"), &[]);
    assert!(observer.relabels());

    // The next package begins from there, and was imported by the base's policy.
    let more = world.layers(vec![Recipe::new("more", "1").file("/usr/bin/more", "m")]);
    let all: Vec<Layer> = layers.iter().chain(&more).cloned().collect();
    let extend = |parts: &mut crate::fixture::Parts| {
        parts.extend = Some(extension(&commit, &layers));
    };
    let observer = Tasks::default();
    let extended = world.assemble_with(&all, extend, &observer).unwrap().commit;
    policy::check(&world.repo(), &extended, &format!("{CONTEXTS}{line}"), &[]);
    assert!(!observer.relabels());
}

#[test]
fn a_package_that_brings_a_policy_has_the_base_labelled() {
    let world = World::new();
    let mut recipe = Recipe::new("policy", "1");
    for (path, text) in policy::files(CONTEXTS, "binary") {
        recipe = recipe.file(&format!("/etc/selinux/{path}"), &text);
    }
    let layers = world.layers(vec![recipe, demo()]);
    let commit = world.assemble(&layers).unwrap().commit;
    policy::check(&world.repo(), &commit, CONTEXTS, &[]);
}

#[test]
fn a_tree_without_a_policy_has_no_labels() {
    let world = World::new();
    let layers = world.layers(vec![demo().post("echo > /usr/share/made")]);
    let commit = world.assemble(&layers).unwrap().commit;
    for (path, _, label) in policy::labels(&world.repo(), &commit) {
        assert_eq!(label, None, "{path}");
    }
}
