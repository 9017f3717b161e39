//! Packages into and out of a tree, in memory. Every conflict is found before anything of the
//! result is written, and told with both owners.

use super::{Layer, rpmdb::Database};
use crate::paths::tree_path;
use crate::{Error, FileConflict, Result};
use cambium_model::{Checksum, Nevra};
use cambium_ostree::{ConflictPolicy, Node, Tree};
use cambium_rpm::{FileType, Header};
use std::collections::{BTreeSet, HashMap};

/// Takes base packages out: their files, and directories that nobody else owns once they are
/// empty. Returns the paths that are gone.
pub(super) fn remove_packages(
    tree: &mut Tree<'_>,
    database: &Database,
    removed: &[Nevra],
    base: &Checksum,
) -> Result<Vec<String>> {
    let mut headers = Vec::new();
    for nevra in removed {
        let missing = || Error::NotInBase { package: nevra.to_string(), commit: base.clone() };
        headers.push(database.header(nevra)?.ok_or_else(missing)?);
    }
    if headers.is_empty() {
        return Ok(Vec::new());
    }
    let shared = paths_of_others(database, removed)?;
    let mut gone = Vec::new();
    let mut directories = BTreeSet::new();
    for header in &headers {
        for file in header.files()? {
            let Some(path) = tree_path(&file.path).filter(|path| !shared.contains(path)) else {
                continue;
            };
            if file.file_type() == FileType::Directory {
                directories.insert(path);
            } else if matches!(tree.lookup(&path)?, Some(Node::File(_))) && tree.remove(&path)? {
                gone.push(path);
            }
        }
        let lines = format!("{}/{}.conf", super::TMPFILES_OF_PACKAGES, header.nevra().name);
        if tree.remove(&lines)? {
            gone.push(lines);
        }
    }
    // Deepest first: a directory is empty only after those below it are gone.
    for path in directories.into_iter().rev() {
        let directory = matches!(tree.lookup(&path)?, Some(Node::Directory(_)));
        if directory && tree.list(&path)?.is_empty() && tree.remove(&path)? {
            gone.push(path);
        }
    }
    Ok(gone)
}

/// The tree paths that packages other than `removed` own. Reads the whole rpmdb: the price of
/// taking a package out of the base, not of layering one.
fn paths_of_others(database: &Database, removed: &[Nevra]) -> Result<BTreeSet<String>> {
    let mut paths = BTreeSet::new();
    for header in database.installed().headers()? {
        if !removed.contains(header.nevra()) {
            paths.extend(header.files()?.iter().filter_map(|file| tree_path(&file.path)));
        }
    }
    Ok(paths)
}

/// Lays the packages `new` over the tree, in their order. `all` are the layered packages, those
/// that the tree has already included: they may own what conflicts.
pub(super) fn add_packages(
    tree: &mut Tree<'_>,
    database: &Database,
    new: &[&Layer],
    all: &[Layer],
) -> Result<()> {
    refuse_kernels(tree, new)?;
    let mut conflicts = Vec::new();
    for layer in new {
        let package = layer.header.nevra().to_string();
        let found = tree.conflicts_with(&layer.commit, ConflictPolicy::Refuse)?;
        // After a conflict the merge goes on only to find the others; this tree is not written.
        let clean = found.is_empty();
        let policy = if clean { ConflictPolicy::Refuse } else { ConflictPolicy::KeepOurs };
        tree.merge(&layer.commit, &package, policy)?;
        for conflict in found {
            let path = conflict.path.trim_start_matches('/').to_owned();
            let owner = owner(&path, layer, database, all)?;
            conflicts.push(FileConflict { path, package: package.clone(), owner });
        }
    }
    if conflicts.is_empty() {
        return Ok(());
    }
    conflicts.sort();
    Err(Error::Conflicts(conflicts))
}

/// Who has `path` already: another layered package, or one of the base.
fn owner(path: &str, layer: &Layer, database: &Database, all: &[Layer]) -> Result<String> {
    // Only packages before this one can have it in the tree.
    for other in all.iter().take_while(|other| other.header.nevra() != layer.header.nevra()) {
        if owns(&other.header, path)? {
            return Ok(other.header.nevra().to_string());
        }
    }
    for packaged in packaged_forms(path) {
        if let Some(header) = database.installed().find_owner(&packaged)?.first() {
            return Ok(format!("{} of the base", header.nevra()));
        }
    }
    Ok("the base, where no package owns it".to_owned())
}

fn owns(header: &Header, path: &str) -> Result<bool> {
    let same = |packaged: &str| tree_path(packaged).is_some_and(|other| other == path);
    Ok(header.files()?.iter().any(|file| same(&file.path)))
}

/// The absolute paths under which a package may list what is at `path` in the tree.
fn packaged_forms(path: &str) -> Vec<String> {
    let mut forms = vec![format!("/{path}")];
    let below = path.strip_prefix("usr/").unwrap_or_default();
    for top in ["etc/", "bin/", "sbin/", "lib/", "lib64/"] {
        if below.starts_with(top) {
            forms.push(format!("/{below}"));
        }
    }
    if let Some(rest) = below.strip_prefix("lib/opt/") {
        forms.push(format!("/opt/{rest}"));
    }
    forms
}

/// A kernel beside the base's would leave it open which one boots.
fn refuse_kernels(tree: &mut Tree<'_>, new: &[&Layer]) -> Result<()> {
    let mut kernels = HashMap::new();
    for layer in new {
        for name in ["usr/lib/modules", "usr/lib/ostree-boot"] {
            if let Some(path) = kernel_below(tree, &layer.commit, name)? {
                kernels.insert(layer.header.nevra().to_string(), path);
            }
        }
    }
    match kernels.into_iter().min() {
        Some((package, path)) => Err(Error::Kernel { package, path }),
        None => Ok(()),
    }
}

/// A `vmlinuz` in a package's directory of modules (`DIR/VERSION/vmlinuz`) or of boot files.
fn kernel_below(tree: &Tree<'_>, commit: &Checksum, directory: &str) -> Result<Option<String>> {
    let repo = tree.repo();
    if !matches!(repo.lookup(commit, directory)?, Some(Node::Directory(_))) {
        return Ok(None);
    }
    for (name, _) in repo.list(commit, directory)? {
        let path = format!("{directory}/{name}");
        if name.starts_with("vmlinuz") {
            return Ok(Some(path));
        }
        let inner = format!("{path}/vmlinuz");
        if repo.lookup(commit, &inner)?.is_some() {
            return Ok(Some(inner));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_packaged_form_leads_back_to_its_tree_path() {
        for path in ["usr/bin/x", "usr/etc/x", "usr/lib/opt/a/b", "usr/share/x", "usr/lib64/y"] {
            let forms = packaged_forms(path);
            assert!(!forms.is_empty());
            for form in forms {
                assert_eq!(tree_path(&form).as_deref(), Some(path), "{form}");
            }
        }
    }
}
