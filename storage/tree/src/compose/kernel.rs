//! The kernel of the tree: its place, its module index, its initramfs.

mod cpio;

use super::Error;
use super::confined::{Call, Confined};
use super::root::{Kind, Root};
use super::treefile::{BootLocation, Treefile};
use cambium_model::Observer;
use cambium_sandbox::{Access, Bind};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Where kernels and their modules are.
const MODULES: &str = "/usr/lib/modules";

/// Finds the tree's one kernel, moved out of /boot where a package put it there; `None` for a
/// tree without one (a container's).
pub(crate) fn find(root: &Root) -> Result<Option<String>, Error> {
    for entry in root.list("/boot")? {
        if let Some(version) = entry.name.strip_prefix("vmlinuz-")
            && let Some(bytes) = root.read(&format!("/boot/{}", entry.name))?
            && !root.exists(&format!("{MODULES}/{version}/vmlinuz"))?
        {
            root.write(&format!("{MODULES}/{version}/vmlinuz"), &bytes, 0o755)?;
        }
    }
    let mut versions = Vec::new();
    for entry in root.list(MODULES)? {
        let kernel = format!("{MODULES}/{}/vmlinuz", entry.name);
        if entry.kind == Kind::Directory && root.exists(&kernel)? {
            versions.push(entry.name);
        }
    }
    match versions.len() {
        0 | 1 => Ok(versions.pop()),
        _ => Err(Error::SeveralKernels { versions: versions.join(", ") }),
    }
}

/// Writes the module index and the initramfs of the kernel `version`, then puts both where
/// `boot-location` says. `scratch` is an empty directory of the host for what dracut works on.
pub(crate) fn prepare(
    root: &Root,
    confined: &Confined<'_>,
    version: &str,
    treefile: &Treefile,
    scratch: &Path,
    observer: &dyn Observer,
) -> Result<(), Error> {
    let modules = format!("{MODULES}/{version}");
    for entry in root.list("/boot")? {
        root.remove(&format!("/boot/{}", entry.name))?;
    }
    let arguments = vec!["-a".to_owned(), version.to_owned()];
    confined
        .command(program(root, "depmod")?, Call { name: "depmod", arguments, ..Call::default() })?;
    if !treefile.no_initramfs.unwrap_or(false) {
        observer.message("Generating initramfs".to_owned());
        let initramfs = dracut(root, confined, version, &treefile.initramfs_args, scratch)?;
        root.write(&format!("{modules}/initramfs.img"), &initramfs, 0o600)?;
    }
    if treefile.boot_location() == BootLocation::New {
        copy_to_ostree_boot(root, version)?;
    }
    Ok(())
}

/// Runs dracut as rpm-ostree does (surface §2.8) and gives the image, device nodes appended.
fn dracut(
    root: &Root,
    confined: &Confined<'_>,
    version: &str,
    own: &[String],
    scratch: &Path,
) -> Result<Vec<u8>, Error> {
    let inside = "/tmp/dracut";
    let mut arguments: Vec<String> =
        ["--reproducible", "--force", "--add", "ostree"].map(Into::into).into();
    arguments.extend([format!("--tmpdir={inside}"), "--kver".to_owned(), version.to_owned()]);
    // As rpm-ostree: a tree that says nothing gets an initramfs for any machine.
    if own.is_empty() {
        arguments.push("--no-hostonly".to_owned());
    }
    arguments.extend(own.iter().cloned());
    arguments.push(format!("{inside}/initramfs.img"));
    let bind = Bind {
        source: scratch.to_owned(),
        target: Path::new(inside).to_owned(),
        access: Access::ReadWrite,
    };
    let call = Call {
        name: "dracut",
        arguments,
        binds: vec![bind],
        // Neither nodes nor all attributes can be made inside.
        environment: vec![("DRACUT_NO_MKNOD", "1"), ("DRACUT_NO_XATTR", "1")],
    };
    confined.command(program(root, "dracut")?, call)?;
    let image = scratch.join("initramfs.img");
    let mut bytes = std::fs::read(&image).map_err(|source| Error::read(&image, source))?;
    // Archives follow one another at multiples of four bytes.
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(cpio::device_nodes());
    Ok(bytes)
}

/// The tree's program of that name.
fn program(root: &Root, name: &'static str) -> Result<&'static str, Error> {
    let known: [&[&str]; 2] = [
        &["/usr/sbin/depmod", "/usr/bin/depmod", "/sbin/depmod"],
        &["/usr/bin/dracut", "/usr/sbin/dracut", "/bin/dracut"],
    ];
    for path in known.concat().into_iter().filter(|path| path.ends_with(name)) {
        if root.exists(path)? {
            return Ok(path);
        }
    }
    Err(Error::NoProgram { name })
}

/// Copies kernel and initramfs to /usr/lib/ostree-boot, named with the checksum of both, for
/// libostree before 2016 (`boot-location: new`).
fn copy_to_ostree_boot(root: &Root, version: &str) -> Result<(), Error> {
    let read = |name: &str| root.read(&format!("{MODULES}/{version}/{name}"));
    let (kernel, initramfs) = (read("vmlinuz")?.unwrap_or_default(), read("initramfs.img")?);
    let mut digest = Sha256::new();
    digest.update(&kernel);
    digest.update(initramfs.as_deref().unwrap_or_default());
    let checksum = format!("{:x}", digest.finalize());
    let boot = "/usr/lib/ostree-boot";
    root.write(&format!("{boot}/vmlinuz-{version}-{checksum}"), &kernel, 0o755)?;
    if let Some(initramfs) = initramfs {
        root.write(&format!("{boot}/initramfs-{version}.img-{checksum}"), &initramfs, 0o600)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        for file in files {
            root.write(file, file.as_bytes(), 0o644).unwrap();
        }
        (dir, root)
    }

    #[test]
    fn one_kernel_is_found_and_taken_out_of_boot() {
        let (_dir, root) = tree(&["/boot/vmlinuz-6.1", "/usr/lib/modules/6.1/modules.order"]);
        assert_eq!(find(&root).unwrap().as_deref(), Some("6.1"));
        let kernel = root.read("/usr/lib/modules/6.1/vmlinuz").unwrap().unwrap();
        assert_eq!(kernel, b"/boot/vmlinuz-6.1");
        let (_dir, root) = tree(&["/usr/lib/modules/6.1/modules.order"]);
        assert_eq!(find(&root).unwrap(), None);
        let (_dir, root) = tree(&["/usr/lib/modules/6.1/vmlinuz", "/boot/vmlinuz-6.2"]);
        let error = find(&root).unwrap_err();
        assert_eq!(error.to_string(), "the tree has more than one kernel: 6.1, 6.2");
    }

    #[test]
    fn the_old_place_is_named_by_the_checksum_of_both() {
        let (_dir, root) =
            tree(&["/usr/lib/modules/6.1/vmlinuz", "/usr/lib/modules/6.1/initramfs.img"]);
        copy_to_ostree_boot(&root, "6.1").unwrap();
        let both = "/usr/lib/modules/6.1/vmlinuz/usr/lib/modules/6.1/initramfs.img";
        let checksum = format!("{:x}", Sha256::digest(both));
        let names: Vec<_> =
            root.list("/usr/lib/ostree-boot").unwrap().into_iter().map(|e| e.name).collect();
        let expected = [format!("initramfs-6.1.img-{checksum}"), format!("vmlinuz-6.1-{checksum}")];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_tree_without_dracut_says_so() {
        let (_dir, root) = tree(&["/usr/sbin/depmod"]);
        assert_eq!(program(&root, "depmod").unwrap(), "/usr/sbin/depmod");
        let error = program(&root, "dracut").unwrap_err();
        assert_eq!(error.to_string(), "the tree has no program 'dracut'");
    }
}
