//! The witness: a small file beside the database that names the last acknowledged record.
//!
//! sled takes a file that was cut for one that a crash left, and silently goes on with fewer
//! records. The witness is written after the database is durable and before an append returns, so
//! a database that holds less than it says has lost something. Two slots on pages of their own are
//! written in turn: a torn write leaves the other one.

use crate::error::Error;
use crate::hash::RecordHash;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The distance of the slots: no disk in use tears two of these at once.
const PAGE: u64 = 4096;
const MAGIC: &[u8; 8] = b"CTXLWIT1";
const SLOT: usize = 8 + 8 + 32 + 4;
const NAME: &str = "witness";

/// A record by number and hash; number 0 is the beginning of an empty log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) number: u64,
    pub(crate) hash: RecordHash,
}

impl Head {
    /// Before the first record.
    pub(crate) const EMPTY: Self = Self { number: 0, hash: RecordHash::NONE };
}

#[derive(Debug)]
pub(crate) struct Witness {
    path: PathBuf,
    file: File,
}

/// What a log's directory holds of a witness.
#[derive(Debug)]
pub(crate) enum Found {
    /// None: the log is new, or its witness was removed.
    Nothing,
    /// A file without one readable slot.
    Unreadable,
    /// The newest readable slot.
    Read(Witness, Head),
}

impl Witness {
    /// Makes one that has seen `head`, durably, under its name or not at all.
    pub(crate) fn create(dir: &Path, head: Head) -> Result<Self, Error> {
        let path = dir.join(NAME);
        let temporary = dir.join("witness.new");
        let failed = |source| Error::Open { path: path.clone(), source };
        let mut bytes = vec![0; PAGE as usize * 2];
        let at = offset(head.number) as usize;
        bytes[at..at + SLOT].copy_from_slice(&encode(head));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&temporary).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&temporary, &path).map_err(failed)?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
        Ok(Self { path, file })
    }

    /// Reads the one in `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Found, Error> {
        let path = dir.join(NAME);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(source) => return Err(Error::Open { path, source }),
        };
        let mut newest: Option<Head> = None;
        for slot in [0, PAGE] {
            let mut bytes = [0; SLOT];
            match file.read_exact_at(&mut bytes, slot) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                Err(source) => return Err(Error::Open { path, source }),
            }
            let head = decode(&bytes);
            if head.map(|head| head.number) > newest.map(|head| head.number) {
                newest = head;
            }
        }
        Ok(newest.map_or(Found::Unreadable, |head| Found::Read(Self { path, file }, head)))
    }

    /// Takes `head` down, durably.
    pub(crate) fn see(&self, head: Head) -> Result<(), Error> {
        let written = self.file.write_all_at(&encode(head), offset(head.number));
        written
            .and_then(|()| self.file.sync_data())
            .map_err(|source| Error::Sync { path: self.path.clone(), source })
    }
}

fn offset(number: u64) -> u64 {
    number % 2 * PAGE
}

fn encode(head: Head) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..8].copy_from_slice(MAGIC);
    slot[8..16].copy_from_slice(&head.number.to_be_bytes());
    slot[16..48].copy_from_slice(&head.hash.0);
    let crc = crc32fast::hash(&slot[..48]);
    slot[48..].copy_from_slice(&crc.to_be_bytes());
    slot
}

fn decode(slot: &[u8; SLOT]) -> Option<Head> {
    let (body, crc) = slot.split_last_chunk::<4>()?;
    if crc32fast::hash(body) != u32::from_be_bytes(*crc) {
        return None;
    }
    let (number, hash) = body.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
    Some(Head { number: u64::from_be_bytes(*number), hash: RecordHash(hash.try_into().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(number: u64) -> Head {
        Head { number, hash: RecordHash::of(&number.to_be_bytes()) }
    }

    fn read(dir: &Path) -> Option<Head> {
        match Witness::open(dir).unwrap() {
            Found::Read(_, head) => Some(head),
            Found::Nothing | Found::Unreadable => None,
        }
    }

    #[test]
    fn the_newest_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Witness::open(dir.path()), Ok(Found::Nothing)));
        let witness = Witness::create(dir.path(), Head::EMPTY).unwrap();
        assert_eq!(read(dir.path()), Some(Head::EMPTY));
        for number in 1..6 {
            witness.see(head(number)).unwrap();
            assert_eq!(read(dir.path()), Some(head(number)));
        }
    }

    #[test]
    fn a_torn_write_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let witness = Witness::create(dir.path(), head(7)).unwrap();
        for torn in 1..SLOT {
            let slot = encode(head(8));
            witness.file.write_all_at(&slot[..torn], offset(8)).unwrap();
            assert_eq!(read(dir.path()), Some(head(7)), "{torn} bytes");
        }
    }

    #[test]
    fn without_a_readable_slot_it_is_unreadable() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), b"short").unwrap();
        assert!(matches!(Witness::open(dir.path()), Ok(Found::Unreadable)));
    }
}
