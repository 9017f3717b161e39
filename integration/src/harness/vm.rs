//! A deployment booted by its own systemd, as pid 1 of fresh namespaces, within seconds.
//!
//! libostree takes it for booted (`/run/ostree-booted`; the root is the deployment's directory);
//! a reboot finalises staged deployments by their own unit, and the boot loader's default entry
//! is entered next. Its disks are ext4 images on loop devices, /boot one of its own, mounted where
//! nobody else sees them. What is not real: kernel, boot loader, initramfs, devices, network. A
//! kill loses no page cache. Needs root, loop devices and a cgroup2 hierarchy.

use super::answer::Answer;
use crate::run::{line, output, run};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a boot or a reboot may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks: the machine has no way to call us.
const LOOK: Duration = Duration::from_millis(20);

/// A running machine. It is switched off when this is dropped; its disks go with the directory.
pub struct Vm {
    directory: PathBuf,
    cgroup: PathBuf,
    supervisor: Option<Child>,
}

impl Vm {
    /// Copies the sysroot at `directory/sysroot` onto disks of the machine's own and boots it. What
    /// the machine changes is on its disks only.
    ///
    /// # Errors
    /// When the machine cannot do it, or the deployment does not come up; then with its console.
    pub fn boot(directory: &Path) -> Result<Self> {
        let mounts = fs::read_to_string("/proc/mounts").context("cannot read the mounts")?;
        let cgroups = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let cgroups = cgroups.filter(|words| words.get(2) == Some(&"cgroup2"));
        let root = cgroups.filter_map(|words| words.get(1).copied()).next();
        let root = Path::new(root.context("no cgroup2 hierarchy is mounted")?);
        let name = directory.file_name().context("a machine's directory has a name")?;
        let cgroup = root.join(format!("cambium-{}", name.to_string_lossy()));
        fs::create_dir_all(&cgroup)
            .with_context(|| format!("cannot make the cgroup {}", cgroup.display()))?;
        fs::write(directory.join("cgroup"), cgroup.as_os_str().as_encoded_bytes())?;
        let mut vm = Self { directory: directory.to_owned(), cgroup, supervisor: None };
        run(&mut vm.script("format")).context("cannot make the machine's disks")?;
        vm.power_on()?;
        Ok(vm)
    }

    /// Boots from the disk as it is, after [`Vm::kill`].
    ///
    /// # Errors
    /// When the deployment does not come up.
    pub fn power_on(&mut self) -> Result<()> {
        let console = self.directory.join("console");
        let console = File::options().create(true).append(true).open(console)?;
        let mut command = self.script("supervise");
        command.stdin(Stdio::null()).stdout(console.try_clone()?).stderr(console);
        // A process group of its own: an interrupt at the terminal is not for the machine.
        self.supervisor = Some(command.process_group(0).spawn().context("cannot run unshare")?);
        self.await_up(None)
    }

    /// A verb of the machine's script, in a mount namespace of its own.
    fn script(&self, verb: &str) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("vm/machine.sh");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--", "bash"]);
        command.arg(script).arg(verb).arg(&self.directory);
        command
    }

    /// Waits until the machine is up, under another boot id than `before`.
    fn await_up(&mut self, before: Option<&str>) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let booted_anew = self.boot_id().is_some_and(|id| Some(id.as_str()) != before);
            if booted_anew && self.inside("run/machine-up").is_some_and(|path| path.exists()) {
                return Ok(());
            }
            if let Some(supervisor) = &mut self.supervisor
                && let Some(status) = supervisor.try_wait()?
            {
                bail!("the machine ended with {status}:\n{}", self.console());
            }
            std::thread::sleep(LOOK);
        }
        bail!("the machine did not come up in {PATIENCE:?}:\n{}", self.console())
    }

    /// The id of the current boot.
    #[must_use]
    pub fn boot_id(&self) -> Option<String> {
        fs::read_to_string(self.directory.join("boot-id")).ok().map(|id| id.trim().to_owned())
    }

    /// What its console showed: boots, and how init ended.
    #[must_use]
    pub fn console(&self) -> String {
        fs::read_to_string(self.directory.join("console")).unwrap_or_default()
    }

    fn init(&self) -> Option<u32> {
        fs::read_to_string(self.directory.join("pid")).ok()?.trim().parse().ok()
    }

    /// A path of the machine as we reach it from outside; `None` while it is down.
    #[must_use]
    pub fn inside(&self, path: &str) -> Option<PathBuf> {
        let path = path.trim_start_matches('/');
        self.init().map(|init| PathBuf::from(format!("/proc/{init}/root")).join(path))
    }

    /// Runs a shell command as root in the machine.
    ///
    /// # Panics
    /// When the machine is down.
    #[track_caller]
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test's own tool; there is nothing to go on with")]
    pub fn sh(&self, script: &str) -> Answer {
        let mut command = self.command(script).expect("the machine is up");
        let output = command.output().expect("nsenter can be run");
        Answer::new(format!("{} # in the machine: {script}", line(&command)), &output)
    }

    fn command(&self, script: &str) -> Result<Command> {
        // The shell is moved into a cgroup beside the OS's, where systemd does not look.
        const ENTER: &str = "echo $$ > \"$1/shell/cgroup.procs\" && exec nsenter -t \"$2\" \
            -m -u -i -n -p -- /usr/bin/env -i HOME=/root USER=root LANG=C.UTF-8 \
            PATH=/usr/sbin:/usr/bin /bin/bash -c \"cd /; $3\"";
        let init = self.init().context("the machine is down")?;
        let mut command = Command::new("bash");
        command.args(["-c", ENTER, "enter"]).arg(&self.cgroup).arg(init.to_string()).arg(script);
        command.stdin(Stdio::null());
        Ok(command)
    }

    /// Reboots as an administrator would, and waits until it is up again.
    ///
    /// # Errors
    /// When it does not come back.
    pub fn reboot(&mut self) -> Result<()> {
        let before = self.boot_id();
        // The shell dies with the machine, so its exit code tells nothing.
        self.command("systemctl reboot")?.output().context("cannot run systemctl")?;
        self.await_up(before.as_deref())
    }

    /// Switches it off and has both file systems checked.
    ///
    /// # Errors
    /// When it does not go down, or e2fsck finds anything to mend.
    pub fn check_disks(&mut self) -> Result<()> {
        self.kill()?;
        for image in ["disk.img", "boot.img"] {
            let image = self.directory.join(image);
            self.await_released(&image)?;
            run(Command::new("e2fsck").args(["-f", "-n"]).arg(image))?;
        }
        Ok(())
    }

    /// The last process of a mount namespace is gone a moment before its mounts are.
    fn await_released(&self, image: &Path) -> Result<()> {
        let start = Instant::now();
        loop {
            let user = output(Command::new("losetup").arg("--associated").arg(image))?;
            if user.is_empty() {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                bail!("{} is still in use: {user}", image.display());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// SIGKILLs everything inside at once: a crash. The disks stay as they are.
    ///
    /// # Errors
    /// When processes cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        kill_cgroup(&self.cgroup)?;
        if let Some(mut supervisor) = self.supervisor.take() {
            supervisor.wait().context("cannot wait for the machine")?;
        }
        _ = fs::remove_file(self.directory.join("pid"));
        Ok(())
    }
}

/// Kills every process in the cgroups below `cgroup` until none is left, and removes them.
fn kill_cgroup(cgroup: &Path) -> Result<()> {
    let kill = cgroup.join("cgroup.kill");
    if kill.exists() {
        fs::write(&kill, "1").context("cannot kill the machine's cgroup")?;
    }
    let start = Instant::now();
    while cgroup.is_dir() {
        let mut left = 0;
        for entry in walkdir::WalkDir::new(cgroup).contents_first(true) {
            let Ok(entry) = entry else { continue };
            if !entry.file_type().is_dir() {
                continue;
            }
            let list = fs::read_to_string(entry.path().join("cgroup.procs")).unwrap_or_default();
            for pid in list.lines().filter_map(|line| line.parse::<i32>().ok()) {
                left += 1;
                if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                    // It may have ended by itself in between.
                    _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
            }
            // Busy as long as a process is in it.
            _ = fs::remove_dir(entry.path());
        }
        if start.elapsed() > PATIENCE {
            bail!("{left} processes of {} do not end", cgroup.display());
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

impl Drop for Vm {
    fn drop(&mut self) {
        // A machine that cannot be switched off shows in the list of cgroups; nobody can be told.
        _ = self.kill();
    }
}
