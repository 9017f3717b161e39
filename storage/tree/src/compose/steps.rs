//! The steps of a compose, from the treefile to the files that its caller asked for.

use super::base;
use super::finish::{Finishing, finish};
use super::packages::{self, Selection};
use super::previous::{self, Previous};
use super::treefile::{Loaded, Scalar};
use super::{Cache, ComposeOptions, Composed, Error, Extent, Report};
use super::{inputhash, metadata, publish, treefile, version};
use crate::{Assembly, ImportOptions, Labelling, Layer, assemble, remove_leftovers};
use cambium_model::{Checksum, Observer, Progress, diff_packages};
use cambium_ostree::{CommitSpec, Policy, Repo, RepoMode};
use cambium_rpm::{Documentation, FileSignatures, Header, PayloadOptions};
use cambium_sandbox::Backend;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// Composes a tree. Nothing is left in the repository where it fails, but objects that the next
/// prune removes; packages that were imported stay in the cache.
///
/// # Errors
/// See [`Error`]; the ref is untouched then.
pub fn compose_tree(options: &ComposeOptions, observer: &dyn Observer) -> Result<Composed, Error> {
    let loaded = treefile::load(&options.treefile, std::env::consts::ARCH)?;
    if options.extent == Extent::PrintOnly {
        return loaded.treefile.to_json().map(Composed::Printed).map_err(Error::json);
    }
    refuse_foreign(&loaded)?;
    let target = match &options.repo {
        Some(path) => Some(Repo::open(path)?),
        None if options.extent == Extent::DryRun => None,
        None => return Err(Error::Incomplete { what: "repository (--repo)" }),
    };
    let treeref = loaded.treefile.treeref.as_deref();
    let previous = match &target {
        Some(repo) => previous::read(repo, treeref, options)?,
        None => None,
    };
    let cache = CacheDirectory::open(options)?;
    let selection = packages::select(&loaded, &cache.path, observer)?;
    let inputhash = inputhash::of(&loaded, selection.inputs())?;
    observer.message(format!("Input state hash: {inputhash}"));
    if let Some(commit) = unchanged(options, previous.as_ref(), &inputhash) {
        let text = "No apparent changes since previous commit; use --force-nocache to override";
        observer.message(text.to_owned());
        return Ok(Composed::Unchanged(commit));
    }
    if options.extent == Extent::DryRun {
        observer.message("--dry-run complete, exiting".to_owned());
        return Ok(Composed::DryRun(selection.nevras()));
    }
    let Some(target) = &options.repo else {
        return Err(Error::Incomplete { what: "repository (--repo)" });
    };
    let private = cache.private();
    fs::create_dir_all(&private).map_err(|source| Error::io("create", &private, source))?;
    let backend = match &options.backend {
        Some(backend) => backend.clone(),
        None => Backend::probe(&private)?,
    };
    let job = Job {
        options,
        loaded: &loaded,
        target,
        cache: &cache,
        previous: previous.as_ref(),
        selection: &selection,
        inputhash,
        time: options.source_date_epoch.unwrap_or_else(now),
        version: next_version(options, &loaded, previous.as_ref())?,
        backend: &backend,
    };
    let report = job.run(observer)?;
    write_answers(options, &report)?;
    Ok(Composed::Committed(Box::new(report)))
}

/// A tree for another architecture needs its programs to run here.
fn refuse_foreign(loaded: &Loaded) -> Result<(), Error> {
    match &loaded.treefile.basearch {
        Some(wanted) if *wanted != loaded.basearch => {
            Err(Error::Foreign { wanted: wanted.clone(), here: loaded.basearch.clone() })
        }
        _ => Ok(()),
    }
}

/// The previous commit, where it was made from the same input and that is enough.
fn unchanged(
    options: &ComposeOptions,
    previous: Option<&Previous>,
    inputhash: &str,
) -> Option<Checksum> {
    let previous = previous.filter(|_| options.cache == Cache::Use)?;
    (previous.inputhash.as_deref() == Some(inputhash)).then(|| previous.commit.clone())
}

/// `--add-metadata-string=version=…`, else by the treefile's prefix.
fn next_version(
    options: &ComposeOptions,
    loaded: &Loaded,
    previous: Option<&Previous>,
) -> Result<Option<String>, Error> {
    if let Some((_, said)) = options.add_metadata.iter().find(|(key, _)| key == "version") {
        return Ok(Some(said.clone()));
    }
    let treefile = &loaded.treefile;
    let Some(Scalar(prefix)) = &treefile.automatic_version_prefix else { return Ok(None) };
    let seconds = options.source_date_epoch.unwrap_or_else(now);
    let series = version::Series {
        prefix,
        separator: treefile.automatic_version_suffix.as_ref().map_or(".", |suffix| &suffix.0),
        previous: previous.and_then(|previous| previous.version.as_deref()),
        now: i64::try_from(seconds)
            .ok()
            .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
            .unwrap_or_default(),
    };
    let next = version::next(&series);
    next.map(Some).ok_or_else(|| Error::Version { prefix: prefix.clone() })
}

fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

/// The cache, or a directory in place of one that goes with the compose.
struct CacheDirectory {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl CacheDirectory {
    fn open(options: &ComposeOptions) -> Result<Self, Error> {
        let make = |path: &Path| {
            fs::create_dir_all(path).map_err(|source| Error::io("create", path, source))?;
            path.canonicalize().map_err(|source| Error::read(path, source))
        };
        if let Some(path) = &options.cachedir {
            return Ok(Self { path: make(path)?, _temporary: None });
        }
        let parent = make(options.workdir.as_deref().unwrap_or(Path::new("/var/tmp")))?;
        let temporary = tempfile::Builder::new().prefix("cambium-compose-").tempdir_in(&parent);
        let temporary = temporary.map_err(|source| Error::io("write to", &parent, source))?;
        Ok(Self { path: temporary.path().to_owned(), _temporary: Some(temporary) })
    }

    /// The bare repository that packages are imported into.
    fn packages(&self) -> PathBuf {
        self.path.join("pkgcache-repo")
    }

    /// Where RPM files are until they are imported.
    fn downloads(&self) -> PathBuf {
        self.path.join("rpms")
    }

    /// Where temporary roots are made.
    fn private(&self) -> PathBuf {
        self.path.join("private")
    }
}

/// A compose that will make a commit.
struct Job<'a> {
    options: &'a ComposeOptions,
    loaded: &'a Loaded,
    target: &'a Path,
    cache: &'a CacheDirectory,
    previous: Option<&'a Previous>,
    selection: &'a Selection,
    inputhash: String,
    time: u64,
    version: Option<String>,
    backend: &'a Backend,
}

impl Job<'_> {
    fn run(&self, observer: &dyn Observer) -> Result<Report, Error> {
        let (pkgcache, private) = (self.cache.packages(), self.cache.private());
        Repo::create(&pkgcache, RepoMode::Bare)?;
        keep_temporary_files(&pkgcache)?;
        let repo = Repo::open(&pkgcache)?;
        remove_leftovers(&private, &[])?;
        let options = self.import_options()?;
        let layers =
            self.selection.import(&pkgcache, &self.cache.downloads(), &options, observer)?;
        let headers: Vec<Header> = layers.iter().map(|layer| layer.header.clone()).collect();
        let finished = self.while_publishing(&repo, &layers, observer, || {
            let assembled = self.assemble(&repo, layers.clone(), &private, observer)?;
            let tree = Assembled { commit: &assembled, headers: &headers, private: &private };
            self.finish(&repo, &tree, observer)
        })?;
        let report = self.publish(&repo, finished, observer)?;
        remove_leftovers(&private, &[])?;
        // What is only the trees' goes; packages stay for the next compose.
        repo.prune()?;
        Ok(report)
    }

    /// By which rules packages are imported. Their labels are the previous commit's policy's,
    /// which is most likely the new one's, too; where it is not, the tree is labelled anew.
    fn import_options(&self) -> Result<ImportOptions, Error> {
        let treefile = &self.loaded.treefile;
        let documentation = match treefile.documentation {
            Some(false) => Documentation::Skip,
            _ => Documentation::Keep,
        };
        let file_signatures = match treefile.ima {
            Some(true) => FileSignatures::Carry,
            _ => FileSignatures::Drop,
        };
        let policy = match (self.labelling(), self.previous) {
            (Labelling::ByPolicy, Some(previous)) => {
                Policy::of_commit(&Repo::open(self.target)?, &previous.commit)?
            }
            _ => None,
        };
        Ok(ImportOptions { payload: PayloadOptions { documentation, file_signatures }, policy })
    }

    fn labelling(&self) -> Labelling {
        match self.loaded.treefile.selinux {
            Some(false) => Labelling::Never,
            _ => Labelling::ByPolicy,
        }
    }

    /// Packages merged, their scripts run, their rpmdb written.
    fn assemble(
        &self,
        repo: &Repo,
        layers: Vec<Layer>,
        private: &Path,
        observer: &dyn Observer,
    ) -> Result<Checksum, Error> {
        let (below, packages) = base::split(repo, layers)?;
        let scratch = scratch(private)?;
        let accounts = self.previous.map(|previous| &previous.accounts);
        let base = base::make(repo, &below, accounts, scratch.path(), self.time, observer)?;
        let assembly = Assembly {
            repo: repo.path(),
            private,
            base: &base,
            extend: None,
            packages: &packages,
            removed: &[],
            replaced: &[],
            checkouts: &[],
            requested: &[],
            repos: &[],
            state_sha512: &self.inputhash,
            around: None,
            rules: &cambium_rpm::scriptlets::Rules::default(),
            limits: self.options.limits,
            backend: Some(self.backend),
            labelling: self.labelling(),
            timestamp: self.time,
            keep: None,
        };
        let assembled = assemble(&assembly, observer)?;
        for (step, time) in assembled.stats.steps() {
            tracing::info!(?step, ?time, "assembled");
        }
        Ok(assembled.commit)
    }

    /// Does `work` while the packages' files go to the target on other threads.
    fn while_publishing<T>(
        &self,
        repo: &Repo,
        layers: &[Layer],
        observer: &dyn Observer,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut ahead = BTreeSet::new();
        let without = &self.loaded.treefile.remove_files;
        for layer in layers {
            publish::add_content_objects(repo, &layer.commit, without, &mut ahead)?;
        }
        let source = repo.path();
        let stoppable = Stoppable { observer, stopped: AtomicBool::new(false) };
        std::thread::scope(|scope| {
            let publishing =
                scope.spawn(|| publish::content(source, self.target, &ahead, &stoppable));
            let done = work();
            // Nobody waits for the files of a tree that will not be.
            stoppable.stopped.store(done.is_err(), Ordering::Relaxed);
            let published =
                publishing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            // The tree's failure tells more than one of the thread that it was to end with.
            done.and_then(|done| published.map(|()| done))
        })
    }

    /// Brings the finished commit to the target and tells what came of it.
    fn publish(
        &self,
        repo: &Repo,
        finished: Finished,
        observer: &dyn Observer,
    ) -> Result<Report, Error> {
        observer.progress(Progress::TaskBegin { text: "Writing OSTree commit".to_owned() });
        let Finished { commit, content_checksum } = finished;
        let source = repo.path();
        // With --write-commitid-to it is the caller who moves the ref.
        let moves_ref = self.options.write_commitid_to.is_none();
        let treeref = self.loaded.treefile.treeref.as_deref();
        let counts =
            publish::commit(source, self.target, &commit, treeref.filter(|_| moves_ref), observer)?;
        observer.progress(Progress::TaskEnd { text: "done".to_owned() });
        let nevras = self.selection.nevras();
        let changes = self.previous.map(|previous| diff_packages(&previous.packages, &nevras));
        Ok(Report {
            treeref: treeref.map(str::to_owned),
            commit,
            content_checksum,
            version: self.version.clone(),
            timestamp: self.time,
            inputhash: self.inputhash.clone(),
            parent: self.previous.map(|previous| previous.commit.clone()),
            counts,
            changes: changes.unwrap_or_default(),
        })
    }

    fn finish(
        &self,
        repo: &Repo,
        assembled: &Assembled<'_>,
        observer: &dyn Observer,
    ) -> Result<Finished, Error> {
        let scratch = scratch(assembled.private)?;
        let transaction = repo.transaction()?;
        let finishing = Finishing {
            loaded: self.loaded,
            version: self.version.as_deref(),
            previous: self.previous.map(|previous| &previous.accounts),
            headers: assembled.headers,
            epoch: self.time,
            backend: self.backend,
            labelling: self.labelling(),
            scratch: scratch.path(),
            limits: self.options.limits,
        };
        let (mut tree, kernel) = finish(repo, assembled.commit, &finishing, observer)?;
        let nevras = self.selection.nevras();
        let facts = metadata::Facts {
            loaded: self.loaded,
            inputhash: &self.inputhash,
            version: self.version.as_deref(),
            packages: &nevras,
            repositories: &self.selection.repositories,
            kernel: kernel.as_deref(),
            added: &self.options.add_metadata,
        };
        let spec = CommitSpec {
            parent: self.previous.map(|previous| previous.commit.clone()),
            metadata: metadata::of(&facts)?,
            timestamp: Some(self.time),
            ..CommitSpec::default()
        };
        let commit = tree.commit(&spec)?;
        transaction.commit()?;
        let content_checksum = repo.commit_info(&commit)?.content_checksum;
        Ok(Finished { commit, content_checksum })
    }
}

/// A tree of packages whose scripts have run.
struct Assembled<'a> {
    commit: &'a Checksum,
    headers: &'a [Header],
    private: &'a Path,
}

/// An observer for work that may become pointless.
struct Stoppable<'a> {
    observer: &'a dyn Observer,
    stopped: AtomicBool,
}

impl Observer for Stoppable<'_> {
    fn progress(&self, progress: Progress) {
        self.observer.progress(progress);
    }

    fn cancelled(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || self.observer.cancelled()
    }
}

/// A commit in the cache.
struct Finished {
    commit: Checksum,
    content_checksum: Checksum,
}

/// Tells libostree not to clean up in the repository's `tmp` by age. Objects under construction
/// have the time 0 there, so that the transaction of one import thread would take another
/// thread's file for one that was forgotten long ago, and remove it.
fn keep_temporary_files(repo: &Path) -> Result<(), Error> {
    const KEY: &str = "tmp-expiry-secs";
    let path = repo.join("config");
    let text = fs::read_to_string(&path).map_err(|source| Error::read(&path, source))?;
    if text.contains(KEY) {
        return Ok(());
    }
    // The largest number that libostree takes: 136 years.
    let text = text.replacen("[core]\n", &format!("[core]\n{KEY}={}\n", u32::MAX), 1);
    fs::write(&path, text).map_err(|source| Error::io("write", &path, source))
}

/// An empty directory; the prefix is the one by which leftovers are known.
fn scratch(private: &Path) -> Result<TempDir, Error> {
    let made = tempfile::Builder::new().prefix("cambium-").tempdir_in(private);
    made.map_err(|source| Error::io("write to", private, source))
}

fn write_answers(options: &ComposeOptions, report: &Report) -> Result<(), Error> {
    let write = |path: &Option<PathBuf>, text: String| match path {
        Some(path) => fs::write(path, text).map_err(|source| Error::io("write", path, source)),
        None => Ok(()),
    };
    write(&options.write_composejson_to, report.to_json())?;
    write(&options.write_commitid_to, report.commit.to_string())?;
    write(&options.touch_if_changed, String::new())
}
