//! Tasks that build something of the workspace and run it.
//!
//! The work itself is in the integration package; here is only what has to be built first and
//! with which profile.

use crate::setup;
use crate::shell::{cargo, command, run, step, target, workspace};
use anyhow::{Result, bail};

/// With which profile the programs are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quick to build; what the tests, the demo and the real OS use.
    Dev,
    /// What is installed and measured.
    Release,
}

/// Builds `cambium` and `cambiumd`.
pub(crate) fn build(profile: Profile) -> Result<()> {
    step("Build");
    let mut build = cargo(&["build", "--locked", "--package", "cambium"]);
    build.args(["--package", "cambium-daemon", "--bins"]);
    if profile == Profile::Release {
        build.arg("--release");
    }
    run(&mut build)
}

/// A host's whole life on the fixture OS, below target/demo.
pub(crate) fn demo() -> Result<()> {
    step("Native packages");
    setup::run_quietly_if_complete()?;
    build(Profile::Dev)?;
    step("Demo");
    integration("demo", Profile::Dev, &[])
}

/// A host's whole life on a real distribution, below target/realos.
pub(crate) fn realos(arguments: &[String]) -> Result<()> {
    let scripts = workspace().join("../shared/realos");
    if !scripts.is_dir() {
        bail!("{} is not here: it has the scripts that make the RPMs", scripts.display());
    }
    step("Native packages");
    setup::run_quietly_if_complete()?;
    build(Profile::Dev)?;
    step("Real OS");
    integration("realos", Profile::Dev, arguments)
}

/// The measurements, with release builds: all, or those named, which take what is after `--`.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    step("Native packages");
    setup::run_quietly_if_complete()?;
    build(Profile::Release)?;
    step("Measurements");
    let mut bench = cargo(&["bench", "--locked", "--package", "cambium-integration"]);
    let end = arguments.iter().position(|word| word == "--").unwrap_or(arguments.len());
    let (names, rest) = arguments.split_at(end);
    for name in names {
        bench.args(["--bench", name]);
    }
    bench.args(rest);
    run(&mut bench)
}

/// Builds one of the integration package's programs, and runs it as root.
fn integration(name: &str, profile: Profile, arguments: &[String]) -> Result<()> {
    let mut build = cargo(&["build", "--locked", "--package", "cambium-integration"]);
    build.args(["--bin", name]);
    let directory = match profile {
        Profile::Dev => "debug",
        Profile::Release => {
            build.arg("--release");
            "release"
        }
    };
    run(&mut build)?;
    let program = target().join(directory).join(name);
    let program = program.to_string_lossy();
    if setup::is_root()? {
        return run(&mut command(&program, arguments));
    }
    println!("deployments are owned by root: going on through sudo");
    run(command("sudo", &["--preserve-env=CI,NO_COLOR,TERM,CARGO_TARGET_DIR", &*program])
        .args(arguments))
}
