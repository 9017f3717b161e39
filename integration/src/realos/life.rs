//! The life of a host that is not booted: everything that `cambium` does to its deployments.

use super::Place;
use super::bases::{Bases, section};
use super::host::RealHost;
use super::judges::{dnf, has_all, packages, run_in, same, verify_all};
use super::packages::Repositories;
use super::report::Report;
use crate::harness::{Answer, oracle};
use crate::run::{line, output};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// What goes again, with the packages that only they needed.
const UNWANTED: &[&str] = &["emacs-nox", "podman"];

struct Life<'a> {
    host: RealHost,
    repositories: &'a Repositories,
    bases: &'a Bases,
    wanted: Vec<&'a str>,
    /// The release's packages, before anything was layered.
    base: BTreeSet<String>,
}

/// Lives it.
///
/// # Errors
/// When the host cannot be made; failed steps are in the report.
pub fn live(
    place: &Place,
    repositories: &Repositories,
    bases: &Bases,
    report: &mut Report,
) -> Result<()> {
    let host = RealHost::new(place.temporary("host")?, bases)?;
    let repos = repositories.enabled().map(|(name, path)| section(name, path));
    host.write_repos(&repos.concat())?;
    let base = packages(&host.default_root()?)?;
    let wanted = repositories.wanted.iter().map(String::as_str).collect();
    let mut life = Life { host, repositories, bases, wanted, base };
    if report.step("the daemon starts", || life.host.start().map(drop)).is_none() {
        return Ok(());
    }
    life.looking(report);
    if life.installing(report).is_some() {
        life.judging(report);
        life.upgrading(report);
        life.leaving(report);
        life.crashing(report);
    }
    report.step("the history's chain of hashes holds", || {
        life.host.cambium(&["history", "--verify"]).map(drop)
    });
    if report.failed > 0 {
        let log = life.host.log();
        let from = log.len().saturating_sub(4000);
        report.note(&format!("the daemon's last words:\n{}", log.get(from..).unwrap_or(&log)));
    }
    Ok(())
}

impl Life<'_> {
    fn looking(&self, report: &mut Report) {
        report.step("status shows the release", || {
            let answer = self.host.cambium(&["status"])?;
            ensure!(
                answer.out.contains(&self.bases.release),
                "no {} in {answer}",
                self.bases.release
            );
            Ok(())
        });
        report.step("a plan for htop, and nothing changes", || {
            let before = self.host.default_root()?;
            let answer = self.host.cambium(&["install", "--dry-run", "htop"])?;
            ensure!(answer.out.contains("htop"), "no htop in {answer}");
            ensure!(self.host.default_root()? == before, "something was deployed");
            Ok(())
        });
    }

    fn installing(&self, report: &mut Report) -> Option<()> {
        let what = format!("{} packages are layered with all they need", self.wanted.len());
        report.step(&what, || {
            let arguments: Vec<_> =
                ["install", "-y"].into_iter().chain(self.wanted.iter().copied()).collect();
            self.host.cambium(&arguments)?;
            has_all(&packages(&self.host.default_root()?)?, &self.wanted)
        })
    }

    fn judging(&self, report: &mut Report) {
        let Some(root) = report.step("ostree shows the deployment", || self.sound()) else {
            return;
        };
        report.step("dnf resolves the request to the same packages", || {
            let layered: BTreeSet<_> = packages(&root)?.difference(&self.base).cloned().collect();
            let release =
                oracle::deployments(self.host.sysroot())?.pop().context("no deployment")?;
            same(&layered, &dnf(&release, &self.repositories.enabled(), &self.wanted)?)
        });
        report.step("rpm -Va finds every file as its package has it", || {
            let wrong = verify_all(&root)?;
            ensure!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
            Ok(())
        });
        for (what, script) in PROGRAMS {
            report.step(&format!("{what} runs in the deployment"), || run_in(&root, script));
        }
        report.step("db diff names what came", || {
            let answer = self.host.cambium(&["db", "diff"])?;
            for name in ["emacs-nox", "podman", "postgresql-15", "gcc-12"] {
                ensure!(answer.out.contains(name), "no {name} in {answer}");
            }
            Ok(())
        });
    }

    /// Repository and boot loader entries hold; the root that boots next.
    fn sound(&self) -> Result<PathBuf> {
        // The host is tidied up after a command has answered, and `ostree fsck` cannot look at
        // objects while they go. This waits for its turn, which comes when that is done.
        self.host.cambium(&["refresh-md"])?;
        oracle::fsck(&self.host.repo())?;
        for file in oracle::boot_files(self.host.sysroot())? {
            ensure!(file.exists(), "the boot loader names {}", file.display());
        }
        self.host.default_root()
    }

    fn upgrading(&self, report: &mut Report) {
        let before = self.host.default_root().ok();
        let upgraded = report.step("an upgrade to the updates keeps the layers", || {
            self.host.publish(&self.bases.updates)?;
            self.host.cambium(&["upgrade", "--check"])?;
            self.host.cambium(&["upgrade", "-y"])?;
            let root = self.sound()?;
            let now = packages(&root)?;
            has_all(&now, &self.wanted)?;
            ensure!(kernel(&root)? != kernel_of(before.as_deref())?, "the kernel is the same");
            Ok(())
        });
        if upgraded.is_some() {
            report.step("rpm -Va after the upgrade", || {
                let wrong = verify_all(&self.host.default_root()?)?;
                ensure!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
                Ok(())
            });
            report.step("a rollback boots what was before, another goes forth again", || {
                let upgraded = self.host.default_root()?;
                self.host.cambium(&["rollback"])?;
                ensure!(Some(self.host.default_root()?) == before, "something else boots next");
                self.host.cambium(&["rollback"])?;
                ensure!(self.host.default_root()? == upgraded, "something else boots next");
                Ok(())
            });
        }
    }

    fn leaving(&self, report: &mut Report) {
        report.step("two packages go, with what only they needed", || {
            let arguments: Vec<_> =
                ["uninstall", "-y"].into_iter().chain(UNWANTED.iter().copied()).collect();
            let before = packages(&self.host.default_root()?)?;
            self.host.cambium(&arguments)?;
            let now = packages(&self.sound()?)?;
            for name in UNWANTED {
                ensure!(has_all(&now, &[name]).is_err(), "{name} is still there");
            }
            let kept: Vec<_> =
                self.wanted.iter().copied().filter(|name| !UNWANTED.contains(name)).collect();
            has_all(&now, &kept)?;
            ensure!(before.len() > now.len() + UNWANTED.len(), "their dependencies stayed");
            Ok(())
        });
    }

    /// The daemon is killed where scripts run, the longest and dirtiest part.
    fn crashing(&mut self, report: &mut Report) {
        report.step("a daemon killed in the middle changes nothing", || {
            let before = self.host.default_root()?;
            let mut command = self.host.command(&["install", "-y", "emacs-nox"])?;
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut client = command.spawn().context("cannot start cambium")?;
            let said = BufReader::new(client.stdout.take().context("no output")?);
            let mut seen = String::new();
            for line in said.lines() {
                seen = seen + &line? + "\n";
                if seen.contains("Checking out tree") || seen.contains("post scripts") {
                    break;
                }
            }
            ensure!(client.try_wait()?.is_none(), "it ended before it was killed:\n{seen}");
            self.host.kill()?;
            self.host.start()?;
            // It asks the new daemon what became of its transaction.
            let answer = Answer::new(line(&command), &client.wait_with_output()?);
            ensure!(answer.code != Some(0), "the client reports success: {answer}");
            ensure!(answer.err.contains("the daemon stopped"), "no reason in {answer}");
            ensure!(self.host.default_root()? == before, "something was deployed");
            self.host.cambium(&["status"])?;
            let history = self.host.cambium(&["history"])?;
            ensure!(history.out.contains("interrupted"), "no interrupted in {history}");
            self.sound()?;
            clean(self.host.sysroot())
        });
        report.step("the same request succeeds afterwards", || {
            self.host.cambium(&["install", "-y", "emacs-nox"])?;
            has_all(&packages(&self.sound()?)?, &["emacs-nox"])
        });
    }
}

/// Programs of the layers: each needs what scripts or other packages did.
const PROGRAMS: &[(&str, &str)] = &[
    ("gcc", "cd /tmp && echo 'int main(void){return 0;}' > a.c && gcc -o a a.c && ./a"),
    ("podman", "podman --version"),
    ("postgresql", "/usr/lib/postgresql/15/bin/postgres --version"),
    ("emacs", "emacs --batch --eval '(princ emacs-version)'"),
    ("nodejs", "node -e 'process.exit(0)'"),
    ("go", "go version"),
    ("the linker's cache", "ldconfig -p | grep -q libpq"),
    ("a user of a package", "getent passwd tcpdump"),
];

fn kernel(root: &Path) -> Result<String> {
    output(std::process::Command::new("ls").arg(root.join("usr/lib/modules")))
}

fn kernel_of(root: Option<&Path>) -> Result<String> {
    kernel(root.context("nothing was deployed before")?)
}

/// No temporary file of the killed daemon is left in the repository.
fn clean(sysroot: &Path) -> Result<()> {
    let tmp = sysroot.join("ostree/repo/tmp");
    let mut left = Vec::new();
    for entry in fs::read_dir(&tmp).with_context(|| format!("no {}", tmp.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // libostree's own: its cache, and the staging directory of this boot with its lock.
        if name != "cache" && !name.starts_with("staging-") {
            left.push(name);
        }
    }
    if !left.is_empty() {
        bail!("left in {}: {left:?}", tmp.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_in_the_repository_is_named() {
        let root = tempfile::tempdir().unwrap();
        let tmp = root.path().join("ostree/repo/tmp");
        fs::create_dir_all(tmp.join("cache")).unwrap();
        assert!(clean(root.path()).is_ok());
        fs::write(tmp.join("tmpobject"), "").unwrap();
        assert!(clean(root.path()).unwrap_err().to_string().contains("tmpobject"));
    }
}
