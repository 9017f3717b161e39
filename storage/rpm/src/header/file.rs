//! The files of a package as its header lists them.

use super::{lossy, tag};
use crate::error::Malformed;
use crate::wire::Blob;

/// What a file is, by its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, socket or pipe.
    Special,
}

/// What the packager says of a file. Source: rpmfileAttrs_e in rpm's rpmfiles.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileAttributes(pub u32);

impl FileAttributes {
    /// `%config`.
    #[must_use]
    pub fn config(self) -> bool {
        self.0 & 1 != 0
    }

    /// `%doc`.
    #[must_use]
    pub fn documentation(self) -> bool {
        self.0 & (1 << 1) != 0
    }

    /// `%ghost`: owned, but not in the payload.
    #[must_use]
    pub fn ghost(self) -> bool {
        self.0 & (1 << 6) != 0
    }

    /// `%license`.
    #[must_use]
    pub fn license(self) -> bool {
        self.0 & (1 << 7) != 0
    }
}

/// One file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileInfo {
    /// Absolute path, as packaged. Nothing is known of it but that it is UTF-8: see
    /// [`crate::payload`] for what a tree takes.
    pub path: String,
    /// Type and permissions, as in `st_mode`.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Owner's name.
    pub user: String,
    /// Group's name.
    pub group: String,
    /// Digest in hex, of the algorithm that `digest_algorithm` names; empty unless regular.
    pub digest: String,
    /// OpenPGP's number of the algorithm: 1 MD5, 2 SHA-1, 8 SHA-256, 9, 10, 11 its siblings.
    pub digest_algorithm: u32,
    /// What the packager says of it.
    pub attributes: FileAttributes,
    /// Target of a symlink; else empty.
    pub link_target: String,
    /// Capabilities as `cap_to_text` writes them; mostly empty.
    pub capabilities: String,
    /// Modification time, in seconds since 1970.
    pub mtime: u64,
    /// Device number of a special file.
    pub rdev: u64,
    /// Files of one package with equal (device, inode) are hard links of one another.
    pub inode: (u64, u64),
    /// Language of a translated file; mostly empty.
    pub language: String,
    /// IMA signature in hex; mostly empty.
    pub ima_signature: String,
}

impl FileInfo {
    /// What it is.
    #[must_use]
    pub fn file_type(&self) -> FileType {
        match self.mode & 0o170_000 {
            0o100_000 => FileType::Regular,
            0o040_000 => FileType::Directory,
            0o120_000 => FileType::Symlink,
            _ => FileType::Special,
        }
    }
}

pub(super) fn read(blob: &Blob) -> Result<Vec<FileInfo>, Malformed> {
    let bases: Vec<_> = blob.strings(tag::BASENAMES).collect();
    let directories: Vec<_> = blob.strings(tag::DIRNAMES).collect();
    let count = bases.len();
    let numbers = |number| column(blob.numbers(number), count, 0);
    let texts = |number| column(blob.strings(number).map(lossy).collect(), count, String::new());
    let sizes = if blob.has(tag::LONGFILESIZES) { tag::LONGFILESIZES } else { tag::FILESIZES };
    let (sizes, modes, rdevs) =
        (numbers(sizes)?, numbers(tag::FILEMODES)?, numbers(tag::FILERDEVS)?);
    let (mtimes, flags) = (numbers(tag::FILEMTIMES)?, numbers(tag::FILEFLAGS)?);
    let (devices, inodes) = (numbers(tag::FILEDEVICES)?, numbers(tag::FILEINODES)?);
    let indexes = numbers(tag::DIRINDEXES)?;
    let (users, groups) = (texts(tag::FILEUSERNAME)?, texts(tag::FILEGROUPNAME)?);
    let (digests, targets) = (texts(tag::FILEDIGESTS)?, texts(tag::FILELINKTOS)?);
    let (capabilities, languages) = (texts(tag::FILECAPS)?, texts(tag::FILELANGS)?);
    let signatures = texts(tag::FILESIGNATURES)?;
    let algorithm = blob.number(tag::FILEDIGESTALGO).unwrap_or(1) as u32;
    let mut files = Vec::with_capacity(count);
    for (at, base) in bases.into_iter().enumerate() {
        let index = usize::try_from(indexes[at]).unwrap_or(usize::MAX);
        let directory = directories.get(index).ok_or(Malformed::Inconsistent("directories"))?;
        // A path becomes a name in a commit, which holds UTF-8 only.
        let path = String::from_utf8([directory, base].concat());
        files.push(FileInfo {
            path: path.map_err(|_| Malformed::Text("file name"))?,
            mode: modes[at] as u32 & 0xffff,
            size: sizes[at],
            user: users[at].clone(),
            group: groups[at].clone(),
            digest: digests[at].clone(),
            digest_algorithm: algorithm,
            attributes: FileAttributes(flags[at] as u32),
            link_target: targets[at].clone(),
            capabilities: capabilities[at].clone(),
            mtime: mtimes[at],
            rdev: rdevs[at],
            inode: (devices[at], inodes[at]),
            language: languages[at].clone(),
            ima_signature: signatures[at].clone(),
        });
    }
    Ok(files)
}

/// A column of the table of files: missing as a whole, or as long as there are files.
fn column<T: Clone>(found: Vec<T>, count: usize, missing: T) -> Result<Vec<T>, Malformed> {
    match found.len() {
        0 => Ok(vec![missing; count]),
        length if length == count => Ok(found),
        _ => Err(Malformed::Inconsistent("file lists")),
    }
}
