//! The native packages that the workspace needs, under their Debian and Fedora names.
//!
//! A data table; asking and installing is `setup`. What every installation of Debian or Fedora has
//! (a shell, coreutils, grep, sed, mount) is left out.

/// Why a package is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// Compiling the workspace.
    Building,
    /// Making the fixture OS, and the tests, demo and real OS on it.
    Running,
    /// What only the test suite asks for.
    Testing,
}

/// One package under both names; an empty name: not needed there, or part of another.
#[derive(Debug, Clone, Copy)]
pub struct Native {
    /// Its name on Debian.
    pub apt: &'static str,
    /// Its name on Fedora.
    pub dnf: &'static str,
    /// What for.
    pub needed: For,
}

const fn native(needed: For, apt: &'static str, dnf: &'static str) -> Native {
    Native { apt, dnf, needed }
}

/// Everything, in the order in which it is told.
pub const PACKAGES: &[Native] = &[
    native(For::Building, "gcc", "gcc"),
    native(For::Building, "pkg-config", "pkgconf-pkg-config"),
    native(For::Building, "libclang-dev", "clang-devel"),
    native(For::Building, "protobuf-compiler", "protobuf-compiler"),
    native(For::Building, "libprotobuf-dev", "protobuf-devel"),
    native(For::Building, "libostree-dev", "ostree-devel"),
    native(For::Building, "libdnf-dev", "libdnf-devel"),
    native(For::Building, "librepo-dev", "librepo-devel"),
    native(For::Building, "libsolv-dev", "libsolv-devel"),
    native(For::Building, "libsolvext-dev", ""),
    native(For::Building, "librpm-dev", "rpm-devel"),
    native(For::Building, "libssl-dev", "openssl-devel"),
    native(For::Running, "ostree", "ostree"),
    native(For::Running, "rpm", "rpm"),
    native(For::Running, "", "rpm-sign"),
    native(For::Running, "createrepo-c", "createrepo_c"),
    native(For::Running, "bubblewrap", "bubblewrap"),
    native(For::Running, "gnupg", "gnupg2"),
    native(For::Running, "binutils", "binutils"),
    native(For::Running, "systemd", "systemd"),
    native(For::Running, "kmod", "kmod"),
    native(For::Running, "dbus", "dbus-broker"),
    native(For::Running, "", "dbus-common"),
    native(For::Running, "", "dbus-tools"),
    native(For::Running, "procps", "procps-ng"),
    native(For::Running, "iproute2", "iproute"),
    native(For::Running, "util-linux", "util-linux"),
    native(For::Running, "e2fsprogs", "e2fsprogs"),
    native(For::Running, "zstd", "zstd"),
    native(For::Testing, "dnf", "dnf"),
    native(For::Testing, "strace", "strace"),
    native(For::Testing, "qemu-utils", "qemu-img"),
    native(For::Testing, "mount", ""),
    native(For::Testing, "docker.io", "moby-engine"),
    native(For::Testing, "selinux-utils", "libselinux-utils"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_twice() {
        for side in [|p: &Native| p.apt, |p: &Native| p.dnf] {
            let mut names: Vec<_> = PACKAGES.iter().map(side).filter(|n| !n.is_empty()).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all);
        }
    }

    #[test]
    fn each_purpose_has_packages() {
        for purpose in [For::Building, For::Running, For::Testing] {
            assert!(PACKAGES.iter().any(|package| package.needed == purpose));
        }
    }
}
