//! Composes of a small system from packages that are built here and really solved, downloaded,
//! imported and run.

mod keys;

use super::*;
use crate::fixture::Recipe;
use cambium_model::{Failure, FailureKind, Observer, Progress, Unobserved};
use cambium_ostree::{Repo, RepoMode};
use rpm::FileOptions;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// The time of every compose here.
const EPOCH: u64 = 1_795_000_000;

/// A directory with packages, a treefile and a repository to compose into.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(bench.path("rpms")).unwrap();
        bench.publish(packages());
        let rpms = bench.path("rpms");
        let text = format!("[test]\nname=test\nbaseurl=file://{}\ngpgcheck=0\n", rpms.display());
        fs::write(bench.path("test.repo"), text).unwrap();
        fs::write(bench.path("motd"), "welcome\n").unwrap();
        // No disk of a test machine is too full for a few files.
        for (repo, mode) in [("repo", RepoMode::Archive), ("cache/pkgcache-repo", RepoMode::Bare)] {
            Repo::create(bench.path(repo), mode).unwrap();
            let config = bench.path(repo).join("config");
            let text = fs::read_to_string(&config).unwrap() + "min-free-space-size=1MB\n";
            fs::write(config, text).unwrap();
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn publish(&self, recipes: Vec<Recipe>) {
        for recipe in recipes {
            recipe.build(&self.path("rpms"));
        }
        let status = Command::new("createrepo_c").arg("--quiet").arg(self.path("rpms")).status();
        assert!(status.unwrap().success());
    }

    fn options(&self, treefile: &str) -> ComposeOptions {
        fs::write(self.path("tree.yaml"), treefile).unwrap();
        ComposeOptions {
            treefile: self.path("tree.yaml"),
            repo: Some(self.path("repo")),
            cachedir: Some(self.path("cache")),
            source_date_epoch: Some(EPOCH),
            ..ComposeOptions::default()
        }
    }

    fn compose(&self, treefile: &str) -> Result<Composed, Error> {
        compose_tree(&self.options(treefile), &Unobserved)
    }

    fn commit(&self, treefile: &str) -> Report {
        match self.compose(treefile).unwrap() {
            Composed::Committed(report) => *report,
            other => panic!("{other:?}"),
        }
    }

    fn text(&self, report: &Report, path: &str) -> Option<String> {
        let bytes = Repo::open(self.path("repo")).unwrap().read_file(&report.commit, path).unwrap();
        bytes.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    fn paths(&self, report: &Report, directory: &str) -> Vec<String> {
        let repo = Repo::open(self.path("repo")).unwrap();
        repo.list(&report.commit, directory).unwrap().into_keys().collect()
    }

    fn failure(&self, treefile: &str) -> Failure {
        let failure = Failure::from(self.compose(treefile).unwrap_err());
        let repo = Repo::open(self.path("repo")).unwrap();
        assert_eq!(repo.resolve_ref("os/1").unwrap(), None, "no ref after a failure");
        failure
    }
}

/// A top level, a shell with its libraries, accounts, and a program with scripts.
fn packages() -> Vec<Recipe> {
    let filesystem = Recipe::new("filesystem", "1").edit(|builder| {
        for (name, target) in [("/bin", "usr/bin"), ("/lib", "usr/lib"), ("/lib64", "usr/lib64")] {
            builder.with_symlink(FileOptions::symlink(name, target)).unwrap();
        }
    });
    let mut files = BTreeSet::new();
    for name in ["bash", "cat", "mkdir", "sed"] {
        let program = format!("/usr/bin/{name}");
        let ldd = Command::new("ldd").arg(&program).output().unwrap();
        let text = String::from_utf8(ldd.stdout).unwrap();
        files.extend(text.split_whitespace().filter(|w| w.starts_with('/')).map(str::to_owned));
        files.insert(program);
    }
    let shell = Recipe::new("shell", "1").edit(|builder| {
        builder.requires(rpm::Dependency::any("filesystem"));
        builder.provides(rpm::Dependency::any("/bin/sh"));
        builder.with_symlink(FileOptions::symlink("/usr/bin/sh", "bash")).unwrap();
        for file in files {
            let target =
                if file.starts_with("/usr/") { file.clone() } else { format!("/usr{file}") };
            let source = fs::canonicalize(&file).unwrap();
            builder.with_file(source, FileOptions::new(target).mode(0o100_755)).unwrap();
        }
    });
    let accounts = Recipe::new("setup", "1")
        .file("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
        .file("/etc/group", "root:x:0:\n")
        .file("/etc/shadow", "root:*:1:0:99999:7:::\n")
        .file("/usr/lib/os-release", "NAME=Test\nVERSION=\"1\"\nPRETTY_NAME=\"Test 1\"\n");
    vec![filesystem, shell, accounts, demo("1"), Recipe::new("spare", "1").file("/usr/spare", "x")]
}

fn demo(version: &str) -> Recipe {
    let post = "set -e\nmkdir -p /var/lib/demo/made /usr/share/demo\n\
                cat /etc/passwd > /usr/share/demo/seen\n\
                echo demo:x:77:77::/:/bin/false >> /etc/passwd\n\
                echo demo:!:20000:::::: >> /etc/shadow\necho demo:x:77: >> /etc/group\n";
    Recipe::new("demo", version)
        .edit(|builder| {
            builder.requires(rpm::Dependency::any("shell"));
            builder.requires(rpm::Dependency::any("setup"));
        })
        .file("/usr/bin/demo", version)
        .file("/usr/share/doc/demo/README", "read me\n")
        .file("/usr/lib/systemd/system/demo.service", "[Install]\nWantedBy=multi-user.target\n")
        .post(post)
}

const TREEFILE: &str = "\
ref: os/1
repos: [test]
releasever: 1
packages: [demo]
automatic-version-prefix: '1'
mutate-os-release: '1'
edition: '2024'
units: [demo.service]
add-files: [[motd, /etc/motd]]
remove-files: [usr/share/doc]
add-commit-metadata: {made.by: test}
postprocess:
- |
  #!/bin/bash
  set -e
  echo $(cat /etc/motd) and more > /usr/share/demo/post
  sed -i s/demo/changed/ /usr/lib/systemd/system/demo.service
  mkdir -p /var/lib/extra
";

#[test]
fn a_tree_is_what_its_treefile_says() {
    let bench = Bench::new();
    let report = bench.commit(TREEFILE);
    let text = |path: &str| bench.text(&report, path);
    // Packages, their scripts, and the scripts' view of /etc.
    assert_eq!(text("usr/bin/demo").as_deref(), Some("1"));
    assert_eq!(text("usr/share/demo/seen").as_deref(), Some("root:x:0:0::/root:/bin/sh\n"));
    assert!(text("usr/etc/passwd").unwrap().contains("demo:x:77:77"));
    assert!(text("usr/etc/shadow").unwrap().ends_with("demo:!:::::::\n"), "the day is forgotten");
    // The treefile's part.
    assert_eq!(text("usr/share/demo/post").as_deref(), Some("welcome and more\n"));
    assert_eq!(text("usr/etc/motd").as_deref(), Some("welcome\n"));
    assert!(text("usr/lib/os-release").unwrap().ends_with("OSTREE_VERSION='1'\n"));
    assert_eq!(text("usr/etc/machine-id").as_deref(), Some(""));
    assert!(!bench.paths(&report, "usr/share").contains(&"doc".to_owned()));
    let wants = bench.paths(&report, "usr/etc/systemd/system/multi-user.target.wants");
    assert_eq!(wants, ["demo.service"]);
    let treefile: serde_json::Value =
        serde_json::from_str(&text("usr/share/rpm-ostree/treefile.json").unwrap()).unwrap();
    assert_eq!(treefile["packages"], serde_json::json!(["demo"]));
    // The ostree layout; /var is lines.
    let top = bench.paths(&report, "/");
    for name in ["bin", "boot", "home", "ostree", "sysroot", "tmp", "usr", "var"] {
        assert!(top.contains(&name.to_owned()), "{name} in {top:?}");
    }
    assert!(!top.contains(&"etc".to_owned()));
    assert!(bench.paths(&report, "var").is_empty());
    let lines: String = bench
        .paths(&report, "usr/lib/tmpfiles.d")
        .iter()
        .map(|name| text(&format!("usr/lib/tmpfiles.d/{name}")).unwrap())
        .collect();
    for path in ["/var/lib/demo/made", "/var/lib/extra", "/var/home"] {
        assert!(lines.contains(&format!("d {path} ")), "{path} in {lines}");
    }
    // The rpmdb and its copy.
    let repo = Repo::open(bench.path("repo")).unwrap();
    let object = |path: &str| repo.lookup(&report.commit, path).unwrap().unwrap();
    assert_eq!(
        object("usr/share/rpm/rpmdb.sqlite"),
        object("usr/lib/sysimage/rpm-ostree-base-db/rpmdb.sqlite")
    );
    let info = repo.commit_info(&report.commit).unwrap();
    assert_eq!(info.version.as_deref(), Some("1"));
    assert_eq!(info.metadata.get_string("made.by"), Some("test"));
    assert_eq!(info.metadata.get_string("rpmostree.inputhash"), Some(report.inputhash.as_str()));
    assert_eq!(info.timestamp, EPOCH);
    let fsck = Command::new("ostree").arg("fsck").arg("--repo").arg(bench.path("repo")).output();
    let fsck = fsck.unwrap();
    assert!(fsck.status.success(), "{}", String::from_utf8_lossy(&fsck.stderr));
    assert!(leftovers(&bench.path("cache/private")).is_empty());
}

#[test]
fn equal_input_gives_an_equal_commit_and_no_second_one() {
    // librpm reads the variable itself: it is set for a process of this test's own.
    if std::env::var_os("SOURCE_DATE_EPOCH").is_none() {
        let name = "compose::tests::equal_input_gives_an_equal_commit_and_no_second_one";
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.env("SOURCE_DATE_EPOCH", EPOCH.to_string()).args(["--exact", name]);
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let bench = Bench::new();
    let changed = bench.path("changed");
    let options = ComposeOptions {
        touch_if_changed: Some(changed.clone()),
        write_composejson_to: Some(bench.path("compose.json")),
        ..bench.options(TREEFILE)
    };
    let compose = |options: &ComposeOptions| compose_tree(options, &Unobserved).unwrap();
    let Composed::Committed(first) = compose(&options) else { panic!("no commit") };
    fs::remove_file(&changed).unwrap();
    assert_eq!(compose(&options), Composed::Unchanged(first.commit.clone()));
    assert!(!changed.exists());
    // Anew, without cache and history.
    let anew = ComposeOptions {
        cache: Cache::Ignore,
        parent: Parent::None,
        cachedir: Some(bench.path("other-cache")),
        ..options.clone()
    };
    let Composed::Committed(again) = compose(&anew) else { panic!("no commit") };
    assert_eq!(again.commit, first.commit);
    assert!(changed.exists());

    bench.publish(vec![demo("2")]);
    let Composed::Committed(next) = compose(&options) else { panic!("no commit") };
    assert_eq!((next.parent.as_ref(), next.version.as_deref()), (Some(&first.commit), Some("1.1")));
    let json = fs::read_to_string(bench.path("compose.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["pkgdiff"][0][0], "demo");
    assert_eq!(json["ostree-commit"], next.commit.as_str());
}

#[test]
fn nothing_is_made_where_only_a_plan_is_asked_for() {
    let bench = Bench::new();
    let with = |extent| ComposeOptions { extent, ..bench.options(TREEFILE) };
    let printed = compose_tree(&with(Extent::PrintOnly), &Unobserved).unwrap();
    assert!(matches!(printed, Composed::Printed(json) if json.contains("\"demo\"")));
    let Composed::DryRun(packages) = compose_tree(&with(Extent::DryRun), &Unobserved).unwrap()
    else {
        panic!("not a plan")
    };
    let names: Vec<_> = packages.iter().map(|nevra| nevra.name.as_str()).collect();
    assert_eq!(names, ["demo", "filesystem", "setup", "shell"]);
    assert_eq!(Repo::open(bench.path("repo")).unwrap().resolve_ref("os/1").unwrap(), None);
}

#[test]
fn the_caller_moves_the_ref_when_it_takes_the_commits_id() {
    let bench = Bench::new();
    let id = bench.path("id");
    let options = ComposeOptions { write_commitid_to: Some(id.clone()), ..bench.options(TREEFILE) };
    let Composed::Committed(report) = compose_tree(&options, &Unobserved).unwrap() else {
        panic!("no commit")
    };
    assert_eq!(fs::read_to_string(id).unwrap(), report.commit.as_str());
    assert_eq!(Repo::open(bench.path("repo")).unwrap().resolve_ref("os/1").unwrap(), None);
}

#[test]
fn failures_say_what_and_leave_the_ref_alone() {
    let bench = Bench::new();
    let check = |change: (&str, &str), kind: FailureKind, expected: &str| {
        let failure = bench.failure(&TREEFILE.replace(change.0, change.1));
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.to_string().contains(expected), "{failure}");
    };
    check(("[demo]", "[demmo]"), FailureKind::NotFound, "demmo");
    check(("[test]", "[nope]"), FailureKind::NotFound, "nope");
    check(("[demo.service]", "[no.service]"), FailureKind::NotFound, "no unit 'no.service'");
    check(
        ("  echo $(", "  exit 3\n  echo $("),
        FailureKind::Script,
        "postprocess script 1 failed (exit status 3)",
    );
    check(("add-files", "add-flies"), FailureKind::InvalidRequest, "did you mean 'add-files'?");
    check(("[[motd,", "[[absent,"), FailureKind::NotFound, "absent");
    let data = "check-passwd: {type: data, entries: {root: 0}}\nref";
    check(
        ("ref: os/1", &format!("{data}: os/1")),
        FailureKind::Conflict,
        "the user 'demo' is not listed",
    );
    check(("ref:", "selinux: true\nref:"), FailureKind::Precondition, "SELinux labels");
}

#[test]
fn every_file_of_a_composed_tree_has_the_label_of_its_policy() {
    use crate::fixture::policy::{self, CONTEXTS};
    let bench = Bench::new();
    let mut recipe = Recipe::new("policy", "1");
    for (path, text) in policy::files(CONTEXTS, "binary") {
        recipe = recipe.file(&format!("/etc/selinux/{path}"), &text);
    }
    bench.publish(vec![recipe]);
    let treefile = TREEFILE.replacen("packages: [", "packages: [policy, ", 1);
    assert_ne!(treefile, TREEFILE);
    let repo = Repo::open(bench.path("repo")).unwrap();
    let first = bench.commit(&treefile);
    assert!(policy::check(&repo, &first.commit, CONTEXTS, &[]) > 40);

    // By now the packages are imported; a script changes the policy.
    let line = "/usr/bin/cat -- system_u:object_r:cat_exec_t:s0";
    let script = format!("  echo '{line}' >> /etc/selinux/tiny/contexts/files/file_contexts");
    let other = treefile.replacen("  echo $(", &format!("{script}\n  echo $("), 1);
    assert_ne!(other, treefile);
    let second = bench.commit(&other);
    policy::check(&repo, &second.commit, &format!("{CONTEXTS}{line}\n"), &[]);

    let none = bench.commit(&format!("selinux: false\n{treefile}"));
    let labels = policy::labels(&repo, &none.commit);
    assert!(labels.iter().all(|(.., label)| label.is_none()), "{labels:?}");
}

/// Cancels as soon as a task of this name begins.
struct CancelAt(&'static str, Mutex<bool>);

impl Observer for CancelAt {
    fn progress(&self, progress: Progress) {
        if matches!(&progress, Progress::TaskBegin { text } if text.starts_with(self.0)) {
            *self.1.lock().unwrap() = true;
        }
    }

    fn cancelled(&self) -> bool {
        *self.1.lock().unwrap()
    }
}

#[test]
fn a_cancelled_compose_leaves_nothing_temporary() {
    for task in ["Importing packages", "Running post scripts"] {
        let bench = Bench::new();
        let observer = CancelAt(task, Mutex::new(false));
        let error = compose_tree(&bench.options(TREEFILE), &observer).unwrap_err();
        assert_eq!(error.kind(), FailureKind::Cancelled, "{task}: {error}");
        assert!(leftovers(&bench.path("cache/private")).is_empty(), "{task}");
    }
}

fn leftovers(private: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(private) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("cambium-")).collect()
}
