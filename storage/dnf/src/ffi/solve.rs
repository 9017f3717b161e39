//! A goal: what is asked of libsolv, its answer, its explanations.

use super::sack::take_packages;
use super::{Package, Sack, c_text, take};
use libdnf_sys as c;
use std::marker::PhantomData;
use std::ptr::null_mut;

/// A request that grows and is then run once.
pub(crate) struct Solver<'s> {
    raw: c::HyGoal,
    sack: PhantomData<&'s Sack>,
}

/// The packages of a solution.
pub(crate) struct Solved<'s> {
    /// New packages, and whether each was asked for rather than pulled in.
    pub installs: Vec<Package<'s>>,
    /// Newer versions of installed packages.
    pub upgrades: Vec<Package<'s>>,
    /// Older versions of installed packages.
    pub downgrades: Vec<Package<'s>>,
    /// Installed packages that go.
    pub removed: Vec<Package<'s>>,
}

impl Drop for Solver<'_> {
    fn drop(&mut self) {
        // SAFETY: made by the library, freed once, while the sack lives.
        unsafe { c::hy_goal_free(self.raw) }
    }
}

impl<'s> Solver<'s> {
    pub(crate) fn new(sack: &'s Sack) -> Self {
        // SAFETY: the sack outlives the goal by its lifetime.
        Self { raw: unsafe { c::hy_goal_create(sack.raw) }, sack: PhantomData }
    }

    /// Asks for exactly this package.
    pub(crate) fn install(&mut self, package: &Package<'s>) {
        // SAFETY: goal and package live.
        unsafe { c::hy_goal_install(self.raw, package.raw) };
    }

    /// Asks for any of the packages that `spec` means; says why that cannot be asked.
    pub(crate) fn install_spec(&mut self, sack: &'s Sack, spec: &str) -> Result<(), String> {
        let mut error = null_mut();
        // SAFETY: subject and selector are freed here, after the goal has copied them.
        unsafe {
            let subject = c::hy_subject_create(c_text(spec).as_ptr());
            let selector = c::hy_subject_get_best_selector(
                subject,
                sack.raw,
                null_mut(),
                false,
                std::ptr::null(),
            );
            let done = c::hy_goal_install_selector(self.raw, selector, &raw mut error);
            c::hy_selector_free(selector);
            c::hy_subject_free(subject);
            if done == 0 { Err(take(error).1) } else { Ok(()) }
        }
    }

    /// Asks that an installed package goes.
    pub(crate) fn remove(&mut self, package: &Package<'s>) {
        // SAFETY: goal and package live.
        unsafe { c::hy_goal_erase(self.raw, package.raw) };
    }

    /// Asks for the newest version of everything installed.
    pub(crate) fn upgrade_all(&mut self) {
        // SAFETY: the goal lives.
        unsafe { c::hy_goal_upgrade_all(self.raw) };
    }

    /// Demands that an installed package stays as it is.
    pub(crate) fn lock(&mut self, package: &Package<'s>) -> Result<(), String> {
        let mut error = null_mut();
        // SAFETY: goal and package live.
        match unsafe { c::hy_goal_lock(self.raw, package.raw, &raw mut error) } {
            0 => Ok(()),
            _ => Err(take(error).1),
        }
    }

    /// Runs the solver; an error is libsolv's explanation, one problem a line.
    pub(crate) fn run(&mut self, weak_deps: crate::WeakDeps) -> Result<Solved<'s>, String> {
        let flags = match weak_deps {
            crate::WeakDeps::Install => c::DNF_NONE,
            crate::WeakDeps::Skip => c::DNF_IGNORE_WEAK_DEPS,
        };
        // SAFETY: the goal lives; each array is ours to take.
        unsafe {
            if c::hy_goal_run_flags(self.raw, flags) != 0 {
                // Only this call turns problems into text; it solves once more.
                let mut error = null_mut();
                c::dnf_goal_depsolve(self.raw, flags, &raw mut error);
                return Err(take(error).1);
            }
            let mut removed = take_packages(c::hy_goal_list_erasures(self.raw, null_mut()));
            removed.extend(take_packages(c::hy_goal_list_obsoleted(self.raw, null_mut())));
            Ok(Solved {
                installs: take_packages(c::hy_goal_list_installs(self.raw, null_mut())),
                upgrades: take_packages(c::hy_goal_list_upgrades(self.raw, null_mut())),
                downgrades: take_packages(c::hy_goal_list_downgrades(self.raw, null_mut())),
                removed,
            })
        }
    }

    /// Whether a package of the solution was asked for, not pulled in.
    pub(crate) fn is_wanted(&self, package: &Package<'s>) -> bool {
        // SAFETY: goal and package live, and the goal has run.
        unsafe { c::hy_goal_get_reason(self.raw, package.raw) == c::HY_REASON_USER as i32 }
    }
}
