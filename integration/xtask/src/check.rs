//! The checks: what has to hold before a change lands.
//!
//! `lint` reads, `test` also runs. The layer and style rules are tests of the integration
//! package, so that `cargo nextest` alone also holds them.

use crate::shell::{cargo, has, run, step};
use crate::{setup, tasks};
use anyhow::{Result, bail};

/// Formatting, clippy, layers, style, documentation.
pub(crate) fn lint() -> Result<()> {
    step("Formatting");
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    step("Clippy");
    run(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "--deny",
        "warnings",
    ]))?;
    step("Layers and style");
    for test in ["layers", "style"] {
        run(&mut cargo(&["test", "--quiet", "--package", "cambium-integration", "--test", test]))?;
    }
    step("Documentation");
    run(cargo(&["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"])
        .env("RUSTDOCFLAGS", "--deny warnings"))
}

/// Everything; ends in the test runner's own summary.
pub(crate) fn test(arguments: &[String]) -> Result<()> {
    step("Native packages");
    setup::run_quietly_if_complete()?;
    if !setup::is_root()? {
        bail!(
            "the tests mount, chroot and boot deployments: run them as root (sudo -E cargo xtask test)"
        );
    }
    if has("cargo-deny") {
        deny()?;
    } else {
        println!("cargo-deny is not here: licences and sources of dependencies go unchecked");
    }
    lint()?;
    tasks::build(tasks::Profile::Dev)?;
    step("The fixture OS");
    run(&mut cargo(&[
        "run",
        "--quiet",
        "--locked",
        "--package",
        "cambium-integration",
        "--bin",
        "fixture",
    ]))?;
    step("Tests");
    let mut runner = if has("cargo-nextest") {
        cargo(&["nextest", "run", "--workspace", "--locked", "--no-fail-fast"])
    } else {
        println!("cargo-nextest is not here (cargo install cargo-nextest): cargo test it is");
        cargo(&["test", "--workspace", "--locked", "--no-fail-fast"])
    };
    run(runner.args(arguments))
}

/// Licences, bans and sources of dependencies. Not advisories: their database is fetched from the
/// network each time, and a check must not fail because there is none.
pub(crate) fn deny() -> Result<()> {
    step("Dependencies");
    if !has("cargo-deny") {
        bail!("cargo-deny is not here: cargo install --locked cargo-deny");
    }
    run(&mut cargo(&["deny", "--workspace", "check", "licenses", "bans", "sources"]))?;
    println!("known vulnerabilities, over the network: cargo deny check advisories");
    Ok(())
}
