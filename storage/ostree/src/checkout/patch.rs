//! A checkout of one commit turned into one of another: only directories that differ are read.

use super::{Objects, apply_to_directory, open_directory};
use crate::dirtree::Subtree;
use crate::error::{Result, io};
use crate::repo::Repo;
use cambium_model::{Checksum, Unobserved};
use rustix::fs::AtFlags;
use std::path::Path;

/// Turns `directory`, a checkout of `from` that nobody uses, into one of `to`. Not atomic: the
/// caller gives it a name that means nothing while this runs. Nothing is synced.
pub(crate) fn patch(repo: &Repo, directory: &Path, from: &Checksum, to: &Checksum) -> Result<()> {
    let objects = Objects::open(repo)?;
    patch_directory(repo, &objects, directory, repo.root(from)?, repo.root(to)?)
}

fn patch_directory(
    repo: &Repo,
    objects: &Objects,
    path: &Path,
    from: Subtree,
    to: Subtree,
) -> Result<()> {
    if from == to {
        return Ok(());
    }
    let directory = open_directory(path)?;
    if from.contents != to.contents {
        let (from, to) = (repo.dirtree(from.contents)?, repo.dirtree(to.contents)?);
        for (name, id) in &from.files {
            if to.files.get(name) != Some(id) {
                rustix::fs::unlinkat(&directory, name, AtFlags::empty())
                    .map_err(io("remove", path.join(name)))?;
            }
        }
        for name in from.directories.keys().filter(|name| !to.directories.contains_key(*name)) {
            let gone = path.join(name);
            std::fs::remove_dir_all(&gone).map_err(io("remove", gone))?;
        }
        for (name, id) in &to.files {
            if from.files.get(name) != Some(id) {
                objects.link(*id, &directory, name, path)?;
            }
        }
        for (name, subtree) in &to.directories {
            let child = path.join(name);
            match from.directories.get(name) {
                Some(old) => patch_directory(repo, objects, &child, *old, *subtree)?,
                None => repo.checkout_tree(*subtree, &child, 1, &Unobserved)?,
            }
        }
    }
    let attributes = repo.dirmeta(to.meta)?;
    if from.meta != to.meta {
        clear_xattrs(&directory, path)?;
    }
    apply_to_directory(&directory, &attributes, path)
}

/// Removes what the old attributes had; a label that the kernel gives stays if it must.
fn clear_xattrs(directory: &std::os::fd::OwnedFd, path: &Path) -> Result<()> {
    for (name, _) in crate::attributes::read_xattrs(path)? {
        match rustix::fs::fremovexattr(directory, name.as_slice()) {
            Ok(()) | Err(rustix::io::Errno::NODATA | rustix::io::Errno::PERM) => {}
            Err(error) => return Err(io("remove an extended attribute of", path)(error)),
        }
    }
    Ok(())
}
