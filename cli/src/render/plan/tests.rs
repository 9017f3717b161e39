//! Golden texts.

use super::super::fixture::checksum;
use super::*;
use cambium_model::{Advisory, DiffKind, PackageDiff, ScriptNotice};

fn package(
    action: PlannedAction,
    nevra: &str,
    previous: Option<&str>,
    size: u64,
) -> PlannedPackage {
    PlannedPackage {
        action,
        nevra: nevra.parse().unwrap(),
        repository: "updates".into(),
        location: "x.rpm".into(),
        checksum: "sha256:00".into(),
        download_bytes: size / 3,
        installed_bytes: size,
        previous: previous.map(|nevra| nevra.parse().unwrap()),
    }
}

fn plan() -> Plan {
    Plan {
        unchanged: false,
        base: checksum("0b"),
        base_version: Some("41.2".into()),
        base_timestamp: 1_681_951_361,
        previous_base: checksum("0a"),
        previous_base_version: Some("41.1".into()),
        base_diff: vec![PackageDiff {
            kind: DiffKind::Upgraded,
            previous: Some("bash-5.1-1.x86_64".parse().unwrap()),
            new: Some("bash-5.2-1.x86_64".parse().unwrap()),
        }],
        packages: vec![
            package(PlannedAction::Install, "vim-9.0-1.x86_64", None, 30_000_000),
            package(PlannedAction::Dependency, "gpm-libs-1.20-1.x86_64", None, 28_000),
            package(PlannedAction::Keep, "zsh-5-1.x86_64", None, 7),
            package(PlannedAction::Upgrade, "git-2-2.x86_64", Some("git-2-1.x86_64"), 9_000_000),
        ],
        inactive: vec!["sed".into()],
        download_bytes: 13_000_000,
        disk: SpaceNeed { needed: 39_000_000, free: 20_000_000_000 },
        boot: SpaceNeed { needed: 90_000_000, free: 10_000_000 },
        scripts: vec![
            ScriptNotice {
                package: "vim".into(),
                kind: "post".into(),
                interpreter: "/bin/sh".into(),
                left_out: String::new(),
            },
            ScriptNotice {
                package: "akmod".into(),
                kind: "posttrans".into(),
                interpreter: "/bin/sh".into(),
                left_out: "built in CI".into(),
            },
        ],
        scripts_unknown: 1,
        advisories: vec![Advisory {
            id: "F-1".into(),
            kind: "security".into(),
            severity: Severity::Important,
            packages: Vec::new(),
        }],
        warnings: vec!["repository 'x' cannot be reached".into()],
        next_default: None,
        removed_deployments: Vec::new(),
        removed_refs: Vec::new(),
        removed_paths: Vec::new(),
        freed_bytes: 0,
        problem: None,
    }
}

#[test]
fn shows_packages_by_action_totals_scripts_and_warnings() {
    let expected = "Base: 41.1 (0a0a0a0a0a) -> 41.2 (0b0b0b0b0b)
  1 upgraded
Installing 1 package:
  vim-9.0-1.x86_64  updates  30.0 MB
Installing as dependencies 1 package:
  gpm-libs-1.20-1.x86_64  updates  28.0 kB
Upgrading 1 package:
  git 2-1 -> 2-2  updates  9.0 MB
Keeping 1 layered package
Inactive requests: sed
Scripts that will run: (not known yet for 1 package)
  vim.post /bin/sh
  akmod.posttrans will not run: built in CI
Advisories: 1 (1 security, at worst important)
Will download: 13.0 MB
Disk: 39.0 MB needed, 20.0 GB free
/boot: 90.0 MB needed, 10.0 MB free (too little)
warning: repository 'x' cannot be reached
";
    assert_eq!(text(&plan(), Style::Plain), expected);
}

#[test]
fn an_available_update_has_the_version_line_that_discover_parses() {
    let brief = available(&plan(), Detail::Brief);
    let expected = format!(
        "AvailableUpdate:
         Version: 41.2 (2023-04-20T00:42:41Z)
          Commit: {}
            Diff: 2 upgraded, 2 added
",
        "0b".repeat(32)
    );
    assert_eq!(brief, expected);
    let verbose = available(&plan(), Detail::Verbose);
    let block = "Upgraded:\n  bash 5.1-1 -> 5.2-1\n  git 2-1 -> 2-2\nAdded:\n  \
                 gpm-libs-1.20-1.x86_64\n  vim-9.0-1.x86_64\n";
    assert_eq!(verbose, format!("{brief}{block}"));
}

#[test]
fn a_rollback_and_a_cleanup_say_what_would_change() {
    let mut plan = plan();
    plan = Plan {
        base: plan.previous_base.clone(),
        packages: Vec::new(),
        inactive: Vec::new(),
        download_bytes: 0,
        disk: SpaceNeed::default(),
        boot: SpaceNeed::default(),
        scripts: Vec::new(),
        scripts_unknown: 0,
        advisories: Vec::new(),
        warnings: Vec::new(),
        next_default: Some("os-0a.0".into()),
        removed_deployments: vec!["os-0b.0".into(), "os-0c.1".into()],
        removed_refs: vec!["rpmostree/pkg/vim/9.0-1.x86__64".into()],
        removed_paths: vec!["/var/cache/cambium/repomd".into()],
        freed_bytes: 7_000_000,
        ..plan
    };
    let expected = "Boots next: os-0a.0
Removing 2 deployments:
  os-0b.0
  os-0c.1
Removing 1 ref:
  rpmostree/pkg/vim/9.0-1.x86__64
Removing 1 path:
  /var/cache/cambium/repomd
Will free: 7.0 MB
";
    assert_eq!(text(&plan, Style::Plain), expected);
    plan.unchanged = true;
    (plan.next_default, plan.freed_bytes) = (None, 0);
    plan.removed_deployments.clear();
    plan.removed_refs.clear();
    plan.removed_paths.clear();
    assert_eq!(text(&plan, Style::Plain), "Nothing would change.\n");
}
