//! The top level of an ostree tree, and what must not be in a commit that many machines share.
//!
//! The links are rpm-ostree's: what changes lives in /var, what is gone after a boot in /run.

use super::Error;
use super::root::Root;
use super::treefile::Treefile;

/// Directories that the booted system mounts something on.
const MOUNT_POINTS: [&str; 6] = ["/boot", "/dev", "/proc", "/run", "/sys", "/sysroot"];

/// Links at the top level (and usr/local): where, and to what.
const LINKS: [(&str, &str); 8] = [
    ("/home", "var/home"),
    ("/srv", "var/srv"),
    ("/opt", "var/opt"),
    ("/mnt", "var/mnt"),
    ("/root", "var/roothome"),
    ("/media", "run/media"),
    ("/ostree", "sysroot/ostree"),
    ("/usr/local", "../var/usrlocal"),
];

/// Backups and locks that account tools leave in /etc.
const LEFT_BY_TOOLS: [&str; 8] = [
    "/etc/.pwd.lock",
    "/etc/.updated",
    "/etc/passwd-",
    "/etc/group-",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/subuid-",
    "/etc/subgid-",
];

/// Makes the top level: mount points, links, /tmp by the treefile.
pub(crate) fn make_top_level(root: &Root, treefile: &Treefile) -> Result<(), Error> {
    for directory in MOUNT_POINTS {
        root.make_directory(directory)?;
    }
    for (path, target) in LINKS {
        root.link(target, path)?;
    }
    if treefile.tmp_is_dir() {
        root.make_directory("/tmp")?;
        root.set_mode("/tmp", 0o1777)
    } else {
        root.link("sysroot/tmp", "/tmp")
    }
}

/// Removes what scripts and tools left behind and what belongs to one machine only.
pub(crate) fn clean(root: &Root, treefile: &Treefile) -> Result<(), Error> {
    for path in LEFT_BY_TOOLS {
        root.remove(path)?;
    }
    for directory in ["/dev", "/proc", "/run", "/sys", "/sysroot"] {
        for entry in root.list(directory)? {
            root.remove(&format!("{directory}/{}", entry.name))?;
        }
    }
    // An empty /etc/machine-id is filled in at the first boot and counts as no first boot; none at
    // all is a first boot, with presets and systemd-firstboot's questions.
    root.remove("/var/lib/dbus/machine-id")?;
    if treefile.machineid_compat.unwrap_or(true) {
        root.write("/etc/machine-id", b"", 0o644)
    } else {
        root.remove("/etc/machine-id")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::root::Kind;
    use crate::compose::treefile::Edition;

    fn laid_out(treefile: &Treefile) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        root.write("/home/somebody", b"", 0o644).unwrap();
        root.write("/etc/passwd-", b"", 0o644).unwrap();
        root.write("/run/lock", b"", 0o644).unwrap();
        root.write("/etc/machine-id", b"0123\n", 0o444).unwrap();
        make_top_level(&root, treefile).unwrap();
        clean(&root, treefile).unwrap();
        (dir, root)
    }

    #[test]
    fn the_top_level_is_links_and_mount_points() {
        let (_dir, root) = laid_out(&Treefile::default());
        let top: Vec<_> = root.list("/").unwrap().into_iter().map(|entry| entry.name).collect();
        let expected = [
            "boot", "dev", "home", "media", "mnt", "opt", "ostree", "proc", "root", "run", "srv",
            "sys", "sysroot", "tmp", "usr",
        ];
        assert_eq!(top, expected);
        assert_eq!(root.read_link("/home").unwrap(), "var/home");
        assert_eq!(root.read_link("/tmp").unwrap(), "sysroot/tmp");
        assert_eq!(root.read("/etc/machine-id").unwrap().unwrap(), b"");
        assert!(!root.exists("/etc/passwd-").unwrap());
        assert!(root.list("/run").unwrap().is_empty());
    }

    #[test]
    fn the_treefile_decides_on_tmp_and_machine_id() {
        let treefile = Treefile {
            edition: Some(Edition::E2024),
            machineid_compat: Some(false),
            ..Treefile::default()
        };
        let (_dir, root) = laid_out(&treefile);
        assert_eq!(root.kind("/tmp").unwrap(), Some(Kind::Directory));
        assert_eq!(root.owner("/tmp").unwrap().0, 0o1777);
        assert!(!root.exists("/etc/machine-id").unwrap());
    }
}
