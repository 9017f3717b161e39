//! `/etc/rpm-ostreed.conf`, as far as its keys mean something here.
//!
//! Lenient on purpose: hosts in the field have keys without a section header and the `[Daemon]`
//! section twice (admins append to the file), and rpm-ostree ignored what it did not know.

use super::Config;
use anyhow::{Context as _, Result};
use std::path::Path;

/// Applies `path`, where it is there, to `config`.
pub(super) fn read(path: &Path, config: &mut Config) -> Result<()> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            apply(&text, config);
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot read '{}'", path.display())),
    }
}

fn apply(text: &str, config: &mut Config) {
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        let value = value.trim();
        let yes = matches!(value.to_ascii_lowercase().as_str(), "true" | "yes" | "1" | "on");
        match key.trim() {
            "Recommends" => config.layering.recommends = yes,
            "LockLayering" => config.layering.locked = yes,
            other => tracing::debug!(key = other, "a key of rpm-ostreed.conf has no use yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_count_wherever_they_stand() {
        for (text, recommends, locked) in [
            ("", true, false),
            ("[Daemon]\nRecommends=false\n", false, false),
            ("# Recommends=false\nLockLayering = true\n[Daemon]\n", true, true),
            ("[Daemon]\n[Daemon]\nAutomaticUpdatePolicy=check\nLockLayering=yes", true, true),
        ] {
            let mut config = Config::default();
            apply(text, &mut config);
            assert_eq!(config.layering.recommends, recommends, "{text:?}");
            assert_eq!(config.layering.locked, locked, "{text:?}");
        }
    }
}
