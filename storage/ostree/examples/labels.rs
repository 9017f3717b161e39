//! How long labels take: opens the policy of a root, and labels paths as they are listed on
//! standard input (`find / -printf '%m %y %p\n'`), once by the rules and once by libselinux alone.
//!
//!     find /usr -xdev -printf '%y %P\n' | cargo run --release --example labels -- ROOT usr
#![allow(clippy::print_stdout, reason = "it is a program for people who measure")]

use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().unwrap_or_else(|| "/".to_owned());
    let prefix = arguments.next().unwrap_or_default();
    let mut paths = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Some((kind, path)) = line.split_once(' ') else { continue };
        let mode = match kind {
            "d" => 0o040_755,
            "l" => 0o120_777,
            _ => 0o100_644,
        };
        paths.push((format!("{prefix}/{path}"), mode));
    }
    for _ in 0..3 {
        let begin = Instant::now();
        let policy = cambium_ostree::Policy::of_directory(Path::new(&root))?
            .ok_or("this root has no policy")?;
        let opened = begin.elapsed();
        let begin = Instant::now();
        let mut labelled = 0;
        for (path, mode) in &paths {
            labelled += u32::from(policy.label(path, *mode)?.is_some());
        }
        let elapsed = begin.elapsed();
        println!("opened in {opened:?}; {labelled} labels of {} paths in {elapsed:?}", paths.len());
    }
    Ok(())
}
