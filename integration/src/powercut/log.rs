//! Reading a log in the format of dm-log-writes, as qemu's `blklogwrites` makes it.
//!
//! Source: Linux, drivers/md/dm-log-writes.c. All integers are little-endian. The first sector
//! has the magic number, the version, the number of entries (64 bits each) and the sector size (32
//! bits). Each entry is a sector with the first sector written, their count, flags and the length
//! of a mark (64 bits each), and then the sectors themselves, unless they were discarded.

use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
/// What the entries' sectors are counted in; also what we ask qemu for.
pub(super) const SECTOR: u64 = 512;
/// What was written before is durable before this entry's own data is written.
const FLUSH: u64 = 1;
/// This entry's data is durable itself.
const FUA: u64 = 2;
const DISCARD: u64 = 4;

/// One write or flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Where on the disk, in bytes.
    pub at: u64,
    /// How many bytes; 0 for a flush alone.
    pub length: u64,
    flags: u64,
    /// Where in the log its bytes are.
    data: u64,
}

impl Entry {
    /// Whether everything before this entry is durable once it is done.
    #[must_use]
    pub fn flushes(&self) -> bool {
        self.flags & FLUSH != 0
    }

    /// Whether it is durable by itself.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.flags & FUA != 0
    }
}

/// A log with its entries in the order in which the disk completed them.
#[derive(Debug)]
pub struct WriteLog {
    file: File,
    entries: Vec<Entry>,
}

impl WriteLog {
    /// Reads all entries; their bytes stay in the file.
    ///
    /// # Errors
    /// When the file is no such log or ends early.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let count = header(&file)?;
        let size = file.metadata()?.len();
        let mut entries = Vec::new();
        let mut at = SECTOR;
        for number in 0..count {
            let words = words::<4>(&file, at)?;
            let [sector, sectors, flags, _] = words;
            let length = sectors.checked_mul(SECTOR).context("an entry of the log is too long")?;
            let data = at + SECTOR;
            at = if flags & DISCARD == 0 { data + length } else { data };
            ensure!(at <= size, "entry {number} of the log lies behind its end");
            ensure!(flags & DISCARD == 0, "entry {number} discards, which is not replayed");
            entries.push(Entry { at: sector * SECTOR, length, flags, data });
        }
        Ok(Self { file, entries })
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The bytes that an entry wrote.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn bytes(&self, entry: &Entry) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(entry.length)?];
        self.file.read_exact_at(&mut bytes, entry.data).context("cannot read the log")?;
        Ok(bytes)
    }
}

/// How many entries the log at `path` has by now. Whatever was acknowledged before this was asked
/// rests on those entries alone.
///
/// # Errors
/// When the file is no such log.
pub fn position(path: &Path) -> Result<usize> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(usize::try_from(header(&file)?)?)
}

fn header(file: &File) -> Result<u64> {
    let [magic, version, count, sector] = words::<4>(file, 0)?;
    if magic != MAGIC || version != VERSION {
        bail!("not a log of writes: magic {magic:#x}, version {version}");
    }
    let sector = sector & u64::from(u32::MAX);
    ensure!(sector == SECTOR, "the log counts in sectors of {sector} bytes");
    Ok(count)
}

fn words<const N: usize>(file: &File, at: u64) -> Result<[u64; N]> {
    let mut words = [0; N];
    let mut word = [0; 8];
    for (number, value) in (0..).zip(&mut words) {
        file.read_exact_at(&mut word, at + number * 8).context("the log ends early")?;
        *value = u64::from_le_bytes(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log with these entries: sector, bytes, flags.
    fn log(entries: &[(u64, &[u8], u64)]) -> tempfile::NamedTempFile {
        let mut bytes = Vec::new();
        let sector = |words: &[u64]| {
            let mut sector: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            sector.resize(SECTOR as usize, 0);
            sector
        };
        bytes.extend(sector(&[MAGIC, VERSION, entries.len() as u64, SECTOR]));
        for (at, data, flags) in entries {
            bytes.extend(sector(&[*at, data.len() as u64 / SECTOR, *flags, 0]));
            bytes.extend(*data);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn entries_and_their_bytes_are_read_back() {
        let (one, two) = (vec![1; 512], vec![2; 1024]);
        let file = log(&[(8, &one, 0), (0, &[], FLUSH), (16, &two, FUA)]);
        assert_eq!(position(file.path()).unwrap(), 3);
        let log = WriteLog::read(file.path()).unwrap();
        let [first, flush, last] = log.entries() else { panic!("{:?}", log.entries()) };
        assert_eq!((first.at, first.length, first.flushes()), (4096, 512, false));
        assert!(flush.flushes() && flush.length == 0);
        assert!(last.is_durable() && log.bytes(last).unwrap() == two);
        assert_eq!(log.bytes(first).unwrap(), one);
    }

    #[test]
    fn what_is_no_log_or_ends_early_is_refused() {
        let file = log(&[(8, &[1; 512], 0)]);
        let whole = std::fs::read(file.path()).unwrap();
        std::fs::write(file.path(), &whole[..whole.len() - 1]).unwrap();
        assert!(WriteLog::read(file.path()).is_err());
        std::fs::write(file.path(), vec![7; 4096]).unwrap();
        assert!(WriteLog::read(file.path()).is_err() && position(file.path()).is_err());
    }
}
