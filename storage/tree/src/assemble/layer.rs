//! The scripts' root before they run: the packages' own files above a checkout of the base.

use super::checkouts::{policy, root_of};
use super::writable::Writable;
use super::{Assembly, Layer};
use crate::{Error, Result};
use cambium_model::{Checksum, Observer};
use cambium_ostree::{Attributes, Child, CommitSpec, ConflictPolicy, Node, Repo, Tree};
use cambium_rpm::Header;
use cambium_sandbox::{Backend, Confinement, Limits};
use rustix::fs::{CWD, FileType, Mode};
use std::fs;
use std::path::{Path, PathBuf};

/// Directories and data that running scripts takes; nothing in it is tied to a thread.
#[derive(Debug)]
pub(super) struct Stage {
    /// The lower layers, `usr` directories: the packages' files, then the base.
    pub(super) lower: [PathBuf; 2],
    /// The root that scripts see, as far as it is a directory: links, `usr` and `var`.
    pub(super) root: PathBuf,
    /// The scripts' `usr`, in `root`.
    pub(super) merged: PathBuf,
    /// By what it can be written, and what is written read back.
    pub(super) writable: Writable,
    /// How scripts are confined.
    pub(super) confinement: Confinement,
    /// The scripts' /var.
    pub(super) var: PathBuf,
    /// Links at the top of the root: name and target.
    pub(super) links: Vec<(String, String)>,
    /// The new packages in order.
    pub(super) packages: Vec<Header>,
    /// Bounds of each script.
    pub(super) limits: Limits,
}

/// Links of the toplevel that are not shown: the sandbox has its own there.
const HIDDEN_LINKS: [&str; 9] = ["dev", "etc", "ostree", "proc", "run", "sys", "tmp", "usr", "var"];

/// Scripts see `usr/etc` as /etc.
const ETC: (&str, &str) = ("etc", "usr/etc");

/// Prepares the root in `work`. Needs a transaction of `repo`. `gone` are the paths that removed
/// packages took along.
pub(super) fn prepare(
    assembly: &Assembly<'_>,
    repo: &Repo,
    start: &Checksum,
    new: &[&Layer],
    gone: &[String],
    work: &Path,
    observer: &dyn Observer,
) -> Result<Stage> {
    let base = root_of(repo, start, assembly.checkouts, assembly.private, observer)?;
    let at = |name: &str| work.join(name);
    let layer = at("layer");
    let commit = layer_commit(repo, start, new)?;
    repo.checkout_subpath(&commit, "/", &layer, policy(repo))?;
    for path in gone {
        hide(&layer, &base, path)?;
    }
    // A root of its own with usr and var in it: without mounts they must be neighbours.
    for name in ["scratch", "root", "root/var"] {
        fs::create_dir(at(name)).map_err(Error::io("create", at(name)))?;
    }
    let lower = [layer.join("usr"), base.join("usr")];
    let (root, merged) = (at("root"), at("root/usr"));
    let backend = match assembly.backend {
        Some(backend) => backend.clone(),
        None => Backend::probe(assembly.private)?,
    };
    let writable = Writable::over(&lower, &merged, &at("scratch"), backend.writing, observer)?;
    let links = top_links(&base)?;
    // What is done to the tree from outside follows links as scripts do.
    for (name, target) in links.iter().map(|(a, b)| (a.as_str(), b.as_str())).chain([ETC]) {
        std::os::unix::fs::symlink(target, root.join(name)).map_err(Error::io("create", &root))?;
    }
    Ok(Stage {
        lower,
        root,
        merged,
        writable,
        confinement: backend.confinement,
        var: at("root/var"),
        links,
        packages: new.iter().map(|layer| layer.header.clone()).collect(),
        limits: assembly.limits,
    })
}

/// The packages' files as one commit that no ref holds. A directory that the base has too gets
/// the base's attributes: in an overlay those of the upper directory are the ones that count.
fn layer_commit(repo: &Repo, start: &Checksum, new: &[&Layer]) -> Result<Checksum> {
    let mut tree = Tree::empty(repo);
    tree.ensure_dir("usr", &Attributes::root(0o755))?;
    for layer in new {
        let name = layer.header.nevra().to_string();
        tree.merge(&layer.commit, &name, ConflictPolicy::TakeTheirs)?;
    }
    let mut below = Tree::from_commit(repo, start)?;
    take_attributes(&mut tree, &mut below, String::new())?;
    Ok(tree.commit(&CommitSpec { timestamp: Some(0), ..CommitSpec::default() })?)
}

fn take_attributes(tree: &mut Tree<'_>, below: &mut Tree<'_>, path: String) -> Result<()> {
    for (name, child) in tree.list(&path)? {
        if child != Child::Directory {
            continue;
        }
        let path = if path.is_empty() { name } else { format!("{path}/{name}") };
        // What only the packages have keeps their attributes, and so does all below it.
        if let Some(Node::Directory(attributes)) = below.lookup(&path)? {
            tree.set_dir(&path, &attributes)?;
            take_attributes(tree, below, path)?;
        }
    }
    Ok(())
}

/// Hides `path` of the base from the scripts, unless the packages brought it back.
fn hide(layer: &Path, base: &Path, path: &str) -> Result<()> {
    let target = layer.join(path);
    if target.symlink_metadata().is_ok() || !path.starts_with("usr/") {
        return Ok(());
    }
    // Parents that the layer has not are made like the base's; a hidden one hides what is below.
    let mut missing = Vec::new();
    let mut parent = target.parent();
    while let Some(directory) = parent.filter(|directory| !directory.is_dir()) {
        if directory.symlink_metadata().is_ok() {
            return Ok(());
        }
        missing.push(directory);
        parent = directory.parent();
    }
    for directory in missing.into_iter().rev() {
        fs::create_dir(directory).map_err(Error::io("create", directory))?;
        let inside = directory.strip_prefix(layer).unwrap_or(directory);
        let attributes = Attributes::of_path(&base.join(inside))?;
        rustix::fs::chmod(directory, Mode::from_raw_mode(attributes.mode))
            .map_err(Error::io("change the mode of", directory))?;
        std::os::unix::fs::chown(directory, Some(attributes.uid), Some(attributes.gid))
            .map_err(Error::io("change the owner of", directory))?;
    }
    rustix::fs::mknodat(CWD, &target, FileType::CharacterDevice, Mode::empty(), 0)
        .map_err(Error::io("make a whiteout at", &target))
}

fn top_links(root: &Path) -> Result<Vec<(String, String)>> {
    let mut links = Vec::new();
    for entry in fs::read_dir(root).map_err(Error::io("list", root))? {
        let entry = entry.map_err(Error::io("list", root))?;
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        if let (Ok(name), Some(target)) = (entry.file_name().into_string(), target.to_str())
            && !HIDDEN_LINKS.contains(&name.as_str())
        {
            links.push((name, target.to_owned()));
        }
    }
    links.sort();
    Ok(links)
}
