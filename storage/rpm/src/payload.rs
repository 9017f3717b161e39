//! The payload as entries of a tree: streamed, checked against the header, at their new paths.
//!
//! Owns: the join of archive and header, hard link sets, digests. Where a file goes is `layout`'s
//! to say, what becomes a tmpfiles.d line is `tmpfiles`'. Memory is bounded by the header and the
//! decompressor's window, not by what the payload claims.
//!
//! Deliberately absent: writing anything. Parent directories that no package lists are the
//! consumer's: 0755, root.

mod capability;
mod cpio;
mod decompress;
mod layout;
mod stream;
mod tmpfiles;

pub use stream::FileReader;

use crate::error::{Error, Result};
use crate::header::{FileInfo, FileType, Header};
use layout::Place;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use stream::Stream;

/// Whether `%doc` files are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Documentation {
    /// As any other file.
    #[default]
    Keep,
    /// Left out: `documentation: false` of a treefile, `rpmostree.nodocs`.
    Skip,
}

/// Whether the signatures of files are taken, which a kernel with IMA checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileSignatures {
    /// Left out: they make every file another object, for hosts that never look at them.
    #[default]
    Drop,
    /// As `security.ima`: `ima: true` of a treefile.
    Carry,
}

/// How a payload is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct PayloadOptions {
    /// Whether `%doc` files are taken.
    pub documentation: Documentation,
    /// Whether the signatures of files are taken.
    pub file_signatures: FileSignatures,
}

/// What an entry is.
#[derive(Debug)]
pub enum EntryKind<'a> {
    /// A directory.
    Directory,
    /// A regular file. Data that is not read is skipped.
    File {
        /// Bytes that `reader` gives.
        size: u64,
        /// The data; an error of kind `InvalidData` means damage.
        reader: FileReader<'a>,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as packaged.
        target: String,
    },
    /// Another name of a file that came before.
    Hardlink {
        /// The `path` of that entry.
        target: String,
    },
}

/// One file of a package as it will be in a commit.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Relative path without `.`, `..` or empty components: `usr/bin/x`, `usr/etc/x`; of the
    /// package that owns the merged toplevel, also `bin`, `lib`, `lib64`, `sbin`.
    pub path: String,
    /// What it is.
    pub kind: EntryKind<'a>,
    /// `st_mode` with the type's bits; directories are writable by their owner.
    pub mode: u32,
    /// Owner's name.
    pub user: String,
    /// Group's name.
    pub group: String,
    /// Extended attributes, name and value: `security.capability`, `security.ima`.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

/// What is known when the last entry was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remainder {
    /// The text of `usr/lib/rpm-ostree/tmpfiles.d/PACKAGE.conf`; empty where none is needed.
    pub tmpfiles: String,
    /// Paths of files with content that a tree cannot hold (below /var, /run, /usr/local): their
    /// tmpfiles.d line makes them empty.
    pub dropped: Vec<String>,
}

/// One file of the header with where it goes.
#[derive(Debug)]
struct Planned {
    info: FileInfo,
    /// `None` where it is no content.
    path: Option<String>,
    xattrs: Vec<(String, Vec<u8>)>,
    /// The files of its hard link set, where it is in one.
    links: Vec<usize>,
    seen: bool,
}

/// A package's files, one by one.
#[derive(Debug)]
pub struct Payload<'a> {
    package: String,
    stream: Stream<'a>,
    files: Vec<Planned>,
    by_path: HashMap<String, usize>,
    /// Hard links whose data has been given out: (file, path of the data).
    pending: VecDeque<(usize, String)>,
    remainder: Remainder,
}

impl<'a> Payload<'a> {
    /// Plans every file of the header, then opens the stream.
    ///
    /// # Errors
    /// [`Error::UnsupportedPath`], [`Error::UnsafePath`], [`Error::Capability`],
    /// [`Error::Malformed`], [`Error::NoDigest`], [`Error::Payload`].
    pub(crate) fn open(
        file: &'a File,
        offset: u64,
        header: &Header,
        options: &PayloadOptions,
    ) -> Result<Self> {
        let package = header.nevra().to_string();
        let infos = header.files()?;
        let places = layout::place_all(&package, &infos)?;
        let mut remainder = Remainder::default();
        let mut files = Vec::with_capacity(infos.len());
        let mut by_path = HashMap::with_capacity(infos.len());
        for (index, (info, place)) in infos.into_iter().zip(places).enumerate() {
            let skip_doc = options.documentation == Documentation::Skip
                && info.attributes.documentation()
                && info.file_type() != FileType::Directory;
            let mut path = None;
            match place {
                _ if info.attributes.ghost() || skip_doc => {}
                Place::Nowhere => {}
                Place::Content(place) => path = Some(place),
                Place::Optional { content, link } => {
                    remainder.tmpfiles.push_str(&link);
                    path = Some(content);
                }
                Place::Runtime => {
                    remainder.tmpfiles.push_str(&tmpfiles::line(&package, &info)?);
                    if info.file_type() == FileType::Regular && info.size > 0 {
                        remainder.dropped.push(info.path.clone());
                    }
                }
            }
            let xattrs = match path {
                Some(_) => capability::xattrs(&package, &info, options.file_signatures)?,
                None => Vec::new(),
            };
            if info.file_type() == FileType::Special && path.is_some() {
                let path = info.path;
                return Err(Error::UnsupportedPath { package, path });
            }
            by_path.insert(info.path.clone(), index);
            files.push(Planned { info, path, xattrs, links: Vec::new(), seen: false });
        }
        link_sets(&mut files);
        let sizes = files.iter().enumerate().map(|(index, file)| data_size(index, file)).collect();
        let stream = Stream::open(&package, file, offset, header, sizes)?;
        Ok(Self { package, stream, files, by_path, pending: VecDeque::new(), remainder })
    }

    /// The next entry; `None` at the end, after which [`Payload::finish`] says whether all was
    /// well.
    ///
    /// # Errors
    /// [`Error::Payload`] for damage, [`Error::PayloadMismatch`] where archive and header differ.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>> {
        if let Some((index, target)) = self.pending.pop_front() {
            let kind = EntryKind::Hardlink { target };
            return Ok(Some(finish_entry(&self.files[index], kind)));
        }
        loop {
            let Some(member) = self.stream.next_member()? else {
                return Ok(None);
            };
            let index = match member.file {
                cpio::Name::Path(path) => *self
                    .by_path
                    .get(&path)
                    .ok_or_else(|| self.mismatch(format!("has {path}, which the header lacks")))?,
                cpio::Name::Index(index) if index < self.files.len() => index,
                cpio::Name::Index(index) => {
                    return Err(self.mismatch(format!("has a file {index} beyond the header's")));
                }
            };
            let planned = &mut self.files[index];
            let path = planned.info.path.clone();
            if std::mem::replace(&mut planned.seen, true) {
                return Err(self.mismatch(format!("has {path} twice")));
            }
            if let Some(kind) = self.kind(index, member.size)? {
                // Spelled twice for the borrow: the reader borrows the stream alone.
                let planned = &self.files[kind.owner];
                let entry = match kind.what {
                    What::Directory => EntryKind::Directory,
                    What::Symlink => {
                        EntryKind::Symlink { target: planned.info.link_target.clone() }
                    }
                    What::File => {
                        let data = &self.files[index].info;
                        let reader = self.stream.reader(data)?;
                        EntryKind::File { size: data.size, reader }
                    }
                };
                return Ok(Some(finish_entry(planned, entry)));
            }
        }
    }

    /// Reads to the end of the file, compares the digest of the payload and that every file came.
    ///
    /// # Errors
    /// [`Error::Digest`], [`Error::PayloadMismatch`], [`Error::Payload`]. On any, nothing that
    /// came out of this payload may be used.
    pub fn finish(mut self) -> Result<Remainder> {
        while self.next_entry()?.is_some() {}
        let missing = self.files.iter().find(|file| !file.seen && !file.info.attributes.ghost());
        if let Some(file) = missing {
            return Err(self.mismatch(format!("lacks {}", file.info.path)));
        }
        self.stream.finish()?;
        Ok(self.remainder)
    }
}

enum What {
    Directory,
    Symlink,
    File,
}

/// An entry to give out: whose name it gets and what it is.
struct Kind {
    owner: usize,
    what: What,
}

impl Payload<'_> {
    fn mismatch(&self, problem: String) -> Error {
        Error::PayloadMismatch { package: self.package.clone(), problem }
    }

    /// What member `index` with `size` bytes of data is; `None` where it is not given out.
    fn kind(&mut self, index: usize, size: u64) -> Result<Option<Kind>> {
        let planned = &self.files[index];
        let kept = planned.path.is_some();
        let what = match planned.info.file_type() {
            FileType::Directory => What::Directory,
            FileType::Symlink => {
                let target = self.stream.symlink_target(size)?;
                if target != planned.info.link_target.as_bytes() {
                    let path = planned.info.path.clone();
                    return Err(self.mismatch(format!("lets {path} point elsewhere")));
                }
                What::Symlink
            }
            FileType::Special => return Ok(None),
            FileType::Regular if planned.links.len() > 1 => return self.hard_link(index, size),
            FileType::Regular => {
                self.check_size(index, size)?;
                What::File
            }
        };
        Ok(kept.then_some(Kind { owner: index, what }))
    }

    /// Members of a hard link set come without data but for the last, which has it for all.
    fn hard_link(&mut self, index: usize, size: u64) -> Result<Option<Kind>> {
        let planned = &self.files[index];
        let others_seen = planned.links.iter().all(|other| self.files[*other].seen);
        if !others_seen && size == 0 {
            return Ok(None);
        }
        self.check_size(index, size)?;
        if !others_seen {
            let path = planned.info.path.clone();
            return Err(self.mismatch(format!("has the data of {path} before its last link")));
        }
        let kept = planned.links.iter().copied().filter(|other| self.files[*other].path.is_some());
        let kept: Vec<usize> = kept.collect();
        let Some((first, rest)) = kept.split_first() else { return Ok(None) };
        let target = self.files[*first].path.clone().unwrap_or_default();
        self.pending = rest.iter().map(|other| (*other, target.clone())).collect();
        Ok(Some(Kind { owner: *first, what: What::File }))
    }

    fn check_size(&self, index: usize, size: u64) -> Result<()> {
        let info = &self.files[index].info;
        if size == info.size {
            return Ok(());
        }
        let (path, expected) = (&info.path, info.size);
        Err(self.mismatch(format!("has {size} bytes of {path}, not {expected}")))
    }
}

fn finish_entry<'a>(planned: &Planned, kind: EntryKind<'a>) -> Entry<'a> {
    let directory = matches!(kind, EntryKind::Directory);
    Entry {
        path: planned.path.clone().unwrap_or_default(),
        kind,
        // A directory that its owner cannot write to could not be filled by who unpacks it.
        mode: planned.info.mode | if directory { 0o200 } else { 0 },
        user: planned.info.user.clone(),
        group: planned.info.group.clone(),
        xattrs: planned.xattrs.clone(),
    }
}

/// Bytes of a member's data by the header: of a hard link set, the last one in the header's
/// order has all of it.
fn data_size(index: usize, planned: &Planned) -> u64 {
    match planned.info.file_type() {
        FileType::Symlink => planned.info.link_target.len() as u64,
        FileType::Regular if planned.links.last().is_none_or(|last| *last == index) => {
            planned.info.size
        }
        _ => 0,
    }
}

fn link_sets(files: &mut [Planned]) {
    let mut sets: HashMap<(u64, u64), Vec<usize>> = HashMap::new();
    for (index, file) in files.iter().enumerate() {
        let regular = file.info.file_type() == FileType::Regular && !file.info.attributes.ghost();
        // A header without inodes says nothing of links.
        if regular && file.info.inode.1 != 0 {
            sets.entry(file.info.inode).or_default().push(index);
        }
    }
    for set in sets.into_values().filter(|set| set.len() > 1) {
        for index in &set {
            files[*index].links.clone_from(&set);
        }
    }
}
