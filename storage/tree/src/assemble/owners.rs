//! Owners of packaged files. A package commit's files are root's; here they get the users and
//! groups that their package names, by the numbers of this tree.
//!
//! Without scripts this happens in the tree of checksums; where scripts run, after `%pre`, which
//! may make the users, in the scripts' root.

use super::inside::{Inside, is_directory};
use super::{Accounts, Layer};
use crate::Result;
use crate::paths::tree_path;
use cambium_model::{Checksum, Observer};
use cambium_ostree::{Attributes, FileKind, Node, Tree};
use cambium_rpm::{FileInfo, Header};
use std::path::Path;

/// A file of a package that is not (only) root's, at its place in the tree.
struct Owned {
    path: String,
    file: FileInfo,
}

fn owned(header: &Header) -> Result<Vec<Owned>> {
    let roots = |name: &str| name.is_empty() || name == "root";
    let others = |file: &FileInfo| !roots(&file.user) || !roots(&file.group);
    let files = header.files()?.into_iter().filter(|f| !f.attributes.ghost() && others(f));
    Ok(files.filter_map(|file| Some(Owned { path: tree_path(&file.path)?, file })).collect())
}

/// The numbers of a file's owners; a name that nobody knows stays root's, with a warning.
fn numbers(
    owned: &Owned,
    accounts: &Accounts,
    header: &Header,
    observer: &dyn Observer,
) -> (u32, u32) {
    let warn = |kind: &str, name: &str| {
        let package = header.nevra();
        let path = &owned.file.path;
        observer.warning(format!("{package}: {path} stays root's, {kind} '{name}' is unknown"));
        0
    };
    let user = accounts.user(&owned.file.user);
    let group = accounts.group(&owned.file.group);
    (
        user.unwrap_or_else(|| warn("user", &owned.file.user)),
        group.unwrap_or_else(|| warn("group", &owned.file.group)),
    )
}

/// Sets the owners of `new` in the tree, which began as the commit `start`.
pub(super) fn set_in_tree(
    tree: &mut Tree<'_>,
    start: &Checksum,
    new: &[&Layer],
    observer: &dyn Observer,
) -> Result<()> {
    let mut accounts = None;
    for layer in new {
        for owned in owned(&layer.header)? {
            if accounts.is_none() {
                accounts = Some(of_tree(tree)?);
            }
            let Some(accounts) = &accounts else { continue };
            let owner = numbers(&owned, accounts, &layer.header, observer);
            if owner != (0, 0) {
                set(tree, start, &owned.path, owner)?;
            }
        }
    }
    Ok(())
}

fn set(tree: &mut Tree<'_>, start: &Checksum, path: &str, owner: (u32, u32)) -> Result<()> {
    let repo = tree.repo();
    let with_owner =
        |attributes: Attributes| Attributes { uid: owner.0, gid: owner.1, ..attributes };
    match tree.lookup(path)? {
        // A directory that was there before keeps its attributes.
        Some(Node::Directory(_)) if repo.lookup(start, path)?.is_some() => {}
        Some(Node::Directory(attributes)) => tree.set_dir(path, &with_owner(attributes))?,
        Some(Node::File(file)) => {
            let info = repo.file_info(&file)?;
            let attributes = with_owner(info.attributes);
            match info.kind {
                FileKind::Symlink { target } => tree.put_symlink(path, &attributes, &target)?,
                FileKind::Regular { .. } => {
                    let mut content = repo.open_object(&file)?;
                    tree.put_reader(path, &attributes, &mut content)?
                }
            };
        }
        // Documentation that was left out at import, or what %pre's package replaced.
        None => {}
    }
    Ok(())
}

/// The accounts of a tree: the image's own, then what a new /etc begins with.
pub(super) fn of_tree(tree: &mut Tree<'_>) -> Result<Accounts> {
    let mut read = |name: &str| -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for directory in ["usr/lib", "usr/etc"] {
            if let Some(bytes) = tree.read_file(&format!("{directory}/{name}"))? {
                texts.push(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        Ok(texts)
    };
    let (passwd, group) = (read("passwd")?, read("group")?);
    Ok(Accounts::parse(passwd.iter().map(String::as_str), group.iter().map(String::as_str)))
}

/// The accounts of a root that scripts write in.
pub(super) fn of_inside(inside: &Inside) -> Result<Accounts> {
    let read = |name: &str| -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for directory in ["usr/lib", "usr/etc"] {
            if let Some(bytes) = inside.read(&format!("{directory}/{name}"))? {
                texts.push(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        Ok(texts)
    };
    let (passwd, group) = (read("passwd")?, read("group")?);
    Ok(Accounts::parse(passwd.iter().map(String::as_str), group.iter().map(String::as_str)))
}

/// Sets the owners of one package in the scripts' root. `below` is the `usr` that lies under the
/// packages' files: its directories keep their attributes.
pub(super) fn set_in_root(
    inside: &Inside,
    below: &Path,
    header: &Header,
    observer: &dyn Observer,
) -> Result<()> {
    let owned = owned(header)?;
    if owned.is_empty() {
        return Ok(());
    }
    // Read for each package: the %post before may have added users.
    let accounts = of_inside(inside)?;
    for owned in owned {
        let Some(stat) = inside.stat(&owned.path)? else { continue };
        let in_usr = owned.path.strip_prefix("usr/").unwrap_or(&owned.path);
        if is_directory(&stat) && below.join(in_usr).is_dir() {
            continue;
        }
        let owner = numbers(&owned, &accounts, header, observer);
        if owner != (0, 0) {
            inside.set_owner(&owned.path, owner)?;
        }
    }
    Ok(())
}
