//! Opening: the lock, the directories, the check of everything, and moving a damaged log aside.

use crate::error::Error;
use crate::index::Index;
use crate::log::{Log, Retention};
use crate::store::{self, Store};
use crate::verify::{BrokenAt, Chain, Defect};
use crate::witness::{Found, Head, Witness};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// A log that is open, and what was found.
#[derive(Debug)]
pub enum Opened {
    /// There was none, or nothing was ever written to it: the caller notes the deployments that are
    /// there.
    Fresh(Log),
    /// Every acknowledged record is there and whole.
    Intact(Log),
    /// It was damaged and is moved aside; this one is empty. The caller notes the deployments and
    /// recovers as if a transaction had been interrupted in its last phase.
    Rebuilt {
        /// The new log.
        log: Log,
        /// Where the damaged one is now.
        aside: PathBuf,
        /// What was wrong with it.
        why: String,
    },
}

impl Opened {
    /// The log, whatever was found.
    #[must_use]
    pub fn into_log(self) -> Log {
        match self {
            Self::Fresh(log) | Self::Intact(log) | Self::Rebuilt { log, .. } => log,
        }
    }
}

/// What an attempt to open found.
enum Attempt {
    Open(Box<Parts>),
    Damaged(String),
}

pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) witness: Witness,
    pub(crate) index: Index,
    pub(crate) head: Head,
}

/// Opens the log in `dir`, making it where it is not there.
pub(crate) fn open(dir: &Path, retention: Retention) -> Result<Opened, Error> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    create_directories(parent)?;
    let lock = lock(&beside(dir, ".lock"))?;
    await_closed(&dir.join("db"))?;
    create_directories(dir)?;
    match attempt(dir)? {
        Attempt::Open(parts) => {
            // Not whether the directory was there: its creation may have been cut short.
            let fresh = parts.head == Head::EMPTY;
            let log = Log::new(*parts, lock, retention);
            Ok(if fresh { Opened::Fresh(log) } else { Opened::Intact(log) })
        }
        Attempt::Damaged(why) => {
            let aside = move_aside(dir, parent)?;
            tracing::error!(log = %dir.display(), aside = %aside.display(), why, "damaged log");
            create_directories(dir)?;
            match attempt(dir)? {
                Attempt::Open(parts) => {
                    Ok(Opened::Rebuilt { log: Log::new(*parts, lock, retention), aside, why })
                }
                Attempt::Damaged(why) => {
                    let source = io::Error::other(why);
                    Err(Error::Open { path: dir.to_owned(), source })
                }
            }
        }
    }
}

/// One try: a panic of sled and whatever means damage is an answer, the rest an error.
fn attempt(dir: &Path) -> Result<Attempt, Error> {
    match catch_unwind(AssertUnwindSafe(|| load(dir))) {
        Ok(Ok(Ok(parts))) => Ok(Attempt::Open(Box::new(parts))),
        Ok(Ok(Err(broken))) => {
            Ok(Attempt::Damaged(format!("record {}: {}", broken.record, broken.defect)))
        }
        Ok(Err(Error::Database { source, .. })) if means_damage(&source) => {
            Ok(Attempt::Damaged(format!("the database cannot be read: {source}")))
        }
        Ok(Err(error)) => Err(error),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panic");
            Ok(Attempt::Damaged(format!("the database cannot be read: {text}")))
        }
    }
}

/// Whether an error of sled says that the files are bad, rather than that the system cannot serve
/// them now (a full disk, a lack of memory or permission). A sector that cannot be read is bad.
fn means_damage(error: &sled::Error) -> bool {
    match error {
        sled::Error::Io(error) => {
            error.raw_os_error().is_none_or(|code| code == Errno::IO.raw_os_error())
        }
        _ => true,
    }
}

/// Reads and checks everything.
fn load(dir: &Path) -> Result<Result<Parts, BrokenAt>, Error> {
    let found = Witness::open(dir)?;
    let store = Store::open(dir)?;
    let anchor = match store.anchor()? {
        Ok(anchor) => anchor,
        Err(broken) => return Ok(Err(broken)),
    };
    let (seen, witness) = match found {
        Found::Nothing => (None, None),
        Found::Unreadable => {
            let why = "the witness of the last record cannot be read".to_owned();
            return Ok(Err(BrokenAt { record: 0, defect: Defect::Frame(why) }));
        }
        Found::Read(witness, head) => (Some(head), Some(witness)),
    };
    let mut index = Index::default();
    let mut chain = Chain::after(anchor);
    // An anchor is only written behind kept records, so the witness is never before it.
    let mut matched = seen == Some(Head::EMPTY) || seen == Some(anchor);
    let read = store.each(&mut chain, |chain, frame| {
        let (number, decoded) = chain.follow(frame)?;
        index.take(number, &decoded);
        matched |= seen == Some(chain.head());
        Ok(())
    })?;
    if let Err(broken) = read {
        return Ok(Err(broken));
    }
    let head = chain.head();
    let witness = match (witness, seen) {
        (Some(_), Some(seen)) if seen.number > head.number => {
            return Ok(Err(chain.broken(Defect::Missing { found: None })));
        }
        (Some(_), Some(seen)) if !matched => {
            return Ok(Err(BrokenAt { record: seen.number, defect: Defect::Head }));
        }
        (Some(witness), Some(seen)) => {
            // A record beyond the witness was never acknowledged but is whole: it counts from now.
            if seen != head {
                witness.see(head)?;
            }
            witness
        }
        // A creation that was cut short has no witness and no records yet.
        _ if head == Head::EMPTY => Witness::create(dir, head)?,
        _ => {
            let why = "the witness of the last record is gone".to_owned();
            return Ok(Err(BrokenAt { record: head.number, defect: Defect::Frame(why) }));
        }
    };
    Ok(Ok(Parts { store, witness, index, head }))
}

/// Makes `dir` and what is missing above it, each name durable in its parent.
fn create_directories(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    create_directories(parent)?;
    fs::create_dir(dir).map_err(|source| Error::Open { path: dir.to_owned(), source })?;
    store::sync(dir)?;
    store::sync(parent)?;
    Ok(())
}

/// `dir` with `suffix` after its name.
fn beside(dir: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(dir.as_os_str());
    path.push(suffix);
    PathBuf::from(path)
}

/// Takes the lock that keeps a second process out. It lies beside the log, so that it holds while
/// the log is moved aside.
fn lock(path: &Path) -> Result<File, Error> {
    let failed = |source| Error::Open { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path).map_err(failed)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(Error::Locked { path: path.to_owned() }),
        Err(errno) => Err(failed(errno.into())),
    }
}

/// Waits until threads of a sled that this process has dropped let go of their file. They do so a
/// moment after the drop, and sled answers with an error that looks like damage until then. No
/// other process can be meant: ours is the lock.
fn await_closed(database: &Path) -> Result<(), Error> {
    let failed = |source| Error::Open { path: database.to_owned(), source };
    match File::open(database) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => rustix::fs::flock(opened.map_err(failed)?, FlockOperation::LockExclusive)
            .map_err(|errno| failed(errno.into())),
    }
}

/// Renames `dir` to the first free `DIR.damaged-N`, durably.
fn move_aside(dir: &Path, parent: &Path) -> Result<PathBuf, Error> {
    let mut number = 1_u32;
    loop {
        let aside = beside(dir, &format!(".damaged-{number}"));
        if !aside.exists() {
            fs::rename(dir, &aside)
                .map_err(|source| Error::Open { path: aside.clone(), source })?;
            store::sync(parent)?;
            return Ok(aside);
        }
        number += 1;
    }
}
