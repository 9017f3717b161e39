//! What each key of a treefile does to a tree, where the compose of `tests` does not show it.

use super::*;

/// The smallest treefile of the packages here; keys follow.
fn with(packages: &str, more: &str) -> String {
    format!(
        "edition: '2024'\nref: os/1\nrepos: [test]\nreleasever: 1\nselinux: false\n\
         packages: [{packages}]\n{more}"
    )
}

fn names(bench: &Bench, treefile: &str) -> Vec<String> {
    let options = ComposeOptions { extent: Extent::DryRun, ..bench.options(treefile) };
    let Composed::DryRun(packages) = compose_tree(&options, &Unobserved).unwrap() else {
        panic!("not a plan")
    };
    packages.into_iter().map(|nevra| nevra.name).collect()
}

/// A program of this machine with what it loads, as a package.
fn machine_program(name: &str, path: &str) -> Recipe {
    let ldd = Command::new("ldd").arg(path).output().unwrap();
    let text = String::from_utf8(ldd.stdout).unwrap();
    let mut files: BTreeSet<String> =
        text.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned).collect();
    files.insert(path.to_owned());
    Recipe::new(name, "1").edit(|builder| {
        // Its links at the top lead to the loader.
        builder.requires(rpm::Dependency::any("filesystem"));
        for file in files {
            let target =
                if file.starts_with("/usr/") { file.clone() } else { format!("/usr{file}") };
            let source = fs::canonicalize(&file).unwrap();
            builder.with_file(source, FileOptions::new(target).mode(0o100_755)).unwrap();
        }
    })
}

/// A kernel, the machine's own depmod, and a dracut that writes down what it was asked for.
fn kernel() -> Vec<Recipe> {
    let dracut = "#!/bin/sh\nfor last; do :; done\necho \"$@\" > \"$last\"\n";
    let dracut = Recipe::new("dracut", "1")
        .edit(|builder| {
            builder.requires(rpm::Dependency::any("shell"));
        })
        .with(FileOptions::new("/usr/bin/dracut").mode(0o100_755), dracut);
    let modules = "/usr/lib/modules/6.1";
    let kernel = Recipe::new("kernel", "1")
        .file(&format!("{modules}/vmlinuz"), "kernel")
        .file(&format!("{modules}/initramfs.img"), "of the package")
        .file(&format!("{modules}/modules.order"), "")
        .file(&format!("{modules}/modules.builtin"), "");
    vec![dracut, kernel, machine_program("kmod", "/usr/sbin/depmod")]
}

#[test]
fn packages_come_by_architecture_and_go_by_exclusion() {
    let bench = Bench::new();
    let one = |name: &str| Recipe::new(name, "1").file(&format!("/usr/share/{name}"), name);
    let wants = |recipe: Recipe, name: &str| {
        let name = name.to_owned();
        recipe.edit(|builder| {
            builder.recommends(rpm::Dependency::any(name));
        })
    };
    let needs = |recipe: Recipe, name: &str| {
        let name = name.to_owned();
        recipe.edit(|builder| {
            builder.requires(rpm::Dependency::any(name));
        })
    };
    bench.publish(vec![
        wants(one("app"), "nice"),
        one("nice"),
        needs(one("tool"), "backend"),
        one("backend-a").edit(|builder| {
            builder.provides(rpm::Dependency::any("backend"));
        }),
        one("backend-b").edit(|builder| {
            builder.provides(rpm::Dependency::any("backend"));
        }),
    ]);
    let arch = std::env::consts::ARCH;
    let other = if arch == "s390x" { "aarch64" } else { "s390x" };
    let check = |packages: &str, more: &str, expected: &[&str]| {
        assert_eq!(names(&bench, &with(packages, more)), expected, "{packages} {more}");
    };
    check("spare", "", &["spare"]);
    check("spare", &format!("packages-{arch}: [setup]\n"), &["setup", "spare"]);
    check("spare", &format!("packages-{other}: [setup]\n"), &["spare"]);
    check("app", "", &["app", "nice"]);
    check("app", "recommends: true\n", &["app", "nice"]);
    check("app", "recommends: false\n", &["app"]);
    check("tool", "exclude-packages: [backend-a]\n", &["backend-b", "tool"]);
    check("tool", "exclude-packages: [backend-b]\n", &["backend-a", "tool"]);
    let failure = bench.failure(&with("tool", "exclude-packages: [backend-a, backend-b]\n"));
    assert!(failure.to_string().contains("backend"), "{failure}");
}

#[test]
fn includes_and_variables_make_one_tree() {
    let bench = Bench::new();
    fs::create_dir(bench.path("parts")).unwrap();
    fs::write(bench.path("parts/motd"), "from the part\n").unwrap();
    let part = "packages: [demo]\nrepos: ['${repo}']\nadd-files: [[motd, /usr/share/motd]]\n\
                postprocess: ['echo part >> /usr/share/order']\n";
    fs::write(bench.path("parts/test.yaml"), part).unwrap();
    let report = bench.commit(
        "edition: '2024'\nref: os/${stream}/${basearch}\nselinux: false\nreleasever: 1\n\
         include: parts/${repo}.yaml\nvariables: {stream: next, repo: test}\n\
         add-commit-metadata: {stream: '${stream}'}\n\
         postprocess: ['echo own >> /usr/share/order']\n",
    );
    let treeref = format!("os/next/{}", std::env::consts::ARCH);
    assert_eq!(report.treeref.as_deref(), Some(treeref.as_str()));
    let repo = Repo::open(bench.path("repo")).unwrap();
    assert_eq!(repo.resolve_ref(&treeref).unwrap(), Some(report.commit.clone()));
    assert_eq!(bench.text(&report, "usr/share/motd").as_deref(), Some("from the part\n"));
    assert_eq!(bench.text(&report, "usr/share/order").as_deref(), Some("part\nown\n"));
    let info = repo.commit_info(&report.commit).unwrap();
    assert_eq!(info.metadata.get_string("stream"), Some("next"));
}

#[test]
fn documentation_stays_out_where_it_is_not_wanted() {
    let bench = Bench::new();
    let manual = FileOptions::new("/usr/share/manual").doc();
    bench.publish(vec![Recipe::new("app", "1").with(manual, "read me\n").file("/usr/app", "x")]);
    for (more, expected) in [("", true), ("documentation: true\n", true)] {
        let report = bench.commit(&with("app filesystem", more));
        assert_eq!(bench.text(&report, "usr/share/manual").is_some(), expected, "{more}");
    }
    let report = bench.commit(&with("app filesystem", "documentation: false\n"));
    assert_eq!(bench.text(&report, "usr/share/manual"), None);
    assert_eq!(bench.text(&report, "usr/app").as_deref(), Some("x"));
}

#[test]
fn the_default_target_the_machine_id_and_os_release_are_the_treefiles() {
    let bench = Bench::new();
    let target = "/usr/lib/systemd/system/rescue.target";
    bench.publish(vec![Recipe::new("targets", "1").file(target, "[Unit]\n")]);
    let report = bench.commit(&with(
        "demo targets",
        "default-target: rescue.target\nmachineid-compat: false\n\
         automatic-version-prefix: '7'\nmutate-os-release: '1'\n",
    ));
    let repo = Repo::open(bench.path("repo")).unwrap();
    let link = "usr/etc/systemd/system/default.target";
    let file = match repo.lookup(&report.commit, link).unwrap() {
        Some(cambium_ostree::Node::File(file)) => repo.file_info(&file).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(file.kind, cambium_ostree::FileKind::Symlink { target: target.to_owned() });
    assert_eq!(bench.text(&report, "usr/etc/machine-id"), None);
    let release = bench.text(&report, "usr/lib/os-release").unwrap();
    assert!(release.contains("VERSION=\"7\"") && release.contains("OSTREE_VERSION='7'"));
    let plain = bench.commit(&with("demo", "machineid-compat: true\n"));
    assert_eq!(bench.text(&plain, "usr/etc/machine-id").as_deref(), Some(""));
    assert!(!bench.text(&plain, "usr/lib/os-release").unwrap().contains("OSTREE_VERSION"));
}

#[test]
fn the_postprocess_script_runs_last_and_its_failure_is_the_composes() {
    let bench = Bench::new();
    let script = bench.path("finish.sh");
    fs::write(&script, "#!/bin/bash\ncat /usr/share/first > /usr/share/second\n").unwrap();
    let keys = "postprocess-script: finish.sh\npostprocess: ['echo inline > /usr/share/first']\n";
    let report = bench.commit(&with("demo", keys));
    assert_eq!(bench.text(&report, "usr/share/second").as_deref(), Some("inline\n"));
    fs::write(&script, "#!/bin/bash\necho no luck >&2\nexit 4\n").unwrap();
    let error = Failure::from(bench.compose(&with("demo", keys)).unwrap_err());
    let text = error.to_string();
    assert!(text.contains("postprocess-script failed (exit status 4)"), "{text}");
    let repo = Repo::open(bench.path("repo")).unwrap();
    assert_eq!(repo.resolve_ref("os/1").unwrap(), Some(report.commit), "the old commit stays");
}

#[test]
fn accounts_are_held_against_what_the_treefile_names() {
    let bench = Bench::new();
    fs::write(bench.path("users"), "root:x:0:0::/:\ndemo:x:77:77::/:\n").unwrap();
    fs::write(bench.path("groups"), "root:x:0:\ndemo:x:77:\nstaff:x:50:\n").unwrap();
    let file = "check-passwd: {type: file, filename: users}\n";
    let group = "check-groups: {type: file, filename: groups}\n";
    let failure = bench.failure(&with("demo", &format!("{file}{group}")));
    assert!(failure.to_string().contains("the group 'staff' is gone"), "{failure}");
    bench.commit(&with("demo", &format!("{file}{group}ignore-removed-groups: [staff]\n")));
    // From now on there is a previous commit: `previous` is what a treefile that is silent means.
    for check in ["", "check-passwd: {type: previous}\n"] {
        let error = bench.compose(&with("spare setup filesystem", check)).unwrap_err();
        assert!(error.to_string().contains("the user 'demo' is gone"), "{error}");
    }
    let none = "check-passwd: {type: none}\ncheck-groups: {type: none}\nsysusers: compose-auto\n";
    bench.commit(&with("spare setup filesystem", none));
    let forced = bench.compose(&with("demo", "sysusers: compose-forced\n")).unwrap_err();
    assert!(forced.to_string().contains("tree.yaml:7: sysusers"), "{forced}");
}

#[test]
fn an_initramfs_is_made_as_asked_or_is_the_packages() {
    let bench = Bench::new();
    bench.publish(kernel());
    let packages = "kernel kmod dracut";
    let image = "usr/lib/modules/6.1/initramfs.img";
    let report =
        bench.commit(&with(packages, "initramfs-args: ['--drivers', 'virtio_blk ext4']\n"));
    let repo = Repo::open(bench.path("repo")).unwrap();
    let bytes = repo.read_file(&report.commit, image).unwrap().unwrap();
    let asked = String::from_utf8_lossy(&bytes);
    for argument in ["--reproducible", "--kver 6.1", "--drivers virtio_blk ext4", "--add ostree"] {
        assert!(asked.contains(argument), "{argument} in {asked}");
    }
    assert!(!asked.contains("--no-hostonly"), "own arguments replace ours: {asked}");
    assert!(bench.text(&report, "usr/lib/modules/6.1/modules.dep").is_some());
    let metadata = repo.commit_info(&report.commit).unwrap().metadata;
    assert_eq!(metadata.get_string("ostree.linux"), Some("6.1"));
    assert!(metadata.get("rpmostree.initramfs-args").is_some());

    let report = bench.commit(&with(packages, ""));
    let bytes = repo.read_file(&report.commit, image).unwrap().unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("--no-hostonly"));

    let report = bench.commit(&with("kernel kmod", "no-initramfs: true\n"));
    assert_eq!(bench.text(&report, image).as_deref(), Some("of the package"));
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let bench = Bench::new();
    let failure = bench.failure(&with("demo", "unit: [a.service]\n"));
    let text = failure.to_string();
    assert!(text.contains("tree.yaml:7: unknown key 'unit' (did you mean 'units'?)"), "{text}");
}
