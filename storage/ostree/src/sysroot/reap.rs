//! The children that libostree leaves behind.
//!
//! While it freezes /boot it forks a process that would thaw it if the parent died, and never
//! waits for it: fine for a command that ends, a zombie for each swap in a daemon.

use rustix::process::{Pid, WaitOptions, waitpid};
use std::path::Path;

/// Waits for those that have ended. Only children that never became another program: whoever
/// starts programs waits for them.
pub(super) fn reap_watchdogs() {
    let Ok(own) = std::env::current_exe() else { return };
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return };
    for task in tasks.filter_map(Result::ok) {
        let Ok(children) = std::fs::read_to_string(task.path().join("children")) else { continue };
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            if let Some(pid) = Pid::from_raw(child)
                && is_our_zombie(child, &own)
                && let Err(error) = waitpid(Some(pid), WaitOptions::NOHANG)
            {
                tracing::debug!(child, %error, "somebody else waited for it");
            }
        }
    }
}

/// Whether a child has ended without having become another program. The kernel forgets a
/// zombie's executable, but not its name, which is still that of one of our threads.
fn is_our_zombie(pid: i32, own: &Path) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let Some((head, rest)) = stat.rsplit_once(')') else { return false };
    let name = head.split_once('(').map_or("", |(_, name)| name);
    let program = own.file_name().map(|name| name.to_string_lossy().into_owned());
    let ours = program.is_some_and(|program| program.starts_with(name)) || is_thread(name);
    rest.trim_start().starts_with('Z') && ours
}

fn is_thread(name: &str) -> bool {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return false };
    tasks.filter_map(Result::ok).any(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    })
}
