//! The wire format of an RPM header: an index of typed entries over a store of bytes.
//!
//! Source: rpm's docs/manual/format_header.md and format_v4.md. All numbers are big-endian. The
//! limits are those of rpm itself, and every entry is checked once, when the header is taken, so
//! that reading a tag later cannot go out of bounds. Entries must lie in the store in index order
//! without overlap (rpm demands the same), which makes the check linear in the header's size
//! however the counts are forged.
//!
//! Deliberately absent: what tags mean, and digests.

use crate::error::Malformed;

/// Entries that rpm accepts in one header.
const MAX_ENTRIES: u64 = 0xffff;
/// Bytes of data that rpm accepts in one header.
const MAX_DATA: u64 = 0x0fff_ffff;
/// Magic, version and reserved bytes before a header in a file.
pub(crate) const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];
const ENTRY: usize = 16;

/// Tag of the region that digests and signatures of the main header cover.
pub(crate) const IMMUTABLE: u32 = 63;
/// Tag of the region of a signature header.
pub(crate) const SIGNATURES: u32 = 62;

#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u32,
    kind: u32,
    start: usize,
    end: usize,
    count: usize,
}

/// A checked header: `blob` is what rpm calls one (entry count, data size, index, store),
/// without magic.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// Whether all entries must lie in the immutable region: so in a file, where whatever lies outside
/// of it is neither digested nor signed; the rpmdb adds entries (install time, file states).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Region {
    Whole(u32),
    Any,
}

/// The length of a whole header blob by its first eight bytes.
///
/// # Errors
/// Counts that rpm does not accept.
pub(crate) fn blob_length(intro: [u8; 8]) -> Result<usize, Malformed> {
    let entries = u64::from(be32(&intro, 0));
    let data = u64::from(be32(&intro, 4));
    for (what, declared, limit) in
        [("the number of entries", entries, MAX_ENTRIES), ("the data", data, MAX_DATA)]
    {
        if declared > limit {
            return Err(Malformed::TooLarge { what, declared, limit });
        }
    }
    // Both limits together stay far below the range of usize.
    Ok(8 + entries as usize * ENTRY + data as usize)
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    if let Some(found) = bytes.get(at..at + 4) {
        word.copy_from_slice(found);
    }
    u32::from_be_bytes(word)
}

impl Blob {
    /// Checks `bytes` as a header.
    ///
    /// # Errors
    /// Anything that rpm would refuse, and overlapping entries.
    pub(crate) fn parse(bytes: Vec<u8>, region: Region) -> Result<Self, Malformed> {
        let mut intro = [0; 8];
        intro.copy_from_slice(bytes.get(..8).ok_or(Malformed::Truncated("header"))?);
        if blob_length(intro)? != bytes.len() {
            return Err(Malformed::Truncated("header"));
        }
        let count = be32(&intro, 0) as usize;
        let store = 8 + count * ENTRY;
        let mut entries = Vec::with_capacity(count);
        let mut previous_end = store;
        for index in 0..count {
            let at = 8 + index * ENTRY;
            let [tag, kind, offset, items] = [0, 4, 8, 12].map(|field| be32(&bytes, at + field));
            if index == 0 && matches!(tag, IMMUTABLE | SIGNATURES) {
                check_region(&bytes, store, count, (kind, offset, items), tag, region)?;
                continue;
            }
            if index == 0 && matches!(region, Region::Whole(_)) {
                return Err(Malformed::Region("is missing"));
            }
            // A region's trailer lies between its entries and those added later.
            let start = store.saturating_add(offset as usize);
            if start < previous_end || start > bytes.len() {
                return Err(Malformed::Entry { tag, problem: "points outside its place" });
            }
            let end = entry_end(&bytes, tag, kind, start, items as usize)?;
            previous_end = end;
            entries.push(Entry { tag, kind, start, end, count: items as usize });
        }
        Ok(Self { bytes, entries })
    }

    /// The checked bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn find(&self, tag: u32, kinds: &[u32]) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag && kinds.contains(&entry.kind))
    }

    /// Whether the tag is there, of whatever type.
    pub(crate) fn has(&self, tag: u32) -> bool {
        self.entries.iter().any(|entry| entry.tag == tag)
    }

    /// The texts of a tag, in bytes: none where it is missing.
    pub(crate) fn strings(&self, tag: u32) -> impl Iterator<Item = &[u8]> {
        let entry = self.find(tag, &[6, 8, 9]);
        let bytes = entry.map_or(&[][..], |entry| &self.bytes[entry.start..entry.end]);
        let count = entry.map_or(0, |entry| entry.count);
        bytes.split(|byte| *byte == 0).take(count)
    }

    /// The first text of a tag; of a translated one, that of the C locale.
    pub(crate) fn string(&self, tag: u32) -> Option<&[u8]> {
        self.strings(tag).next()
    }

    /// The numbers of a tag, whatever their width: none where it is missing.
    pub(crate) fn numbers(&self, tag: u32) -> Vec<u64> {
        let Some(entry) = self.find(tag, &[1, 2, 3, 4, 5]) else { return Vec::new() };
        let width = width(entry.kind).unwrap_or(1);
        let bytes = &self.bytes[entry.start..entry.end];
        let wide = |digits: &[u8]| digits.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        bytes.chunks_exact(width).map(wide).collect()
    }

    /// The first number of a tag.
    pub(crate) fn number(&self, tag: u32) -> Option<u64> {
        self.numbers(tag).first().copied()
    }

    /// The whole header with another value of a tag that holds one 32-bit number.
    pub(crate) fn with_number(&self, tag: u32, value: u32) -> Option<Vec<u8>> {
        let entry = self.find(tag, &[4]).filter(|entry| entry.count == 1)?;
        let mut bytes = self.bytes.clone();
        bytes[entry.start..entry.end].copy_from_slice(&value.to_be_bytes());
        Some(bytes)
    }

    /// The bytes of a binary tag.
    pub(crate) fn binary(&self, tag: u32) -> Option<&[u8]> {
        self.find(tag, &[7]).map(|entry| &self.bytes[entry.start..entry.end])
    }
}

/// Bytes of one item of a fixed-width type.
fn width(kind: u32) -> Option<usize> {
    match kind {
        1 | 2 | 7 => Some(1),
        3 => Some(2),
        4 => Some(4),
        5 => Some(8),
        _ => None,
    }
}

/// Where the data of an entry ends.
fn entry_end(
    bytes: &[u8],
    tag: u32,
    kind: u32,
    start: usize,
    count: usize,
) -> Result<usize, Malformed> {
    let outside = Malformed::Entry { tag, problem: "reaches beyond the data" };
    match kind {
        0 => Ok(start),
        6 | 8 | 9 => {
            if count == 0 || kind == 6 && count != 1 {
                return Err(Malformed::Entry { tag, problem: "has a wrong number of texts" });
            }
            let mut at = start;
            for _ in 0..count {
                let rest = bytes.get(at..).ok_or_else(|| outside.clone())?;
                at += rest.iter().position(|byte| *byte == 0).ok_or_else(|| outside.clone())? + 1;
            }
            Ok(at)
        }
        _ => {
            let unknown = Malformed::Entry { tag, problem: "has an unknown type" };
            let width = width(kind).ok_or(unknown)?;
            let end = count.checked_mul(width).and_then(|length| start.checked_add(length));
            end.filter(|end| *end <= bytes.len()).ok_or(outside)
        }
    }
}

/// The region's entry points at a trailer that says, negated, how many entries it covers.
fn check_region(
    bytes: &[u8],
    store: usize,
    count: usize,
    (kind, offset, items): (u32, u32, u32),
    tag: u32,
    region: Region,
) -> Result<(), Malformed> {
    if kind != 7 || items as usize != ENTRY {
        return Err(Malformed::Region("is of a wrong type"));
    }
    let trailer = store.saturating_add(offset as usize);
    if trailer.checked_add(ENTRY).is_none_or(|end| end > bytes.len()) {
        return Err(Malformed::Region("lies outside the data"));
    }
    let covered = be32(bytes, trailer + 8).wrapping_neg() as usize;
    if !covered.is_multiple_of(ENTRY) || covered / ENTRY > count {
        return Err(Malformed::Region("covers entries that are not there"));
    }
    if let Region::Whole(expected) = region {
        if tag != expected {
            return Err(Malformed::Region("is another section's"));
        }
        if covered / ENTRY != count || trailer + ENTRY != bytes.len() {
            return Err(Malformed::Region("does not cover the whole header"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of one region and the given (tag, type, count, data) entries.
    fn build(region: u32, entries: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
        let (mut index, mut store) = (Vec::new(), Vec::new());
        let mut entry = |words: [u32; 4]| words.map(|w| index.extend(w.to_be_bytes()));
        let size: usize = entries.iter().map(|entry| entry.3.len()).sum();
        let count = entries.len() as u32 + 1;
        entry([region, 7, size as u32, 16]);
        for (tag, kind, items, data) in entries {
            entry([*tag, *kind, store.len() as u32, *items]);
            store.extend_from_slice(data);
        }
        for word in [region, 7, (count * 16).wrapping_neg(), 16] {
            store.extend(word.to_be_bytes());
        }
        let mut bytes = count.to_be_bytes().to_vec();
        bytes.extend((store.len() as u32).to_be_bytes());
        bytes.extend(index);
        bytes.extend(store);
        bytes
    }

    fn check(entries: &[(u32, u32, u32, &[u8])], expected: Result<(), Malformed>) {
        let result = Blob::parse(build(IMMUTABLE, entries), Region::Whole(IMMUTABLE));
        assert_eq!(result.map(drop), expected);
    }

    #[test]
    fn reads_each_type() {
        let entries: &[(u32, u32, u32, &[u8])] = &[
            (1000, 6, 1, b"name\0"),
            (1001, 8, 2, b"a\0\0"),
            (1002, 3, 2, &[1, 2, 3, 4]),
            (1003, 5, 1, &[0, 0, 0, 1, 0, 0, 0, 0]),
            (1004, 7, 3, b"xyz"),
        ];
        let blob = Blob::parse(build(IMMUTABLE, entries), Region::Whole(IMMUTABLE)).unwrap();
        assert_eq!(blob.string(1000), Some(&b"name"[..]));
        assert_eq!(blob.strings(1001).collect::<Vec<_>>(), [&b"a"[..], b""]);
        assert_eq!(blob.numbers(1002), [0x102, 0x304]);
        assert_eq!(blob.number(1003), Some(1 << 32));
        assert_eq!(blob.binary(1004), Some(&b"xyz"[..]));
        assert_eq!((blob.number(1000), blob.string(9)), (None, None));
    }

    #[test]
    fn refuses_entries_that_leave_their_place() {
        let beyond = |tag| Err(Malformed::Entry { tag, problem: "reaches beyond the data" });
        check(&[(5, 4, 0x4000_0001, &[0; 4])], beyond(5));
        check(&[(5, 7, u32::MAX, &[0; 4])], beyond(5));
        check(&[(5, 8, 9000, b"a\0")], beyond(5));
        check(
            &[(5, 12, 1, b"a")],
            Err(Malformed::Entry { tag: 5, problem: "has an unknown type" }),
        );
        let texts = Err(Malformed::Entry { tag: 5, problem: "has a wrong number of texts" });
        check(&[(5, 6, 2, b"a\0b\0")], texts);
        let overlap = Malformed::Entry { tag: 6, problem: "points outside its place" };
        check(&[(5, 7, 3, b"a"), (6, 7, 1, b"bcd")], Err(overlap));
    }

    #[test]
    fn what_lies_outside_the_region_of_a_file_is_refused() {
        let mut bytes = build(IMMUTABLE, &[(1000, 6, 1, b"a\0"), (1001, 6, 1, b"b\0")]);
        let trailer = bytes.len() - 8;
        bytes[trailer..trailer + 4].copy_from_slice(&32u32.wrapping_neg().to_be_bytes());
        let partial = Malformed::Region("does not cover the whole header");
        let whole = Blob::parse(bytes.clone(), Region::Whole(IMMUTABLE)).map(drop);
        assert_eq!(whole, Err(partial));
        assert!(Blob::parse(bytes, Region::Any).is_ok());
    }

    #[test]
    fn another_sections_region_is_refused() {
        let bytes = build(SIGNATURES, &[(1000, 6, 1, b"a\0")]);
        let other = Malformed::Region("is another section's");
        assert_eq!(Blob::parse(bytes, Region::Whole(IMMUTABLE)).map(drop), Err(other));
    }

    #[test]
    fn declared_sizes_are_limited_before_anything_is_allocated() {
        assert!(blob_length([0xff; 8]).is_err());
        assert!(blob_length([0, 0, 0, 1, 0x10, 0, 0, 0]).is_err());
        assert_eq!(blob_length([0, 0, 0, 1, 0, 0, 0, 9]), Ok(33));
    }
}
