//! One pass over a payload: digest of the compressed bytes, decompressor, archive.
//!
//! What is trusted decides which digest is compared: the header's digest of the compressed payload
//! where it has one (rpm ≥ 4.14), else its digest of each file.

use super::cpio::{self, Member};
use super::decompress::decompressor;
use crate::error::{Error, Result};
use crate::header::{FileInfo, FileType, Header, hex, tag};
use openssl::hash::{Hasher, MessageDigest};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::rc::Rc;

/// OpenPGP's numbers of digests.
fn message_digest(algorithm: u32) -> Option<MessageDigest> {
    Some(match algorithm {
        1 => MessageDigest::md5(),
        2 => MessageDigest::sha1(),
        8 => MessageDigest::sha256(),
        9 => MessageDigest::sha384(),
        10 => MessageDigest::sha512(),
        11 => MessageDigest::sha224(),
        12 => MessageDigest::sha3_256(),
        14 => MessageDigest::sha3_512(),
        _ => return None,
    })
}

/// Decompressed bytes that may follow the archive's trailer (padding to a block).
const MAX_TAIL: u64 = 1 << 20;

/// The compressed bytes: read from an offset, independent of other readers of the file, and
/// digested as they are read.
struct Section<'a> {
    file: &'a File,
    offset: u64,
    hasher: Option<Hasher>,
}

/// The section, shared by the decompressor and by the check after it, which reads what the
/// decompressor leaves.
#[derive(Clone)]
struct Shared<'a>(Rc<RefCell<Section<'a>>>);

impl Read for Shared<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut section = self.0.borrow_mut();
        let count = section.file.read_at(buffer, section.offset)?;
        section.offset += count as u64;
        if let Some(hasher) = &mut section.hasher {
            hasher.update(&buffer[..count])?;
        }
        Ok(count)
    }
}

/// The member that is being read.
struct Current {
    left: u64,
    padding: u64,
    /// Path, expected digest and the digest so far, where files are digested one by one.
    check: Option<(String, String, Hasher)>,
}

pub(super) struct Stream<'a> {
    package: String,
    archive: Box<dyn Read + 'a>,
    section: Shared<'a>,
    /// The payload's digest by the header.
    expected: Option<String>,
    sizes: Vec<u64>,
    current: Current,
    over: bool,
}

impl std::fmt::Debug for Stream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("package", &self.package).finish_non_exhaustive()
    }
}

impl<'a> Stream<'a> {
    pub(super) fn open(
        package: &str,
        file: &'a File,
        offset: u64,
        header: &Header,
        sizes: Vec<u64>,
    ) -> Result<Self> {
        let wrong = |source| Error::Payload { package: package.to_owned(), source };
        let blob = header.blob();
        if blob.string(tag::PAYLOADFORMAT).is_some_and(|format| format != b"cpio") {
            return Err(wrong(io::Error::new(io::ErrorKind::Unsupported, "it is no cpio archive")));
        }
        let expected =
            blob.string(tag::PAYLOADDIGEST).map(|text| String::from_utf8_lossy(text).into_owned());
        let algorithm = blob.number(tag::PAYLOADDIGESTALGO).unwrap_or(8) as u32;
        let hasher = match (&expected, message_digest(algorithm)) {
            (Some(_), Some(digest)) => {
                Some(Hasher::new(digest).map_err(io::Error::from).map_err(wrong)?)
            }
            (Some(_), None) => {
                return Err(Error::NoDigest { package: package.to_owned(), what: "payload" });
            }
            (None, _) => None,
        };
        let section = Shared(Rc::new(RefCell::new(Section { file, offset, hasher })));
        let reader = BufReader::with_capacity(128 << 10, section.clone());
        let archive = decompressor(blob.string(tag::PAYLOADCOMPRESSOR), reader).map_err(wrong)?;
        let archive: Box<dyn Read + 'a> = Box::new(BufReader::with_capacity(128 << 10, archive));
        let current = Current { left: 0, padding: 0, check: None };
        let package = package.to_owned();
        Ok(Self { package, archive, section, expected, sizes, current, over: false })
    }

    fn wrong(&self, source: io::Error) -> Error {
        Error::Payload { package: self.package.clone(), source }
    }

    /// Skips what is left of the current member and reads the next one's head.
    pub(super) fn next_member(&mut self) -> Result<Option<Member>> {
        if self.over {
            return Ok(None);
        }
        let result =
            self.skip_rest().and_then(|()| cpio::next_member(&mut self.archive, &self.sizes));
        let member = result.map_err(|source| self.wrong(source))?;
        match &member {
            Some(member) => {
                let padding = cpio::padding(member.size);
                self.current = Current { left: member.size, padding, check: None };
            }
            None => self.over = true,
        }
        Ok(member)
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        let mut buffer = [0; 8192];
        while self.read_current(&mut buffer)? > 0 {}
        let padding = std::mem::take(&mut self.current.padding);
        cpio::skip(&mut self.archive, padding)
    }

    fn read_current(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.current.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return if self.current.left == 0 { self.compare().map(|()| 0) } else { Ok(0) };
        }
        let count = self.archive.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.current.left -= count as u64;
        if let Some((_, _, hasher)) = &mut self.current.check {
            hasher.update(&buffer[..count])?;
        }
        Ok(count)
    }

    fn compare(&mut self) -> io::Result<()> {
        let Some((path, expected, mut hasher)) = self.current.check.take() else { return Ok(()) };
        let actual = hex(&hasher.finish()?);
        if actual == expected {
            return Ok(());
        }
        let text = format!("the digest of {path} does not match");
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }

    /// A reader of the current member, which is the data of `info`.
    pub(super) fn reader(&mut self, info: &FileInfo) -> Result<FileReader<'_>> {
        if self.expected.is_none() && info.file_type() == FileType::Regular {
            let digest = message_digest(info.digest_algorithm).filter(|_| !info.digest.is_empty());
            let Some(digest) = digest else {
                return Err(Error::NoDigest { package: self.package.clone(), what: "payload" });
            };
            let hasher = Hasher::new(digest).map_err(|e| self.wrong(e.into()))?;
            self.current.check = Some((info.path.clone(), info.digest.clone(), hasher));
        }
        Ok(FileReader { stream: self as &mut dyn ReadCurrent })
    }

    /// The current member as a symlink's target.
    pub(super) fn symlink_target(&mut self, size: u64) -> Result<Vec<u8>> {
        let mut target = Vec::new();
        if size > 4096 {
            let source = io::Error::new(io::ErrorKind::InvalidData, "a symlink is too long");
            return Err(self.wrong(source));
        }
        let mut reader = FileReader { stream: self };
        match reader.read_to_end(&mut target) {
            Ok(_) => Ok(target),
            Err(source) => Err(self.wrong(source)),
        }
    }

    /// Reads to the end of the file and compares the payload's digest.
    pub(super) fn finish(mut self) -> Result<()> {
        let tail = io::copy(&mut (&mut self.archive).take(MAX_TAIL), &mut io::sink());
        if tail.map_err(|source| self.wrong(source))? == MAX_TAIL {
            let text = "data follows its last file";
            return Err(self.wrong(io::Error::new(io::ErrorKind::InvalidData, text)));
        }
        // The digest covers the file to its end; a decompressor may stop before.
        let mut rest = self.section.clone();
        io::copy(&mut rest, &mut io::sink()).map_err(|source| self.wrong(source))?;
        let hasher = self.section.0.borrow_mut().hasher.take();
        let Some(mut hasher) = hasher else { return Ok(()) };
        let actual = hex(&hasher.finish().map_err(|e| self.wrong(e.into()))?);
        if self.expected.as_deref() == Some(actual.as_str()) {
            return Ok(());
        }
        Err(Error::Digest { package: self.package.clone(), digest: "payload digest".into() })
    }
}

/// Erases the stream's lifetime from its readers.
trait ReadCurrent {
    fn read_current(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
}

impl ReadCurrent for Stream<'_> {
    fn read_current(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Stream::read_current(self, buffer)
    }
}

/// The data of one file. Need not be read to its end.
pub struct FileReader<'a> {
    stream: &'a mut dyn ReadCurrent,
}

impl std::fmt::Debug for FileReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileReader").finish_non_exhaustive()
    }
}

impl Read for FileReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read_current(buffer)
    }
}
