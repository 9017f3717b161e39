//! Which ways of confinement and of making a tree writable work here, found by trying them.
//!
//! What an environment is called tells little of what it allows: each step is done once on
//! nothing of value, with the code or the very arguments that scripts get. The strongest
//! combination that works is taken, and what kept a stronger one from it is its reason.
//!
//! Deliberately absent: making the tree writable (cambium-tree does, by the [`Writing`] that was
//! found).

use crate::{Confinement, Error, bubblewrap, chroot, in_private_mounts, process};
use rustix::fs::{XattrFlags, setxattr};
use rustix::mount::{MountFlags, mount};
use std::ffi::CString;
use std::fmt;
use std::fs;
use std::path::Path;

/// How scripts get a tree that they can write without writing the repository's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// An overlay above checkouts, with its notes in `trusted.overlay.*`.
    Overlay,
    /// The same within a user namespace, where the notes are in `user.overlay.*`.
    UserOverlay,
    /// A copy of the tree, blocks shared where the file system can.
    Copy,
}

impl Writing {
    /// The mount options of an overlay. The upper layer must say everything by itself: no
    /// redirect, no file without data, no index of hard links. (In a user namespace the kernel
    /// takes no other word for the first than `nofollow`, which also makes none.)
    #[must_use]
    pub fn mount_options(self) -> &'static str {
        match self {
            Self::UserOverlay => "userxattr,redirect_dir=nofollow,metacopy=off,index=off",
            Self::Overlay | Self::Copy => "redirect_dir=off,metacopy=off,index=off",
        }
    }
}

/// A combination that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// How programs are confined.
    pub confinement: Confinement,
    /// How the tree is made writable.
    pub writing: Writing,
    /// Why this one.
    pub reason: String,
}

impl Backend {
    /// Tries what works for trees below `directory`, which exists. Takes some 50 ms.
    ///
    /// # Errors
    /// [`Error::NoBackend`] with what was tried, where nothing works.
    pub fn probe(directory: &Path) -> Result<Self, Error> {
        let signals = process::can_scope_signals();
        let found = Self::choose(
            bubblewrap::probe,
            || overlay(directory),
            || chroot::probe(directory),
            signals,
        );
        let backend = found.map_err(|reasons| Error::NoBackend { reasons })?;
        tracing::info!(backend = backend.name(), reason = backend.reason, "sandbox chosen");
        Ok(backend)
    }

    fn choose(
        bubblewrap: impl FnOnce() -> Result<(), String>,
        overlay: impl FnOnce() -> Result<Writing, String>,
        chroot: impl FnOnce() -> Result<(), String>,
        signals: bool,
    ) -> Result<Self, String> {
        let denied = match bubblewrap() {
            Ok(()) => {
                let (writing, reason) = match overlay() {
                    Ok(writing @ Writing::Overlay) => {
                        (writing, "namespaces and overlay mounts work".to_owned())
                    }
                    Ok(writing) => (
                        writing,
                        "namespaces and overlay mounts work, in a user namespace".to_owned(),
                    ),
                    Err(denied) => {
                        let reason = format!("namespaces work, overlay mounts do not ({denied})");
                        (Writing::Copy, reason)
                    }
                };
                return Ok(Self { confinement: Confinement::Namespaces, writing, reason });
            }
            Err(denied) => denied,
        };
        chroot().map_err(|also| format!("namespaces do not work ({denied}), {also}"))?;
        let signals = if signals { "denied" } else { "not denied" };
        let reason = format!(
            "namespaces do not work ({denied}), chroot() and mknod() do; signals to processes of \
             others are {signals}"
        );
        Ok(Self { confinement: Confinement::Chroot, writing: Writing::Copy, reason })
    }

    /// How it is called: `namespaces`, `user-namespace`, `namespaces-copy` or `container`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match (self.confinement, self.writing) {
            (Confinement::Namespaces, Writing::Overlay) => "namespaces",
            (Confinement::Namespaces, Writing::UserOverlay) => "user-namespace",
            (Confinement::Namespaces, Writing::Copy) => "namespaces-copy",
            (Confinement::Chroot, _) => "container",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.reason)
    }
}

/// Mounts an overlay and does in it what needs more than a mount: a directory that takes the
/// place of a removed one is noted in an extended attribute, which is what may be denied.
fn overlay(directory: &Path) -> Result<Writing, String> {
    let mut denied = String::new();
    for (writing, note) in [
        (Writing::Overlay, "trusted.overlay.opaque"),
        (Writing::UserOverlay, "user.overlay.opaque"),
    ] {
        match try_overlay(directory, writing.mount_options(), note) {
            Ok(()) => return Ok(writing),
            Err(error) if denied.is_empty() => denied = error,
            Err(error) => denied += &format!("; {error}"),
        }
    }
    Err(denied)
}

fn try_overlay(directory: &Path, options: &str, note: &str) -> Result<(), String> {
    let failed = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
    let place = tempfile::Builder::new().prefix("cambium-").tempdir_in(directory);
    let place = place.map_err(failed("no directory to try in"))?;
    // Relative names need no escaping.
    for name in ["lower", "lower/there", "upper", "work", "merged"] {
        fs::create_dir(place.path().join(name)).map_err(failed("no directory to try in"))?;
    }
    setxattr(place.path().join("upper"), note, b"n", XattrFlags::empty())
        .map_err(|error| format!("setting {note}: {error}"))?;
    let options = format!("{options},lowerdir=lower,upperdir=upper,workdir=work");
    let options = CString::new(options).map_err(|error| error.to_string())?;
    let tried = in_private_mounts(|| {
        rustix::process::chdir(place.path()).map_err(|error| format!("chdir: {error}"))?;
        mount("overlay", "merged", "overlay", MountFlags::NODEV, options.as_c_str())
            .map_err(|error| format!("mount: {error}"))?;
        fs::remove_dir("merged/there").map_err(failed("a whiteout"))?;
        fs::create_dir("merged/there").map_err(failed("an opaque directory"))
    });
    match tried {
        Ok(result) => result?,
        Err(Error::Namespace(error)) => return Err(format!("a mount namespace: {error}")),
        Err(error) => return Err(error.to_string()),
    }
    let mut value = [0; 1];
    match rustix::fs::getxattr(place.path().join("upper/there"), note, &mut value[..]) {
        Ok(1) if value == *b"y" => Ok(()),
        _ => Err(format!("the kernel does not note opaque directories in {note}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_that_works_is_taken_and_the_reason_says_what_does_not() {
        let no = |what: &str| Err(what.to_owned());
        let name = |bubblewrap: Result<(), String>, overlay, chroot| {
            Backend::choose(|| bubblewrap, || overlay, || chroot, true)
                .map(|backend| backend.to_string())
        };
        let cases = [
            (
                name(Ok(()), Ok(Writing::Overlay), Ok(())),
                Ok("namespaces: namespaces and overlay mounts work"),
            ),
            (
                name(Ok(()), Ok(Writing::UserOverlay), no("c")),
                Ok("user-namespace: namespaces and overlay mounts work, in a user namespace"),
            ),
            (
                name(Ok(()), Err("b".to_owned()), Ok(())),
                Ok("namespaces-copy: namespaces work, overlay mounts do not (b)"),
            ),
            (
                name(no("a"), Ok(Writing::Overlay), Ok(())),
                Ok("container: namespaces do not work (a), chroot() and mknod() do; \
                    signals to processes of others are denied"),
            ),
            (name(no("a"), Ok(Writing::Overlay), no("c")), Err("namespaces do not work (a), c")),
        ];
        for (found, expected) in cases {
            let found = found.as_ref().map(String::as_str).map_err(String::as_str);
            assert_eq!(found, expected);
        }
    }

    /// Not a test by itself: the process that the next one runs in other namespaces.
    #[test]
    fn child() {
        let Some(directory) = std::env::var_os("CAMBIUM_TEST_BACKEND") else { return };
        match Backend::probe(Path::new(&directory)) {
            Ok(backend) => println!("found {backend}"),
            Err(error) => println!("none, {error}"),
        }
    }

    /// What is found by a process that `command` starts, given the test's program.
    fn found_by(command: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        let line = format!("{command} --exact backend::tests::child --nocapture")
            .replace("PROGRAM", program.to_str().unwrap());
        let output = std::process::Command::new("sh")
            .args(["-c", &line])
            .env("CAMBIUM_TEST_BACKEND", dir.path())
            .output()
            .unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said.lines().find(|line| line.contains("found ") || line.contains("none, "));
        line.unwrap_or_else(|| panic!("{line:?}: {output:?}")).to_owned()
    }

    #[test]
    fn what_is_denied_decides() {
        let root = found_by("unshare --user --map-root-user PROGRAM");
        assert!(root.contains("found user-namespace: "), "{root}");
        // As in a container: no CAP_SYS_ADMIN, so neither mounts nor namespaces.
        let container = found_by("setpriv --bounding-set=-sys_admin PROGRAM");
        assert!(container.contains("found container: namespaces do not work ("), "{container}");
        let nothing = found_by("setpriv --bounding-set=-sys_admin,-sys_chroot,-mknod PROGRAM");
        assert!(nothing.contains("none, packages' scripts cannot be confined here"), "{nothing}");
        assert!(nothing.contains("mknod: "), "{nothing}");
    }

    #[test]
    fn a_probe_leaves_nothing_behind_and_works_here() {
        let dir = tempfile::tempdir().unwrap();
        let backend = Backend::probe(dir.path()).unwrap();
        assert_eq!(backend.name(), "namespaces", "{backend}");
        assert_eq!(chroot::probe(dir.path()), Ok(()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
