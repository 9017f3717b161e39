//! Scripts of layered packages: which run, in which order, on which view, and what they leave.

#![allow(clippy::unwrap_used, reason = "a test")]

use cambium_integration::fixture::base::Flavour;
use cambium_integration::harness::{Host, Start, Traces, oracle};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

fn layered(package: &str) -> (Host, std::path::PathBuf) {
    let host = Host::new().unwrap();
    host.cambium(&["install", package]).ok();
    oracle::fsck(&host.repo()).unwrap();
    let root = host.default_root().unwrap();
    (host, root)
}

#[test]
fn scripts_run_in_their_order_with_their_argument() {
    let (_host, root) = layered("scripts");
    let trace = fs::read_to_string(root.join("usr/share/scripts/trace")).unwrap();
    let lines: Vec<_> = trace.lines().collect();
    let at = |line: &str| lines.iter().position(|l| *l == line);
    let (pre, post, posttrans) = (at("pre 1"), at("post 1"), at("posttrans 1"));
    assert!(pre.is_some() && pre < post && post < posttrans, "{lines:?}");
    for never in ["pretrans", "preun", "postun", "verify"] {
        assert!(!lines.iter().any(|line| line.starts_with(never)), "{never} in {lines:?}");
    }
    let (file, transaction) = (
        at("filetrigger /usr/lib/scripts/watched"),
        at("transfiletrigger /usr/lib/scripts/watched"),
    );
    assert!(file.is_some() && file < post && posttrans < transaction, "{lines:?}");
}

#[test]
fn what_a_script_writes_is_in_the_image() {
    let (_host, root) = layered("scripts");
    assert!(root.join("usr/bin/made-by-post").is_file());
    let conf = fs::read_to_string(root.join("usr/etc/scripts.conf")).unwrap();
    assert_eq!(conf, "a = 1\n# by post\n");
    assert_eq!(fs::read_to_string(root.join("etc/scripts.conf")).unwrap(), conf);
    assert!(!root.join("usr/etc/.pwd.lock").exists());
}

#[test]
fn lua_is_run_by_rpms_own_interpreter() {
    let (_host, root) = layered("lua");
    assert_eq!(fs::read_to_string(root.join("usr/share/lua-ran/post")).unwrap(), "lua");
}

#[test]
fn failing_lua_fails_its_transaction_and_says_why() {
    let host = Host::new().unwrap();
    let before = Traces::settled(&host).unwrap();
    host.cambium(&["install", "lua-fails"]).fails_with(&["lua-fails.post", "lua says no"]);
    before.assert_unchanged(&host);
}

#[test]
fn a_services_user_exists_before_its_first_script() {
    let (_host, root) = layered("service");
    let users =
        ["usr/lib/passwd", "usr/etc/passwd"].map(|path| fs::read_to_string(root.join(path)));
    let known = users.iter().flatten().any(|text| text.contains("service:x:471:"));
    assert!(known, "{users:?}");
    assert_eq!(fs::metadata(root.join("usr/share/service/owned")).unwrap().uid(), 471);
}

#[test]
fn var_and_run_become_tmpfiles_and_opt_moves_below_usr() {
    let (_host, root) = layered("places");
    assert!(root.join("usr/lib/opt/places/bin/tool").is_file());
    let mut lines = String::new();
    for place in ["usr/lib/tmpfiles.d", "usr/lib/rpm-ostree/tmpfiles.d"] {
        for entry in fs::read_dir(root.join(place)).into_iter().flatten() {
            lines += &fs::read_to_string(entry.unwrap().path()).unwrap();
        }
    }
    for path in ["/var/lib/places", "/var/log/places", "/run/places", "/opt/places"] {
        assert!(lines.contains(&format!(" {path} ")), "{path} in\n{lines}");
    }
    assert!(lines.contains("d /var/lib/places 0750"), "{lines}");
}

#[test]
fn modes_owners_and_capabilities_are_kept() {
    let (_host, root) = layered("privileges");
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("usr/bin/set-uid"), 0o4755);
    assert_eq!(mode("usr/share/privileges/secret"), 0o600);
    let wrong = oracle::verify(&root, &["privileges"]).unwrap();
    assert!(wrong.is_empty(), "rpm -V: {wrong:#?}");
}

#[test]
fn a_failing_script_fails_its_transaction_and_nothing_else() {
    let host = Host::new().unwrap();
    let before = Traces::settled(&host).unwrap();
    host.cambium(&["install", "fails"]).fails_with(&["fails.post", "7"]);
    before.assert_unchanged(&host);
    host.cambium(&["install", "hello"]).ok();
}

#[test]
fn a_script_sees_neither_the_host_nor_the_network() {
    let (_host, root) = layered("scripts");
    // The scripts of the package could have written anywhere; they could only write to the image.
    assert!(!std::path::Path::new("/usr/share/scripts").exists());
    assert!(root.join("usr/share/scripts").exists());
}

/// What `--noscripts` is for, by configuration: what is left out is shown before, kept in the
/// commit and in the log, and told of the deployment.
#[test]
fn the_configuration_leaves_scripts_out_and_that_is_recorded() {
    const REASON: &str = "left out for a test";
    let mut host = Host::with(Flavour::Tiny, Start::Later).unwrap();
    let rule = format!(
        "[[scripts.rules]]\npackage = 'scr*'\nclasses = ['post', 'filetriggerin']\n\
         action = 'skip'\nreason = '{REASON}'\n"
    );
    fs::write(&host.places().config, rule).unwrap();
    host.start().unwrap();
    host.cambium(&["install", "scripts"]).ok();
    let root = host.default_root().unwrap();
    let trace = fs::read_to_string(root.join("usr/share/scripts/trace")).unwrap();
    assert!(trace.contains("pre 1\n") && trace.contains("posttrans 1\n"), "{trace}");
    assert!(!trace.contains("\npost 1") && !trace.contains("\nfiletrigger"), "{trace}");
    assert!(!root.join("usr/bin/made-by-post").exists());
    let line = format!("scripts-1-1.noarch post: {REASON}");
    let status = host.cambium(&["status"]).ok().out;
    assert!(status.contains("ScriptsLeftOut") && status.contains(&line), "{status}");
    let log = host.places().state.join("txlog");
    let noted = walkdir::WalkDir::new(&log).into_iter().map(Result::unwrap).any(|entry| {
        let bytes = fs::read(entry.path()).unwrap_or_default();
        bytes.windows(REASON.len()).any(|part| part == REASON.as_bytes())
    });
    assert!(noted, "nothing in {}", log.display());

    // The packages are imported by now, so that a plan knows their scripts.
    host.cambium(&["uninstall", "scripts"]).ok();
    let plan = host.cambium(&["install", "--dry-run", "scripts"]).ok().out;
    assert!(plan.contains(&format!("scripts.post will not run: {REASON}")), "{plan}");
    assert!(plan.contains("scripts.prein /bin/sh"), "{plan}");
}

#[test]
fn a_package_triggers_a_script_of_another() {
    let host = Host::new().unwrap();
    host.cambium(&["install", "trigger-on-package"]).ok();
    let ran = |host: &Host| {
        fs::read_to_string(host.default_root().unwrap().join("usr/share/trigger-on-package/ran"))
    };
    assert!(ran(&host).is_err(), "nothing set it off");
    host.cambium(&["install", "hello"]).ok();
    assert_eq!(ran(&host).unwrap(), "1 1\n");
}
