//! What a request would do, found out without doing it.

use super::Host;
use super::base::Extent;
use super::error::Result;
use super::packages::packages_of;
use crate::import::find_import;
use cambium_dnf::Advisories;
use cambium_model::{
    Base, Failure, FailureKind, FetchPolicy, HostState, Intent, Observer, Plan, PlannedAction,
    PlannedPackage, Request, Resolution, ScriptNotice, Solution, SpaceNeed, Target, diff_packages,
    intend,
};
use cambium_ostree::{Repo, Sysroot};
use cambium_rpm::scriptlets::{Authority, Rules, ScriptAction, ScriptClass};
use cambium_rpm::{Header, PayloadOptions};

impl Host {
    /// The receipt of what `request` would do. Nothing changes but caches.
    ///
    /// # Errors
    /// When the request cannot be understood on this host, or nothing can be found out about it.
    /// One that cannot be met is an answer: `Plan::problem`.
    pub fn plan(&self, request: &Request, observer: &dyn Observer) -> Result<Plan, Failure> {
        let state = self.state()?;
        let intent = intend(request, &state)?;
        let plan = match intent {
            Intent::Deploy(target) => self.plan_deployment(request, &target, observer)?,
            Intent::Rollback(stateroot) => self.plan_rollback(&state, &stateroot)?,
            Intent::Cleanup(stateroot, scope) => self.plan_cleanup(&state, &stateroot, scope)?,
            Intent::Unchanged(_) => {
                let mut plan = nothing(&state)?;
                plan.unchanged = true;
                plan
            }
            Intent::RefreshMetadata { .. } => nothing(&state)?,
        };
        Ok(plan)
    }

    fn plan_deployment(
        &self,
        request: &Request,
        target: &Target,
        observer: &dyn Observer,
    ) -> Result<Plan> {
        let fetch = match request.options.cache_only {
            true => FetchPolicy::CacheOnly,
            false => FetchPolicy::Fetch,
        };
        let base = self.find_base_to(Extent::Packages, target, fetch, observer)?;
        let repo = Repo::of_sysroot(&self.config.sysroot)?;
        let merge = &target.merge;
        let moved = base.commit != merge.base_checksum;
        let base_diff = match moved {
            true => diff_packages(
                &packages_of(&repo, &merge.base_checksum)?,
                &packages_of(&repo, &base.commit)?,
            ),
            false => Vec::new(),
        };
        let resolution = match target.origin.needs_assembly() {
            true => self.resolve_with(Advisories::Load, target, &base, fetch, observer)?,
            false => Resolution::Solved(Solution::default()),
        };
        let (solution, problem) = match resolution {
            Resolution::Solved(solution) => (solution, None),
            Resolution::Problems(failure) => (Solution::default(), Some(failure)),
        };
        let same_tree = match target.origin.needs_assembly() {
            true => solution.unchanged,
            false => base.commit == merge.id.checksum,
        };
        let same_origin = merge.origin.as_ref() == Some(&target.origin);
        let mut plan = empty(&base, merge);
        plan.unchanged = same_tree && same_origin && target.kargs.is_none() && problem.is_none();
        plan.base_diff = base_diff;
        plan.inactive = solution.inactive;
        plan.advisories = solution.advisories;
        plan.warnings = solution.warnings;
        plan.problem = problem;
        plan.packages = solution.packages;
        look_into_packages(&repo, &self.rules(), &mut plan, &self.payload())?;
        if plan.problem.is_none() {
            self.add_removed(&repo, target, &mut plan)?;
        }
        self.add_space(&repo, &mut plan, moved)?;
        Ok(plan)
    }

    /// Adds the packages that are no longer layered.
    fn add_removed(&self, repo: &Repo, target: &Target, plan: &mut Plan) -> Result<()> {
        let merge = &target.merge;
        let before = super::layer::layered_nevras(repo, &merge.id.checksum, &merge.base_checksum)?;
        for nevra in before {
            let stays = plan
                .packages
                .iter()
                .any(|p| p.nevra == nevra || p.previous.as_ref() == Some(&nevra));
            if !stays {
                plan.packages.push(PlannedPackage {
                    action: PlannedAction::Remove,
                    nevra,
                    repository: String::new(),
                    location: String::new(),
                    checksum: String::new(),
                    download_bytes: 0,
                    installed_bytes: 0,
                    previous: None,
                });
            }
        }
        Ok(())
    }

    /// Says what space the plan needs and what there is.
    fn add_space(&self, repo: &Repo, plan: &mut Plan, moved: bool) -> Result<()> {
        let space = Sysroot::open(&self.config.sysroot)?.space()?;
        let new = plan.packages.iter().filter(|package| package.download_bytes > 0);
        let needed = new.map(|package| package.installed_bytes).sum();
        plan.disk = SpaceNeed { needed, free: space.sysroot_free };
        // A kernel that boots already takes no more room; the new base's is known once its
        // files are pulled.
        let kernel = match moved && repo.commit_state(&plan.base)? == COMPLETE {
            true => repo.kernel(&plan.base)?.map_or(0, |kernel| kernel.boot_bytes),
            false => 0,
        };
        plan.boot = SpaceNeed { needed: kernel, free: space.boot_free };
        Ok(())
    }
}

const COMPLETE: cambium_ostree::CommitState = cambium_ostree::CommitState::Complete;

/// Counts what is imported already as nothing to download, and lists the scripts of packages
/// whose headers are at hand.
fn look_into_packages(
    repo: &Repo,
    rules: &Rules,
    plan: &mut Plan,
    payload: &PayloadOptions,
) -> Result<()> {
    for package in &mut plan.packages {
        let checksum = Some(package.checksum.as_str());
        match find_import(repo, &package.nevra, checksum, payload)? {
            Some(import) => {
                package.download_bytes = 0;
                if package.action != PlannedAction::Keep {
                    plan.scripts.extend(scripts(&import.header, rules)?);
                }
            }
            None => plan.scripts_unknown += 1,
        }
    }
    plan.download_bytes = plan.packages.iter().map(|package| package.download_bytes).sum();
    Ok(())
}

/// The scripts of a package that may run; which triggers are set off is only known when all
/// packages are. What the configuration leaves out is among them, with its reason.
fn scripts(header: &Header, rules: &Rules) -> Result<Vec<ScriptNotice>> {
    let package = &header.nevra().name;
    let own = header.scriptlets().into_iter();
    let mut found: Vec<_> = own
        .filter_map(|script| Some((ScriptClass::of_scriptlet(script.kind)?, script.interpreter)))
        .collect();
    for trigger in header.triggers()? {
        let class = ScriptClass::of_trigger(trigger.kind());
        found.extend(class.map(|class| (class, trigger.interpreter)));
    }
    let mut notices = Vec::new();
    for (class, interpreter) in found {
        let rule = rules.find(package, class);
        let left_out = match rule {
            Some((rule, Authority::Builtin)) if rule.action == ScriptAction::Skip => continue,
            Some((rule, _)) if rule.action == ScriptAction::Skip => rule.reason().to_owned(),
            _ => String::new(),
        };
        notices.push(ScriptNotice {
            package: package.clone(),
            kind: class.as_str().to_owned(),
            interpreter: interpreter.into_iter().next().unwrap_or_default(),
            left_out,
        });
    }
    Ok(notices)
}

/// A plan that changes no packages.
fn empty(base: &Base, merge: &cambium_model::Deployment) -> Plan {
    Plan {
        unchanged: false,
        base: base.commit.clone(),
        base_version: base.version.clone(),
        base_timestamp: base.timestamp,
        previous_base: merge.base_checksum.clone(),
        previous_base_version: merge.base_version.clone(),
        base_diff: Vec::new(),
        packages: Vec::new(),
        inactive: Vec::new(),
        download_bytes: 0,
        disk: SpaceNeed::default(),
        boot: SpaceNeed::default(),
        scripts: Vec::new(),
        scripts_unknown: 0,
        advisories: Vec::new(),
        warnings: Vec::new(),
        next_default: None,
        removed_deployments: Vec::new(),
        removed_refs: Vec::new(),
        removed_paths: Vec::new(),
        freed_bytes: 0,
        problem: None,
    }
}

/// A plan that leaves the default deployment as it is.
pub(super) fn nothing(state: &HostState) -> Result<Plan, Failure> {
    let Some(first) = state.deployments.first() else {
        let what = format!("'{}' has no deployment", state.sysroot);
        return Err(Failure::new(FailureKind::Precondition, what));
    };
    let base = Base {
        commit: first.base_checksum.clone(),
        version: first.base_version.clone(),
        timestamp: first.base_timestamp,
    };
    Ok(empty(&base, first))
}
