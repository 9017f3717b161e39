//! The sandbox against programs that want out of it, or more than their share.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod escapes;
mod hostile;
mod probe;
mod root;

use cambium_sandbox::{Confinement, Limits, Program, Root, Spec};

/// A shell script in `root`.
fn script(root: &Root, text: &str) -> Spec {
    let interpreter = vec!["/bin/sh".to_owned()];
    spec(root, Program::Script { interpreter, text: text.as_bytes().to_vec() }, Vec::new())
}

fn spec(root: &Root, program: Program, arguments: Vec<String>) -> Spec {
    Spec {
        name: "demo.post".to_owned(),
        confinement: Confinement::Namespaces,
        root: root.clone(),
        program,
        arguments,
        stdin: Vec::new(),
        environment: Vec::new(),
        limits: Limits::default(),
    }
}
