//! DESIGN.md's table of layers, held against what cargo says the crates really import.
//!
//! A crate imports only from rows above its own. Also here: what a table of rows cannot say
//! (which crate alone may use libdnf's declarations, what must build without C libraries).

#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Each crate's row. Equal rows do not import each other, which keeps the engines apart.
const ROWS: &[(&str, u8)] = &[
    ("cambium-model", 0),
    ("libdnf-sys", 1),
    ("cambium-native", 1),
    ("cambium-dnf", 2),
    ("cambium-ostree", 2),
    ("cambium-rpm", 2),
    ("cambium-boot", 2),
    ("cambium-txlog", 2),
    ("cambium-sandbox", 2),
    ("cambium-proto", 2),
    ("cambium-tree", 3),
    ("cambium-runtime", 4),
    ("cambium-messages", 5),
    ("cambium-workers", 6),
    ("cambium-frontends", 7),
    ("cambium-daemon", 8),
    ("cambium", 8),
    // Imports nothing of ours; integration makes its package by xtask's layout.
    ("xtask", 8),
    ("cambium-integration", 9),
];

const ENGINES: &[&str] = &[
    "cambium-dnf",
    "cambium-ostree",
    "cambium-rpm",
    "cambium-boot",
    "cambium-txlog",
    "cambium-sandbox",
];

/// Bindings to C libraries of the engines.
const C_BINDINGS: &[&str] =
    &["libdnf-sys", "ostree-sys", "librpm-sys", "glib-sys", "gio-sys", "openssl-sys"];

/// The workspace's crates and the names of what each imports (development imports left out:
/// they do not ship).
struct Graph {
    members: BTreeSet<String>,
    imports: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read() -> Self {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let names: BTreeMap<String, String> = list(&metadata["packages"])
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let members =
            list(&metadata["workspace_members"]).into_iter().map(|id| names[&text(&id)].clone());
        let members = members.collect();
        let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let shipped = list(&node["deps"])
                .into_iter()
                .filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev"))
                .map(|dep| names[&text(&dep["pkg"])].clone());
            imports.entry(names[&text(&node["id"])].clone()).or_default().extend(shipped);
        }
        Self { members, imports }
    }

    /// Everything that a crate imports, directly and through others.
    fn closure(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![name.to_owned()];
        while let Some(name) = open.pop() {
            for import in self.imports.get(&name).into_iter().flatten() {
                if found.insert(import.clone()) {
                    open.push(import.clone());
                }
            }
        }
        found
    }
}

#[test]
fn every_member_has_a_row() {
    let members = Graph::read().members;
    let rows: BTreeSet<_> = ROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(members, rows);
}

#[test]
fn a_crate_imports_only_from_rows_above() {
    let graph = Graph::read();
    let rows: BTreeMap<_, _> = ROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (name, row) in &rows {
        for import in &graph.imports[*name] {
            let above = rows.get(import.as_str());
            if above.is_some_and(|above| above >= row) {
                wrong.push(format!("{name} imports {import}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_depsolver_uses_the_declarations_of_libdnf() {
    let graph = Graph::read();
    for member in &graph.members {
        let uses = graph.imports[member].contains("libdnf-sys");
        assert_eq!(uses, member == "cambium-dnf", "{member}");
    }
}

#[test]
fn frontends_clients_and_messages_reach_no_engine_and_no_c_library() {
    let graph = Graph::read();
    for name in ["cambium-messages", "cambium-frontends", "cambium", "cambium-proto", "xtask"] {
        let reached = graph.closure(name);
        for foreign in ENGINES.iter().chain(C_BINDINGS) {
            assert!(!reached.contains(*foreign), "{name} reaches {foreign}");
        }
    }
}

#[test]
fn engines_know_no_async_runtime() {
    let graph = Graph::read();
    for engine in ENGINES.iter().chain(&["cambium-model", "cambium-tree"]) {
        let reached = graph.closure(engine);
        for runtime in ["actix", "tokio", "tonic"] {
            assert!(!reached.contains(runtime), "{engine} reaches {runtime}");
        }
    }
}

#[test]
fn the_command_line_imports_the_protocol_and_the_vocabulary_only() {
    let graph = Graph::read();
    let ours = graph.imports["cambium"].intersection(&graph.members);
    let ours: Vec<_> = ours.map(String::as_str).collect();
    assert_eq!(ours, ["cambium-model", "cambium-proto"]);
}
