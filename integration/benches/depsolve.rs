//! A plan on the metadata of a whole distribution (63,000 packages), beside dnf doing the same.
//!
//! Wanted: with everything cached at most a quarter of dnf's time. Needs ../shared/realos and the
//! machine's apt lists.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use anyhow::{Context, Result, bail};
use cambium_integration::fixture::cache::{self, Key};
use cambium_integration::harness::Host;
use cambium_integration::harness::host::repo_text;
use cambium_integration::measure::{Sample, cambium, row, time};
use cambium_integration::run::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is resolved: 82 packages with what they recommend.
const PACKAGE: &str = "nginx";

fn main() -> Result<()> {
    println!("depsolve on a distribution's metadata: install {PACKAGE}");
    let metadata = metadata()?;
    let host = Host::new()?;
    let url = format!("file://{}", metadata.display());
    host.write_repos(&repo_text("md", &url, "gpgcheck=0").replace("expire=0", "expire=never"))?;
    // The metadata is made of Debian's packages, which know nothing of the fixture's.
    let plan = ["install", "--dry-run", PACKAGE];
    let cold = Sample::take(|| {
        cambium(&host, &["cleanup", "-m"])?;
        cambium(&host, &plan)
    })?;
    let warm = Sample::take(|| cambium(&host, &plan))?;
    let memory = host.daemon()?.memory()?;
    let peer = Peer::new(&metadata)?;
    let dnf_cold = Sample::take(|| peer.cold())?;
    let dnf_warm = Sample::take(|| peer.warm())?;
    row("  cambium, no cache", &cold, "");
    row("  dnf, no cache", &dnf_cold, &format!("dnf / ours: {:.1}", dnf_cold.ratio(&cold)));
    row("  cambium, cached", &warm, "");
    row(
        "  dnf, cached",
        &dnf_warm,
        &format!("ours / dnf: {:.2} (wanted ≤ 0.25)", warm.ratio(&dnf_warm)),
    );
    println!("  daemon: {memory}");
    Ok(())
}

fn metadata() -> Result<PathBuf> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/realos");
    let script = scripts.join("apt2rpmmd.py");
    if !script.is_file() {
        bail!("{} is not here", script.display());
    }
    let key = Key::default().with_file(&script)?;
    cache::made(&cache::directory()?, "distribution", &key, |directory| {
        let mut command = Command::new("python3");
        command.arg(&script).arg("--out").arg(directory);
        run(command.args(["--match", "dists_bookworm_main"]))
    })
}

/// dnf with a root, a cache and a configuration of its own.
struct Peer {
    directory: tempfile::TempDir,
    url: String,
}

impl Peer {
    fn new(metadata: &Path) -> Result<Self> {
        let directory = tempfile::tempdir().context("no temporary directory")?;
        fs::create_dir(directory.path().join("root"))?;
        fs::write(directory.path().join(".rpmmacros"), "%_dbpath /usr/share/rpm\n")?;
        Ok(Self { directory, url: format!("--repofrompath=md,file://{}", metadata.display()) })
    }

    fn cold(&self) -> Result<std::time::Duration> {
        let cache = self.directory.path().join("cache");
        if cache.exists() {
            fs::remove_dir_all(&cache)?;
        }
        self.warm()
    }

    fn warm(&self) -> Result<std::time::Duration> {
        let below = |name: &str| self.directory.path().join(name).display().to_string();
        let mut command = Command::new("sh");
        // A resolved transaction that is not confirmed ends with 1.
        command.args(["-c", "dnf \"$@\" | grep -q '^Total download size'", "dnf"]);
        command.env("HOME", self.directory.path()).arg(format!("--installroot={}", below("root")));
        command.args(["--releasever=12", "--disablerepo=*", "--setopt=reposdir=/nonexistent"]);
        command.args([&self.url, &format!("--setopt=cachedir={}", below("cache"))]);
        command.arg(format!("--setopt=persistdir={}", below("persist")));
        command.arg(format!("--setopt=logdir={}", self.directory.path().display()));
        command.args(["--setopt=plugins=0", "--nogpgcheck", "--setopt=metadata_expire=-1"]);
        time(command.args(["--setopt=install_weak_deps=1", "--assumeno", "install", PACKAGE]))
    }
}
