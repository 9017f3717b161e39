//! The cpio archive inside a payload: newc (`070701`, `070702`) and rpm's own stripped variant
//! (`07070X`), which names a file by its index in the header.
//!
//! Sources: cpio(5), "New ASCII Format"; rpm's docs/manual/large_files.md for the stripped one.

use std::io::{self, Read};

/// The longest path that the kernel takes.
const MAX_NAME: u64 = 4096;

/// How a member names its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// By its path, made absolute.
    Path(String),
    /// By its place in the header.
    Index(usize),
}

/// One member's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) file: Name,
    /// Bytes of data that follow, padded to four.
    pub(super) size: u64,
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn hex_field(bytes: &[u8]) -> io::Result<u64> {
    let plain = bytes.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(bytes).ok().filter(|_| plain);
    let number = text.and_then(|text| u64::from_str_radix(text, 16).ok());
    number.ok_or_else(|| invalid("a cpio member's head holds no number"))
}

/// Reads the next member's head; `None` at the trailer. `sizes` are those of the header's files.
pub(super) fn next_member(reader: &mut dyn Read, sizes: &[u64]) -> io::Result<Option<Member>> {
    let mut magic = [0; 6];
    reader.read_exact(&mut magic)?;
    match &magic {
        b"07070X" => {
            let mut rest = [0; 10];
            reader.read_exact(&mut rest)?;
            let index = usize::try_from(hex_field(&rest[..8])?).unwrap_or(usize::MAX);
            let size = *sizes.get(index).ok_or_else(|| invalid("a cpio member is no file"))?;
            Ok(Some(Member { file: Name::Index(index), size }))
        }
        b"070701" | b"070702" => {
            let mut rest = [0; 104];
            reader.read_exact(&mut rest)?;
            let field = |index: usize| hex_field(&rest[index * 8..index * 8 + 8]);
            let (size, name_size) = (field(6)?, field(11)?);
            if name_size == 0 || name_size > MAX_NAME {
                return Err(invalid("a cpio member's name is too long"));
            }
            let mut name = vec![0; name_size as usize];
            reader.read_exact(&mut name)?;
            skip(reader, padding(110 + name_size))?;
            if name.pop() != Some(0) || name.contains(&0) {
                return Err(invalid("a cpio member's name is not terminated"));
            }
            let name = String::from_utf8(name).map_err(|_| invalid("a name is not UTF-8"))?;
            if name == "TRAILER!!!" {
                return Ok(None);
            }
            // rpm writes `./usr`, others `usr` or `/usr`.
            let path = name.strip_prefix('.').filter(|rest| rest.starts_with('/')).unwrap_or(&name);
            let slash = if path.starts_with('/') { "" } else { "/" };
            Ok(Some(Member { file: Name::Path(format!("{slash}{path}")), size }))
        }
        _ => Err(invalid("it is no cpio archive")),
    }
}

/// Bytes up to the next multiple of four.
pub(super) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % 4
}

/// Reads and drops `count` bytes.
pub(super) fn skip(reader: &mut dyn Read, count: u64) -> io::Result<()> {
    let copied = io::copy(&mut reader.take(count), &mut io::sink())?;
    if copied == count { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newc(name: &str, size: u32) -> Vec<u8> {
        let mut fields = [0u32; 13];
        fields[6] = size;
        fields[11] = name.len() as u32 + 1;
        let mut bytes = b"070701".to_vec();
        fields.iter().for_each(|field| bytes.extend(format!("{field:08x}").bytes()));
        bytes.extend(name.bytes());
        bytes.resize((bytes.len() + 1).next_multiple_of(4), 0);
        bytes
    }

    fn check(bytes: &[u8], expected: Option<(Name, u64)>) {
        let mut reader = bytes;
        let found = next_member(&mut reader, &[5, 7]).ok().flatten();
        assert_eq!(found.map(|member| (member.file, member.size)), expected);
    }

    #[test]
    fn names_are_made_absolute() {
        for name in ["./usr/a", "/usr/a", "usr/a"] {
            check(&newc(name, 3), Some((Name::Path("/usr/a".into()), 3)));
        }
    }

    #[test]
    fn the_stripped_format_takes_its_size_from_the_header() {
        check(b"07070X00000001\0\0", Some((Name::Index(1), 7)));
        check(b"07070X00000002\0\0", None);
    }

    #[test]
    fn the_trailer_ends_the_archive() {
        assert_eq!(next_member(&mut &newc("TRAILER!!!", 0)[..], &[]).unwrap(), None);
    }

    #[test]
    fn damage_is_an_error() {
        let mut long = newc("a", 0);
        long[94..102].copy_from_slice(b"ffffffff");
        let mut letters = newc("a", 0);
        letters[54..62].copy_from_slice(b"+0000001");
        let mut open = newc("abc", 0);
        open[113] = b'd';
        for bytes in [&long[..], &letters, &open, b"070701", b"0707", b"070707"] {
            assert!(next_member(&mut &bytes[..], &[]).is_err(), "{bytes:?}");
        }
    }
}
