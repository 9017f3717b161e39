//! Packages for tests, built with the `rpm` crate, and keys made with gpg.

use cambium_rpm::{Header, Package, Payload, PayloadOptions};
use rpm::{BuildConfig, CompressionType, FileOptions, PackageBuilder};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A builder of `name-1-1.noarch` with some defaults.
pub(crate) fn builder(name: &str) -> PackageBuilder {
    versioned(name, "1")
}

pub(crate) fn versioned(name: &str, version: &str) -> PackageBuilder {
    let mut builder = PackageBuilder::new(name, version, "MIT", "noarch", "For a test");
    builder.release("1");
    compress(&mut builder, CompressionType::Gzip);
    builder
}

pub(crate) fn compress(builder: &mut PackageBuilder, compression: CompressionType) {
    let config = BuildConfig::v4().compression(compression).source_date(1_600_000_000);
    builder.using_config(config);
}

/// Adds a file of root's with mode 0644.
pub(crate) fn file(builder: &mut PackageBuilder, path: &str, content: &str) {
    let options = FileOptions::new(path).mode(0o100_644);
    builder.with_file_contents(content, options).unwrap();
}

pub(crate) fn bytes(builder: &mut PackageBuilder) -> Vec<u8> {
    let mut bytes = Vec::new();
    builder.build().unwrap().write(&mut bytes).unwrap();
    bytes
}

/// A package in a directory that lives as long as it does.
pub(crate) struct OnDisk {
    pub(crate) package: Package,
    pub(crate) path: PathBuf,
    _directory: TempDir,
}

pub(crate) fn on_disk(bytes: &[u8]) -> OnDisk {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("package.rpm");
    std::fs::write(&path, bytes).unwrap();
    let package = Package::open(&path).unwrap();
    OnDisk { package, path, _directory: directory }
}

pub(crate) fn built(builder: &mut PackageBuilder) -> OnDisk {
    on_disk(&bytes(builder))
}

pub(crate) fn header(builder: &mut PackageBuilder) -> Header {
    built(builder).package.header().clone()
}

impl OnDisk {
    pub(crate) fn payload(&self) -> Payload<'_> {
        self.package.payload(&PayloadOptions::default()).unwrap()
    }
}

/// A throw-away OpenPGP key in a home of its own.
pub(crate) struct Key {
    home: TempDir,
}

impl Key {
    pub(crate) fn new() -> Self {
        let key = Self { home: TempDir::new().unwrap() };
        key.gpg(&["--quick-gen-key", "test@example.org", "rsa2048", "sign", "never"]);
        key
    }

    fn gpg(&self, arguments: &[&str]) {
        let quiet = ["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""];
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(self.home.path()).args(quiet).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The public key in a file.
    pub(crate) fn public(&self) -> PathBuf {
        let path = self.home.path().join("public.asc");
        if !path.exists() {
            self.gpg(&["--armor", "--output", path.to_str().unwrap(), "--export"]);
        }
        path
    }

    /// Signs a package file in place.
    pub(crate) fn sign(&self, package: &Path) {
        let mut command = Command::new("rpmsign");
        command.env("GNUPGHOME", self.home.path()).args(["--define", "_gpg_name test@example.org"]);
        // Debian's macro names a program that its gpg package does not have.
        command.args(["--define", "__gpg /usr/bin/gpg"]);
        let output = command.arg("--addsign").arg(package).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // gpg leaves an agent behind that would keep the directory busy.
        let mut command = Command::new("gpgconf");
        command.arg("--homedir").arg(self.home.path()).args(["--kill", "gpg-agent"]);
        drop(command.output());
    }
}
