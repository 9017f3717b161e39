//! Confinement by bubblewrap: the arguments that make the sandbox of DESIGN "Scripts".
//!
//! Needs root and nothing of the kernel but namespaces: no user namespace is made, so uids
//! inside are the tree's own. Written for bubblewrap 0.8 (Debian 12) and later.

use crate::cgroup::Group;
use crate::room::{Network, Room};
use crate::spec::{Access, Program, Spec};
use crate::{Error, process, seccomp};
use rustix::fs::{MemfdFlags, memfd_create};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// A command that is ready to be spawned, and our ends of its pipes.
pub(crate) struct Prepared {
    pub(crate) command: Command,
    /// Its standard output and error.
    pub(crate) output: io::PipeReader,
    /// The account of what watches it inside: JSON documents, one a line.
    pub(crate) status: io::PipeReader,
    /// How people are told of this way of confinement.
    pub(crate) backend: &'static str,
    /// Ends the supervisor when it is dropped, where there is one (see `supervisor.rs`).
    pub(crate) lifeline: Option<io::PipeWriter>,
}

/// Kept of root's capabilities: what installing files takes, and nothing that reaches devices,
/// mounts, the network or other processes' memory.
const CAPABILITIES: [&str; 8] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
];

/// Where bubblewrap is looked for.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the script's text is inside: on the sandbox's own /run, so it never reaches the tree.
pub(crate) const SCRIPT: &str = "/run/cambium-script";

/// Bytes that may be written to the root itself, beside the tree's directories: it is memory,
/// and goes with the sandbox.
const TOP: &str = "1048576";

/// Parts of sys that programs look at (udev rules, systemd's virtualisation check).
const SYS: [&str; 5] = ["block", "bus", "class", "dev", "devices"];

/// The arguments under construction, with the descriptors that they name.
#[derive(Default)]
struct Arguments {
    list: Vec<OsString>,
    descriptors: Vec<OwnedFd>,
}

impl Arguments {
    fn add<T: Into<OsString>>(&mut self, list: impl IntoIterator<Item = T>) {
        self.list.extend(list.into_iter().map(Into::into));
    }

    /// Keeps a descriptor for the child and gives its number there, which is the one it has here.
    fn descriptor(&mut self, fd: OwnedFd) -> String {
        let number = fd.as_raw_fd().to_string();
        self.descriptors.push(fd);
        number
    }

    /// A file inside with this content, which lives in memory.
    fn data(&mut self, mode: &str, content: &[u8], target: &std::path::Path) -> io::Result<()> {
        let fd = self.descriptor(memory_file(content)?.into());
        self.add(["--perms", mode, "--ro-bind-data", &fd]);
        self.add([target]);
        Ok(())
    }
}

/// Builds the command for `spec`.
pub(crate) fn prepare(spec: &Spec) -> Result<Prepared, Error> {
    let start = |source| Error::Start { name: spec.name.clone(), source };
    let filters =
        seccomp::programs().map_err(|source| Error::Filter { name: spec.name.clone(), source })?;

    let room = Room::current();
    let network = room.as_ref().map_or(Network::OfTheProgram, |room| room.network);
    let mut arguments = Arguments::default();
    isolation(&mut arguments, network);
    mounts(&mut arguments, spec).map_err(start)?;
    environment(&mut arguments, spec);
    for filter in filters {
        let fd = arguments.descriptor(memory_file(&filter).map_err(start)?.into());
        arguments.add(["--add-seccomp-fd", &fd]);
    }
    let (status, status_writer) = io::pipe().map_err(start)?;
    let fd = arguments.descriptor(status_writer.into());
    arguments.add(["--json-status-fd", &fd]);
    arguments.add(["--"]);
    match &spec.program {
        Program::Script { interpreter, .. } => {
            arguments.add(interpreter);
            arguments.add([SCRIPT]);
        }
        Program::Command(path) => arguments.add([path]),
    }
    arguments.add(&spec.arguments);

    let (output, output_writer) = io::pipe().map_err(start)?;
    let mut command = Command::new("bwrap");
    command.args(&arguments.list).env_clear().process_group(0);
    command.env("PATH", PATH);
    command.stdin(match spec.stdin.as_slice() {
        [] => Stdio::null(),
        bytes => memory_file(bytes).map_err(start)?.into(),
    });
    command.stderr(output_writer.try_clone().map_err(start)?).stdout(output_writer);
    let doors = room.as_ref().and_then(|room| room.group.as_ref()).map(Group::doors).transpose();
    let doors = doors.map_err(start)?.unwrap_or_default();
    process::confine(&mut command, arguments.descriptors.into(), doors, spec.limits);
    Ok(Prepared { command, output, status, backend: "bubblewrap", lifeline: None })
}

/// Whether bubblewrap can do here what it is asked for. An error says what it, or the system, says.
pub(crate) fn probe() -> Result<(), String> {
    let mut arguments = Arguments::default();
    isolation(&mut arguments, Network::OfTheProgram);
    arguments.add(["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]);
    // Itself is the one program that is known to be there.
    arguments.add(["--", "bwrap", "--version"]);
    let mut command = Command::new("bwrap");
    command.args(&arguments.list).env_clear().env("PATH", PATH).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("bwrap: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().map_or_else(|| format!("bwrap: {}", output.status), str::to_owned))
}

fn isolation(arguments: &mut Arguments, network: Network) {
    arguments.add(["--unshare-pid", "--unshare-ipc", "--unshare-uts"]);
    if network == Network::OfTheProgram {
        arguments.add(["--unshare-net"]);
    }
    arguments.add(["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv"]);
    arguments.add(["--hostname", "localhost", "--cap-drop", "ALL"]);
    for capability in CAPABILITIES {
        arguments.add(["--cap-add", capability]);
    }
}

fn mounts(arguments: &mut Arguments, spec: &Spec) -> io::Result<()> {
    let root = &spec.root;
    let size = spec.limits.tmpfs.to_string();
    arguments.add(["--size", TOP, "--perms", "0755", "--tmpfs", "/"]);
    arguments.add(["--dev", "/dev", "--size", &size, "--perms", "1777", "--tmpfs", "/dev/shm"]);
    // Root may write many files of proc without any capability (sys, sysrq-trigger, scsi, fs), and
    // they are the whole machine's. Links to open files (self/fd) still lead to writable ones.
    arguments.add(["--proc", "/proc", "--remount-ro", "/proc"]);
    for name in SYS {
        let path = format!("/sys/{name}");
        arguments.add(["--ro-bind-try", &path, &path]);
    }
    arguments.add(["--size", &size, "--perms", "0755", "--tmpfs", "/run"]);
    arguments.add(["--size", &size, "--perms", "1777", "--tmpfs", "/tmp"]);
    for (source, target) in [(&root.usr, "/usr"), (&root.etc, "/etc"), (&root.var, "/var")] {
        arguments.add(["--bind".into(), source.clone().into_os_string(), target.into()]);
    }
    for (name, target) in &root.links {
        arguments.add(["--symlink", target, &format!("/{name}")]);
    }
    // Scripts ask for this file to learn that the system is an image (surface §2.4).
    arguments.data("0644", b"", "/run/ostree-booted".as_ref())?;
    for bind in &root.binds {
        let option = match bind.access {
            Access::ReadOnly => "--ro-bind",
            Access::ReadWrite => "--bind",
        };
        arguments.add([option.as_ref(), bind.source.as_os_str(), bind.target.as_os_str()]);
    }
    for path in &root.masked {
        arguments.add(["--size", "4096", "--perms", "0555", "--tmpfs"]);
        arguments.add([path]);
        arguments.add(["--remount-ro".as_ref(), path.as_os_str()]);
    }
    for replacement in &root.replaced {
        arguments.data("0755", &replacement.content, &replacement.target)?;
    }
    if let Program::Script { text, .. } = &spec.program {
        arguments.data("0500", text, SCRIPT.as_ref())?;
    }
    arguments.add(["--chdir", "/"]);
    Ok(())
}

/// The environment before what a program's own adds.
pub(crate) const ENVIRONMENT: [(&str, &str); 4] =
    [("PATH", "/usr/sbin:/usr/bin"), ("HOME", "/"), ("LANG", "C.UTF-8"), ("SYSTEMD_OFFLINE", "1")];

fn environment(arguments: &mut Arguments, spec: &Spec) {
    for (key, value) in ENVIRONMENT {
        arguments.add(["--setenv", key, value]);
    }
    for (key, value) in &spec.environment {
        arguments.add(["--setenv", key, value]);
    }
}

/// A file that exists only in memory, read from its start.
pub(crate) fn memory_file(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("cambium-sandbox", MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

/// Reads what is left of a pipe whose writers are gone, for short texts.
pub(crate) fn rest(reader: &mut io::PipeReader) -> io::Result<String> {
    let mut bytes = Vec::new();
    reader.take(64 << 10).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
