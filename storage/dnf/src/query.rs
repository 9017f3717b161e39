//! Looks into repositories without asking the solver.

use crate::ffi::Package;
use crate::metadata::Wanted;
use crate::session::{self, Scope, Session};
use crate::{Config, Error, Filelists, Result};
use cambium_model::{FoundPackage, Matched, Observer, PackageInfo};
use std::collections::BTreeMap;

fn with<T>(
    config: &Config,
    filelists: bool,
    observer: &dyn Observer,
    look: impl FnOnce(&Session) -> T,
) -> Result<T> {
    let _held = cambium_native::hold();
    let wanted = Wanted { filelists, updateinfo: false };
    let found = session::open(config, wanted, Scope::Repositories, observer).and_then(|session| {
        if observer.cancelled() { Err(Error::Cancelled) } else { Ok(look(&session)) }
    });
    cambium_native::give_memory_back();
    found
}

fn infos(packages: &[Package<'_>]) -> Vec<PackageInfo> {
    let mut infos: Vec<_> = packages.iter().map(Package::info).collect();
    infos.sort_by(|a, b| a.nevra.cmp(&b.nevra).then_with(|| a.repository.cmp(&b.repository)));
    infos
}

/// The newest packages that hold each of `words` in name or summary, best matches first.
pub fn search(
    config: &Config,
    words: &[String],
    observer: &dyn Observer,
) -> Result<Vec<FoundPackage>> {
    with(config, false, observer, |session| {
        let mut found: BTreeMap<i32, (PackageInfo, usize, usize)> = BTreeMap::new();
        for word in words {
            let names = session.sack.query().latest().name_holds(word).packages();
            let summaries = session.sack.query().latest().summary_holds(word).packages();
            for (packages, name, summary) in [(names, 1, 0), (summaries, 0, 1)] {
                for package in packages {
                    let entry = found.entry(package.id()).or_insert_with(|| (package.info(), 0, 0));
                    entry.1 += name;
                    entry.2 += summary;
                }
            }
        }
        let mut matches: Vec<_> = found
            .into_values()
            .filter_map(|(package, names, summaries)| {
                let all = words.len();
                let matched = match (names == all, summaries == all) {
                    (true, true) => Matched::NameAndSummary,
                    (true, false) => Matched::Name,
                    (false, true) => Matched::Summary,
                    (false, false) => return None,
                };
                Some(FoundPackage { package, matched })
            })
            .collect();
        matches.sort_by(|a, b| {
            a.matched.cmp(&b.matched).then_with(|| a.package.nevra.cmp(&b.package.nevra))
        });
        matches
    })
}

/// The packages that provide a capability, or hold a file where it begins with `/`.
pub fn what_provides(
    config: &Config,
    capability: &str,
    observer: &dyn Observer,
) -> Result<Vec<PackageInfo>> {
    let is_path = capability.starts_with('/');
    let look = |filelists| {
        with(config, filelists, observer, |session| {
            let provided = session.sack.query().provides(capability).packages();
            if provided.is_empty() && is_path {
                return infos(&session.sack.query().file(capability).packages());
            }
            infos(&provided)
        })
    };
    let found = look(false)?;
    if found.is_empty() && is_path && config.filelists == Filelists::WhenNeeded {
        return look(true);
    }
    Ok(found)
}

/// The packages whose name or NEVRA is one of `patterns`, globs included; each once.
pub fn packages(
    config: &Config,
    patterns: &[String],
    observer: &dyn Observer,
) -> Result<Vec<PackageInfo>> {
    with(config, false, observer, |session| {
        let found: Vec<_> =
            patterns.iter().flat_map(|pattern| session.sack.best(pattern).packages()).collect();
        let mut infos = infos(&found);
        infos.dedup();
        infos
    })
}
