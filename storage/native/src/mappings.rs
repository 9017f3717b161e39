//! Which parts of this process's memory are files as they are on disk.
//!
//! Owns: reading /proc/self/smaps (proc_pid_smaps(5)) and letting go of what it says may go.

/// A mapping of a file that cannot be written and of which no page was ever written: what a
/// program's or library's code, constants and symbols are. (The parts that a loader writes before
/// it protects them have pages of our own.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Untouched {
    start: usize,
    end: usize,
    /// Bytes that are in memory and counted as ours.
    pub(crate) resident: u64,
}

/// The mappings of this process; none where the kernel does not say.
pub(crate) fn untouched_files() -> Vec<Untouched> {
    let text = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    parse(&text)
}

impl Untouched {
    /// Lets go of its pages: the next touch maps them again from the file.
    #[allow(unsafe_code)]
    pub(crate) fn unmap(self) {
        let length = self.end - self.start;
        // SAFETY: the range was a private mapping of a file without pages of our own, so every
        // later access reads the same bytes from the file. It stays one: loaders give such parts
        // no permission to write, and libraries here are loaded for good.
        unsafe {
            libc::madvise(self.start as *mut libc::c_void, length, libc::MADV_DONTNEED);
        }
    }
}

fn parse(text: &str) -> Vec<Untouched> {
    let mut found: Vec<Untouched> = Vec::new();
    let mut current = None;
    for line in text.lines() {
        if let Some(mapping) = header(line) {
            found.extend(current.take());
            current = mapping;
            continue;
        }
        let Some(mapping) = current.as_mut() else { continue };
        match value(line) {
            Some(("Rss", bytes)) => mapping.resident = bytes,
            Some(("Anonymous" | "Private_Dirty" | "Shared_Dirty" | "Swap", 1..)) => current = None,
            _ => {}
        }
    }
    found.extend(current);
    found.retain(|mapping| mapping.resident > 0);
    found
}

/// `start-end perms offset device inode path`: `None` where the line is none of these, `Some(None)`
/// where it is one that is not ours to touch.
fn header(line: &str) -> Option<Option<Untouched>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let (start, end) = (address(start)?, address(end)?);
    let permissions = words.next()?;
    let path = words.nth(3).unwrap_or_default();
    let file = path.starts_with('/') && !path.starts_with("/dev/") && !line.ends_with("(deleted)");
    let read_only = matches!(permissions, "r--p" | "r-xp");
    Some((file && read_only).then_some(Untouched { start, end, resident: 0 }))
}

/// `Name:   12 kB`, in bytes.
fn value(line: &str) -> Option<(&str, u64)> {
    let (name, rest) = line.split_once(':')?;
    let kib: u64 = rest.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some((name, kib * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields that matter, as Linux 6.1 prints them.
    fn smaps(header: &str, resident: u64, anonymous: u64) -> String {
        format!(
            "{header}\nSize: 8 kB\nRss:   {resident} kB\nPrivate_Dirty: {anonymous} kB\n\
             Anonymous:  {anonymous} kB\nSwap: 0 kB\nVmFlags: rd ex mr mw me\n"
        )
    }

    #[test]
    fn only_read_only_files_without_pages_of_our_own_may_go() {
        let library = "7f0000001000-7f0000003000 r-xp 00001000 fe:00 42    /usr/lib/libx y.so.1";
        let found = parse(&smaps(library, 8, 0));
        let expected = Untouched { start: 0x7f00_0000_1000, end: 0x7f00_0000_3000, resident: 8192 };
        assert_eq!(found, [expected]);
        for (header, resident, anonymous) in [
            // Relocated, then protected.
            ("7f0000001000-7f0000003000 r--p 00001000 fe:00 42 /usr/lib/libx.so.1", 8, 4),
            ("7f0000001000-7f0000003000 rw-p 00001000 fe:00 42 /usr/lib/libx.so.1", 8, 0),
            ("7f0000001000-7f0000003000 r--s 00001000 fe:00 42 /usr/lib/libx.so.1", 8, 0),
            ("7f0000001000-7f0000003000 r-xp 00001000 fe:00 42 /usr/lib/libx.so (deleted)", 8, 0),
            ("7f0000001000-7f0000003000 r-xp 00000000 00:00 0 [vdso]", 8, 0),
            ("7f0000001000-7f0000003000 r--p 00000000 00:00 0", 8, 0),
            ("7f0000001000-7f0000003000 r-xp 00001000 fe:00 42 /usr/lib/libx.so.1", 0, 0),
        ] {
            assert_eq!(parse(&smaps(header, resident, anonymous)), [], "{header}");
        }
        let both = smaps(library, 8, 0) + &smaps("8-9 rw-p 0 fe:00 42 /x", 4, 4);
        assert_eq!(parse(&both), [expected]);
    }
}
