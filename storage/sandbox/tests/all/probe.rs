//! The program that tries to get out (`probe.c`), and what is expected of it: the tables of
//! CONTAINMENT.md, which are read here so that they cannot say what is not so.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::Command;

const DOCUMENT: &str = include_str!("../../CONTAINMENT.md");

/// Where files of the marker's name lie on the host.
const PLACES: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// A line of the tables.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) name: String,
    /// By heading: `namespaces`, `container`, `plain root`.
    by: BTreeMap<&'static str, String>,
}

impl Expected {
    /// The answers that are right in this surrounding: `EPERM`, `signal 31`, or several.
    pub(crate) fn of(&self, surrounding: &str) -> Vec<&str> {
        self.by[surrounding].split(" or ").collect()
    }
}

/// Everything that is tried, in order.
pub(crate) fn table() -> Vec<Expected> {
    let row = |line: &'static str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _what, namespaces, container, plain] = cells.as_slice() else {
            return None;
        };
        let name = name.strip_prefix('`')?.strip_suffix('`')?.to_owned();
        let answers = [("namespaces", namespaces), ("container", container), ("plain root", plain)];
        let by = answers.map(|(key, value)| (key, (*value).to_owned())).into();
        Some(Expected { name, by })
    };
    let rows: Vec<_> = DOCUMENT.lines().filter_map(row).collect();
    assert!(rows.len() > 70, "only {} probes are described", rows.len());
    rows
}

/// Compiles the probe, statically, so that it runs in any root.
pub(crate) fn build(at: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/probe.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-static", "-O1", "-Wall", "-o"]).arg(at).arg(source);
    assert!(compiler.status().unwrap().success(), "cannot compile the probe");
}

/// What the host has that nobody inside should reach.
pub(crate) struct Bait {
    marker: String,
    files: Vec<PathBuf>,
    _socket: UnixListener,
}

impl Bait {
    pub(crate) fn lay() -> Self {
        let marker = format!("cambium-probe-{}", std::process::id());
        let files: Vec<_> = PLACES.map(|place| Path::new(place).join(&marker)).into();
        files.iter().for_each(|file| drop(File::create(file).unwrap()));
        let address = SocketAddr::from_abstract_name(&marker).unwrap();
        Self { marker, files, _socket: UnixListener::bind_addr(&address).unwrap() }
    }

    /// The probe's arguments.
    pub(crate) fn arguments(&self, probes: &[Expected]) -> Vec<String> {
        let mut arguments = vec![self.marker.clone(), std::process::id().to_string()];
        arguments.extend(probes.iter().map(|probe| probe.name.clone()));
        arguments
    }
}

impl Drop for Bait {
    fn drop(&mut self) {
        for file in &self.files {
            fs::remove_file(file).unwrap();
        }
    }
}

/// Compares what the probe said with what it should say, all of it at once.
pub(crate) fn compare(said: &str, probes: &[Expected], surrounding: &str) {
    let answers: BTreeMap<_, _> = said.lines().filter_map(|line| line.split_once(' ')).collect();
    let mut wrong = Vec::new();
    for probe in probes {
        let answer = answers.get(probe.name.as_str()).copied().unwrap_or("nothing");
        if !probe.of(surrounding).contains(&answer) {
            wrong.push(format!("{}: {answer}, not {:?}", probe.name, probe.of(surrounding)));
        }
    }
    assert!(wrong.is_empty(), "{surrounding}: {wrong:#?}\n{said}");
}
