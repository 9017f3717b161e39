//! Where a packaged path is in a tree, for questions about packages that are in it already.
//!
//! The rules are those of the import (cambium-rpm's payload, which also places kernels and
//! refuses what is unsafe); here a path that is no content of a tree is simply none.

/// Toplevel directories that are links into /usr in every tree.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// The path relative to the tree's root (`usr/…`) of an absolute packaged path; `None` for what
/// no tree holds (/var, /run, the toplevel itself).
#[must_use]
pub fn tree_path(packaged: &str) -> Option<String> {
    let path = packaged.strip_prefix('/')?;
    let (top, rest) = path.split_once('/')?;
    match top {
        "usr" if rest == "local" || rest.starts_with("local/") => None,
        "usr" => Some(path.to_owned()),
        "etc" => Some(format!("usr/{path}")),
        "opt" => Some(format!("usr/lib/{path}")),
        _ if MERGED.contains(&top) => Some(format!("usr/{path}")),
        "var" => {
            let kept = ["lib/alternatives", "lib/vagrant"];
            let below = |dir: &&str| rest == *dir || rest.starts_with(&format!("{dir}/"));
            kept.iter().any(below).then(|| format!("usr/{rest}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packaged_paths_are_found_in_the_tree() {
        for (packaged, expected) in [
            ("/usr/bin/x", Some("usr/bin/x")),
            ("/bin/x", Some("usr/bin/x")),
            ("/lib64/ld.so", Some("usr/lib64/ld.so")),
            ("/etc/x.conf", Some("usr/etc/x.conf")),
            ("/opt/a/b", Some("usr/lib/opt/a/b")),
            ("/var/lib/alternatives/x", Some("usr/lib/alternatives/x")),
            ("/var/lib/alternatives2/x", None),
            ("/var/lib/x", None),
            ("/usr/local/bin/x", None),
            ("/run/x", None),
            ("/usr", None),
            ("x", None),
        ] {
            assert_eq!(tree_path(packaged).as_deref(), expected, "{packaged}");
        }
    }
}
