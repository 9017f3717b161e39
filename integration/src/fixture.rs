//! The fixture OS: real RPMs made of this machine's programs, base commits and repositories.
//!
//! Owns what there is and where; everything is made once, kept below `target/fixture`, and shared
//! read-only by all tests. A test that wants to change a repository copies it. No network.

pub mod base;
pub mod cache;
pub mod compose;
pub mod layers;
pub mod machine;
pub mod package;
pub mod programs;
pub mod repository;
pub mod rpmroot;

use crate::run::{ostree, run};
use anyhow::{Context, Result};
use base::{Edition, Flavour};
use cache::{Key, made};
use machine::Machine;
use package::Spec;
use std::fs;
use std::path::{Path, PathBuf};

/// The ref that the base is published under.
pub const REF: &str = "fixture/x86_64/base";

const EDITIONS: [Edition; 2] = [Edition::First, Edition::Second];

/// A base OS in two editions.
pub struct Base {
    directory: PathBuf,
    packages: PathBuf,
}

impl Base {
    /// The OS of this flavour, made if it is not there: its packages anew where the machine's
    /// changed, its commits where the packages or the programs did.
    ///
    /// # Errors
    /// When this machine lacks a program that it is made of.
    pub fn get(flavour: Flavour) -> Result<Self> {
        let machine = Machine::detect()?;
        let below = cache::directory()?;
        let name = match flavour {
            Flavour::Tiny => "tiny",
            Flavour::Full => "full",
        };
        // Whoever upgrades the machine's packages gets a new fixture: dpkg and rpm rewrite these.
        let database = match machine {
            Machine::Dpkg => "/var/lib/dpkg/status",
            Machine::Rpm => "/etc/os-release",
        };
        let (cambium, cambiumd) = (programs::cambium()?, programs::cambiumd()?);
        let mut of_packages =
            Key::default().with(name).with_remembered_file(Path::new(database))?;
        if flavour == Flavour::Full {
            of_packages =
                of_packages.with_remembered_file(&cambium)?.with_remembered_file(&cambiumd)?;
            for source in programs::sources() {
                of_packages = of_packages.with_file(&source)?;
            }
        }
        let of_commits = of_packages.clone().with_remembered_file(&cambiumd)?;
        let packages = made(&below, &format!("packages-{name}"), &of_packages, |directory| {
            make_packages(machine, flavour, directory)
        })?;
        let directory =
            made(&below, name, &of_commits, |directory| compose_editions(&packages, directory))?;
        Ok(Self { directory, packages })
    }

    /// The tiny OS's first edition with this many files more, fifty in each directory, for
    /// measurements.
    ///
    /// # Errors
    /// As [`Base::get`].
    pub fn grown(files: usize) -> Result<Self> {
        let tiny = Self::get(Flavour::Tiny)?;
        let commit = tiny.commit(Edition::First)?;
        let name = format!("grown{files}");
        let key = Key::default().with(&name).with(&commit);
        let directory = made(&cache::directory()?, &name, &key, |directory| {
            let repository = directory.join("repo");
            run(ostree(&repository, "init").arg("--mode=bare"))?;
            run(ostree(&repository, "pull-local").arg(tiny.repository()).arg(&commit))?;
            let extra = directory.join("extra");
            for number in 0..files {
                let below =
                    extra.join(format!("usr/share/grown/{:02}/{}", number % 97, number / 4850));
                fs::create_dir_all(&below)?;
                fs::write(below.join(format!("{number:06}")), format!("file {number}\n"))?;
            }
            let mut tree = std::ffi::OsString::from("--tree=dir=");
            tree.push(&extra);
            let mut command = ostree(&repository, "commit");
            command.args(["--bootable", "--fsync=false", "--subject=grown", "--branch", REF]);
            command.args(["--add-metadata-string=version=1.0", &format!("--tree=ref={commit}")]);
            let checksum = crate::run::output(command.arg(tree))?;
            fs::remove_dir_all(&extra)?;
            Ok(fs::write(directory.join("commit-1.0"), checksum.trim())?)
        })?;
        Ok(Self { directory, packages: tiny.packages })
    }

    /// The ostree repository with both editions, of mode bare.
    #[must_use]
    pub fn repository(&self) -> PathBuf {
        self.directory.join("repo")
    }

    /// An edition's commit.
    ///
    /// # Errors
    /// When the fixture is damaged.
    pub fn commit(&self, edition: Edition) -> Result<String> {
        let path = self.directory.join(format!("commit-{}", edition.version()));
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// An edition's packages as an rpm-md repository, to compose from.
    #[must_use]
    pub fn packages(&self, edition: Edition) -> PathBuf {
        packages_of(&self.packages, edition)
    }

    /// The treefile that an edition was composed from.
    #[must_use]
    pub fn treefile(&self, edition: Edition) -> PathBuf {
        compose::treefile(&self.directory, edition.version())
    }

    /// The names of an edition's packages.
    ///
    /// # Errors
    /// When the fixture is damaged.
    pub fn names(&self, edition: Edition) -> Result<Vec<String>> {
        let path = names_of(&self.packages, edition);
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

/// Each edition's RPMs as a repository, and their names.
fn make_packages(machine: Machine, flavour: Flavour, directory: &Path) -> Result<()> {
    let mut from_machine = base::from_machine(machine, flavour)?;
    if flavour == Flavour::Full {
        programs::add_package(machine, &mut from_machine, directory)?;
    }
    for edition in EDITIONS {
        let mut specs = base::synthetic::packages(flavour, edition);
        specs.extend_from_slice(&from_machine);
        repository::make(&packages_of(directory, edition), &specs)?;
        let names: String = specs.iter().map(|spec| format!("{}\n", spec.name)).collect();
        fs::write(names_of(directory, edition), names)?;
    }
    Ok(())
}

fn packages_of(directory: &Path, edition: Edition) -> PathBuf {
    directory.join(format!("rpms-{}", edition.version()))
}

fn names_of(directory: &Path, edition: Edition) -> PathBuf {
    directory.join(format!("names-{}", edition.version()))
}

/// Both editions in one repository, the second a child of the first.
fn compose_editions(packages: &Path, directory: &Path) -> Result<()> {
    let repository = directory.join("repo");
    run(ostree(&repository, "init").arg("--mode=bare"))?;
    for edition in EDITIONS {
        let names = fs::read_to_string(names_of(packages, edition))?;
        let tree = compose::Tree {
            packages: &packages_of(packages, edition),
            names: &names.lines().collect::<Vec<_>>(),
            refspec: REF,
            version: edition.version(),
            repository: &repository,
        };
        let checksum = tree.compose(directory)?;
        fs::write(directory.join(format!("commit-{}", edition.version())), checksum)?;
    }
    compose::forget(directory)
}

/// The repositories of packages to layer.
pub struct Layers {
    directory: PathBuf,
}

impl Layers {
    /// All of them, made if they are not there.
    ///
    /// # Errors
    /// When createrepo_c, gpg or rpmsign fail.
    pub fn get() -> Result<Self> {
        let key = Key::default().with("layers");
        let directory = made(&cache::directory()?, "layers", &key, make_layers)?;
        Ok(Self { directory })
    }

    /// Packages to install, and some that do not.
    #[must_use]
    pub fn main(&self) -> PathBuf {
        self.directory.join("main")
    }

    /// Newer ones.
    #[must_use]
    pub fn updates(&self) -> PathBuf {
        self.directory.join("updates")
    }

    /// Signed ones, and some that are not, or not well.
    #[must_use]
    pub fn signed(&self) -> PathBuf {
        self.directory.join("signed")
    }

    /// The key that signed them.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.directory.join("RPM-GPG-KEY-fixture")
    }
}

fn make_layers(directory: &Path) -> Result<()> {
    let main = directory.join("main");
    let named = |name: &str| main.join(format!("{name}-1-1.noarch.rpm"));
    repository::make(&main, &layers::packages())?;
    repository::flip(&named("damaged-flipped"))?;
    repository::cut(&named("damaged-cut"))?;
    fs::remove_file(named("damaged-gone")).context("cannot remove an RPM")?;
    repository::make(&directory.join("updates"), &layers::updates())?;
    make_signed(directory, &layers::signed())
}

/// Signs before the metadata is made: the metadata's checksums are of what is served.
fn make_signed(directory: &Path, specs: &[Spec]) -> Result<()> {
    let signed = directory.join("signed");
    fs::create_dir(&signed).context("cannot make a repository")?;
    let ours = repository::Signer::new(&directory.join("gpg"), "fixture")?;
    let theirs = repository::Signer::new(&directory.join("gpg-other"), "stranger")?;
    for spec in specs {
        let file = spec.build(&signed)?;
        match spec.name.as_str() {
            "signed-not" => {}
            "signed-by-another" => theirs.sign(&file)?,
            // The payload no longer matches the digest in the signed header.
            "signed-damaged" => {
                ours.sign(&file)?;
                repository::flip(&file)?;
            }
            _ => ours.sign(&file)?,
        }
    }
    repository::index(&signed)?;
    fs::write(directory.join("RPM-GPG-KEY-fixture"), ours.public_key()?)
        .context("cannot write the key")
}
