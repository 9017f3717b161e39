//! What a scriptlet that does nothing costs, beside bubblewrap with hardly an option.
//!
//! Wanted: at most 15 ms end to end. `cargo bench -p cambium-sandbox` prints medians of 100 runs,
//! with the fastest and the slowest tenth; the ways take turns, so that all see the same machine.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for a terminal")]

#[path = "../tests/all/root.rs"]
mod root;

use cambium_model::Unobserved;
use cambium_sandbox::{Confinement, Limits, Program, Root, Spec, in_private_mounts, run};
use std::process::Command;
use std::time::{Duration, Instant};

const RUNS: usize = 100;

fn main() {
    let (_dir, root) = root::root();
    let interpreter = vec!["/bin/sh".to_owned()];
    let spec = |program| Spec {
        name: "nothing.post".to_owned(),
        confinement: Confinement::Namespaces,
        root: root.clone(),
        program,
        arguments: vec!["1".to_owned()],
        stdin: Vec::new(),
        environment: Vec::new(),
        limits: Limits::default(),
    };
    let script = spec(Program::Script { interpreter, text: b"exit 0\n".to_vec() });
    let command = spec(Program::Command("/usr/bin/true".into()));
    let sandboxed = |spec: &Spec| assert!(run(spec, &Unobserved).unwrap().succeeded());
    let usr = root.usr.to_str().unwrap();
    let links = [
        "--symlink",
        "usr/bin",
        "/bin",
        "--symlink",
        "usr/lib",
        "/lib",
        "--symlink",
        "usr/lib64",
        "/lib64",
    ];
    let bubblewrap = |options: &[&str]| {
        let mut bwrap = Command::new("bwrap");
        bwrap.args(["--bind", usr, "/usr"]).args(links).args(options).args(["--", "true"]);
        assert!(bwrap.status().unwrap().success());
    };
    let unshared = [
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-net",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
    ];
    in_private_mounts(|| {
        let outside = || {
            std::thread::scope(|scope| {
                scope.spawn(|| sandboxed(&script)).join().unwrap();
            })
        };
        let ways: [(&str, &dyn Fn()); 6] = [
            ("true", &|| assert!(Command::new("true").status().unwrap().success())),
            ("bwrap true", &|| bubblewrap(&[])),
            ("bwrap --unshare-{pid,ipc,uts,net} --proc --dev true", &|| bubblewrap(&unshared)),
            ("sandbox: /usr/bin/true", &|| sandboxed(&command)),
            ("sandbox: a script that does nothing", &|| sandboxed(&script)),
            ("sandbox: the same outside a transaction", &outside),
        ];
        let mut times: Vec<Vec<Duration>> = vec![Vec::with_capacity(RUNS); ways.len()];
        for _ in 0..RUNS {
            for (times, (_, way)) in times.iter_mut().zip(&ways) {
                let start = Instant::now();
                way();
                times.push(start.elapsed());
            }
        }
        for (times, (name, _)) in times.iter_mut().zip(&ways) {
            times.sort();
            let ms = |at: usize| times[at].as_secs_f64() * 1e3;
            let (low, mid, high) = (ms(RUNS / 10), ms(RUNS / 2), ms(RUNS - RUNS / 10));
            println!("{name:<55} {mid:6.1} ms ({low:.1}–{high:.1})");
        }
    })
    .unwrap();
}
