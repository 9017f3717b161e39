//! `db diff`, `db list`, `db version`: questions about the packages of commits.

use super::{Session, refused, unreadable};
use crate::Exit;
use crate::args::change::not_supported;
use crate::args::db::{DiffArgs, DiffFormat, ListArgs, VersionArgs};
use crate::output::Shape;
use crate::render::diff;
use anyhow::Result;
use cambium_model::{Deployment, Failure, FailureKind, HostState, Nevra, PackageDiffs};
use cambium_proto::v1;
use serde_json::json;
use std::path::PathBuf;

/// The daemon reads the sysroot's repository and no other.
fn refuse_repo(repo: Option<&PathBuf>) -> Result<(), Failure> {
    match repo {
        Some(_) => Err(not_supported("--repo", "Leave it out: the sysroot's repository is read.")),
        None => Ok(()),
    }
}

pub(super) async fn diff(session: &Session<'_>, args: &DiffArgs) -> Result<Exit> {
    refuse_repo(args.repo.as_ref())?;
    let as_json = session.output.shape == Shape::Json || args.format == DiffFormat::Json;
    if as_json && args.changelogs {
        return Err(not_supported("json format with --changelogs", "Use the block format.").into());
    }
    // With one revision the running system is compared with it.
    let (mut from, mut to) = match (&args.from, &args.to) {
        (Some(to), None) => (None, Some(to.clone())),
        (from, to) => (from.clone(), to.clone()),
    };
    let state = session.host().await?.state;
    if from.is_none() && to.is_none() {
        let (older, newer) = sides(&state)?;
        let name = |d: &Deployment| {
            if args.base { d.base_checksum.to_string() } else { d.id.to_string() }
        };
        (from, to) = (Some(name(older)), Some(name(newer)));
    } else if args.base {
        return Err(not_supported("--base with revisions", "Name the base commits.").into());
    }
    let names = [from.clone(), to.clone()];
    let request = v1::DiffRequest { from, to, changelogs: args.changelogs };
    let answer = session.daemon.packages().diff(request).await.map_err(refused)?;
    let diffs = PackageDiffs::try_from(answer.into_inner()).map_err(unreadable)?;
    if as_json {
        session.output.json(&diff::json(&diffs))?;
        return Ok(Exit::Success);
    }
    let [from, to] = &names;
    let mut text = format!(
        "ostree diff commit from: {}\nostree diff commit to:   {}\n",
        described(&state, from.as_deref(), &diffs.from),
        described(&state, to.as_deref(), &diffs.to),
    );
    text.push_str(&match args.format {
        DiffFormat::Block => diff::block(&diffs),
        DiffFormat::Diff | DiffFormat::Json => diff::lines(&diffs),
    });
    session.output.text(&text)?;
    Ok(Exit::Success)
}

/// What is compared where nothing is named: the booted deployment with the pending one, or the
/// rollback with the booted one.
fn sides(state: &HostState) -> Result<(&Deployment, &Deployment), Failure> {
    let nothing = || {
        Failure::new(FailureKind::Precondition, "there are no two deployments to compare")
            .advise("Name two revisions.")
    };
    match (state.booted(), state.deployments.as_slice()) {
        (Some(booted), [first, ..]) if !first.booted => Ok((booted, first)),
        (_, [first, second, ..]) => Ok((second, first)),
        _ => Err(nothing()),
    }
}

/// `booted deployment (CHECKSUM)`, as rpm-ostree calls what has no other name.
fn described(state: &HostState, name: Option<&str>, commit: &str) -> String {
    let named = |d: &&Deployment| match name {
        Some(name) => d.id.to_string() == name,
        None => d.booted,
    };
    let role = state.deployments.iter().find(named).map(|deployment| {
        let booted = state.booted().map(|d| d.index);
        match booted {
            _ if deployment.booted => "booted deployment",
            Some(booted) if deployment.index > booted => "rollback deployment",
            None if deployment.index > 0 => "rollback deployment",
            _ => "pending deployment",
        }
    });
    match role.or(name) {
        Some(name) if name != commit => format!("{name} ({commit})"),
        _ => commit.to_owned(),
    }
}

pub(super) async fn list(session: &Session<'_>, args: &ListArgs) -> Result<Exit> {
    refuse_repo(args.repo.as_ref())?;
    let request = v1::ListPackagesRequest {
        revision: args.revision.clone(),
        patterns: args.patterns.clone(),
    };
    let answer = session.daemon.packages().list(request).await.map_err(refused)?.into_inner();
    let packages: Vec<Nevra> = answer
        .packages
        .into_iter()
        .map(Nevra::try_from)
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    if session.output.shape == Shape::Json {
        let names: Vec<_> = packages.iter().map(ToString::to_string).collect();
        session.output.json(&json!({ "revision": args.revision, "packages": names }))?;
        return Ok(Exit::Success);
    }
    let mut text = format!("ostree commit: {}\n", args.revision);
    for package in &packages {
        text.push_str(&format!(" {package}\n"));
    }
    session.output.text(&text)?;
    Ok(Exit::Success)
}

pub(super) async fn version(session: &Session<'_>, args: &VersionArgs) -> Result<Exit> {
    refuse_repo(args.repo.as_ref())?;
    let mut revisions = args.revisions.clone();
    if revisions.is_empty() {
        let state = session.host().await?.state;
        let default = state.deployments.first().ok_or_else(|| {
            Failure::new(FailureKind::Precondition, "there is no deployment")
                .advise("Name a revision.")
        })?;
        revisions.push(default.id.checksum.to_string());
    }
    let mut values = Vec::new();
    for revision in revisions {
        let request = v1::RpmdbVersionRequest { revision: revision.clone() };
        let answer = session.daemon.packages().rpmdb_version(request).await.map_err(refused)?;
        let v1::RpmdbVersionResponse { packages, digest } = answer.into_inner();
        if session.output.shape == Shape::Text {
            let text = format!("ostree commit: {revision}\n  rpmdb version: {packages}:{digest}\n");
            session.output.text(&text)?;
        }
        values.push(json!({ "revision": revision, "packages": packages, "digest": digest }));
    }
    if session.output.shape == Shape::Json {
        session.output.json(&values.into())?;
    }
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture::host;

    #[test]
    fn without_names_the_running_system_is_one_side() {
        let mut state = host().state;
        let index = |state: &HostState| sides(state).map(|(old, new)| (old.index, new.index));
        assert_eq!(index(&state), Ok((1, 0)));
        state.deployments.remove(0);
        assert_eq!(index(&state), Ok((2, 1)), "the rollback is older than the booted one");
        state.deployments.truncate(1);
        assert_eq!(index(&state).unwrap_err().kind, FailureKind::Precondition);
    }

    #[test]
    fn deployments_are_called_by_their_role() {
        let state = host().state;
        let name = |at: usize| state.deployments[at].id.to_string();
        for (at, role) in [(0, "pending"), (1, "booted"), (2, "rollback")] {
            let expected = format!("{role} deployment (c)");
            assert_eq!(described(&state, Some(&name(at)), "c"), expected);
        }
        assert_eq!(described(&state, None, "c"), "booted deployment (c)");
        assert_eq!(described(&state, Some("fedora:x"), "c"), "fedora:x (c)");
        assert_eq!(described(&state, Some("c"), "c"), "c");
    }
}
