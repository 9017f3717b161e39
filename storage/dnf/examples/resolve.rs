//! Times a resolution: `resolve REPO_DIR CACHE_DIR [--weak] PACKAGE...`, on no installed packages.

#![allow(clippy::print_stdout)]

use cambium_dnf::{Config, Goal, RepoConfig, Resolution, WeakDeps, resolve};
use cambium_model::Unobserved;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "resolve REPO_DIR CACHE_DIR [--weak] PACKAGE...";
    let (repo, cache) = arguments.next().zip(arguments.next()).ok_or(usage)?;
    let mut install: Vec<String> = arguments.collect();
    let before = install.len();
    install.retain(|argument| argument != "--weak");
    let mut config = Config::new(&cache, format!("{cache}/root"));
    config.releasever = Some("12".to_owned());
    config.weak_deps = if install.len() == before { WeakDeps::Skip } else { WeakDeps::Install };
    config.repos.push(RepoConfig::new("md", std::path::absolute(repo)?.to_string_lossy()));
    let goal = Goal { install, ..Goal::default() };
    let start = Instant::now();
    let answer = resolve(&config, &goal, &Unobserved)?;
    let seconds = start.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    match answer {
        Resolution::Solved(solution) => {
            let names: Vec<_> = solution.packages.iter().map(|p| p.nevra.to_string()).collect();
            println!("{seconds:.3} s, {} packages, {peak}; {}", names.len(), names.join(" "));
        }
        Resolution::Problems(problems) => println!("{seconds:.3} s, {problems:?}, {peak}"),
    }
    Ok(())
}
