//! The `.filez` object: a file with its attributes, compressed, as archive repositories hold it.
//!
//! Format: libostree's `OSTREE_ZLIB_FILE_HEADER_GVARIANT_FORMAT`: the length of a header as a
//! big-endian u32, padding to eight bytes, the header `(tuuuusa(ayay))` (size, uid, gid, mode,
//! rdev, link target, extended attributes) with big-endian numbers, then for regular files the
//! content as a raw deflate stream. The header is written by hand: it is five numbers, a string
//! and GVariant's framing offsets.
//!
//! Compressing is most of what a compose computes. libdeflate takes half the time of zlib for the
//! same level, but wants a file as a whole; large files are streamed through zlib.

use cambium_ostree::{Attributes, FileInfo, FileKind};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::{self, Read, Write};

const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// Files up to this size are compressed in memory: each thread holds one and its packed form.
const WHOLE: u64 = 32 << 20;

/// Writes objects; its memory is used again for each.
pub(super) struct Writer {
    level: u32,
    whole: libdeflater::Compressor,
    content: Vec<u8>,
    packed: Vec<u8>,
}

impl Writer {
    /// A writer that compresses by zlib's `level`, 1 to 9.
    pub(super) fn new(level: u32) -> Self {
        let known = i32::try_from(level).ok();
        let known = known.and_then(|level| libdeflater::CompressionLvl::new(level).ok());
        let whole = libdeflater::Compressor::new(known.unwrap_or_default());
        Self { level, whole, content: Vec::new(), packed: Vec::new() }
    }

    /// Writes the object of `info` to `out`; `content` is read to its end for a regular file.
    pub(super) fn write(
        &mut self,
        out: &mut impl Write,
        info: &FileInfo,
        content: Option<&mut dyn Read>,
    ) -> io::Result<()> {
        let header = header(info);
        let length = u32::try_from(header.len()).map_err(io::Error::other)?;
        out.write_all(&length.to_be_bytes())?;
        out.write_all(&[0; 4])?;
        out.write_all(&header)?;
        let Some(content) = content else { return Ok(()) };
        if matches!(info.kind, FileKind::Regular { size } if size > WHOLE) {
            let mut encoder = DeflateEncoder::new(out, Compression::new(self.level));
            io::copy(content, &mut encoder)?;
            return encoder.finish().map(drop);
        }
        self.content.clear();
        content.read_to_end(&mut self.content)?;
        self.packed.resize(self.whole.deflate_compress_bound(self.content.len()), 0);
        let length = self.whole.deflate_compress(&self.content, &mut self.packed);
        let length = length.map_err(|_| io::Error::other("a bound of libdeflate's is too low"))?;
        out.write_all(&self.packed[..length])
    }
}

fn header(info: &FileInfo) -> Vec<u8> {
    let Attributes { uid, gid, mode, xattrs } = &info.attributes;
    let (size, kind, target) = match &info.kind {
        FileKind::Regular { size } => (*size, REGULAR, ""),
        FileKind::Symlink { target } => (0, LINK, target.as_str()),
    };
    // Links have one mode, whatever a file system says.
    let mode = if kind == LINK { LINK | 0o777 } else { kind | mode };
    let mut header = Vec::with_capacity(64);
    header.extend_from_slice(&size.to_be_bytes());
    for number in [*uid, *gid, mode, 0] {
        header.extend_from_slice(&number.to_be_bytes());
    }
    header.extend_from_slice(target.as_bytes());
    header.push(0);
    let end = header.len();
    header.extend_from_slice(&attributes(xattrs));
    framed(header, &[end])
}

/// `a(ayay)`: names with their NUL, sorted.
fn attributes(xattrs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut sorted: Vec<_> = xattrs.iter().collect();
    sorted.sort();
    let mut body = Vec::new();
    let mut ends = Vec::new();
    for (name, value) in sorted {
        let mut pair = name.clone();
        pair.push(0);
        let end = pair.len();
        pair.extend_from_slice(value);
        body.extend_from_slice(&framed(pair, &[end]));
        ends.push(body.len());
    }
    framed(body, &ends)
}

/// A GVariant container with its framing offsets behind it: little-endian, of the smallest size
/// that can express the length of the whole.
fn framed(mut body: Vec<u8>, ends: &[usize]) -> Vec<u8> {
    let width =
        [1, 2, 4].into_iter().find(|width| body.len() + ends.len() * width < 1 << (8 * width));
    let width = width.unwrap_or(8);
    for end in ends {
        body.extend_from_slice(&end.to_le_bytes()[..width]);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_widen_with_the_container() {
        assert_eq!(framed(vec![7; 3], &[2]), [7, 7, 7, 2]);
        assert_eq!(framed(Vec::new(), &[]), [] as [u8; 0]);
        assert_eq!(framed(vec![0; 254], &[9]).len(), 255);
        let wide = framed(vec![0; 255], &[9]);
        assert_eq!(&wide[255..], [9, 0]);
    }

    #[test]
    fn content_is_whole_again_at_every_size_and_level() {
        let bytes = |size: usize| (0..size).map(|at| (at % 251) as u8 ^ (at >> 9) as u8);
        for (size, level) in [(0, 6), (1, 1), (70_000, 9), ((WHOLE + 1) as usize, 1)] {
            let content: Vec<u8> = bytes(size).collect();
            let info = FileInfo {
                attributes: Attributes::root(0o644),
                kind: FileKind::Regular { size: size as u64 },
            };
            let mut object = Vec::new();
            let mut writer = Writer::new(level);
            // Twice: what is kept from one object must not show in the next.
            writer.write(&mut object, &info, Some(&mut &[7; 900][..])).unwrap();
            object.clear();
            writer.write(&mut object, &info, Some(&mut content.as_slice())).unwrap();
            let header = u32::from_be_bytes(object[..4].try_into().unwrap()) as usize;
            let mut read = Vec::new();
            flate2::read::DeflateDecoder::new(&object[8 + header..])
                .read_to_end(&mut read)
                .unwrap();
            assert!(read == content, "{size} bytes at level {level}");
        }
    }

    #[test]
    fn a_link_is_a_header_alone() {
        let info = FileInfo {
            attributes: Attributes { uid: 1, gid: 2, mode: 0, xattrs: Vec::new() },
            kind: FileKind::Symlink { target: "a".into() },
        };
        let mut object = Vec::new();
        Writer::new(6).write(&mut object, &info, None).unwrap();
        let expected = [
            &[0, 0, 0, 27, 0, 0, 0, 0][..],
            &[0; 8],
            &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0o241, 0o377, 0, 0, 0, 0],
            b"a\0",
            &[26],
        ]
        .concat();
        assert_eq!(object, expected);
    }
}
