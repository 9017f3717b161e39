//! `status` for people, byte for byte as rpm-ostree lays it out (surface §1.11): scripts match
//! its labels.

use super::numbers::time;
use super::style::Style;
use cambium_model::{Deployment, LocalPackage, Nevra, UnlockedState};
use cambium_proto::HostView;
use std::collections::BTreeMap;

/// Labels end in this column.
const LABEL_WIDTH: usize = 25;

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Show {
    /// Which deployments.
    pub deployments: Which,
    /// How much of each.
    pub detail: Detail,
}

/// Which deployments are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// The booted one (`--booted`).
    Booted,
}

/// How much of a deployment is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What people look at.
    Brief,
    /// Everything (`--verbose`).
    Verbose,
}

/// The deployments of `view` that are shown.
pub fn shown(view: &HostView, which: Which) -> impl Iterator<Item = &Deployment> {
    view.state.deployments.iter().filter(move |d| which == Which::All || d.booted)
}

/// The whole text.
#[must_use]
pub fn text(view: &HostView, show: Show, style: Style) -> String {
    let mut text = match &view.transaction {
        Some(transaction) => {
            let initiator = &transaction.request.initiator;
            let who = format!("client(id:{} uid:{})", initiator.agent, initiator.uid);
            let mut busy = format!(
                "State: busy\nTransaction: {}\n  Initiator: {who}\n",
                transaction.request.title()
            );
            if show.detail == Detail::Verbose {
                busy.push_str(&format!(
                    "  Phase: {}\n  Id: {}\n",
                    transaction.phase, transaction.id
                ));
            }
            busy
        }
        None => "State: idle\n".to_owned(),
    };
    if let (Detail::Verbose, Some(sandbox)) = (show.detail, &view.state.sandbox) {
        text.push_str(&format!("ScriptSandbox: {} ({})\n", sandbox.name, sandbox.reason));
    }
    if let Some(error) = &view.state.finalize_failure {
        text.push_str(&format!(
            "{} failed to finalize previous deployment\n         {error}\n         check `journalctl \
             -b -1 -u ostree-finalize-staged.service`\n",
            style.yellow("Warning:"),
        ));
    }
    let deployments: Vec<_> = shown(view, show.deployments).collect();
    text.push_str(match show.deployments {
        Which::All => "Deployments:\n",
        Which::Booted => "BootedDeployment:\n",
    });
    let several_stateroots =
        deployments.windows(2).any(|pair| pair[0].id.stateroot != pair[1].id.stateroot);
    for (at, deployment) in deployments.into_iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        one(&mut text, deployment, show.detail, several_stateroots, style);
    }
    text
}

fn one(
    text: &mut String,
    deployment: &Deployment,
    detail: Detail,
    several_stateroots: bool,
    style: Style,
) {
    let verbose = detail == Detail::Verbose;
    let origin = deployment.origin.as_ref();
    let bullet = if deployment.booted { "●" } else { " " };
    let name = origin.map_or_else(|| "(unreadable origin)".to_owned(), |o| o.refspec.to_string());
    let index = if verbose { format!(" (index: {})", deployment.index) } else { String::new() };
    text.push_str(&format!("{bullet} {}{index}\n", style.bold(&name)));

    let mut line = |label: &str, value: &str| {
        text.push_str(&format!("{label:>LABEL_WIDTH$}: {value}\n"));
    };
    let mut list = |label: &str, values: &[String]| {
        if !values.is_empty() {
            line(label, &values.join(" "));
        }
    };
    let layered = deployment.base_checksum != deployment.id.checksum;
    if let Some(digest) = deployment.base_metadata.get("ostree.manifest-digest") {
        list("Digest", std::slice::from_ref(digest));
    }
    let (version, made) = if layered {
        (&deployment.base_version, deployment.base_timestamp)
    } else {
        (&deployment.version, deployment.timestamp)
    };
    match version.as_ref().or(deployment.version.as_ref()) {
        Some(version) => list("Version", &[format!("{version} ({})", time(made))]),
        None => list("Timestamp", &[time(made)]),
    }
    if layered {
        list("BaseCommit", &[deployment.base_checksum.to_string()]);
    }
    if !layered || verbose {
        list("Commit", &[deployment.id.checksum.to_string()]);
    }
    if verbose || deployment.finalization_locked {
        let staged = match (deployment.staged, deployment.finalization_locked) {
            (true, true) => "yes (finalization locked)",
            (true, false) => "yes",
            _ => "no",
        };
        list("Staged", &[staged.to_owned()]);
    }
    if verbose || several_stateroots {
        list("StateRoot", &[deployment.id.stateroot.to_string()]);
    }
    if let Some(removed) = removed(&deployment.removed) {
        list("RemovedBasePackages", &[removed]);
    }
    if let Some(origin) = origin {
        list("LocalOverrides", &nevras(&origin.override_replace_local));
    }
    list("InactiveRequests", &deployment.inactive);
    list("LayeredPackages", &deployment.layered);
    list("ScriptsLeftOut", &deployment.scripts_left_out);
    if let Some(origin) = origin {
        list("LocalPackages", &nevras(&origin.requested_local));
        list("LocalForcedPackages", &nevras(&origin.requested_local_fileoverride));
        if origin.regenerate_initramfs {
            let args = &origin.initramfs_args;
            let value = if args.is_empty() { "regenerate".to_owned() } else { args.join(" ") };
            list("Initramfs", &[value]);
        }
        list("InitramfsEtc", &origin.initramfs_etc);
        if origin.cliwrap {
            list("Cliwrap", &["true".to_owned()]);
        }
    }
    let unlocked = match deployment.unlocked {
        UnlockedState::None => None,
        UnlockedState::Development => Some("development"),
        UnlockedState::Hotfix => Some("hotfix"),
        UnlockedState::Transient => Some("transient"),
    };
    if let Some(unlocked) = unlocked {
        list("Unlocked", &[unlocked.to_owned()]);
    }
    if deployment.pinned {
        list("Pinned", &["yes".to_owned()]);
    }
    if let Some(end) = deployment.base_metadata.get("ostree.endoflife") {
        list("EndOfLife", std::slice::from_ref(end));
    }
    if verbose {
        list("KernelArguments", &deployment.kernel_arguments);
    }
    if let Some(problem) = &deployment.problem {
        list("Problem", std::slice::from_ref(problem));
    }
}

/// Names that share an EVR stand before it: `firefox firefox-langpacks 110.0-3`.
fn removed(packages: &[Nevra]) -> Option<String> {
    let mut by_evr: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for package in packages {
        by_evr.entry(&package.evr).or_default().push(&package.name);
    }
    let groups: Vec<_> =
        by_evr.iter().map(|(evr, names)| format!("{} {evr}", names.join(" "))).collect();
    (!groups.is_empty()).then(|| groups.join(", "))
}

fn nevras(packages: &[LocalPackage]) -> Vec<String> {
    packages.iter().map(|package| package.nevra.clone()).collect()
}

#[cfg(test)]
mod tests;
