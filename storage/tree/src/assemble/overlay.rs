//! An overlay over existing checkouts: mounted for one transaction, seen by nobody else.

use crate::{Error, Result};
use cambium_sandbox::Writing;
use rustix::mount::{MountFlags, mount};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The mount options (see [`Writing::mount_options`]) with the layers.
pub(crate) fn options(
    lower: &[PathBuf],
    upper: &Path,
    work: &Path,
    writing: Writing,
) -> Result<CString> {
    let mut options = format!("{},lowerdir=", writing.mount_options()).into_bytes();
    for (at, path) in lower.iter().enumerate() {
        if at > 0 {
            options.push(b':');
        }
        escape(path, &mut options);
    }
    options.extend(b",upperdir=");
    escape(upper, &mut options);
    options.extend(b",workdir=");
    escape(work, &mut options);
    CString::new(options).map_err(|_| Error::Name { path: upper.to_owned() })
}

/// Mounts the overlay on `target`. Only from within `cambium_sandbox::in_private_mounts`.
pub(crate) fn mount_over(target: &Path, options: &CString) -> Result<()> {
    mount("overlay", target, "overlay", MountFlags::NODEV, options.as_c_str())
        .map_err(|source| Error::Mount { path: target.to_owned(), source: source.into() })
}

/// overlayfs takes `:` between lower layers and `,` between options, both escaped by `\`.
fn escape(path: &Path, options: &mut Vec<u8>) {
    for byte in path.as_os_str().as_bytes() {
        if matches!(byte, b':' | b',' | b'\\') {
            options.push(b'\\');
        }
        options.push(*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cambium_sandbox::in_private_mounts;
    use std::fs;

    #[test]
    fn paths_with_separators_are_mounted_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["lo:wer,a", "low\\er", "upper", "work", "merged"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("lo:wer,a").join("first"), "").unwrap();
        fs::write(at("low\\er").join("second"), "").unwrap();
        let lower = [at("lo:wer,a"), at("low\\er")];
        let options = options(&lower, &at("upper"), &at("work"), Writing::Overlay).unwrap();
        let seen = in_private_mounts(|| {
            mount_over(&at("merged"), &options).unwrap();
            fs::read_dir(at("merged")).unwrap().count()
        });
        assert_eq!(seen.unwrap(), 2);
        assert_eq!(fs::read_dir(at("merged")).unwrap().count(), 0, "not seen outside");
    }
}
