//! What an interrupted transaction may have left, told from the last phase in the log.
//!
//! Pure: whoever recovers looks for each of these and undoes what is there. A phase is durable
//! before its effect, so a phase that is not in the log left nothing.

use cambium_model::Phase;

/// Something that a dead transaction may have left on disk or mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leftover {
    /// A pull's partial objects (`commitpartial` marks, files in the repository's tmp).
    PartialPull,
    /// Half-written RPMs and metadata in the cache.
    PartialDownload,
    /// `rpmostree/pkg/…` refs of packages that no deployment layers.
    PackageRefs,
    /// Mounts, overlay directories, processes and a temporary root of the assembly.
    TemporaryRoot,
    /// A layered commit, or a temporary ref to it, that no deployment uses.
    OrphanCommit,
    /// A deployment's directory, perhaps half made, that no boot entry names.
    OrphanDeployment,
    /// A swap that may have happened or not: the deployments on disk tell. Boot directories or a
    /// staged deployment may be left half made, never half active.
    PerhapsSwapped,
}

/// What a transaction whose last logged phase is `phase` may have left, in the order in which
/// it is best undone: the latest first.
#[must_use]
pub fn leftovers(phase: Phase) -> &'static [Leftover] {
    /// Everything, latest first; each phase may have left a tail of it.
    const ALL: [Leftover; 7] = [
        Leftover::PerhapsSwapped,
        Leftover::OrphanDeployment,
        Leftover::OrphanCommit,
        Leftover::TemporaryRoot,
        Leftover::PackageRefs,
        Leftover::PartialDownload,
        Leftover::PartialPull,
    ];
    // Assembling ends with the commit and, in the same transaction, the temporary ref that keeps
    // it; `Committing` is where a ref is written that was not.
    let first = match phase {
        Phase::Swapping => 0,
        Phase::Deploying => 1,
        Phase::Committing | Phase::Assembling => 2,
        Phase::Importing => 4,
        Phase::Fetching => 5,
        Phase::Resolving => 6,
        Phase::Queued | Phase::Finished => ALL.len(),
    };
    const { &ALL }.get(first..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_phase_leaves_all_that_an_earlier_one_leaves() {
        let running = &Phase::ALL[..Phase::ALL.len() - 1];
        for pair in running.windows(2) {
            let (earlier, later) = (leftovers(pair[0]), leftovers(pair[1]));
            assert!(later.ends_with(earlier), "{} then {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn nothing_is_left_before_the_start_and_after_the_end() {
        assert!(leftovers(Phase::Queued).is_empty());
        assert!(leftovers(Phase::Finished).is_empty());
    }

    #[test]
    fn only_a_swap_may_have_changed_what_boots() {
        for phase in Phase::ALL {
            let swapped = leftovers(phase).contains(&Leftover::PerhapsSwapped);
            assert_eq!(swapped, phase == Phase::Swapping, "{phase}");
        }
    }
}
