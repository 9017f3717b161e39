//! Golden texts.

use super::super::fixture::host;
use super::*;
use cambium_model::{Change, Initiator, Options, Phase, Request, TransactionId};
use cambium_proto::TransactionView;

fn brief(view: &HostView, deployments: Which) -> String {
    text(view, Show { deployments, detail: Detail::Brief }, Style::Plain)
}

#[test]
fn deployments_look_as_rpm_ostree_prints_them() {
    let expected = format!(
        "State: idle
Deployments:
  fedora:fedora/x86_64/silverblue
                  Version: 41.1 (2023-04-20T00:42:41Z)
               BaseCommit: {base}
      RemovedBasePackages: firefox firefox-langpacks 110.0-3
         InactiveRequests: bash
          LayeredPackages: vim-enhanced zsh
            LocalPackages: tool-1-1.noarch

● fedora:fedora/x86_64/silverblue
                  Version: 41.1 (2023-04-20T00:42:41Z)
                   Commit: {base}
                   Pinned: yes

  ostree-unverified-registry:quay.io/x/y:latest
                Timestamp: 2023-04-20T00:42:41Z
                   Commit: {rollback}
",
        base = "0b".repeat(32),
        rollback = "0c".repeat(32),
    );
    assert_eq!(brief(&host(), Which::All), expected);
}

#[test]
fn booted_shows_one_deployment_under_its_own_heading() {
    let text = brief(&host(), Which::Booted);
    assert!(text.starts_with("State: idle\nBootedDeployment:\n● fedora:"), "{text}");
    assert_eq!(text.matches("Commit: ").count(), 1);
}

#[test]
fn verbose_adds_index_stateroot_staged_and_both_commits() {
    let show = Show { deployments: Which::All, detail: Detail::Verbose };
    let text = text(&host(), show, Style::Plain);
    for line in [
        "  fedora:fedora/x86_64/silverblue (index: 0)\n",
        "                   Staged: yes\n",
        "                StateRoot: fedora\n",
        &format!("                   Commit: {}\n", "0a".repeat(32)),
        "          KernelArguments: root=UUID=1 quiet\n",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
}

#[test]
fn a_running_transaction_is_named_with_who_asked() {
    let mut view = host();
    view.transaction = Some(TransactionView {
        id: TransactionId::new("1"),
        request: Request {
            stateroot: None,
            change: Change::Rollback,
            options: Options::default(),
            initiator: Initiator {
                uid: 0,
                pid: 7,
                agent: "cli".into(),
                command_line: "rpm-ostree rollback".into(),
            },
        },
        phase: Phase::Swapping,
        started: 0,
        finished: None,
        phases: Vec::new(),
        outcome: None,
    });
    let expected = "State: busy\nTransaction: rpm-ostree rollback\n  Initiator: client(id:cli uid:0)\n\
                    Deployments:\n";
    assert!(brief(&view, Which::All).starts_with(expected));
}

#[test]
fn what_went_wrong_is_shown() {
    let mut view = host();
    view.state.finalize_failure = Some("error: no space on /boot".into());
    view.state.deployments[2].origin = None;
    view.state.deployments[2].problem = Some("line 3 is no key".into());
    let text = brief(&view, Which::All);
    let warning = "Warning: failed to finalize previous deployment\n         error: no space on \
                   /boot\n         check `journalctl -b -1 -u ostree-finalize-staged.service`\n";
    assert!(text.contains(warning), "{text}");
    assert!(text.contains("  (unreadable origin)\n"), "{text}");
    assert!(text.contains("                  Problem: line 3 is no key\n"), "{text}");
}
