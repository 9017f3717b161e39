//! Where a packaged path goes in a tree (rpm-ostree's rules for imports).
//!
//! | packaged | in the tree |
//! |---|---|
//! | /usr/… | the same |
//! | /etc/… | usr/etc/… (but not usr/etc/selinux/*.LOCK) |
//! | /bin, /sbin, /lib, /lib64 below | usr/… |
//! | /bin, /sbin, /lib, /lib64 as symlinks | the same: the merged toplevel of `filesystem` |
//! | /opt/X | usr/lib/opt/X, and a tmpfiles.d link for each X |
//! | /var/lib/alternatives, /var/lib/vagrant | usr/lib/… |
//! | other /var, /run, /usr/local | no content: tmpfiles.d lines |
//! | /boot/{vmlinuz,config,System.map}-V | usr/lib/modules/V/…, unless the package has that too |
//! | other /boot | usr/lib/ostree-boot/… |
//! | toplevel directories and symlinks (/home, /proc, /tmp, …) | nothing: whoever composes a tree lays out its toplevel |
//!
//! Anything else is refused. So is a path that would lead out of the tree: one that is not
//! absolute and normal, or one below a symlink of the same package.

use super::tmpfiles;
use crate::error::{Error, Result};
use crate::header::{FileInfo, FileType};
use std::collections::{HashMap, HashSet};

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Content at this relative path.
    Content(String),
    /// Below /opt: content, with the tmpfiles.d line that makes it reachable.
    Optional { content: String, link: String },
    /// State of the running system: a tmpfiles.d line.
    Runtime,
    /// Left out.
    Nowhere,
}

/// Directories of the toplevel that a package may own though a tree has them by itself.
const TOPLEVEL: [&str; 17] = [
    "", "afs", "boot", "dev", "home", "media", "mnt", "opt", "ostree", "proc", "root", "run",
    "srv", "sys", "sysroot", "tmp", "var",
];
/// What a merged /usr links to.
const MERGED: [&str; 6] = ["bin", "sbin", "lib", "lib64", "lib32", "libx32"];
/// State that is kept in /usr since tools look it up before the first boot.
const KEPT_STATE: [&str; 2] = ["var/lib/alternatives", "var/lib/vagrant"];

/// Places every file of a package.
///
/// # Errors
/// [`Error::UnsupportedPath`], [`Error::UnsafePath`].
pub(super) fn place_all(package: &str, files: &[FileInfo]) -> Result<Vec<Place>> {
    let packaged: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut places = Vec::with_capacity(files.len());
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut links = HashSet::new();
    for (index, file) in files.iter().enumerate() {
        let unsafe_path = |problem| Error::UnsafePath {
            package: package.to_owned(),
            path: file.path.clone(),
            problem,
        };
        let relative = check_path(&file.path).map_err(unsafe_path)?;
        let mut place = place(file, relative, &packaged).ok_or_else(|| Error::UnsupportedPath {
            package: package.to_owned(),
            path: file.path.clone(),
        })?;
        // One link makes everything below /opt/X reachable.
        if let Place::Optional { content, link } = &place
            && !links.insert(link.clone())
        {
            place = Place::Content(content.clone());
        }
        if let Some(path) = content(&place).filter(|_| !file.attributes.ghost()) {
            // /bin/x and /usr/bin/x are one file in a merged tree.
            match taken.get(path).map(|other| &files[*other]) {
                None => drop(taken.insert(path.to_owned(), index)),
                Some(other) if same(other, file) => place = Place::Nowhere,
                Some(_) => return Err(unsafe_path("another file of the package goes there")),
            }
        }
        places.push(place);
    }
    // A symlink in the middle of a path would make whoever unpacks it write elsewhere.
    let is_link = |path: &str| {
        taken.get(path).is_some_and(|index| files[*index].file_type() != FileType::Directory)
    };
    for (file, place) in files.iter().zip(&places) {
        let Some(path) = content(place) else { continue };
        if path.match_indices('/').any(|(at, _)| is_link(&path[..at])) {
            let path = file.path.clone();
            let problem = "a parent is not a directory in the same package";
            return Err(Error::UnsafePath { package: package.to_owned(), path, problem });
        }
    }
    Ok(places)
}

fn content(place: &Place) -> Option<&str> {
    match place {
        Place::Content(path) | Place::Optional { content: path, .. } => Some(path),
        _ => None,
    }
}

fn same(a: &FileInfo, b: &FileInfo) -> bool {
    let types = (a.file_type(), b.file_type());
    match types {
        (FileType::Directory, FileType::Directory) => true,
        (FileType::Symlink, FileType::Symlink) => a.link_target == b.link_target,
        (FileType::Regular, FileType::Regular) => a.digest == b.digest && !a.digest.is_empty(),
        _ => false,
    }
}

/// The path without its leading `/`, where it is absolute and normal.
fn check_path(path: &str) -> Result<&str, &'static str> {
    let relative = path.strip_prefix('/').ok_or("it is not absolute")?;
    let relative = relative.strip_suffix('/').unwrap_or(relative);
    let mut components = relative.split('/');
    if !relative.is_empty() && components.any(|part| matches!(part, "" | "." | "..")) {
        return Err("it is not normal");
    }
    Ok(relative)
}

/// `path` below `directory`: what follows it, or `Some("")` for the directory itself.
fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(directory)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

fn place(file: &FileInfo, path: &str, packaged: &HashSet<&str>) -> Option<Place> {
    let (top, rest) = path.split_once('/').unwrap_or((path, ""));
    if rest.is_empty() {
        let link = file.file_type() == FileType::Symlink;
        return match file.file_type() {
            FileType::Symlink | FileType::Directory if MERGED.contains(&top) => {
                let path = if link { top.to_owned() } else { format!("usr/{top}") };
                Some(Place::Content(path))
            }
            FileType::Directory if top == "usr" => Some(Place::Content(top.to_owned())),
            FileType::Directory if top == "etc" => Some(Place::Content("usr/etc".to_owned())),
            FileType::Symlink | FileType::Directory if TOPLEVEL.contains(&top) => {
                Some(Place::Nowhere)
            }
            _ => None,
        };
    }
    if KEPT_STATE.iter().any(|kept| below(path, kept).is_some()) {
        return Some(Place::Content(path.replacen("var", "usr", 1)));
    }
    Some(match top {
        "usr" if below(rest, "local").is_some() => Place::Runtime,
        "usr" if below(rest, "etc").is_some_and(is_selinux_lock) => Place::Nowhere,
        "usr" => Place::Content(path.to_owned()),
        "etc" if is_selinux_lock(rest) => Place::Nowhere,
        "etc" => Place::Content(format!("usr/etc/{rest}")),
        "var" | "run" => Place::Runtime,
        "opt" => optional(rest),
        "boot" => Place::Content(boot(rest, packaged)),
        _ if MERGED.contains(&top) => Place::Content(format!("usr/{path}")),
        _ => return None,
    })
}

/// Lock files of the policy's store, which a tree must not ship.
fn is_selinux_lock(path: &str) -> bool {
    path.starts_with("selinux/") && path.ends_with(".LOCK")
}

fn optional(rest: &str) -> Place {
    let name = rest.split('/').next().unwrap_or(rest);
    let link = tmpfiles::link(&format!("/opt/{name}"), &format!("../../usr/lib/opt/{name}"));
    Place::Optional { content: format!("usr/lib/opt/{rest}"), link }
}

/// A kernel's files belong beside its modules; older packages have them in /boot only.
fn boot(rest: &str, packaged: &HashSet<&str>) -> String {
    for (prefix, name) in [
        ("vmlinuz-", "vmlinuz"),
        (".vmlinuz-", ".vmlinuz"),
        ("config-", "config"),
        ("System.map-", "System.map"),
        ("symvers-", "symvers"),
    ] {
        let Some(version) = rest.strip_prefix(prefix).filter(|version| !version.contains('/'))
        else {
            continue;
        };
        let (version, suffix) = match version.strip_suffix(".hmac") {
            Some(version) => (version, ".hmac"),
            None => (version, ""),
        };
        let path = format!("usr/lib/modules/{version}/{name}{suffix}");
        let merged = path.strip_prefix("usr").unwrap_or(&path);
        let has_modules = ["/usr", ""]
            .iter()
            .any(|root| packaged.contains(format!("{root}/lib/modules/{version}").as_str()));
        if has_modules
            && !packaged.contains(merged)
            && !packaged.contains(format!("/{path}").as_str())
        {
            return path;
        }
    }
    format!("usr/lib/ostree-boot/{rest}")
}
