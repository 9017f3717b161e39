//! A Docker Engine of our own: started, given an image made of this machine's files, asked to run
//! things with its default permissions, and taken down with all that it had.
//!
//! Nothing of it is shared with an engine that the machine may run: root, sockets, process id
//! file and mounts are private, there is no bridge and no firewall rule.

use super::ready::Readiness;
use crate::fixture::programs;
use crate::run::{line, output, run};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long the engine may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// The image's name.
const IMAGE: &str = "cambium-test";

/// Programs of the image besides our own: what the tests' scripts call, and bubblewrap, so that
/// it is the container that denies namespaces and not the lack of a program.
const PROGRAMS: &[&str] = &[
    "bash", "bwrap", "cat", "cp", "env", "grep", "ln", "ls", "mkdir", "mv", "ostree", "rm", "sed",
    "sleep", "sort", "touch", "tr", "unshare", "mount", "chmod", "stat",
];

/// Data that librpm and libdnf read.
const DATA: &[&str] = &["/usr/lib/rpm/macros", "/usr/lib/rpm/rpmrc", "/usr/lib/rpm/platform"];

/// A running engine with the image in it.
pub struct Docker {
    child: Child,
    client: PathBuf,
    directory: TempDir,
}

impl Docker {
    /// Starts an engine and imports the image.
    ///
    /// # Errors
    /// When Docker is not installed, or the engine does not become ready: then with its log.
    pub fn start() -> Result<Self> {
        let engine = Path::new("/usr/sbin/dockerd");
        let engine = if engine.exists() { engine } else { Path::new("/usr/bin/dockerd") };
        if !engine.exists() {
            bail!("dockerd is not installed: `cargo xtask setup` says which package has it");
        }
        // The one that came with the engine speaks its version.
        let client = PathBuf::from("/usr/bin/docker");
        let directory = tempfile::Builder::new().prefix("cambium-docker-").tempdir()?;
        let at = |name: &str| directory.path().join(name);
        let readiness = Readiness::listen(&at("notify"))?;
        let log = File::create(at("log"))?;
        // Its mounts are its own: they go with it, whatever becomes of it.
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--"]).arg(engine);
        command.args(["--bridge=none", "--iptables=false", "--ip6tables=false"]);
        command.arg("--data-root").arg(at("data")).arg("--exec-root").arg(at("exec"));
        command.arg("--pidfile").arg(at("pid"));
        command.arg(format!("--host=unix://{}", at("socket").display()));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.env("NOTIFY_SOCKET", at("notify"));
        let child = command.spawn().with_context(|| format!("cannot run `{}`", line(&command)))?;
        let mut docker = Self { child, client, directory };
        let log = || log_in(docker.directory.path());
        readiness.wait(&mut docker.child, "dockerd", PATIENCE, log)?;
        docker.import()?;
        Ok(docker)
    }

    fn import(&self) -> Result<()> {
        let root = self.directory.path().join("image");
        let tar = self.directory.path().join("image.tar");
        lay_out(&root)?;
        run(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&tar).arg("."))?;
        run(self.command(&["import"]).arg(&tar).arg(IMAGE))?;
        fs::remove_dir_all(&root)?;
        Ok(fs::remove_file(&tar)?)
    }

    /// The client with these arguments.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.client);
        let at = |name: &str| self.directory.path().join(name);
        command.env("DOCKER_HOST", format!("unix://{}", at("socket").display()));
        command.env("DOCKER_CONFIG", at("config")).env("DOCKER_BUILDKIT", "0");
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a shell script in a new container of the image with the default permissions; these
    /// directories of the machine are shown at their own paths, the first ones read-only, the
    /// last one writable. Returns what it printed.
    ///
    /// # Errors
    /// When the script fails, with its last words.
    pub fn run(&self, read_only: &[&Path], writable: &Path, script: &str) -> Result<String> {
        let mut command = self.command(&["run", "--rm", "--network=none"]);
        for path in read_only {
            command.arg("--volume").arg(format!("{0}:{0}:ro", path.display()));
        }
        command.arg("--volume").arg(format!("{0}:{0}", writable.display()));
        output(command.args([IMAGE, "/bin/sh", "-euc", script]))
    }

    /// Builds an image from ours by one RUN step with the default permissions; the files of
    /// `context` are at /context. Returns what the builder printed.
    ///
    /// # Errors
    /// When the step fails, with the builder's last words.
    pub fn build(&self, context: &Path, script: &str) -> Result<String> {
        fs::write(context.join("step"), script)?;
        let text = format!("FROM {IMAGE}\nCOPY . /context\nRUN /bin/sh -eu /context/step\n");
        fs::write(context.join("Dockerfile"), text)?;
        output(self.command(&["build", "--network=none", "--force-rm"]).arg(context))
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // It stops its containers and its containerd, then ends.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            _ = kill_process(pid, Signal::TERM);
        }
        _ = self.child.wait();
    }
}

/// The files of the image: our programs, some of the machine's, and the libraries of both.
fn lay_out(root: &Path) -> Result<()> {
    for directory in ["dev", "etc", "proc", "run", "sys", "tmp", "usr/bin", "usr/lib64", "var/tmp"]
    {
        fs::create_dir_all(root.join(directory))?;
    }
    for name in ["tmp", "var/tmp"] {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o1777))?;
    }
    for name in ["bin", "lib", "lib64", "sbin"] {
        let target = format!("usr/{name}");
        fs::create_dir_all(root.join(&target))?;
        symlink(target, root.join(name))?;
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
    fs::write(root.join("etc/group"), "root:x:0:\n")?;
    let mut all = BTreeSet::new();
    for (program, place) in
        [(programs::cambium()?, "usr/bin/cambium"), (programs::cambiumd()?, "usr/bin/cambiumd")]
    {
        all.extend(libraries(&program)?);
        let mut strip = Command::new("strip");
        run(strip.arg("--strip-debug").arg("-o").arg(root.join(place)).arg(&program))?;
    }
    for name in PROGRAMS {
        let found = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].map(|at| Path::new(at).join(name));
        let program = found.into_iter().find(|path| path.exists());
        let program = program.with_context(|| format!("{name} is not on this machine"))?;
        all.extend(libraries(&program)?);
        fs::copy(fs::canonicalize(&program)?, root.join("usr/bin").join(name))?;
    }
    symlink("bash", root.join("usr/bin/sh"))?;
    for data in DATA.iter().map(Path::new).filter(|path| path.exists()) {
        let parent = data.parent().unwrap_or(data).strip_prefix("/")?;
        fs::create_dir_all(root.join(parent))?;
        run(Command::new("cp").arg("-aL").arg(data).arg(root.join(parent)))?;
    }
    for library in all {
        // Found by the names that the loader is told, links resolved.
        let inside = library.strip_prefix("/")?;
        let inside =
            if inside.starts_with("usr") { inside.into() } else { Path::new("usr").join(inside) };
        let target = root.join(inside);
        fs::create_dir_all(target.parent().unwrap_or(root))?;
        fs::copy(fs::canonicalize(&library)?, target)?;
    }
    Ok(())
}

fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let text = output(Command::new("ldd").arg(program))?;
    Ok(text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}

/// The end of what the engine printed.
fn log_in(directory: &Path) -> String {
    let text = fs::read_to_string(directory.join("log")).unwrap_or_default();
    let from = text.char_indices().rev().nth(3000).map_or(0, |(at, _)| at);
    text[from..].to_owned()
}
