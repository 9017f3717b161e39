//! From a request and the host as it is to what the host should become. Pure: nothing is read.

use crate::{
    Change, Checksum, CleanupScope, Deployment, Failure, FailureKind, HostState, KargsEdit,
    LocalPackage, Nevra, Origin, PackageChange, Refspec, Request, Stateroot,
};

/// Which commit the result stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseChoice {
    /// The one that the merge deployment stands on.
    Keep,
    /// The newest of the origin's ref.
    Newest,
    /// The newest commit of the origin's ref that calls itself this version.
    Version(String),
    /// This very commit.
    Commit(Checksum),
}

/// The deployment that a request asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The stateroot that it is for.
    pub stateroot: Stateroot,
    /// The deployment that it is made from: its /etc, kernel arguments and base are inherited.
    pub merge: Deployment,
    /// The new origin. Its `override_commit` is settled once the base is found.
    pub origin: Origin,
    /// The base.
    pub base: BaseChoice,
    /// Refuse a base older than the merge deployment's.
    pub forbid_downgrade: bool,
    /// Refuse a commit that is not in the history of the origin's ref.
    pub check_branch: bool,
    /// The edit of kernel arguments; `None` keeps them.
    pub kargs: Option<KargsEdit>,
}

/// What a request comes to on this host.
#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    /// A new deployment.
    Deploy(Box<Target>),
    /// Nothing to do, and why.
    Unchanged(String),
    /// The deployment behind the default one becomes the default.
    Rollback(Stateroot),
    /// Leftovers of this stateroot go.
    Cleanup(Stateroot, CleanupScope),
    /// Repository metadata is fetched.
    RefreshMetadata {
        /// Even what has not expired.
        force: bool,
    },
}

/// Finds out what `request` comes to on `host`.
///
/// # Errors
/// When the request names what is not there (a stateroot, a requested package), repeats what is
/// there, or the host is not in a state that allows it.
pub fn intend(request: &Request, host: &HostState) -> Result<Intent, Failure> {
    if let Change::RefreshMetadata { force } = &request.change {
        return Ok(Intent::RefreshMetadata { force: *force });
    }
    let stateroot = stateroot(request, host)?;
    match &request.change {
        Change::Rollback => return Ok(Intent::Rollback(stateroot)),
        Change::Cleanup(scope) => return Ok(Intent::Cleanup(stateroot, *scope)),
        _ => {}
    }
    let merge = merge_deployment(&stateroot, host)?;
    let mut origin = origin(merge)?;
    let before = origin.clone();
    let mut kargs = None;
    let base = match &request.change {
        Change::Packages(_) => BaseChoice::Keep,
        Change::KernelArguments(edit) => {
            kargs = Some(edit.clone());
            BaseChoice::Keep
        }
        Change::Upgrade { .. } => {
            if let Some(state) = &origin.unconfigured_state {
                return Err(Failure::new(FailureKind::Precondition, state.clone()));
            }
            origin.override_commit = None;
            match &origin.refspec {
                Refspec::Checksum(_) => BaseChoice::Keep,
                _ => BaseChoice::Newest,
            }
        }
        Change::Deploy { revision, .. } => revision_choice(revision)?,
        Change::Rebase { refspec, revision, .. } => {
            origin.refspec = refspec.clone();
            origin.override_commit = None;
            origin.unconfigured_state = None;
            revision.clone().map_or(BaseChoice::Newest, BaseChoice::Commit)
        }
        Change::Rollback | Change::Cleanup(_) | Change::RefreshMetadata { .. } => BaseChoice::Keep,
    };
    if let Refspec::Container(image) = &origin.refspec
        && base != BaseChoice::Keep
    {
        let what = format!("container image '{image}' cannot be fetched by this version");
        return Err(Failure::new(FailureKind::InvalidRequest, what)
            .advise("Rebase to an OSTree ref (REMOTE:BRANCH)."));
    }
    if let Some(change) = request.change.packages() {
        change_requests(&mut origin, change, request.options.idempotent)?;
    }
    let rebuilds = request.options.rebuild;
    if base == BaseChoice::Keep && origin == before && kargs.is_none() && !rebuilds {
        let pinned = matches!(request.change, Change::Upgrade { .. });
        let why = if pinned { "Pinned to commit; no upgrade available" } else { "No change." };
        return Ok(Intent::Unchanged(why.to_owned()));
    }
    let allow_downgrade = match request.change {
        Change::Upgrade { allow_downgrade, .. } => allow_downgrade,
        _ => !request.options.disallow_downgrade,
    };
    let target = Target {
        stateroot,
        merge: merge.clone(),
        origin,
        base,
        forbid_downgrade: !allow_downgrade,
        check_branch: !request.options.skip_branch_check,
        kargs,
    };
    Ok(Intent::Deploy(Box::new(target)))
}

fn stateroot(request: &Request, host: &HostState) -> Result<Stateroot, Failure> {
    let Some(named) = &request.stateroot else {
        return host.default_stateroot().cloned().ok_or_else(|| {
            let what =
                format!("no deployment on '{}' tells which stateroot is meant", host.sysroot);
            Failure::new(FailureKind::Precondition, what).advise("Name one with --stateroot.")
        });
    };
    if host.stateroots.contains(named) {
        return Ok(named.clone());
    }
    let known: Vec<_> = host.stateroots.iter().map(Stateroot::as_str).collect();
    let what = format!("no stateroot '{named}' on '{}'", host.sysroot);
    Err(Failure::new(FailureKind::NotFound, what)
        .advise(format!("Known stateroots: {}.", known.join(", "))))
}

fn merge_deployment<'a>(
    stateroot: &Stateroot,
    host: &'a HostState,
) -> Result<&'a Deployment, Failure> {
    host.merge_deployment(stateroot).ok_or_else(|| {
        let what = format!("stateroot '{stateroot}' has no deployment to change");
        Failure::new(FailureKind::Precondition, what)
            .advise("Deploy one first: ostree admin deploy --os NAME REFSPEC.")
    })
}

fn origin(merge: &Deployment) -> Result<Origin, Failure> {
    merge.origin.clone().ok_or_else(|| {
        let what = format!("the origin of deployment {} cannot be read", merge.id);
        let mut failure = Failure::new(FailureKind::Corrupt, what).advise(
            "Mend the .origin file beside the deployment, or move it away \
                 (mv FILE FILE.damaged): its deployment then has no origin, and the others can be \
                 changed again.",
        );
        failure.causes.extend(merge.problem.clone());
        failure
    })
}

/// `revision=CHECKSUM`, `version=VERSION`, a checksum, or a version.
fn revision_choice(text: &str) -> Result<BaseChoice, Failure> {
    if text.starts_with("sha256:") {
        let what = format!("revision '{text}' is a container's digest, which needs an image");
        return Err(Failure::new(FailureKind::InvalidRequest, what)
            .advise("Give a commit checksum or version=VERSION."));
    }
    if let Some(version) = text.strip_prefix("version=") {
        return Ok(BaseChoice::Version(version.to_owned()));
    }
    if let Some(checksum) = text.strip_prefix("revision=") {
        let invalid = |e| Failure::from_error(FailureKind::InvalidRequest, &e);
        return checksum.parse().map(BaseChoice::Commit).map_err(invalid);
    }
    Ok(text.parse().map_or_else(|_| BaseChoice::Version(text.to_owned()), BaseChoice::Commit))
}

fn change_requests(
    origin: &mut Origin,
    change: &PackageChange,
    idempotent: bool,
) -> Result<(), Failure> {
    if change.uninstall_all {
        origin.requested.clear();
        origin.requested_local.clear();
        origin.requested_local_fileoverride.clear();
    }
    for name in &change.uninstall {
        if !drop_request(origin, name) && !idempotent {
            let what = format!("Package/capability '{name}' is not currently requested");
            return Err(Failure::new(FailureKind::NotFound, what)
                .advise("See LayeredPackages in the output of 'cambium status'."));
        }
    }
    for name in &change.install {
        if name.trim().is_empty() {
            return Err(Failure::new(FailureKind::InvalidRequest, "a package's name is empty"));
        }
        // As rpm-ostree tells them apart; another absolute path asks for whatever provides it.
        if name.contains("://") || name.ends_with(".rpm") {
            let what = format!("'{name}' is a file or URL, which cannot be layered yet");
            return Err(Failure::new(FailureKind::InvalidRequest, what).advise(
                "Put the RPM into a repository (createrepo_c DIR, and a file in \
                 /etc/yum.repos.d with baseurl=file://DIR), and install it by its name.",
            ));
        }
        if !origin.requested.contains(name) {
            origin.requested.push(name.clone());
        } else if !idempotent {
            let what = format!("Package/capability '{name}' is already requested");
            return Err(Failure::new(FailureKind::InvalidRequest, what)
                .advise("Use --idempotent if that is fine."));
        }
    }
    origin.requested.sort();
    Ok(())
}

/// Drops the request `name`, by its own text or by the name of a local package.
fn drop_request(origin: &mut Origin, name: &str) -> bool {
    let Origin { requested, requested_local, requested_local_fileoverride, .. } = origin;
    let count =
        |r: &Vec<String>, a: &Vec<LocalPackage>, b: &Vec<LocalPackage>| r.len() + a.len() + b.len();
    let before = count(requested, requested_local, requested_local_fileoverride);
    requested.retain(|request| request != name);
    for local in [&mut *requested_local, &mut *requested_local_fileoverride] {
        local.retain(|package| {
            package.nevra != name
                && package.nevra.parse::<Nevra>().map_or(true, |nevra| nevra.name != name)
        });
    }
    count(requested, requested_local, requested_local_fileoverride) < before
}

#[cfg(test)]
#[path = "target/tests.rs"]
mod tests;
