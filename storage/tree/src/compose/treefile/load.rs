//! Reading a treefile with all that it includes and names.
//!
//! Owns: include resolution, `packages-ARCH`, the files beside a treefile that it refers to.
//! Paths in a treefile are relative to the file that names them, which is why they are resolved
//! here, before merging.

use super::parse::parse;
use super::{Check, CheckKind, Treefile, package_names, variables};
use crate::compose::Error;
use crate::compose::error::Location;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How deep includes may nest; rpm-ostree's limit.
const MAX_DEPTH: usize = 50;

/// A treefile ready to be composed.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Everything merged, variables replaced, `packages` one name each.
    pub treefile: Treefile,
    /// Where the outermost treefile lies: `.repo` files are looked for there.
    pub directory: PathBuf,
    /// The base architecture that it was read for.
    pub basearch: String,
    /// What it names outside itself.
    pub externals: Externals,
}

/// Files that a treefile names, by absolute path or content.
#[derive(Debug, Clone, Default)]
pub struct Externals {
    /// `add-files`: the source and the absolute path in the image.
    pub add_files: Vec<(PathBuf, String)>,
    /// `postprocess-script`.
    pub postprocess_script: Option<PathBuf>,
    /// The content of `check-passwd`'s file.
    pub passwd: Option<String>,
    /// The content of `check-groups`' file.
    pub group: Option<String>,
}

/// Reads the treefile at `path` for `basearch`, with its includes.
///
/// # Errors
/// A file that cannot be read or parsed, an include loop, a variable without value.
pub fn load(path: &Path, basearch: &str) -> Result<Loaded, Error> {
    let path = path.canonicalize().map_err(|source| Error::read(path, source))?;
    let mut reading = Reading { basearch, seen: Vec::new(), variables: BTreeMap::new() };
    let (mut treefile, externals) = reading.read(&path, 0)?;
    treefile.variables =
        reading.variables.into_iter().map(|(k, v)| (k, super::Scalar(v))).collect();
    variables::substitute(&mut treefile, basearch).map_err(|unresolved| Error::Variable {
        path: path.clone(),
        key: unresolved.key,
        name: unresolved.name,
    })?;
    for list in [&mut treefile.packages, &mut treefile.exclude_packages] {
        *list = split_names(list, &path)?;
    }
    let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
    Ok(Loaded { treefile, directory, basearch: basearch.to_owned(), externals })
}

/// One name each, in order, every name once.
fn split_names(entries: &[String], path: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in entries {
        let split = package_names(entry).ok_or_else(|| Error::Treefile {
            at: Location { path: path.to_owned(), line: None },
            message: format!("a quote is never closed in the package entry '{entry}'"),
        })?;
        for name in split {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

struct Reading<'a> {
    basearch: &'a str,
    /// Files read so far; a file that comes twice would add its lists and scripts twice.
    seen: Vec<PathBuf>,
    /// Variables of all files so far, the including file's winning: include paths may use them.
    variables: BTreeMap<String, String>,
}

impl Reading<'_> {
    fn read(&mut self, path: &Path, depth: usize) -> Result<(Treefile, Externals), Error> {
        if self.seen.iter().any(|seen| seen == path) || depth > MAX_DEPTH {
            return Err(Error::IncludedTwice { path: path.to_owned() });
        }
        self.seen.push(path.to_owned());
        let text = std::fs::read_to_string(path).map_err(|source| Error::read(path, source))?;
        let mut treefile = parse(path, &text)?;
        for (name, value) in &treefile.variables {
            self.variables.entry(name.clone()).or_insert_with(|| value.0.clone());
        }
        let directory = path.parent().unwrap_or(Path::new("/"));
        let mut externals = externals(&treefile, path, directory)?;
        let mut of_arch = std::mem::take(&mut treefile.packages_of);
        treefile.packages.extend(of_arch.remove(self.basearch).unwrap_or_default());

        let mut includes = std::mem::take(&mut treefile.include).0;
        let mut of_arch = std::mem::take(&mut treefile.arch_include);
        includes.extend(of_arch.remove(self.basearch).unwrap_or_default().0);
        let mut known = self.variables.clone();
        known.insert("basearch".to_owned(), self.basearch.to_owned());
        for include in includes {
            let name = variables::expand("include", &include, &known).map_err(|unresolved| {
                Error::Variable { path: path.to_owned(), key: "include", name: unresolved.name }
            })?;
            let included = directory.join(name);
            let included = included.canonicalize().map_err(|source| Error::Include {
                path: path.to_owned(),
                include: included.clone(),
                source,
            })?;
            let (other, theirs) = self.read(&included, depth + 1)?;
            treefile.merge(other);
            externals.merge(theirs);
        }
        Ok((treefile, externals))
    }
}

impl Externals {
    fn merge(&mut self, included: Self) {
        self.add_files.splice(0..0, included.add_files);
        self.postprocess_script = self.postprocess_script.take().or(included.postprocess_script);
        self.passwd = self.passwd.take().or(included.passwd);
        self.group = self.group.take().or(included.group);
    }
}

fn externals(treefile: &Treefile, path: &Path, directory: &Path) -> Result<Externals, Error> {
    let invalid = |message: String| Error::Treefile {
        at: Location { path: path.to_owned(), line: None },
        message,
    };
    let mut add_files = Vec::new();
    for (source, target) in &treefile.add_files {
        let normal = |part| matches!(part, std::path::Component::Normal(_));
        let inside = Path::new(target.trim_start_matches('/'));
        if inside.as_os_str().is_empty() || !inside.components().all(normal) {
            return Err(invalid(format!("add-files: '{target}' is no path inside the image")));
        }
        add_files.push((directory.join(source), format!("/{}", inside.display())));
    }
    let table = |key: &str, check: Option<&Check>| match check {
        Some(Check { kind: CheckKind::File, filename: Some(name), .. }) => {
            let file = directory.join(name);
            std::fs::read_to_string(&file).map(Some).map_err(|source| Error::read(&file, source))
        }
        Some(Check { kind: CheckKind::File, filename: None, .. }) => {
            Err(invalid(format!("{key}: type 'file' needs a 'filename'")))
        }
        _ => Ok(None),
    };
    Ok(Externals {
        add_files,
        postprocess_script: treefile.postprocess_script.as_ref().map(|name| directory.join(name)),
        passwd: table("check-passwd", treefile.check_passwd.as_ref())?,
        group: table("check-groups", treefile.check_groups.as_ref())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn loaded(files: &[(&str, &str)]) -> Loaded {
        let dir = written(files);
        load(&dir.path().join(files[0].0), "x86_64").unwrap()
    }

    fn refused(files: &[(&str, &str)], expected: &str) {
        let dir = written(files);
        let base = dir.path().canonicalize().unwrap();
        let error = load(&dir.path().join(files[0].0), "x86_64").unwrap_err();
        assert_eq!(error.to_string().replace(base.to_str().unwrap(), "D"), expected);
    }

    #[test]
    fn includes_merge_inside_out_and_paths_stay_with_their_file() {
        let loaded = loaded(&[
            (
                "top.yaml",
                "ref: os/${basearch}\ninclude: ['parts/${kind}.yaml', parts/b.json]\n\
                 variables: {kind: a}\npackages: [top 'x >= 1', sed]\npackages-x86_64: [pc]\n\
                 packages-s390x: [mainframe]\npostprocess: [top]\n",
            ),
            ("parts/a.yaml", "packages: [a sed]\n"),
            (
                "parts/b.json",
                r#"{"packages": ["b"], "ref": "lost", "postprocess": ["b"],
                    "add-files": [["file", "/usr/share/f"]], "postprocess-script": "run.sh",
                    "check-passwd": {"type": "file", "filename": "passwd"}}"#,
            ),
            ("parts/passwd", "root:x:0:0::/root:/bin/sh\n"),
        ]);
        let treefile = &loaded.treefile;
        assert_eq!(treefile.treeref.as_deref(), Some("os/x86_64"));
        assert_eq!(treefile.packages, ["b", "a", "sed", "top", "x >= 1", "pc"]);
        assert_eq!(treefile.postprocess, ["b", "top"]);
        let parts = loaded.directory.join("parts");
        let file = (parts.join("file"), "/usr/share/f".to_owned());
        assert_eq!(loaded.externals.add_files, [file]);
        assert_eq!(loaded.externals.postprocess_script, Some(parts.join("run.sh")));
        assert!(loaded.externals.passwd.unwrap().starts_with("root:"));
    }

    #[test]
    fn includes_follow_the_architecture() {
        let loaded = loaded(&[
            ("t.yaml", "arch-include: {x86_64: pc.yaml, s390x: missing.yaml}\n"),
            ("pc.yaml", "packages: [grub2]\n"),
        ]);
        assert_eq!(loaded.treefile.packages, ["grub2"]);
    }

    #[test]
    fn a_broken_include_is_told_with_both_files() {
        refused(
            &[("t.yaml", "include: none.yaml\n")],
            "D/t.yaml includes D/none.yaml, which cannot be read",
        );
        refused(
            &[("t.yaml", "include: u.yaml\n"), ("u.yaml", "include: [t.yaml]\n")],
            "D/t.yaml is included a second time",
        );
        refused(
            &[("t.yaml", "include: u.yaml\n"), ("u.yaml", "ref: a\nunit: [t]\n")],
            "D/u.yaml:2: unknown key 'unit' (did you mean 'units'?)",
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        refused(
            &[("t.yaml", "add-files: [[a, /usr/../etc/x]]\n")],
            "D/t.yaml: add-files: '/usr/../etc/x' is no path inside the image",
        );
        refused(
            &[("t.yaml", "check-groups: {type: file}\n")],
            "D/t.yaml: check-groups: type 'file' needs a 'filename'",
        );
        refused(&[("t.yaml", "ref: ${x}\n")], "D/t.yaml: nothing gives '${x}' in 'ref' a value");
        refused(
            &[("t.yaml", "packages: [\"a 'b\"]\n")],
            "D/t.yaml: a quote is never closed in the package entry 'a 'b'",
        );
    }
}
