//! The device nodes that an initramfs needs before anything mounts devtmpfs, as a cpio archive.
//!
//! Inside the sandbox dracut cannot make nodes. The kernel unpacks archives that stand one after
//! the other, so a tiny uncompressed one in the "newc" form of cpio(5) is appended.

/// Name, major and minor number of each node.
const NODES: [(&str, u32, u32); 5] = [
    ("dev/console", 5, 1),
    ("dev/kmsg", 1, 11),
    ("dev/null", 1, 3),
    ("dev/random", 1, 8),
    ("dev/urandom", 1, 9),
];

/// The archive.
pub(super) fn device_nodes() -> Vec<u8> {
    let mut archive = Vec::new();
    push(&mut archive, "dev", 0o040_755, 2, (0, 0));
    for (name, major, minor) in NODES {
        let mode = if name == "dev/console" { 0o020_600 } else { 0o020_666 };
        push(&mut archive, name, mode, 1, (major, minor));
    }
    push(&mut archive, "TRAILER!!!", 0, 1, (0, 0));
    // Whole blocks, as cpio itself writes them.
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive
}

fn push(archive: &mut Vec<u8>, name: &str, mode: u32, links: u32, device: (u32, u32)) {
    // inode, mode, uid, gid, nlink, mtime, size, device, rdevice, name's length, checksum.
    let inode = u32::try_from(archive.len()).unwrap_or(u32::MAX);
    let length = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
    let fields = [inode, mode, 0, 0, links, 0, 0, 0, 0, device.0, device.1, length, 0];
    archive.extend_from_slice(b"070701");
    for field in fields {
        archive.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    archive.extend_from_slice(name.as_bytes());
    archive.push(0);
    archive.resize(archive.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, mode and device numbers of each member, read as cpio(5) says.
    fn members(mut archive: &[u8]) -> Vec<(String, u32, (u32, u32))> {
        let mut members = Vec::new();
        loop {
            assert_eq!(&archive[..6], b"070701");
            let field = |index: usize| {
                let at = 6 + 8 * index;
                let digits = std::str::from_utf8(&archive[at..at + 8]).unwrap();
                u32::from_str_radix(digits, 16).unwrap()
            };
            let length = field(11) as usize;
            let name = String::from_utf8(archive[110..110 + length - 1].to_vec()).unwrap();
            let member = (name, field(1), (field(9), field(10)));
            assert_eq!((archive[110 + length - 1], field(6)), (0, 0));
            archive = &archive[(110 + length).next_multiple_of(4)..];
            if member.0 == "TRAILER!!!" {
                return members;
            }
            members.push(member);
        }
    }

    #[test]
    fn the_archive_holds_the_nodes_and_nothing_else() {
        let archive = device_nodes();
        assert_eq!(archive.len() % 512, 0);
        let members = members(&archive);
        assert_eq!(members.len(), NODES.len() + 1);
        assert_eq!(members[0], ("dev".to_owned(), 0o040_755, (0, 0)));
        for ((name, mode, device), node) in members[1..].iter().zip(NODES) {
            assert_eq!((name.as_str(), device.0, device.1), node);
            assert_eq!(mode & 0o170_000, 0o020_000, "{name} is a character device");
        }
    }
}
