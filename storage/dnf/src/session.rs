//! Opens a sack for one call: repositories made ready and loaded, excludes applied.

use crate::ffi::{Sack, prepare};
use crate::metadata::{self, Metadata, Wanted};
use crate::{Config, Error, RepoConfig, Result, repositories};
use cambium_model::{Observer, RepoStamp};

/// A repository whose metadata was renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshedRepo {
    /// Its id.
    pub id: String,
    /// When its metadata was generated: seconds since 1970.
    pub generated: u64,
    /// How many packages it has.
    pub solvables: u32,
}

/// A loaded sack and what is to be said of its repositories.
pub(crate) struct Session {
    pub sack: Sack,
    pub stamps: Vec<RepoStamp>,
    pub repos: Vec<RefreshedRepo>,
    /// Repositories that are not there, with the reason.
    pub dead: Vec<(String, String)>,
    pub warnings: Vec<String>,
}

/// Whether installed packages are loaded too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Everything,
    Repositories,
}

/// Loads everything that a call needs. A dead repository is a warning while another lives, or
/// where all that are dead say `skip_if_unavailable`.
pub(crate) fn open(
    config: &Config,
    wanted: Wanted,
    scope: Scope,
    observer: &dyn Observer,
) -> Result<Session> {
    prepare();
    let repos = repositories(config)?;
    let doing = |what: &str| {
        let doing = what.to_owned();
        move |message| Error::Library { doing, message }
    };
    // libsolv's caches keep which file names were looked up and not found, and would not look
    // again when filelists are there: those have caches of their own.
    let solv_dir = match wanted.filelists {
        true => config.solv_dir.join("filelists"),
        false => config.solv_dir.clone(),
    };
    // libdnf itself makes only the last part of an absolute path.
    let solv_dir = std::path::absolute(&solv_dir)
        .and_then(|dir| std::fs::create_dir_all(&dir).map(|()| dir))
        .map_err(Error::io("create", &config.solv_dir))?;
    // rpm takes a relative root for none and finds no packages there, without a word.
    let root = std::path::absolute(&config.installed_root)
        .map_err(Error::io("find", &config.installed_root))?;
    let mut sack = Sack::new(&solv_dir, arch(&config.basearch), &root)
        .map_err(doing("cannot set libdnf up"))?;
    if scope == Scope::Everything && config.installed_root.join("usr/share/rpm").is_dir() {
        let what = format!("cannot read the packages of {}", config.installed_root.display());
        sack.load_installed().map_err(doing(&what))?;
    }
    if !repos.is_empty() {
        let ids: Vec<_> = repos.iter().map(|repo| repo.id.as_str()).collect();
        observer.message(format!("Enabled rpm-md repositories: {}", ids.join(" ")));
    }
    let mut session =
        Session { sack, stamps: vec![], repos: vec![], dead: vec![], warnings: vec![] };
    let mut failures = Vec::new();
    for repo in &repos {
        for key in &repo.ignored {
            let text = format!("repository '{}': {key} is not supported and not honoured", repo.id);
            observer.warning(text.clone());
            session.warnings.push(text);
        }
        match load(&mut session, config, repo, wanted, observer) {
            Ok(()) => {}
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => {
                let text = error.to_string();
                observer.warning(text.clone());
                session.warnings.push(text.clone());
                session.dead.push((repo.id.clone(), text));
                failures.push(error);
            }
        }
    }
    let skippable = |error: &Error| {
        let id = error.repo();
        repos.iter().any(|repo| Some(repo.id.as_str()) == id && repo.skip_if_unavailable)
    };
    let all_skippable = failures.iter().all(skippable);
    match failures.into_iter().next() {
        Some(error) if session.repos.is_empty() && !all_skippable => Err(error),
        _ => {
            for repo in repos.iter().filter(|repo| session.lives(&repo.id)) {
                limit(&session.sack, repo);
            }
            Ok(session)
        }
    }
}

impl Session {
    fn lives(&self, id: &str) -> bool {
        self.repos.iter().any(|repo| repo.id == id)
    }

    /// The error to give instead of "not found" while a repository that may have it is dead.
    pub(crate) fn unavailable(&self) -> Option<Error> {
        let ids: Vec<_> = self.dead.iter().map(|(id, _)| id.as_str()).collect();
        let reasons: Vec<_> = self.dead.iter().map(|(_, reason)| reason.as_str()).collect();
        let (repo, reason) = (ids.join(", "), reasons.join("; "));
        (!ids.is_empty()).then_some(Error::Unavailable { repo, reason })
    }
}

fn load(
    session: &mut Session,
    config: &Config,
    repo: &RepoConfig,
    wanted: Wanted,
    observer: &dyn Observer,
) -> Result<()> {
    let Metadata { files, timestamp, cached, stale } =
        metadata::ready(config, repo, wanted, observer)?;
    if let Some(reason) = stale {
        let id = &repo.id;
        let text =
            format!("repository '{id}' is unavailable, its cached metadata is used: {reason}");
        observer.warning(text.clone());
        session.warnings.push(text);
    }
    let solvables = session
        .sack
        .load_repo(&files)
        .map_err(|what| Error::Damaged { repo: repo.id.clone(), what })?;
    let seconds = i64::try_from(timestamp).unwrap_or(i64::MAX);
    let generated = jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| timestamp.to_string(), |time| time.to_string());
    let mark = if cached { " (cached)" } else { "" };
    let id = &repo.id;
    observer.message(format!(
        "rpm-md repo '{id}'{mark}; generated: {generated} solvables: {solvables}"
    ));
    session.stamps.push(RepoStamp { id: id.clone(), timestamp });
    session.repos.push(RefreshedRepo { id: id.clone(), generated: timestamp, solvables });
    Ok(())
}

/// `excludepkgs` and `includepkgs` of one repository.
fn limit(sack: &Sack, repo: &RepoConfig) {
    for pattern in &repo.excludepkgs {
        sack.exclude(&sack.best(pattern).repo(&repo.id));
    }
    for pattern in &repo.includepkgs {
        sack.include(&repo.id, &sack.best(pattern).repo(&repo.id));
    }
}

/// rpm's architecture of a base architecture.
fn arch(basearch: &str) -> &str {
    match basearch {
        "i386" => "i686",
        "armhfp" => "armv7hl",
        other => other,
    }
}

/// Renews the metadata of every enabled repository and says what came.
pub fn refresh(config: &Config, observer: &dyn Observer) -> Result<Vec<RefreshedRepo>> {
    let _held = cambium_native::hold();
    let session = open(config, Wanted::default(), Scope::Repositories, observer)?;
    let repos = session.repos.clone();
    drop(session);
    cambium_native::give_memory_back();
    Ok(repos)
}
