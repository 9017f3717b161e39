//! Confinement by chroot(): where neither namespaces nor mounts are to be had, as in a container
//! with Docker's default permissions.
//!
//! What bubblewrap does by mounts is done by names here ([`view`]), devices are made by mknod(),
//! and a supervisor stands in for the pid namespace (`supervisor.rs`). The filter of system calls,
//! limits, capabilities, environment and session are those of bubblewrap. What is missing: /proc
//! and /sys are empty, /tmp and /run have no size of their own, no file can be shown read-only
//! (what a script should not change is a copy), and on kernels before 6.12 a script can signal
//! processes that are not its own.
//!
//! The tree must be a copy that nobody else holds: a script can write every inode that it sees.

mod view;

pub(crate) use view::View;

use crate::bubblewrap::{ENVIRONMENT, Prepared, SCRIPT, memory_file};
use crate::child::GRACE;
use crate::process::Chroot;
use crate::spec::{Access, Bind, Program, Spec};
use crate::{Error, process, seccomp};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, chmodat, makedev, mkdirat, mknodat, openat,
    readlinkat, statat, symlinkat,
};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, kill_process, pidfd_open};
use rustix::thread::{CapabilitySet, capabilities};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// As bubblewrap's list (see there).
const CAPABILITIES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP);

/// Directories of the root and their modes. /proc and /sys are for programs that ask whether
/// there is one.
const DIRECTORIES: [(&str, u32); 6] = [
    ("dev", 0o755),
    ("dev/shm", 0o1777),
    ("proc", 0o555),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
];

/// Device nodes with the kernel's numbers (Documentation/admin-guide/devices.txt).
const DEVICES: [(&str, u32, u32); 6] = [
    ("dev/null", 1, 3),
    ("dev/zero", 1, 5),
    ("dev/full", 1, 7),
    ("dev/random", 1, 8),
    ("dev/urandom", 1, 9),
    ("dev/tty", 5, 0),
];

/// A named pipe, so that a script can open its output again by this name as it is used to.
const OUTPUT: &str = "dev/stdout";

/// Arranges the root of `spec` and builds its command. The view must be left when it has ended.
pub(crate) fn prepare(spec: &Spec) -> Result<(Prepared, View), Error> {
    let start = |source| Error::Start { name: spec.name.clone(), source };
    let filter = |source| Error::Filter { name: spec.name.clone(), source };
    let mut filters = seccomp::programs().map_err(filter)?;
    filters.push(seccomp::without_namespaces().map_err(filter)?);

    let mut view = View::enter(top(spec)?)?;
    let output = lay_out(&mut view, spec)?;
    let output_writer = open_output(&view, OFlags::WRONLY)?;
    let (status, status_writer) = io::pipe().map_err(start)?;
    let (lifeline_reader, lifeline) = io::pipe().map_err(start)?;

    let mut command = match &spec.program {
        Program::Script { interpreter, .. } => {
            let mut words = interpreter.iter();
            let mut command = Command::new(words.next().map_or("/bin/sh", String::as_str));
            command.args(words).arg(SCRIPT);
            command
        }
        Program::Command(path) => Command::new(path),
    };
    command.args(&spec.arguments).env_clear().envs(ENVIRONMENT).process_group(0);
    // A shell would say PWD by itself; bubblewrap says it for every program.
    command.env("PWD", "/");
    command.envs(spec.environment.iter().map(|(key, value)| (key, value)));
    command.stdin(match spec.stdin.as_slice() {
        [] => Stdio::null(),
        bytes => memory_file(bytes).map_err(start)?.into(),
    });
    command.stderr(output_writer.try_clone().map_err(start)?).stdout(output_writer);
    process::confine(&mut command, Vec::new().into(), Vec::new(), spec.limits);
    let ours = capabilities(None).map_err(|error| start(error.into()))?.permitted;
    let chroot = Chroot {
        root: view.inside().try_clone().map_err(start)?,
        capabilities: CAPABILITIES & ours,
        filters,
        lifeline: lifeline_reader.into(),
        status: status_writer.into(),
    };
    process::supervise_in_chroot(&mut command, chroot);
    let output = io::PipeReader::from(OwnedFd::from(output));
    let lifeline = Some(lifeline);
    Ok((Prepared { command, output, status, backend: "chroot", lifeline }, view))
}

/// The directory that holds the tree: without mounts all of it must be in one.
fn top(spec: &Spec) -> Result<&Path, Error> {
    let root = &spec.root;
    let top = root.usr.parent().filter(|top| {
        root.usr == top.join("usr")
            && root.etc == top.join("usr/etc")
            && root.var == top.join("var")
    });
    top.ok_or_else(|| Error::Setup {
        name: spec.name.clone(),
        output: format!("{} is not usr of a tree with usr/etc and var", root.usr.display()),
    })
}

/// Fills the new root; gives the reading end of its output.
fn lay_out(view: &mut View, spec: &Spec) -> Result<File, Error> {
    let inside = |path: &str| Place { view, path: path.to_owned() };
    for (path, mode) in DIRECTORIES {
        inside(path).directory(mode)?;
    }
    for (path, major, minor) in DEVICES {
        inside(path).node(FileType::CharacterDevice, makedev(major, minor))?;
    }
    inside(OUTPUT).node(FileType::Fifo, 0)?;
    inside("dev/stderr").link("stdout")?;
    match spec.stdin.as_slice() {
        [] => inside("dev/stdin").link("null")?,
        bytes => inside("dev/stdin").file(bytes, 0o644)?,
    }
    for (name, target) in &spec.root.links {
        inside(name).link(target)?;
    }
    // Scripts ask for this file to learn that the system is an image (surface §2.4).
    inside("run/ostree-booted").file(b"", 0o644)?;
    if let Program::Script { text, .. } = &spec.program {
        inside(SCRIPT).file(text, 0o500)?;
    }
    for bind in &spec.root.binds {
        show(view, spec, bind)?;
    }
    for path in &spec.root.masked {
        let path = text(spec, path)?;
        view.put_aside(&path)?;
        Place { view, path }.directory(0o555)?;
    }
    for replacement in &spec.root.replaced {
        let path = text(spec, &replacement.target)?;
        view.put_aside(&path)?;
        Place { view, path }.file(&replacement.content, 0o755)?;
    }
    open_output(view, OFlags::RDONLY | OFlags::NONBLOCK)
}

/// A file or a directory to read is shown as a copy, a directory to write in is moved here for
/// the while.
fn show(view: &mut View, spec: &Spec, bind: &Bind) -> Result<(), Error> {
    let target = text(spec, &bind.target)?;
    parents(view, &target)?;
    if bind.access == Access::ReadWrite {
        return view.show(&bind.source, &target);
    }
    let failed = |error: Errno| shown("open", &bind.source)(error.into());
    // What is in the tree has moved with it.
    let (place, name) = match bind.source.strip_prefix(&spec.root.usr) {
        Ok(rest) => view.parent(&format!("usr/{}", text(spec, rest)?))?,
        Err(_) => {
            let directory = bind.source.parent().unwrap_or(Path::new("/"));
            let name = bind.source.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            (rustix::fs::open(directory, flags, Mode::empty()).map_err(failed)?, name)
        }
    };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let source = openat(&place, name.as_str(), flags, Mode::empty()).map_err(failed)?;
    copy(view, source.into(), &bind.source, target)
}

/// Makes the directories on the way to `path`, as bubblewrap does on /run.
fn parents(view: &View, path: &str) -> Result<(), Error> {
    for (at, _) in path.match_indices('/') {
        let path = path[..at].to_owned();
        let (directory, name) = view.parent(&path)?;
        if statat(&directory, name.as_str(), AtFlags::SYMLINK_NOFOLLOW).is_err() {
            Place { view, path }.directory(0o755)?;
        }
    }
    Ok(())
}

/// Copies an open file, or an open directory with all of its files, to `target` inside.
fn copy(view: &View, mut source: File, from: &Path, target: String) -> Result<(), Error> {
    let metadata = source.metadata().map_err(shown("stat", from))?;
    let mode = metadata.mode() & 0o7777;
    if metadata.is_file() {
        let mut copy = Place { view, path: target }.create(mode)?;
        return io::copy(&mut source, &mut copy).map(drop).map_err(shown("copy", from));
    }
    if !metadata.is_dir() {
        let error = io::Error::from(io::ErrorKind::Unsupported);
        return Err(shown("show without mounts", from)(error));
    }
    let failed = |error: Errno| shown("list", from)(error.into());
    Place { view, path: target.clone() }.directory(mode)?;
    for entry in Dir::read_from(&source).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if matches!(name.as_str(), "." | "..") {
            continue;
        }
        let (from, target) = (from.join(&name), format!("{target}/{name}"));
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(&source, name.as_str(), flags, Mode::empty()) {
            Ok(file) => copy(view, file.into(), &from, target)?,
            Err(Errno::LOOP) => {
                let link = readlinkat(&source, name.as_str(), Vec::new())
                    .map_err(|error| shown("read", &from)(error.into()))?;
                Place { view, path: target }.link(&link.to_string_lossy())?;
            }
            Err(error) => return Err(shown("open", &from)(error.into())),
        }
    }
    Ok(())
}

fn shown(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Layout { what, path, source }
}

fn open_output(view: &View, flags: OFlags) -> Result<File, Error> {
    let opened = openat(view.inside(), OUTPUT, flags | OFlags::CLOEXEC, Mode::empty());
    opened.map(File::from).map_err(|error| Error::Layout {
        what: "open",
        path: OUTPUT.into(),
        source: error.into(),
    })
}

fn text(spec: &Spec, path: &Path) -> Result<String, Error> {
    path.to_str().map(|text| text.trim_start_matches('/').to_owned()).ok_or_else(|| Error::Setup {
        name: spec.name.clone(),
        output: format!("{} is not UTF-8", path.display()),
    })
}

/// A path inside where something is to be made.
struct Place<'a> {
    view: &'a View,
    path: String,
}

impl Place<'_> {
    fn failed(&self) -> impl Fn(Errno) -> Error {
        let path = PathBuf::from("/").join(&self.path);
        move |error| Error::Layout { what: "create", path: path.clone(), source: error.into() }
    }

    /// The mode is set apart, so that our umask does not count.
    fn set_mode(&self, at: &OwnedFd, name: &str, mode: u32) -> Result<(), Error> {
        chmodat(at, name, Mode::from_raw_mode(mode), AtFlags::empty()).map_err(self.failed())
    }

    fn directory(&self, mode: u32) -> Result<(), Error> {
        let (at, name) = self.view.parent(&self.path)?;
        mkdirat(&at, name.as_str(), Mode::RWXU).map_err(self.failed())?;
        self.set_mode(&at, &name, mode)
    }

    fn node(&self, kind: FileType, device: u64) -> Result<(), Error> {
        let (at, name) = self.view.parent(&self.path)?;
        mknodat(&at, name.as_str(), kind, Mode::RUSR, device).map_err(self.failed())?;
        self.set_mode(&at, &name, 0o666)
    }

    fn link(&self, target: &str) -> Result<(), Error> {
        let (at, name) = self.view.parent(&self.path)?;
        symlinkat(target, &at, name).map_err(self.failed())
    }

    fn create(&self, mode: u32) -> Result<File, Error> {
        let (at, name) = self.view.parent(&self.path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&at, name.as_str(), flags, Mode::RUSR | Mode::WUSR);
        let file = file.map_err(self.failed())?;
        self.set_mode(&at, &name, mode)?;
        Ok(file.into())
    }

    fn file(&self, content: &[u8], mode: u32) -> Result<(), Error> {
        let written = self.create(mode)?.write_all(content);
        let path = PathBuf::from("/").join(&self.path);
        written.map_err(|source| Error::Layout { what: "write", path, source })
    }
}

/// Whether a program can be run this way with a tree below `directory`: tried, not guessed.
/// An error says what is denied.
pub(crate) fn probe(directory: &Path) -> Result<(), String> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| format!("{what}: {error}")
    };
    let place = tempfile::Builder::new().prefix("cambium-").tempdir_in(directory);
    let place = place.map_err(failed("no directory to try in"))?;
    let null = place.path().join("null");
    mknodat(CWD, &null, FileType::CharacterDevice, Mode::RUSR | Mode::WUSR, makedev(1, 3))
        .map_err(|error| format!("mknod: {error}"))?;
    File::options().write(true).open(&null).map_err(failed("a device made by mknod"))?;
    // The supervisor finds by it what a script leaves.
    let children = Path::new("/proc/thread-self/children");
    File::open(children).map_err(failed("/proc/thread-self/children"))?;
    pidfd_open(getpid(), PidfdFlags::empty()).map_err(|error| format!("pidfd_open: {error}"))?;
    let mut command = Command::new("/nothing");
    let (lifeline, _ours) = io::pipe().map_err(failed("pipe"))?;
    let (_reader, status) = io::pipe().map_err(failed("pipe"))?;
    let root = File::open(place.path()).map_err(failed("the directory"))?;
    let ours = capabilities(None).map_err(|error| format!("capget: {error}"))?.permitted;
    let chroot = Chroot {
        root: root.into(),
        capabilities: CAPABILITIES & ours,
        filters: seccomp::programs().map_err(|error| error.to_string())?,
        lifeline: lifeline.into(),
        status: status.into(),
    };
    process::supervise_in_chroot(&mut command, chroot);
    // There is no program in an empty root; not to find it there is what was to be shown.
    match command.spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("chroot: {error}")),
        Ok(_) => Err("chroot: an empty directory holds a program".to_owned()),
    }
}

/// Kills what is still in the chroot after its supervisor was killed, as far as it is found:
/// processes of other users hide their root from us.
pub(crate) fn kill_rest(view: &View) {
    let identity = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    let fd = std::os::fd::AsRawFd::as_raw_fd(view.inside());
    let Some(inside) = identity(Path::new(&format!("/proc/self/fd/{fd}"))) else { return };
    let deadline = Instant::now() + GRACE;
    let mut any = true;
    while any && Instant::now() < deadline {
        any = false;
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(pid) = pid.and_then(Pid::from_raw) else { continue };
            if identity(&entry.path().join("root")) == Some(inside) {
                any |= kill_process(pid, Signal::KILL).is_ok();
            }
        }
    }
}

#[cfg(test)]
mod tests;
