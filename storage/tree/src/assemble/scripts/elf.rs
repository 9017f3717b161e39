//! The little of an ELF file that says what it needs to run: its loader and its libraries.
//!
//! Format: elf(5), 64 bits, little endian, which all of RPM's architectures but s390x and the
//! retired ones are. Every offset is checked; a file that is not understood needs nothing.

/// What a program or library asks of the dynamic loader.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// The loader, of a program.
    pub(super) loader: Option<String>,
    /// Names of libraries.
    pub(super) libraries: Vec<String>,
}

const LOAD: u32 = 1;
const DYNAMIC: u32 = 2;
const INTERPRETER: u32 = 3;
/// Tags of the dynamic section.
const NEEDED: u64 = 1;
const STRINGS: u64 = 5;

/// Whether these bytes begin an ELF file of 64 bits, little endian.
pub(super) fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF\x02\x01")
}

/// Reads what a file needs; `None` where it is no such file.
pub(super) fn needs(bytes: &[u8]) -> Option<Needs> {
    if !is_elf(bytes) {
        return None;
    }
    let (table, size, count) = (word(bytes, 32)?, half(bytes, 54)?, half(bytes, 56)?);
    let mut segments = Vec::new();
    for index in 0..count {
        let at = place(table)?.checked_add(usize::from(size) * usize::from(index))?;
        let kind = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
        segments.push((kind, word(bytes, at + 8)?, word(bytes, at + 16)?, word(bytes, at + 32)?));
    }
    let mut needs = Needs::default();
    let find = |kind| segments.iter().find(|segment| segment.0 == kind);
    if let Some((_, offset, _, _)) = find(INTERPRETER) {
        needs.loader = Some(text(bytes, *offset)?);
    }
    let Some((_, offset, _, length)) = find(DYNAMIC) else { return Some(needs) };
    let (start, end) = (place(*offset)?, place(offset.checked_add(*length)?)?);
    let entries = bytes.get(start..end)?.chunks_exact(16);
    let entries: Vec<(u64, u64)> =
        entries.filter_map(|entry| Some((word(entry, 0)?, word(entry, 8)?))).collect();
    let Some((_, address)) = entries.iter().find(|entry| entry.0 == STRINGS) else {
        return Some(needs);
    };
    // The table of names is given by its address in memory.
    let strings = segments.iter().find_map(|(kind, offset, start, length)| {
        let inside = address.checked_sub(*start).filter(|inside| inside < length)?;
        (*kind == LOAD).then_some(offset + inside)
    })?;
    for (_, name) in entries.iter().filter(|entry| entry.0 == NEEDED) {
        needs.libraries.push(text(bytes, strings.checked_add(*name)?)?);
    }
    Some(needs)
}

fn place(number: u64) -> Option<usize> {
    usize::try_from(number).ok()
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn text(bytes: &[u8], at: u64) -> Option<String> {
    let rest = bytes.get(place(at)?..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    String::from_utf8(rest[..end].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_machines_programs_need() {
        let needs = needs(&std::fs::read("/usr/bin/rpm").unwrap()).unwrap();
        assert!(std::path::Path::new(&needs.loader.unwrap()).exists());
        assert!(needs.libraries.iter().any(|name| name.starts_with("librpm.so.")));
    }

    #[test]
    fn anything_else_needs_nothing_and_damage_is_no_panic() {
        assert_eq!(needs(b"#!/bin/sh\n"), None);
        let whole = std::fs::read("/usr/bin/rpm").unwrap();
        for length in [0, 7, 40, 64, 100, 500, 1000, 4096] {
            drop(needs(&whole[..length.min(whole.len())]));
        }
        let mut wrong = whole.clone();
        for at in 32..400 {
            wrong[at] ^= 0xff;
            drop(needs(&wrong));
        }
    }
}
