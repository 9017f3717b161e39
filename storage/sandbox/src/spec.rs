//! What is asked of the sandbox and what comes of it: plain data.

use std::path::PathBuf;
use std::time::Duration;

/// One program to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// How people are told of it: `pkg.post`.
    pub name: String,
    /// By what it is confined: what `Backend::probe` found, or what a caller insists on.
    pub confinement: Confinement,
    /// The tree that it sees.
    pub root: Root,
    /// What runs.
    pub program: Program,
    /// Its arguments, after the script's path for a script.
    pub arguments: Vec<String>,
    /// Its standard input; empty for none.
    pub stdin: Vec<u8>,
    /// Added to the clean environment (`PATH`, `HOME`, `LANG`, `SYSTEMD_OFFLINE`).
    pub environment: Vec<(String, String)>,
    /// Bounds.
    pub limits: Limits,
}

/// By what a program is kept from everything that is not its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// bubblewrap: namespaces and mounts.
    Namespaces,
    /// chroot(), where neither namespaces nor mounts are to be had. While the program runs, `usr`
    /// and `var` of its [`Root`] are moved into a directory beside them.
    Chroot,
}

/// What runs inside.
#[derive(Debug, Clone)]
pub enum Program {
    /// A text given to an interpreter as a file that exists only inside.
    Script {
        /// The interpreter with its options: `/bin/sh`, or `/usr/bin/perl -w`.
        interpreter: Vec<String>,
        /// The text, as the package holds it.
        text: Vec<u8>,
    },
    /// A program of the tree.
    Command(PathBuf),
}

/// The tree as the program sees it. Paths on the left are the caller's, inside they appear under
/// their usual names.
#[derive(Debug, Clone, Default)]
pub struct Root {
    /// Shown as `/usr`.
    pub usr: PathBuf,
    /// Shown as `/etc`: the tree's `usr/etc`.
    pub etc: PathBuf,
    /// Shown as `/var`.
    pub var: PathBuf,
    /// Symbolic links at the top, name and target: `("bin", "usr/bin")`.
    pub links: Vec<(String, String)>,
    /// Files and directories shown besides.
    pub binds: Vec<Bind>,
    /// Directories, absolute and existing inside, shown empty and read-only.
    pub masked: Vec<PathBuf>,
    /// Files, absolute and existing inside, shown with another content.
    pub replaced: Vec<Replacement>,
    /// Directories of the caller's that hold what programs write and nothing else (an overlay's
    /// upper layer, a new /var): see [`Limits::disk`].
    pub written: Vec<PathBuf>,
}

/// A file or directory of the host shown inside.
#[derive(Debug, Clone)]
pub struct Bind {
    /// Where it is.
    pub source: PathBuf,
    /// Where it appears; must exist, or lie below /run or /tmp.
    pub target: PathBuf,
    /// Whether it can be written.
    pub access: Access,
}

/// Whether something may be written inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

/// A file whose content is another while the program runs.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// Its path inside.
    pub target: PathBuf,
    /// What it holds, with mode 0755 and owner root.
    pub content: Vec<u8>,
}

/// Bounds on a program. One that passes them is killed with all that it started, or refused
/// what it wants by the kernel (`file`, `descriptors`, `tmpfs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time; then it is killed.
    pub time: Duration,
    /// Bytes of output that are kept, counted from its end.
    pub output: usize,
    /// Bytes for each of /tmp, /run and /dev/shm.
    pub tmpfs: u64,
    /// Largest file that it may write, in bytes.
    pub file: u64,
    /// Open file descriptors.
    pub descriptors: u64,
    /// Processes and threads at a time.
    pub processes: u64,
    /// Bytes of memory, /tmp, /run and /dev/shm included, where a control group can be had
    /// (see `cgroup.rs`); elsewhere nothing bounds it but the machine's memory.
    pub memory: u64,
    /// Bytes that the file systems may lose while it runs, or that [`Root::written`] holds.
    pub disk: u64,
    /// As `disk`, counted in files.
    pub files: u64,
}

impl Default for Limits {
    /// Ten minutes covers the slowest scriptlets known (building a font or locale cache on a
    /// loaded machine takes one to two); 16 KiB of output is more than anyone reads. A compressor
    /// starts a thread for each processor and takes some 200 MiB in each.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(600),
            output: 16 << 10,
            tmpfs: 1 << 30,
            file: 8 << 30,
            descriptors: 4096,
            processes: 4096,
            memory: 4 << 30,
            disk: 8 << 30,
            files: 1_000_000,
        }
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this exit status.
    Exited(i32),
    /// By this signal. bubblewrap, like a shell, passes a death by signal N on as status 128+N,
    /// so a program that exits with such a status by itself is read as killed too.
    Signalled(i32),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Signalled(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "killed by signal {signal} ({name})"),
                None => write!(f, "killed by signal {signal}"),
            },
        }
    }
}

/// The signals that end scripts in practice, with what sent them here.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGHUP => "SIGHUP",
        libc::SIGILL => "SIGILL",
        libc::SIGINT => "SIGINT",
        libc::SIGKILL => "SIGKILL",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGSYS => "SIGSYS: a system call of another architecture",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ: a file became too large",
        _ => return None,
    })
}

/// What came of a program that was run to its end.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// The end of its standard output and error, in the order of writing.
    pub output: String,
    /// Bytes of output before that, which were dropped.
    pub dropped: u64,
    /// From start to end.
    pub elapsed: Duration,
    /// What confined it: `bubblewrap`.
    pub backend: &'static str,
}

impl Outcome {
    /// Whether it exited with status 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.ended == Ended::Exited(0)
    }
}
