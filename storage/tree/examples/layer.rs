//! Layers RPM files onto a commit of a repository and says where the time went.
//!
//!     layer REPO REF|COMMIT RUNS [--checkout DIR] [--extend COMMIT] [--backend NAME] RPM...
//!
//! For measurements without a daemon: imports the files (once), assembles RUNS times, prints the
//! times of each step in milliseconds. The result is left under the ref `cambium/layered`.
//! `--checkout` names a directory that holds the commit; without it one is made and kept beside
//! the repository when scripts need it. `--extend` begins from a layered commit whose packages
//! are among the files. `--backend` is `namespaces`, `namespaces-copy` or `container`; without it
//! the strongest that works.

#![allow(clippy::print_stdout)]

use cambium_model::{Checksum, Failure, FailureKind, Observer, Progress};
use cambium_ostree::Repo;
use cambium_rpm::{Header, install_order};
use cambium_sandbox::{Backend, Confinement, Limits, Writing};
use cambium_tree::{
    Assembly, Checkout, Extension, ImportOptions, Layer, Rpm, SignaturePolicy, assemble, import,
};
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

struct Arguments {
    repo: PathBuf,
    base: String,
    runs: usize,
    checkout: Option<PathBuf>,
    extend: Option<Checksum>,
    backend: Option<Backend>,
    files: Vec<PathBuf>,
}

/// Prints warnings; steps would drown the numbers.
struct Warnings;

impl Observer for Warnings {
    fn progress(&self, progress: Progress) {
        if let Progress::Warning { text } = progress {
            println!("warning: {text}");
        }
    }

    fn cancelled(&self) -> bool {
        false
    }
}

fn arguments() -> Option<Arguments> {
    let mut words = std::env::args().skip(1);
    let mut arguments = Arguments {
        repo: words.next()?.into(),
        base: words.next()?,
        runs: words.next()?.parse().ok()?,
        checkout: None,
        extend: None,
        backend: None,
        files: Vec::new(),
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--checkout" => arguments.checkout = Some(words.next()?.into()),
            "--backend" => arguments.backend = Some(backend(&words.next()?)?),
            "--extend" => arguments.extend = Some(words.next()?.parse().ok()?),
            _ => arguments.files.push(word.into()),
        }
    }
    Some(arguments)
}

fn backend(name: &str) -> Option<Backend> {
    let (confinement, writing) = match name {
        "namespaces" => (Confinement::Namespaces, Writing::Overlay),
        "namespaces-copy" => (Confinement::Namespaces, Writing::Copy),
        "container" => (Confinement::Chroot, Writing::Copy),
        _ => return None,
    };
    Some(Backend { confinement, writing, reason: "asked for".to_owned() })
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let repo = Repo::open(&arguments.repo)?;
    let base = match arguments.base.parse() {
        Ok(commit) => commit,
        Err(_) => repo.resolve_ref(&arguments.base)?.ok_or_else(|| {
            Failure::new(FailureKind::NotFound, format!("no ref {}", arguments.base))
        })?,
    };
    let rpm = |path| Rpm {
        path,
        repository: None,
        checksum: None,
        signature: SignaturePolicy::Unchecked,
    };
    let rpms: Vec<Rpm> = arguments.files.into_iter().map(rpm).collect();
    let started = Instant::now();
    let imported = import(&arguments.repo, &rpms, &ImportOptions::default(), &Warnings)?;
    println!("import of {} packages: {} ms", imported.len(), started.elapsed().as_millis());

    let headers: Vec<Header> = imported.iter().map(|package| package.header.clone()).collect();
    let order = install_order(&headers)?;
    let layers: Vec<Layer> = order
        .into_iter()
        .map(|at| Layer { commit: imported[at].commit.clone(), header: headers[at].clone() })
        .collect();
    let extension = match arguments.extend {
        Some(commit) => Some(extension(&repo, commit, &layers)?),
        None => None,
    };
    let checkouts: Vec<Checkout> = arguments
        .checkout
        .into_iter()
        .map(|path| Checkout { commit: base.clone(), path })
        .collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let private = arguments.repo.join("extensions/rpmostree/private");
    let assembly = Assembly {
        repo: &arguments.repo,
        private: &private,
        base: &base,
        extend: extension.as_ref(),
        packages: &layers,
        removed: &[],
        replaced: &[],
        checkouts: &checkouts,
        requested: &[],
        repos: &[],
        state_sha512: "",
        keep: None,
        around: None,
        rules: &cambium_rpm::scriptlets::Rules::default(),
        limits: Limits::default(),
        backend: arguments.backend.as_ref(),
        labelling: cambium_tree::Labelling::default(),
        timestamp: now,
    };
    for _ in 0..arguments.runs {
        let assembled = assemble(&assembly, &Warnings)?;
        let steps = assembled.stats.steps().iter();
        let steps: Vec<String> = steps
            .map(|(step, time)| format!("{step:?} {:.1}", time.as_secs_f64() * 1000.0))
            .collect();
        let total = assembled.stats.total().as_secs_f64() * 1000.0;
        println!("{} total {total:.1} ms: {}", assembled.commit, steps.join(", "));
        let transaction = repo.transaction()?;
        transaction.set_ref("cambium/layered", &assembled.commit);
        transaction.commit()?;
    }
    Ok(())
}

/// The layered commit with what it holds of `layers`.
fn extension(repo: &Repo, commit: Checksum, layers: &[Layer]) -> Result<Extension, Failure> {
    let metadata = repo.commit_info(&commit)?.metadata;
    let list = metadata.get("rpmostree.rpmdb.pkglist").map(|list| list.print(false));
    let list = list.map(|text| text.to_string()).unwrap_or_default();
    let holds = |layer: &&Layer| list.contains(&format!("('{}', ", layer.header.nevra().name));
    let packages = layers
        .iter()
        .filter(holds)
        .filter_map(|layer| Some((layer.header.nevra().clone(), layer.header.metadata_sha256()?)));
    Ok(Extension { packages: packages.collect(), commit })
}

fn main() -> std::process::ExitCode {
    let Some(arguments) = arguments() else {
        println!("usage: layer REPO REF|COMMIT RUNS [--checkout DIR] [--extend COMMIT] RPM...");
        return std::process::ExitCode::from(2);
    };
    match run(arguments) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            println!("error: {failure}\n{}", failure.advice);
            std::process::ExitCode::FAILURE
        }
    }
}
