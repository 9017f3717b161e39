//! A small world for tests: a bare repository with a base tree that has a real shell and a real
//! rpmdb, and real RPMs built on the spot.

pub(crate) mod policy;

use crate::assemble::{Assembled, Assembly, Checkout, Extension, Layer, assemble};
use crate::import::{ImportOptions, ImportedPackage, Rpm, SignaturePolicy, import};
use crate::{Error, Result};
use cambium_model::{Checksum, Nevra, Observer, Progress, Unobserved};
use cambium_ostree::{
    Attributes, CommitSpec, ConflictPolicy, Labels, Metadata, Policy, Repo, RepoMode, Tree,
};
use cambium_rpm::rpmdb::{Update, create};
use cambium_sandbox::{Backend, Limits};
use rpm::{BuildConfig, FileOptions, PackageBuilder, Scriptlet};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use tempfile::TempDir;

/// Programs of the base.
const PROGRAMS: [&str; 14] = [
    "bash", "cat", "chmod", "chown", "cp", "grep", "id", "ln", "ls", "mkdir", "mv", "rm", "sleep",
    "touch",
];
/// Time of every build, install and commit.
pub(crate) const TIME: u64 = 1_700_000_000;

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) base: Checksum,
}

/// A package to build.
pub(crate) struct Recipe {
    builder: PackageBuilder,
    file: String,
}

impl Recipe {
    pub(crate) fn new(name: &str, version: &str) -> Self {
        let mut builder = PackageBuilder::new(name, version, "MIT", "noarch", "a test package");
        builder.release("1").using_config(BuildConfig::v4().source_date(TIME as u32));
        Self { builder, file: format!("{name}-{version}-1.noarch.rpm") }
    }

    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        self.with(FileOptions::new(path), content)
    }

    pub(crate) fn with(mut self, options: impl Into<FileOptions>, content: &str) -> Self {
        self.builder.with_file_contents(content, options).unwrap();
        self
    }

    pub(crate) fn edit(mut self, edit: impl FnOnce(&mut PackageBuilder)) -> Self {
        edit(&mut self.builder);
        self
    }

    pub(crate) fn pre(self, text: &str) -> Self {
        self.edit(|builder| {
            builder.pre_install_script(shell(text));
        })
    }

    pub(crate) fn post(self, text: &str) -> Self {
        self.edit(|builder| {
            builder.post_install_script(shell(text));
        })
    }

    pub(crate) fn posttrans(self, text: &str) -> Self {
        self.edit(|builder| {
            builder.post_trans_script(shell(text));
        })
    }

    pub(crate) fn trigger(self, prefix: &str, text: &str) -> Self {
        self.edit(|builder| {
            builder.trans_file_trigger_in(prefix, None, shell(text));
        })
    }

    pub(crate) fn build(mut self, dir: &Path) -> PathBuf {
        let path = dir.join(self.file);
        self.builder.build().unwrap().write_file(&path).unwrap();
        path
    }
}

fn shell(text: &str) -> Scriptlet {
    Scriptlet::new(text).prog(vec!["/bin/sh"])
}

impl World {
    /// A world whose base holds the package `base-1-1.noarch` and whatever `more` adds.
    pub(crate) fn new() -> Self {
        Self::with(Recipe::new("base", "1").file("/usr/bin/base-tool", "old\n"), |_| {})
    }

    /// A base with the package `package`, in a root that `more` may add to.
    pub(crate) fn with(package: Recipe, more: impl FnOnce(&Path)) -> Self {
        Self::of(|dir| vec![package.build(dir)], more)
    }

    /// A base with packages that `build` puts into a directory, in a root that `more` may add to.
    pub(crate) fn of(build: impl FnOnce(&Path) -> Vec<PathBuf>, more: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo::create(dir.path().join("repo"), RepoMode::Bare).unwrap();
        // No disk of a test machine is too full for a few files.
        let config = dir.path().join("repo/config");
        let text = fs::read_to_string(&config).unwrap() + "min-free-space-size=1MB\n";
        fs::write(config, text).unwrap();
        let mut world = Self { dir, base: "0".repeat(64).parse().unwrap() };
        let root = world.path("root");
        system(&root);
        more(&root);
        let packages = world.import(&build(world.dir.path())).unwrap();
        let database = world.path("base-rpmdb");
        fs::create_dir(&database).unwrap();
        let add = packages.iter().map(|package| &package.header).collect();
        create(&database, &Update { add, remove: vec![], time: TIME as u32 }, &Unobserved).unwrap();

        let transaction = repo.transaction().unwrap();
        let mut tree = Tree::empty(&repo);
        add_directory(&mut tree, &root, "");
        for package in packages {
            tree.merge(&package.commit, "base", ConflictPolicy::Refuse).unwrap();
        }
        add_directory(&mut tree, &database, "usr/share/rpm");
        let labels = Labels::of(Policy::of_tree(&mut tree).unwrap());
        tree.set_labels(labels);
        tree.relabel("", &Unobserved).unwrap();
        let metadata = Metadata::new().string("version", "1").flag("ostree.bootable", true);
        let spec = CommitSpec { metadata, timestamp: Some(TIME), ..CommitSpec::default() };
        world.base = tree.commit(&spec).unwrap();
        transaction.set_ref("base", &world.base);
        transaction.commit().unwrap();
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn repo(&self) -> Repo {
        Repo::open(self.path("repo")).unwrap()
    }

    pub(crate) fn import(&self, files: &[PathBuf]) -> Result<Vec<ImportedPackage>> {
        let rpm = |path: &PathBuf| Rpm {
            path: path.clone(),
            repository: None,
            checksum: None,
            signature: SignaturePolicy::Unchecked,
        };
        let rpms: Vec<Rpm> = files.iter().map(rpm).collect();
        let policy = Policy::of_commit(&self.repo(), &self.base).ok().flatten();
        let options = ImportOptions { policy, ..ImportOptions::default() };
        import(&self.path("repo"), &rpms, &options, &Unobserved)
    }

    /// Builds and imports packages.
    pub(crate) fn layers(&self, recipes: Vec<Recipe>) -> Vec<Layer> {
        let files: Vec<_> = recipes.into_iter().map(|r| r.build(self.dir.path())).collect();
        self.layers_of(&files)
    }

    /// Imports packages.
    pub(crate) fn layers_of(&self, files: &[PathBuf]) -> Vec<Layer> {
        let imported = self.import(files).unwrap().into_iter();
        imported.map(|p| Layer { commit: p.commit, header: p.header }).collect()
    }

    /// Assembles packages onto the base.
    pub(crate) fn assemble(&self, layers: &[Layer]) -> Result<Assembled> {
        self.assemble_with(layers, |_| {}, &Unobserved)
    }

    pub(crate) fn assemble_with(
        &self,
        layers: &[Layer],
        change: impl FnOnce(&mut Parts),
        observer: &dyn Observer,
    ) -> Result<Assembled> {
        let mut parts = Parts::default();
        change(&mut parts);
        let (repo, private) = (self.path("repo"), self.path("private"));
        let assembly = Assembly {
            repo: &repo,
            private: &private,
            base: &self.base,
            extend: parts.extend.as_ref(),
            packages: layers,
            removed: &parts.removed,
            replaced: &parts.replaced,
            checkouts: &parts.checkouts,
            requested: &["demo".to_owned()],
            repos: &[],
            state_sha512: "state",
            keep: None,
            around: None,
            rules: &parts.rules,
            limits: parts.limits,
            backend: parts.backend.as_ref(),
            labelling: crate::Labelling::default(),
            timestamp: TIME,
        };
        assemble(&assembly, observer)
    }

    /// The text of a file in a commit.
    pub(crate) fn text(&self, commit: &Checksum, path: &str) -> Option<String> {
        let bytes = self.repo().read_file(commit, path).unwrap()?;
        Some(String::from_utf8(bytes).unwrap())
    }

    /// What is left in the private directory besides kept base checkouts.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("private")) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "base").collect()
    }

    /// Checks every object of the repository with the `ostree` program.
    pub(crate) fn fsck(&self) {
        self.ostree(&["fsck", "--quiet"]);
    }

    pub(crate) fn ostree(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("ostree");
        command.arg(format!("--repo={}", self.path("repo").display())).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// What tests change of an assembly.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) extend: Option<Extension>,
    pub(crate) removed: Vec<Nevra>,
    pub(crate) replaced: Vec<(Nevra, Nevra)>,
    pub(crate) checkouts: Vec<Checkout>,
    pub(crate) rules: cambium_rpm::scriptlets::Rules,
    pub(crate) limits: Limits,
    pub(crate) backend: Option<Backend>,
}

/// Hears an operation's warnings.
#[derive(Default)]
pub(crate) struct Told(Mutex<Vec<String>>);

impl Told {
    /// What was told, in order.
    pub(crate) fn warnings(self) -> Vec<String> {
        self.0.into_inner().unwrap()
    }
}

impl Observer for Told {
    fn progress(&self, progress: Progress) {
        if let Progress::Warning { text } = progress {
            self.0.lock().unwrap().push(text);
        }
    }

    fn cancelled(&self) -> bool {
        false
    }
}

/// The extension that begins from an assembled commit.
pub(crate) fn extension(commit: &Checksum, layers: &[Layer]) -> Extension {
    let package =
        |layer: &Layer| (layer.header.nevra().clone(), layer.header.metadata_sha256().unwrap());
    Extension { commit: commit.clone(), packages: layers.iter().map(package).collect() }
}

/// Says what an error is about, for comparisons.
pub(crate) fn conflicts(error: Error) -> Vec<(String, String, String)> {
    let Error::Conflicts(list) = error else { panic!("{error}") };
    list.into_iter().map(|c| (c.path, c.package, c.owner)).collect()
}

/// Builds the package `name-1-1.noarch` from the rest of a spec file, in `dir`.
pub(crate) fn rpmbuild(dir: &Path, name: &str, rest: &str) -> PathBuf {
    let spec = dir.join(format!("{name}.spec"));
    let head = "Version: 1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n";
    fs::write(&spec, format!("Name: {name}\n{head}{rest}")).unwrap();
    let define = |name: &str, value: &str| ["--define".to_owned(), format!("{name} {value}")];
    let mut command = Command::new("rpmbuild");
    command.args(["-bb", "--quiet"]).args(define("_topdir", &dir.join("top").to_string_lossy()));
    command.args(define("_rpmdir", &dir.to_string_lossy()));
    command.args(define("_build_name_fmt", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"));
    let output = command.arg(&spec).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    dir.join(format!("{name}-1-1.noarch.rpm"))
}

/// A root with a shell: the machine's programs with the libraries that ldd names.
pub(crate) fn system(root: &Path) {
    for dir in ["usr/bin", "usr/etc", "usr/lib/tmpfiles.d", "usr/share", "var"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    for name in PROGRAMS {
        program(root, &format!("/usr/bin/{name}"));
    }
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, root.join(name)).unwrap();
    };
    link("bash", "usr/bin/sh");
    for name in ["bin", "lib", "lib64"] {
        link(&format!("usr/{name}"), name);
    }
    let passwd = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:2:2::/:/bin/false\n";
    fs::write(root.join("usr/etc/passwd"), passwd).unwrap();
    fs::write(root.join("usr/etc/group"), "root:x:0:\ndaemon:x:2:\n").unwrap();
    fs::write(root.join("usr/share/base-data"), "data\n").unwrap();
}

/// Copies a program of the machine into `root` under its own path in /usr, with the libraries that
/// ldd names.
pub(crate) fn program(root: &Path, path: &str) {
    let put = |from: &Path, inside: &str| {
        let inside = inside.trim_start_matches('/');
        let inside =
            if inside.starts_with("usr/") { inside.to_owned() } else { format!("usr/{inside}") };
        let target = root.join(inside);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(fs::canonicalize(from).unwrap(), target).unwrap();
    };
    put(Path::new(path), path);
    let ldd = Command::new("ldd").arg(path).output().unwrap();
    let text = String::from_utf8(ldd.stdout).unwrap();
    let libraries: BTreeSet<_> = text.split_whitespace().filter(|w| w.starts_with('/')).collect();
    for library in libraries {
        put(Path::new(library), library);
    }
}

/// Adds a directory on disk to a tree, as `path`.
pub(crate) fn add_directory(tree: &mut Tree<'_>, dir: &Path, path: &str) {
    tree.set_dir(path, &Attributes::of_path(dir).unwrap()).unwrap();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let at = entry.path();
        let path = format!("{path}/{}", entry.file_name().into_string().unwrap());
        let attributes = Attributes::of_path(&at).unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            add_directory(tree, &at, &path);
        } else if kind.is_symlink() {
            let target = fs::read_link(&at).unwrap();
            tree.put_symlink(&path, &attributes, target.to_str().unwrap()).unwrap();
        } else {
            tree.put_disk_file(&path, &attributes, &at).unwrap();
        }
    }
}
