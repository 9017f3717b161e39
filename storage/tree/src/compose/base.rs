//! The commit that packages are layered on to make a tree: nothing but an rpmdb, what the
//! previous commit's accounts were, and the kernel.
//!
//! From here on a compose is an assembly like any other ([`crate::assemble()`]): packages merged as
//! trees of checksums, scripts in an overlay, one rpmdb. Three things it does not do. A package
//! with a kernel may not be layered, so it lies in the base, and its scripts (which make boot
//! entries and an initramfs on the machine that they run on) stay out. Scripts see the links of
//! the base's top level, so the package that brings `/bin` and `/lib` lies there too. And ids of
//! users are whatever scripts make, so the previous commit's are said to systemd-sysusers.

use super::Error;
use super::accounts::Accounts;
use crate::Layer;
use cambium_model::{Checksum, Observer};
use cambium_ostree::{Attributes, Child, CommitSpec, ConflictPolicy, Node, Repo, Tree};
use cambium_rpm::rpmdb;
use std::path::Path;

/// Where a tree keeps its rpmdb.
pub(crate) const RPMDB: &str = "usr/share/rpm";
/// The copy by which layering knows the base's packages.
pub(crate) const BASE_DB: &str = "usr/lib/sysimage/rpm-ostree-base-db";
/// What tells systemd-sysusers the ids of the previous commit, ahead of all packages.
pub(crate) const IDS: &str = "usr/lib/sysusers.d/00-cambium-compose.conf";

/// Splits packages into those that lie in the base and all others, each in their order.
pub(crate) fn split(repo: &Repo, packages: Vec<Layer>) -> Result<(Vec<Layer>, Vec<Layer>), Error> {
    let mut below = Vec::new();
    let mut others = Vec::new();
    for package in packages {
        let top = repo.list(&package.commit, "/")?;
        let links = top.values().any(|child| matches!(child, Child::File(_)));
        let in_base = links || has_kernel(repo, &package.commit)?;
        if in_base { &mut below } else { &mut others }.push(package);
    }
    Ok((below, others))
}

/// Whether a package brings `usr/lib/modules/VERSION/vmlinuz` or `usr/lib/ostree-boot/vmlinuz*`.
fn has_kernel(repo: &Repo, commit: &Checksum) -> Result<bool, Error> {
    for directory in ["usr/lib/modules", "usr/lib/ostree-boot"] {
        if !matches!(repo.lookup(commit, directory)?, Some(Node::Directory(_))) {
            continue;
        }
        for (name, child) in repo.list(commit, directory)? {
            let inner = format!("{directory}/{name}/vmlinuz");
            let inside = child == Child::Directory && repo.lookup(commit, &inner)?.is_some();
            if inside || name.starts_with("vmlinuz") {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Commits the base to `repo`. `scratch` is an empty directory, `time` that of the compose.
pub(crate) fn make(
    repo: &Repo,
    packages: &[Layer],
    previous: Option<&Accounts>,
    scratch: &Path,
    time: u64,
    observer: &dyn Observer,
) -> Result<Checksum, Error> {
    let add = packages.iter().map(|package| &package.header).collect();
    // rpm's times have 32 bits.
    let update =
        rpmdb::Update { add, remove: Vec::new(), time: u32::try_from(time).unwrap_or(u32::MAX) };
    rpmdb::create(scratch, &update, observer)?;

    let transaction = repo.transaction()?;
    let mut tree = Tree::empty(repo);
    tree.ensure_dir("", &Attributes::root(0o755))?;
    for package in packages {
        let name = package.header.nevra().to_string();
        tree.merge(&package.commit, &name, ConflictPolicy::Refuse)?;
    }
    put_directory(&mut tree, RPMDB, scratch)?;
    if let Some(lines) = previous.map(Accounts::sysusers).filter(|lines| !lines.is_empty()) {
        tree.put_bytes(IDS, &Attributes::root(0o644), lines.as_bytes())?;
    }
    let commit = tree.commit(&CommitSpec { timestamp: Some(time), ..CommitSpec::default() })?;
    transaction.commit()?;
    Ok(commit)
}

/// Puts the files of a directory on disk into the tree, of root and with mode 0644.
pub(crate) fn put_directory(
    tree: &mut Tree<'_>,
    path: &str,
    directory: &Path,
) -> Result<(), Error> {
    let failed = |source| Error::read(directory, source);
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_file() {
            let path = format!("{path}/{}", entry.file_name().to_string_lossy());
            tree.put_disk_file(&path, &Attributes::root(0o644), &entry.path())?;
        }
    }
    Ok(())
}
