//! Cuts of power, block by block: every write of a mounted file system is recorded, and any
//! state that a disk could be left in is built from the record and mounted.
//!
//! Owns: the recorded disk ([`Disk`], [`Recorder`]), the record ([`WriteLog`]), the states it
//! allows ([`Replay`], [`Cut`]), and the namespaces that all of it happens in ([`alone()`]). What is
//! done on the disk and what must hold afterwards is the test's.
//!
//! The path of a write: ext4 → loop device → FUSE export of qemu-storage-daemon → its
//! `blklogwrites` filter, which writes data to an image and the order of everything to a log in
//! the format of dm-log-writes. No kernel module is needed. A disk promises that what was written
//! before a completed flush is there; of later writes any part may be. So a cut is either a
//! prefix of the log (a disk without a volatile cache) or the writes up to the last flush and a
//! chosen few of those behind it, some torn (one with such a cache).
//!
//! How many cuts a test looks at: [`Sample::from_environment`]. To look longer:
//! `CAMBIUM_POWERCUT_POINTS=500 cargo nextest run -p cambium-integration powercut`, with `all`
//! for every write; `CAMBIUM_POWERCUT_SEED=N` chooses others. A failure names the cut and the
//! seed, which give the same picks again; the log itself is recorded anew by each run.

mod alone;
mod disk;
mod log;
mod replay;

pub use alone::alone;
pub use disk::{Disk, Mounted, Recorder};
pub use log::{Entry, WriteLog, position};
pub use replay::{Cut, Replay, Sample};
