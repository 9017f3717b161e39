//! `cargo xtask fuzz NAME [SECONDS]`: one of the targets in integration/fuzz, by cargo-fuzz.
//!
//! The targets are a workspace of their own: libFuzzer's coverage wants a nightly compiler and
//! flags that nothing else is built with. They are not part of `lint` or `test`, since a first
//! build takes minutes. What a target holds is said at its top; what it starts from lies in
//! integration/fuzz/seeds/NAME, what it finds in integration/fuzz/artifacts/NAME.

use crate::shell::{command, has, run, step, workspace};
use anyhow::{Context, Result, bail};
use std::fs;

/// How long without being told: what one waits for.
const SECONDS: &str = "60";
/// One allocation beyond this is more than any input here can pay for: xz and zstd may take
/// windows of 192 and 128 MiB by their own limits.
const LARGEST_MEBIBYTES: &str = "256";

/// Runs one target for a while, or says which there are.
pub(crate) fn fuzz(arguments: &[String]) -> Result<()> {
    let place = workspace().join("integration/fuzz");
    let (name, seconds) = match arguments {
        [name] => (name.as_str(), SECONDS),
        [name, seconds] => (name.as_str(), seconds.as_str()),
        _ => bail!("fuzz takes a target and perhaps seconds; targets: {}", targets()?.join(" ")),
    };
    if !targets()?.iter().any(|target| target == name) {
        bail!("there is no target {name}; there are: {}", targets()?.join(" "));
    }
    if !has("cargo-fuzz") || !has("rustup") {
        bail!(
            "fuzzing needs cargo-fuzz and a nightly compiler: cargo install --locked cargo-fuzz; \
             rustup toolchain install --profile minimal nightly"
        );
    }
    step(&format!("Fuzzing {name} for {seconds} s"));
    let (corpus, seeds) = (place.join("corpus").join(name), place.join("seeds").join(name));
    for directory in [&corpus, &seeds] {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let mut fuzz = command("rustup", &["run", "nightly", "cargo", "fuzz", "run"]);
    fuzz.arg("--fuzz-dir").arg(&place).arg(name).arg(&corpus).arg(&seeds).arg("--");
    fuzz.args([format!("-max_total_time={seconds}"), "-timeout=10".to_owned()]);
    fuzz.arg(format!("-malloc_limit_mb={LARGEST_MEBIBYTES}"));
    // The toolchain that runs this task must not be the one that builds the targets.
    run(fuzz.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN"))
}

fn targets() -> Result<Vec<String>> {
    let place = workspace().join("integration/fuzz/fuzz_targets");
    let entries = fs::read_dir(&place).with_context(|| format!("no {}", place.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_is_declared() {
        let manifest = workspace().join("integration/fuzz/Cargo.toml");
        let manifest = fs::read_to_string(manifest).unwrap();
        for name in targets().unwrap() {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        }
    }
}
