//! The packages that a target layers on its base.

use super::Host;
use super::error::{Error, Result};
use super::layer::layered_nevras;
use cambium_dnf::{Advisories, CachePolicy, Goal};
use cambium_model::{
    Base, FetchPolicy, Nevra, Observer, PlannedAction, PlannedPackage, Progress, Resolution,
    Solution, Target,
};
use cambium_ostree::Repo;

impl Host {
    /// Resolves the target's requests against its base.
    ///
    /// # Errors
    /// When layering is locked or metadata cannot be read. Requests that cannot be met are an
    /// answer.
    pub fn resolve(
        &self,
        target: &Target,
        base: &Base,
        fetch: FetchPolicy,
        observer: &dyn Observer,
    ) -> Result<Resolution> {
        self.resolve_with(Advisories::Omit, target, base, fetch, observer)
    }

    pub(super) fn resolve_with(
        &self,
        advisories: Advisories,
        target: &Target,
        base: &Base,
        fetch: FetchPolicy,
        observer: &dyn Observer,
    ) -> Result<Resolution> {
        if self.config.locked {
            return Err(Error::Locked);
        }
        refuse_unsupported(target)?;
        let repo = Repo::of_sysroot(&self.config.sysroot)?;
        let root = self.rpmdb_root(&repo, &base.commit)?;
        let policy = match fetch {
            FetchPolicy::Fetch => CachePolicy::Normal,
            FetchPolicy::CacheOnly => CachePolicy::CacheOnly,
        };
        let config = self.dnf_config(&root, policy)?;
        let goal = Goal {
            install: target.origin.requested.clone(),
            remove: target.origin.override_remove.clone(),
            advisories,
            ..Goal::default()
        };
        observer.progress(Progress::TaskBegin { text: "Resolving dependencies".to_owned() });
        let resolution = cambium_dnf::resolve(&config, &goal, observer)?;
        observer.progress(Progress::TaskEnd { text: "done".to_owned() });
        let mut solution = match resolution {
            cambium_dnf::Resolution::Solved(solution) => solution,
            cambium_dnf::Resolution::Problems(problems) => {
                return Ok(Resolution::Problems(problems.into()));
            }
        };
        let merge = &target.merge;
        let before = layered_nevras(&repo, &merge.id.checksum, &merge.base_checksum)?;
        name_actions(&mut solution.packages, &target.origin.requested, &before);
        solution.unchanged = unchanged(target, base, &solution, &before);
        Ok(Resolution::Solved(solution))
    }
}

/// What a host taken over from rpm-ostree may have that this version cannot assemble anew.
fn refuse_unsupported(target: &Target) -> Result<()> {
    let origin = &target.origin;
    let local = origin.requested_local.first();
    let local = local.or_else(|| origin.requested_local_fileoverride.first());
    let what = if let Some(package) = local {
        format!("the local package {}", package.nevra)
    } else if let Some(package) = origin.override_replace_local.first() {
        format!("the replacement {}", package.nevra)
    } else if origin.regenerate_initramfs {
        "an initramfs made on this host".to_owned()
    } else if origin.cliwrap {
        "the wrappers of rpm and dracut (cliwrap)".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::Unsupported { what })
}

/// Says of each package what happens to it, compared with those that were layered before.
fn name_actions(packages: &mut [PlannedPackage], requested: &[String], before: &[Nevra]) {
    for package in packages {
        let nevra = &package.nevra;
        let same_name = before.iter().find(|old| old.name == nevra.name && old.arch == nevra.arch);
        package.action = match same_name {
            Some(old) if old == nevra => PlannedAction::Keep,
            Some(old) => {
                package.previous = Some(old.clone());
                if old.evr < nevra.evr { PlannedAction::Upgrade } else { PlannedAction::Downgrade }
            }
            None if requested.iter().any(|request| names(request, nevra)) => PlannedAction::Install,
            None => PlannedAction::Dependency,
        };
    }
}

/// Whether a request says this very package; one by capability or path does not.
fn names(request: &str, nevra: &Nevra) -> bool {
    request == nevra.name
        || request == nevra.to_string()
        || request.strip_prefix(&nevra.name).and_then(|rest| rest.strip_prefix('-')).is_some_and(
            |rest| rest == nevra.evr.to_string() || rest == format!("{}.{}", nevra.evr, nevra.arch),
        )
        || request.strip_prefix(&nevra.name).and_then(|rest| rest.strip_prefix('.'))
            == Some(&nevra.arch)
}

/// Whether the merge deployment's commit is what the solution would assemble.
fn unchanged(target: &Target, base: &Base, solution: &Solution, before: &[Nevra]) -> bool {
    let merge = &target.merge;
    let mut packages: Vec<_> = solution.packages.iter().map(|p| &p.nevra).collect();
    packages.sort();
    let mut before: Vec<_> = before.iter().collect();
    before.sort();
    let mut removed = solution.removed.clone();
    removed.sort();
    let mut removed_before = merge.removed.clone();
    removed_before.sort();
    let requested = merge.origin.as_ref().map(|origin| &origin.requested);
    merge.base_checksum == base.commit
        && merge.id.checksum != base.commit
        && requested == Some(&target.origin.requested)
        && packages == before
        && removed == removed_before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(nevra: &str) -> PlannedPackage {
        PlannedPackage {
            action: PlannedAction::Install,
            nevra: nevra.parse().unwrap(),
            repository: "r".into(),
            location: String::new(),
            checksum: String::new(),
            download_bytes: 0,
            installed_bytes: 0,
            previous: None,
        }
    }

    #[test]
    fn actions_compare_with_what_was_layered() {
        let before: Vec<Nevra> = ["kept-1-1.noarch", "newer-1-1.noarch", "older-2-1.noarch"]
            .map(|nevra| nevra.parse().unwrap())
            .to_vec();
        let mut packages = [
            "kept-1-1.noarch",
            "newer-2-1.noarch",
            "older-1-1.noarch",
            "asked-1-1.noarch",
            "pulled-1-1.noarch",
        ]
        .map(planned);
        name_actions(&mut packages, &["asked".into()], &before);
        let actions: Vec<_> = packages.iter().map(|p| p.action).collect();
        use PlannedAction::{Dependency, Downgrade, Install, Keep, Upgrade};
        assert_eq!(actions, [Keep, Upgrade, Downgrade, Install, Dependency]);
        assert_eq!(packages[1].previous.as_ref().unwrap().to_string(), "newer-1-1.noarch");
    }

    #[test]
    fn a_request_names_a_package_in_each_of_its_spellings() {
        let nevra: Nevra = "vim-enhanced-2:9.0-1.x86_64".parse().unwrap();
        for (request, expected) in [
            ("vim-enhanced", true),
            ("vim-enhanced.x86_64", true),
            ("vim-enhanced-2:9.0-1", true),
            ("vim-enhanced-2:9.0-1.x86_64", true),
            ("vim", false),
            ("/usr/bin/vim", false),
        ] {
            assert_eq!(names(request, &nevra), expected, "{request}");
        }
    }
}
