//! How the process's allocators are set up: a daemon that idles is as small as its libraries let it.
//!
//! GLib before 2.76 has an allocator of its own for small blocks, which keeps what is freed. Its
//! only switch is an environment variable that is read while the program loads, so a daemon that
//! was started without it (by hand, by a test, by another service manager than ours) executes
//! itself once more with it.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// GLib's switch, and the value by which it leaves all memory to the C library.
const SWITCH: (&str, &str) = ("G_SLICE", "always-malloc");

/// Sets the allocators up. To be called first of all: it may begin the program anew.
pub(crate) fn set_up() {
    if std::env::var_os(SWITCH.0).is_none() {
        let error = again();
        // The daemon works all the same, and keeps some MiB more.
        eprintln!("warning: cannot set {}: {error}", SWITCH.0);
    }
    cambium_native::keep_little_memory();
}

/// Executes this program with its arguments and the switch; returns only where that fails.
fn again() -> std::io::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut arguments = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments).env(SWITCH.0, SWITCH.1).exec()
}
