//! What a compose is made from, as one hash: `rpmostree.inputhash`.
//!
//! A commit whose hash is the one at hand needs no compose. The hash covers the merged treefile,
//! the content of every file that it names, and the packages with their checksums; not the
//! version, which changes with every commit.

use super::treefile::Loaded;
use super::{Error, files};
use sha2::{Digest, Sha512};
use std::fmt::Write;

/// Changed when the same input makes another tree than before, so that trees are composed anew.
const GENERATION: &str = "cambium compose 2";

/// The hash as 128 hex digits. `packages` are NEVRAs with the checksums of their files.
pub(crate) fn of<'a>(
    loaded: &Loaded,
    packages: impl Iterator<Item = (String, &'a str)>,
) -> Result<String, Error> {
    let mut digest = Sha512::new();
    // Each part with its length: no two inputs run into one another.
    let mut part = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    };
    part(GENERATION.as_bytes());
    part(loaded.basearch.as_bytes());
    part(loaded.treefile.to_json().map_err(Error::json)?.as_bytes());
    for (source, target) in &loaded.externals.add_files {
        part(target.as_bytes());
        files::digest(source, &mut part)?;
    }
    if let Some(script) = &loaded.externals.postprocess_script {
        files::digest(script, &mut part)?;
    }
    for table in [&loaded.externals.passwd, &loaded.externals.group] {
        part(table.as_deref().unwrap_or_default().as_bytes());
    }
    let mut packages: Vec<_> = packages.collect();
    packages.sort();
    for (nevra, checksum) in packages {
        part(nevra.as_bytes());
        part(checksum.as_bytes());
    }
    let mut hex = String::with_capacity(128);
    for byte in digest.finalize() {
        // Writing to a string cannot fail.
        let _infallible = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::treefile::load;

    #[test]
    fn everything_that_goes_in_counts() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("file", "a");
        write("script", "a");
        let hash = |treefile: &str, packages: &[(&str, &'static str)]| {
            write("t.yaml", treefile);
            let loaded = load(&dir.path().join("t.yaml"), "x86_64").unwrap();
            of(&loaded, packages.iter().map(|(nevra, sum)| ((*nevra).to_owned(), *sum))).unwrap()
        };
        let text = "ref: a\nadd-files: [[file, /usr/f]]\npostprocess-script: script\n";
        let packages = [("a-1-1.noarch", "1"), ("b-1-1.noarch", "2")];
        let same = hash(text, &packages);
        assert_eq!(same.len(), 128);
        assert_eq!(same, hash(text, &[packages[1], packages[0]]), "order does not count");
        let mut seen = vec![same];
        let mut other = |hash: String| {
            assert!(!seen.contains(&hash));
            seen.push(hash);
        };
        other(hash("ref: b\nadd-files: [[file, /usr/f]]\npostprocess-script: script\n", &packages));
        other(hash(text, &packages[..1]));
        other(hash(text, &[("a-1-1.noarch", "1"), ("b-1-1.noarch", "3")]));
        write("file", "b");
        other(hash(text, &packages));
        write("script", "b");
        other(hash(text, &packages));
    }
}
