//! Large base trees: the tiny OS with many packages more.
//!
//! Made by rpm and ostree alone and kept like every fixture. File names, the number of files in a
//! directory and the size of headers are those of a common distribution; contents are a line each,
//! since a checkout links files and reads none.

use crate::fixture::base::{self, Edition, Flavour};
use crate::fixture::cache::{self, Key};
use crate::fixture::machine::Machine;
use crate::fixture::package::{Entry, Spec, When};
use crate::fixture::{repository, rpmroot};
use crate::run::{ostree, output, run};
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};

/// The ref of a large tree.
pub const REF: &str = "fixture/x86_64/large";

/// What a tree is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Packages that are added to the tiny OS.
    pub packages: usize,
    /// Paths of each of them.
    pub files_each: usize,
    /// Bytes of text that each one's header carries, as changelogs do elsewhere.
    pub header_bytes: usize,
}

/// A base commit in a repository of its own.
pub struct LargeTree {
    directory: PathBuf,
}

impl LargeTree {
    /// The tree of this size, made if it is not there.
    ///
    /// # Errors
    /// When rpm or ostree fail.
    pub fn get(name: &str, size: Size) -> Result<Self> {
        let name = format!("large-{name}");
        let key = Key::default().with(include_str!("tree.rs")).with(format!("{size:?}"));
        let directory = cache::made(&cache::directory()?, &name, &key, |at| make(size, at))?;
        Ok(Self { directory })
    }

    /// The repository, of mode bare.
    #[must_use]
    pub fn repository(&self) -> PathBuf {
        self.directory.join("repo")
    }

    /// The base commit.
    ///
    /// # Errors
    /// When the fixture is damaged.
    pub fn commit(&self) -> Result<String> {
        output(ostree(&self.repository(), "rev-parse").arg(REF))
    }

    /// An rpm-md repository of small packages: `small-0`, `small-1`, …
    #[must_use]
    pub fn small_packages(&self) -> PathBuf {
        self.directory.join("small")
    }

    /// How many paths and packages the tree has, and the bytes of its rpmdb, as ostree and rpm
    /// count them.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn describe(&self) -> Result<String> {
        let list = output(ostree(&self.repository(), "ls").args(["--recursive", REF]))?;
        let rpmdb = "/usr/share/rpm/rpmdb.sqlite";
        let line = output(ostree(&self.repository(), "ls").args([REF, rpmdb]))?;
        let bytes: f64 = line.split_whitespace().nth(3).unwrap_or("0").parse()?;
        let packages = fs::read_to_string(self.directory.join("packages"))?;
        let (paths, mib) = (list.lines().count(), bytes / f64::from(1 << 20));
        Ok(format!("{packages} packages, {paths} paths, rpmdb of {mib:.1} MiB"))
    }
}

/// How many small packages there are: a request each, none of which was imported before.
pub const SMALL: usize = 40;

fn make(size: Size, directory: &Path) -> Result<()> {
    let repository = directory.join("repo");
    run(ostree(&repository, "init").arg("--mode=bare"))?;
    // The tree can be made anew, so nothing need survive a cut of power.
    run(ostree(&repository, "config").args(["set", "core.fsync", "false"]))?;
    let mut specs = base::synthetic::packages(Flavour::Tiny, Edition::First);
    specs.extend(base::from_machine(Machine::detect()?, Flavour::Tiny)?);
    specs.extend((0..size.packages).map(|number| package(number, size)));
    let rpms = directory.join("rpms");
    fs::create_dir(&rpms)?;
    let files = specs.iter().map(|spec| spec.build(&rpms)).collect::<Result<Vec<_>>>()?;
    let version = Edition::First.version();
    let tree = rpmroot::Tree { packages: &files, refspec: REF, version, repository: &repository };
    rpmroot::commit(&tree, directory)?;
    fs::remove_dir_all(&rpms)?;
    fs::write(directory.join("packages"), files.len().to_string())?;
    let small: Vec<_> = (0..SMALL).map(small).collect();
    repository::make(&directory.join("small"), &small)?;
    Ok(())
}

/// Sixteen files to a directory, which is what distributions have on average.
fn directory_of(number: usize, file: usize) -> String {
    format!("/usr/share/bench-{number:04}/part-{:02}", file / 16)
}

fn package(number: usize, size: Size) -> Spec {
    let name = format!("bench-{number:04}");
    let mut spec = Spec::new(&name, "1.0", "1").requires("filesystem");
    if number > 0 {
        spec = spec.requires(&format!("bench-{:04}", number / 2));
    }
    for file in 0..size.files_each {
        let path = format!("{}/file-{file:03}.txt", directory_of(number, file));
        spec.entries.push(Entry::file(path, format!("{name} {file}\n")));
    }
    // Nothing runs at verification here: the text only makes the header as long as asked.
    let filler = "# A line of a changelog, as long as such lines are in most packages of today.\n";
    spec.script(When::Verify, &filler.repeat(size.header_bytes / filler.len()))
}

/// A small package without scripts.
fn small(number: usize) -> Spec {
    let name = format!("small-{number}");
    let place = format!("/usr/share/{name}");
    Spec::new(&name, "1.0", "1").requires("filesystem").with([
        Entry::program(format!("/usr/bin/{name}"), &format!("echo {name}")),
        Entry::file(format!("{place}/README"), name.repeat(200)),
        Entry::file(format!("{place}/COPYING"), name.repeat(1000)),
        Entry::file(format!("/usr/share/man/man1/{name}.1"), name.repeat(400)),
    ])
}
