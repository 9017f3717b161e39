//! What scripts see, in which order they run, and what of their doing the tree keeps.

use super::*;
use crate::fixture::TIME;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

/// A base whose package has a file trigger, with a wrapper around whatever `more` adds.
fn world_with_trigger() -> World {
    let trigger = "while read f; do echo base $f; done >> /usr/share/order";
    let package = Recipe::new("base", "1")
        .file("/usr/bin/base-tool", "old\n")
        .trigger("/usr/share/watched", trigger);
    World::with(package, |_| {})
}

#[test]
fn scripts_run_in_rpm_ostrees_order() {
    let world = world_with_trigger();
    let recipe = |name: &str| {
        let say = |class: &str| format!("echo {name}.{class} $1 >> /usr/share/order");
        Recipe::new(name, "1")
            .pre(&say("pre"))
            .post(&say("post"))
            .posttrans(&say("posttrans"))
            .file(&format!("/usr/share/watched/{name}"), "w")
    };
    let own = "while read f; do echo own $f; done >> /usr/share/order";
    let layers = world.layers(vec![recipe("a"), recipe("b").trigger("/usr/bin/base", own)]);
    let commit = world.assemble(&layers).unwrap().commit;
    let order = world.text(&commit, "usr/share/order").unwrap();
    let lines: Vec<_> = order.lines().collect();
    let (scripts, triggers) = lines.split_at(6);
    assert_eq!(
        scripts,
        ["a.pre 1", "b.pre 1", "a.post 1", "b.post 1", "a.posttrans 1", "b.posttrans 1"]
    );
    let mut triggers = triggers.to_vec();
    triggers.sort_unstable();
    let expected = [
        "base /usr/share/watched/a",
        "base /usr/share/watched/b",
        // The new package's trigger is told of files that were there before.
        "own /usr/bin/base-tool",
    ];
    assert_eq!(triggers, expected);
}

#[test]
fn what_scripts_change_is_kept_and_objects_are_not_touched() {
    let world = World::new();
    let post = "set -e\n\
        echo new > /usr/bin/base-tool\n\
        rm /usr/share/base-data\n\
        chmod 0700 /usr/bin/touch\n\
        echo conf > /etc/made.conf\n\
        mkdir -p /usr/lib/made/dir; ln -s dir /usr/lib/made/link\n\
        mkdir /var/lib/made; echo lost > /var/lib/made/file\n\
        echo lost > /tmp/x; echo lost > /run/y\n\
        test -f /usr/bin/demo; test ! -e /usr/share/rpm/rpmdb.sqlite\n";
    let check = "grep -q lost /var/lib/made/file";
    let layers = world.layers(vec![
        Recipe::new("demo", "1").file("/usr/bin/demo", "demo\n").post(post),
        Recipe::new("later", "1").post(check),
    ]);
    let commit = world.assemble(&layers).unwrap().commit;
    let text = |path: &str| world.text(&commit, path);
    assert_eq!(text("usr/bin/base-tool").as_deref(), Some("new\n"));
    assert_eq!(text("usr/share/base-data"), None);
    assert_eq!(text("usr/etc/made.conf").as_deref(), Some("conf\n"));
    let repo = world.repo();
    let Some(Node::File(touch)) = repo.lookup(&commit, "usr/bin/touch").unwrap() else { panic!() };
    assert_eq!(repo.file_info(&touch).unwrap().attributes.mode, 0o700);
    assert!(repo.lookup(&commit, "usr/lib/made/link").unwrap().is_some());
    let autovar = text("usr/lib/tmpfiles.d/rpm-ostree-autovar.conf").unwrap();
    assert!(autovar.contains("d /var/lib/made 0755 root root - -\n"), "{autovar}");
    for gone in ["var/lib/made/file", "etc", "run", "usr/lib/made/x"] {
        assert_eq!(repo.lookup(&commit, gone).unwrap(), None, "{gone}");
    }
    // The base is as it was, in the repository and in its kept checkout.
    assert_eq!(world.text(&world.base, "usr/bin/base-tool").as_deref(), Some("old\n"));
    let kept = world.path("private/base").join(world.base.as_str());
    assert_eq!(fs::read_to_string(kept.join("usr/bin/base-tool")).unwrap(), "old\n");
    assert_eq!(world.leftovers(), [""; 0]);
    world.fsck();
}

#[test]
fn a_checkout_that_exists_is_used_instead_of_a_new_one() {
    let world = World::new();
    let layers = world.layers(vec![Recipe::new("demo", "1").post("echo x > /usr/share/x")]);
    let deployment = world.path("deployment");
    let at = deployment.to_str().unwrap();
    world.ostree(&["checkout", "-H", world.base.as_str(), at]);
    let checkout = Checkout { commit: world.base.clone(), path: deployment.clone() };
    let known = |parts: &mut crate::fixture::Parts| parts.checkouts = vec![checkout];
    world.assemble_with(&layers, known, &Unobserved).unwrap();
    assert!(!world.path("private/base").exists());
    assert!(!deployment.join("usr/share/x").exists());
}

#[test]
fn users_that_scripts_make_own_their_files() {
    let world = World::new();
    let pre = "echo demo:x:990:990::/:/bin/false >> /etc/passwd; echo demo:x:990: >> /etc/group\n\
        echo 'demo:!!:1::::::' > /etc/shadow; chmod 644 /etc/shadow; touch /etc/.pwd.lock";
    let post = "[ $(ls -ln /usr/bin/demo | { read a b uid c; echo $uid; }) = 990 ] && \
        [ $(ls -ldn /var/lib/demo | { read a b uid c; echo $uid; }) = 990 ]";
    let setuid = FileOptions::new("/usr/bin/demo").user("demo").group("demo").permissions(0o4755);
    let recipe = Recipe::new("demo", "1").with(setuid, "d").pre(pre).post(post).edit(|builder| {
        builder.with_dir_entry(FileOptions::dir("/var/lib/demo").user("demo")).unwrap();
        builder.with_dir_entry(FileOptions::dir("/usr/share/demo").group("demo")).unwrap();
    });
    let layers = world.layers(vec![recipe]);
    let commit = world.assemble(&layers).unwrap().commit;
    let repo = world.repo();
    let attributes = |path: &str| match repo.lookup(&commit, path).unwrap() {
        Some(Node::File(file)) => repo.file_info(&file).unwrap().attributes,
        Some(Node::Directory(attributes)) => attributes,
        None => panic!("{path} is missing"),
    };
    let demo = attributes("usr/bin/demo");
    assert_eq!((demo.uid, demo.gid, demo.mode), (990, 990, 0o4755));
    assert_eq!(attributes("usr/share/demo").gid, 990);
    assert_eq!(attributes("usr/etc/shadow").mode, 0, "nobody reads secrets");
    assert!(world.text(&commit, "usr/etc/passwd").unwrap().contains("demo:x:990:"));
    assert_eq!(repo.lookup(&commit, "usr/etc/.pwd.lock").unwrap(), None);
}

#[test]
fn sysusers_run_before_pre() {
    let sysusers = "#!/bin/sh\ncat /usr/lib/sysusers.d/*.conf > /usr/share/made-users\n";
    let world = World::with(Recipe::new("base", "1").file("/usr/bin/base-tool", ""), |root| {
        let path = root.join("usr/bin/systemd-sysusers");
        fs::write(&path, sysusers).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    });
    let recipe = Recipe::new("demo", "1")
        .file("/usr/lib/sysusers.d/demo.conf", "u demo - - -\n")
        .pre("grep -q 'u demo' /usr/share/made-users");
    let layers = world.layers(vec![recipe]);
    let commit = world.assemble(&layers).unwrap().commit;
    assert_eq!(world.text(&commit, "usr/share/made-users").as_deref(), Some("u demo - - -\n"));
}

#[test]
fn systemctl_only_applies_presets() {
    let world = World::with(Recipe::new("base", "1").file("/usr/bin/base-tool", ""), |root| {
        let path = root.join("usr/bin/systemctl");
        fs::write(&path, "#!/bin/sh\necho $* >> /usr/share/called\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    });
    let post = "systemctl daemon-reload; systemctl --no-reload preset x.service; systemctl start y";
    let layers = world.layers(vec![Recipe::new("demo", "1").post(post)]);
    let commit = world.assemble(&layers).unwrap().commit;
    let called = world.text(&commit, "usr/share/called").unwrap();
    assert_eq!(called, "--no-reload preset x.service\n");
    assert!(world.text(&commit, "usr/bin/systemctl").unwrap().contains("called"), "the real one");
}

#[test]
fn removed_files_are_hidden_from_scripts() {
    let package = Recipe::new("base", "1").file("/usr/share/old/file", "").file("/usr/bin/b", "");
    let world = World::with(package, |_| {});
    let post = "test ! -e /usr/share/old/file && test ! -e /usr/bin/b && test -e /usr/bin/ls";
    let layers = world.layers(vec![Recipe::new("demo", "1").post(post)]);
    let removed: Nevra = "base-1-1.noarch".parse().unwrap();
    let remove = |parts: &mut crate::fixture::Parts| parts.removed = vec![removed];
    let commit = world.assemble_with(&layers, remove, &Unobserved).unwrap().commit;
    assert_eq!(world.repo().lookup(&commit, "usr/bin/b").unwrap(), None);
    world.fsck();
}

#[test]
fn a_failing_script_fails_its_transaction_and_nothing_else() {
    let world = World::new();
    let refs = world.repo().list_refs(None).unwrap().len();
    let post = "echo going wrong >&2; exit 3";
    let layers = world.layers(vec![Recipe::new("demo", "1").post(post)]);
    let error = world.assemble(&layers).unwrap_err();
    let Error::Script { script, end, backend, output } = &error else { panic!("{error}") };
    assert_eq!((script.as_str(), end.as_str()), ("demo.post", "exit status 3"));
    assert_eq!(*backend, "bubblewrap");
    assert_eq!(output, "going wrong");
    assert_eq!(error.kind(), FailureKind::Script);
    assert_eq!(world.leftovers(), [""; 0]);
    assert_eq!(world.repo().list_refs(None).unwrap().len(), refs + 1);
    world.fsck();
}

/// Cancels once a file that the script makes is there, and keeps what it was told.
struct CancelOn {
    private: std::path::PathBuf,
    told: Mutex<Vec<Progress>>,
}

impl Observer for CancelOn {
    fn progress(&self, progress: Progress) {
        self.told.lock().unwrap().push(progress);
    }

    fn cancelled(&self) -> bool {
        fn began(dir: &Path) -> bool {
            let Ok(entries) = fs::read_dir(dir) else { return false };
            entries.flatten().any(|entry| entry.path().join("root/var/lib/began").exists())
        }
        began(&self.private)
    }
}

#[test]
fn a_cancel_stops_a_script_and_cleans_up() {
    let world = World::new();
    let post = "trap '' TERM; touch /var/lib/began; sleep 600";
    let layers = world.layers(vec![Recipe::new("demo", "1").post(post)]);
    let observer = CancelOn { private: world.path("private"), told: Mutex::default() };
    let error = world.assemble_with(&layers, |_| {}, &observer).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Cancelled);
    assert_eq!(world.leftovers(), [""; 0]);
    let told = observer.told.into_inner().unwrap();
    let tasks: Vec<_> = told
        .iter()
        .filter_map(|step| match step {
            Progress::TaskBegin { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let base = format!("Checking out tree {:.7}", world.base.as_str());
    assert_eq!(tasks, ["Applying 1 overlay", &base, "Running post scripts"]);
}

#[test]
fn nothing_outside_sees_the_mounts() {
    let world = World::new();
    let text = "mkdir -p /var/lib/x; sleep 0.1";
    let layers = world.layers(vec![Recipe::new("demo", "1").post(text)]);
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    world.assemble(&layers).unwrap();
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    assert_eq!(world.repo().commit_info(&world.base).unwrap().timestamp, TIME);
}

#[test]
fn links_of_scripts_lead_nobody_outside() {
    let world = World::new();
    let outside = world.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("x"), "the host's\n").unwrap();
    let at = outside.display();
    let pre = format!(
        "rm -r /usr/share/demo /var/lib/demo /etc/group\n\
         ln -s {at} /usr/share/demo; ln -s {at} /var/lib/demo; ln -s {at}/x /etc/group\n\
         ln -sf {at}/x /etc/shadow; ln -s {at} /usr/share/factory\n\
         mkdir /var/lib/other; printf 'a\\0b' > /var/lib/other/binary\n"
    );
    let owned = FileOptions::new("/usr/share/demo/x").user("daemon").group("daemon");
    let recipe = Recipe::new("demo", "1").with(owned, "package's").pre(&pre).edit(|builder| {
        builder.with_dir_entry(FileOptions::dir("/var/lib/demo").user("daemon")).unwrap();
    });
    // Whether it can be assembled is another question; nothing outside may change.
    drop(world.assemble(&world.layers(vec![recipe])));
    use std::os::unix::fs::MetadataExt;
    for path in [outside.clone(), outside.join("x")] {
        assert_eq!(path.metadata().unwrap().uid(), 0, "{}", path.display());
    }
    assert_eq!(fs::read_to_string(outside.join("x")).unwrap(), "the host's\n");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    world.fsck();
}

/// rpm passes over a failing trigger, and rpm-ostree does not run it: it must not fail what
/// installs there.
#[test]
fn a_failing_trigger_on_a_package_is_told_and_passed_over() {
    let failing = |text: &str| rpm::Scriptlet::new(text).prog(vec!["/bin/sh"]);
    let package = Recipe::new("base", "1").file("/usr/bin/base-tool", "").edit(|builder| {
        builder.file_trigger_in("/usr/share/demo", None, failing("echo no luck >&2; exit 3"));
        builder.trigger_in("demo", None, failing("exit 4"));
    });
    let world = World::with(package, |_| {});
    let layers = world.layers(vec![Recipe::new("demo", "1").file("/usr/share/demo/x", "x")]);
    let told = crate::fixture::Told::default();
    world.assemble_with(&layers, |_| {}, &told).unwrap();
    let told = told.warnings();
    assert_eq!(
        told,
        [
            "base.filetriggerin failed: exit status 3 (in bubblewrap), which rpm passes over too: no luck",
            "base.triggerin failed: exit status 4 (in bubblewrap), which rpm passes over too: ",
        ]
    );
}

#[test]
fn what_the_configuration_leaves_out_is_in_the_commit() {
    use cambium_rpm::scriptlets::{Rules, ScriptAction, ScriptRule};
    let world = World::new();
    let recipe = |name: &str| Recipe::new(name, "1").post("echo ran >> /usr/share/ran");
    let layers = world.layers(vec![recipe("a"), recipe("b")]);
    let rules = Rules::with(vec![ScriptRule {
        package: "a".into(),
        classes: vec![],
        action: ScriptAction::Skip,
        interpreter: vec![],
        body: String::new(),
        reason: "no".into(),
    }]);
    let with = |parts: &mut crate::fixture::Parts| parts.rules = rules.clone();
    let first = world.assemble_with(&layers[..1], with, &Unobserved).unwrap().commit;
    let left_out = |commit: &Checksum| {
        let metadata = world.repo().commit_info(commit).unwrap().metadata;
        metadata.get_strings("cambium.scripts-left-out")
    };
    assert_eq!(left_out(&first), Some(vec!["a-1-1.noarch post: no".to_owned()]));
    assert_eq!(world.text(&first, "usr/share/ran"), None);
    // A commit that begins from it still lacks what the script would have done.
    let extend = |parts: &mut crate::fixture::Parts| {
        parts.extend = Some(crate::fixture::extension(&first, &layers[..1]));
    };
    let second = world.assemble_with(&layers, extend, &Unobserved).unwrap().commit;
    assert_eq!(left_out(&second), left_out(&first));
    assert_eq!(world.text(&second, "usr/share/ran").as_deref(), Some("ran\n"));
    let rebuilt = world.assemble(&layers).unwrap().commit;
    assert_eq!(left_out(&rebuilt), None);
}
