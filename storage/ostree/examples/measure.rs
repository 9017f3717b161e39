//! Measures the engine on a sysroot: `measure SYSROOT STATEROOT REF ROUNDS`. The sysroot's
//! repository holds the whole commit of REF. Prints medians; leaves the sysroot as it was, but
//! for deployments and garbage.
#![allow(clippy::print_stdout, reason = "a report for people")]

use cambium_model::{Origin, Unobserved};
use cambium_ostree::{
    Attributes, CommitSpec, ConflictPolicy, DeployRequest, Finalization, Metadata, Repo, Retention,
    Spares, Swap, Sysroot, Tree, UsedPackages,
};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Runs `work` so often and prints the median.
fn median<T>(name: &str, rounds: usize, mut work: impl FnMut(usize) -> Outcome<T>) -> Outcome<T> {
    let mut times = Vec::new();
    let mut last = None;
    for round in 0..rounds {
        let begun = Instant::now();
        last = Some(work(round)?);
        times.push(begun.elapsed());
    }
    times.sort();
    let middle = times.get(times.len() / 2).copied().unwrap_or(Duration::ZERO);
    println!("{name}: {:.1} ms", middle.as_secs_f64() * 1000.0);
    last.ok_or_else(|| "no rounds".into())
}

/// A package of 51 files in nine directories, as a commit.
fn package(repo: &Repo, round: usize) -> Outcome<cambium_model::Checksum> {
    let transaction = repo.transaction()?;
    let mut tree = Tree::empty(repo);
    for n in 0..51 {
        let place = ["usr/bin", "usr/share/doc/measured", "usr/lib/measured/deep"][n % 3];
        let content = format!("{round} {n}").repeat(500);
        tree.put_bytes(
            &format!("{place}/measured-{n}"),
            &Attributes::root(0o755),
            content.as_bytes(),
        )?;
    }
    let made = tree.commit(&CommitSpec::default())?;
    transaction.set_ref("measure/package", &made);
    transaction.commit()?;
    Ok(made)
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [sysroot, stateroot, name, rounds] = arguments.as_slice() else {
        return Err("usage: measure SYSROOT STATEROOT REF ROUNDS".into());
    };
    let (path, rounds) = (PathBuf::from(sysroot), rounds.parse()?);
    let sysroot = Sysroot::open(&path)?;
    let repo = sysroot.repo()?;
    let base = repo.resolve_ref(name)?.ok_or("no such ref")?;

    median("import of a package of 51 files, with commit of the transaction", rounds, |round| {
        package(&repo, round)
    })?;
    let made = repo.resolve_ref("measure/package")?.ok_or("no package")?;
    median("merge in memory", rounds, |_| {
        let mut tree = Tree::from_commit(&repo, &base)?;
        Ok(tree.merge(&made, "measured", ConflictPolicy::Refuse)?)
    })?;
    let layered = median("merge and commit of the transaction", rounds, |round| {
        let transaction = repo.transaction()?;
        let mut tree = Tree::from_commit(&repo, &base)?;
        tree.merge(&made, "measured", ConflictPolicy::Refuse)?;
        // Another byte in each round, or the objects would be there already.
        tree.put_bytes("usr/share/round", &Attributes::root(0o644), &[u8::try_from(round)?])?;
        let metadata = Metadata::new().flag("rpmostree.clientlayer", true);
        let parent = Some(base.clone());
        let made = tree.commit(&CommitSpec { parent, metadata, ..CommitSpec::default() })?;
        transaction.set_ref("measure/layered", &made);
        transaction.commit()?;
        Ok(made)
    })?;
    let large = vec![7u8; 95 << 20];
    median("a file of 95 MiB written as an object", rounds, |round| {
        let transaction = repo.transaction()?;
        let attributes = Attributes { uid: u32::try_from(round)?, ..Attributes::root(0o644) };
        let begun = Instant::now();
        repo.write_reader(&attributes, &mut large.as_slice())?;
        let written = begun.elapsed();
        drop(transaction);
        Ok(written)
    })?;

    let scratch = tempfile::tempdir_in(repo.path())?;
    median("checkout by two threads", rounds, |round| {
        Ok(repo.checkout(&base, &scratch.path().join(round.to_string()), &Unobserved)?)
    })?;
    drop(scratch);
    let spares = Spares::of(&repo);
    spares.prepare(&base, &Unobserved)?;
    median("a spare patched to the layered commit and back, with two syncfs", rounds, |_| {
        spares.prepare(&layered, &Unobserved)?;
        Ok(spares.prepare(&base, &Unobserved)?)
    })?;
    deployments(&sysroot, &repo, stateroot, [&base, &layered], rounds)?;
    median("state", rounds, |_| Ok(Sysroot::open(&path)?.state()?))?;
    median("change key", rounds, |_| Ok(Sysroot::change_key(Path::new(&path))))?;
    median("collect", 1, |_| {
        Ok(sysroot.collect(&UsedPackages::new(), cambium_model::Sweep::Objects, &Unobserved)?)
    })?;
    Ok(())
}

fn deployments(
    sysroot: &Sysroot,
    repo: &Repo,
    stateroot: &str,
    commits: [&cambium_model::Checksum; 2],
    rounds: usize,
) -> Outcome<()> {
    let mut merge = None;
    let (mut prepares, mut swaps) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        Spares::of(repo).prepare(commits[0], &Unobserved)?;
        let request = DeployRequest {
            stateroot: stateroot.parse()?,
            commit: commits[1].clone(),
            origin: Origin::following("measure/layered".parse()?),
            previous_origin: None,
            merge: merge.clone(),
            kernel_arguments: Some(vec!["root=LABEL=x".into()]),
        };
        let _lock = sysroot.try_lock()?;
        let begun = Instant::now();
        let prepared = sysroot.prepare(&request, &Unobserved)?;
        let prepared_after = begun.elapsed();
        let begun = Instant::now();
        sysroot.swap(&Swap {
            prepared: prepared.clone(),
            merge: merge.clone(),
            retention: Retention::default(),
            finalization: Finalization::AtShutdown,
            overlay_initrds: Vec::new(),
        })?;
        // The first one has nothing to merge with, and a kernel to copy.
        if round > 0 {
            prepares.push(prepared_after);
            swaps.push(begun.elapsed());
        }
        merge = Some(prepared.id);
    }
    for (name, mut times) in [("prepare with a spare, /etc merged", prepares), ("swap", swaps)] {
        times.sort();
        let middle = times.get(times.len() / 2).copied().unwrap_or_default();
        println!("{name}: {:.1} ms", middle.as_secs_f64() * 1000.0);
    }
    Ok(())
}
