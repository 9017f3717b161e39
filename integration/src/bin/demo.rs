//! `cargo xtask demo`: a host's whole life on a small OS that is made on the spot.
//!
//! Shows each command as one would type it on a real host, and what it answers. Everything is
//! below target/demo and goes when the demo ends; it can be run again at any time.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use anyhow::{Context, Result, bail};
use cambium_integration::fixture::base::{Edition, Flavour};
use cambium_integration::fixture::cache;
use cambium_integration::harness::{Host, Start, Traces, oracle};
use std::fs;
use std::io::IsTerminal;
use std::process::Stdio;
use std::time::Instant;

fn main() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("deployments are owned by root: run this as root, or through cargo xtask demo");
    }
    let start = Instant::now();
    let place = cache::directory()?.with_file_name("demo");
    fs::create_dir_all(&place).context("cannot make target/demo")?;
    let demo = Demo::prepare(tempfile::Builder::new().prefix("host-").tempdir_in(place)?)?;
    demo.life()?;
    demo.judges()?;
    println!("\nDone in {:.0} s; nothing is left of it.", start.elapsed().as_secs_f32());
    Ok(())
}

struct Demo {
    host: Host,
}

impl Demo {
    fn prepare(directory: tempfile::TempDir) -> Result<Self> {
        title("A small OS of this machine's own programs, as RPMs and as a commit");
        println!("RPMs are built of this machine's programs, two images are composed of them, and");
        println!("the first is deployed. What is unchanged is kept from an earlier run.");
        let start = Instant::now();
        let mut host = Host::in_directory(directory, Flavour::Tiny, Start::Later)?;
        println!("({:.1} s)", start.elapsed().as_secs_f32());
        println!("packages: {}", host.base().packages(Edition::First).display());
        println!("to layer: {}", host.layers().main().display());
        println!("images:   {}, each made by", host.base().repository().display());
        show(&format!(
            "cambium compose tree --unified-core --repo repo {}",
            host.base().treefile(Edition::First).display()
        ));
        println!("sysroot:  {}", host.places().sysroot.display());
        println!("\nOn a host the daemon serves / and starts with the first command. Here:");
        println!("$ cambiumd --sysroot {} --socket …", host.places().sysroot.display());
        host.start()?;
        println!("ready after {} ms", host.daemon()?.ready_after.as_millis());
        Ok(Self { host })
    }

    fn life(&self) -> Result<()> {
        title("A fresh host");
        self.cambium(&["status"])?;

        title("What would a package bring?");
        self.cambium(&["search", "greet"])?;
        self.cambium(&["install", "--dry-run", "greeter"])?;

        title("A package with its dependencies, and one with scripts");
        self.cambium(&["install", "-y", "greeter", "scripts"])?;
        self.cambium(&["status"])?;
        self.cambium(&["db", "diff"])?;

        title("The image's maker publishes version 2.0; the packages stay");
        self.host.publish(Edition::Second)?;
        self.cambium(&["upgrade", "--preview"])?;
        self.cambium(&["upgrade", "-y"])?;
        self.cambium(&["status"])?;

        title("One package goes");
        self.cambium(&["uninstall", "-y", "scripts"])?;

        title("Back to what was before");
        self.cambium(&["rollback"])?;
        self.cambium(&["status"])?;

        title("What happened here");
        self.cambium(&["history"])?;
        self.cambium(&["history", "--verify"])
    }

    /// Runs `cambium` on this host's socket, its output straight to ours.
    fn cambium(&self, arguments: &[&str]) -> Result<()> {
        show(&format!("cambium {}", arguments.join(" ")));
        let mut command = self.host.command(arguments)?;
        command.stdin(Stdio::null());
        if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
            command.env_remove("NO_COLOR");
        }
        let status = command.status().context("cannot run cambium")?;
        // 77 says "nothing changed" or "there is an update", which is an answer.
        if !status.success() && status.code() != Some(77) {
            bail!("it ended with {status}; the daemon says:\n{}", self.host.daemon()?.log());
        }
        Ok(())
    }

    /// What ostree and rpm themselves say.
    fn judges(&self) -> Result<()> {
        title("And what ostree and rpm say about it");
        show("ostree fsck");
        oracle::fsck(&self.host.repo())?;
        println!("every object is what its name says");
        show("ostree admin status");
        let status = self.host.admin("status").status().context("cannot run ostree")?;
        if !status.success() {
            bail!("ostree admin status ended with {status}");
        }
        let root = self.host.default_root()?;
        show("rpm -qa");
        println!("{}", oracle::packages(&root)?.join("\n"));
        show("rpm -V greeter libgreet greet-data");
        let wrong = oracle::verify(&root, &["greeter", "libgreet", "greet-data"])?;
        if !wrong.is_empty() {
            bail!("files differ from their packages: {wrong:#?}");
        }
        println!("no file differs from its package");
        // A second look must find the host as the first did: looking leaves nothing behind.
        Traces::of(&self.host)?.assert_unchanged(&self.host);
        Ok(())
    }
}

fn title(text: &str) {
    println!();
    if bold() { println!("\x1b[1m# {text}\x1b[0m") } else { println!("# {text}") }
}

fn show(command: &str) {
    if bold() { println!("\x1b[36m$ {command}\x1b[0m") } else { println!("$ {command}") }
}

fn bold() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
