//! The daemon's configuration: every key with its default.
//!
//! Read from `/usr/lib/cambium/config.toml`, then `/etc/cambium/config.toml` over it key by key,
//! or from the one file that `--config` names; then `[Daemon]` of `/etc/rpm-ostreed.conf` for the
//! keys that a host taken over from rpm-ostree may have set. An unknown key is an error that names
//! it: a typing error must not silently mean the default. systemd/config.toml documents the keys;
//! a test holds that file to this one.

mod rpmostreed;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The vendor's file and the administrator's, which wins.
const PLACES: [&str; 2] = ["/usr/lib/cambium/config.toml", "/etc/cambium/config.toml"];

/// Everything that can be configured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) daemon: DaemonConfig,
    pub(crate) socket: SocketConfig,
    pub(crate) metrics: MetricsConfig,
    pub(crate) layering: LayeringConfig,
    pub(crate) history: HistoryConfig,
}

/// `[daemon]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DaemonConfig {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a tracing filter.
    pub(crate) log: String,
    /// Where the transaction log is kept.
    pub(crate) state_dir: Option<PathBuf>,
    /// Where metadata and packages are cached.
    pub(crate) cache_dir: Option<PathBuf>,
    /// Seconds that a stop waits for a running transaction.
    pub(crate) drain_seconds: u64,
}

impl Default for DaemonConfig {
    fn default() -> Self {
        Self { log: "info".to_owned(), state_dir: None, cache_dir: None, drain_seconds: 60 }
    }
}

/// `[socket]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SocketConfig {
    /// The Unix socket that gRPC is served on.
    pub(crate) path: PathBuf,
    /// The group whose members may read; root may change.
    pub(crate) group: String,
}

impl Default for SocketConfig {
    fn default() -> Self {
        Self { path: "/run/cambium/cambium.sock".into(), group: "cambium".to_owned() }
    }
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MetricsConfig {
    /// `ADDRESS:PORT`, `unix:PATH`, or `off`.
    pub(crate) listen: String,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9847".to_owned() }
    }
}

/// `[layering]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LayeringConfig {
    /// Install what packages recommend.
    pub(crate) recommends: bool,
    /// Refuse to layer anything.
    pub(crate) locked: bool,
}

impl Default for LayeringConfig {
    fn default() -> Self {
        Self { recommends: true, locked: false }
    }
}

/// `[history]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HistoryConfig {
    /// Transactions that are kept.
    pub(crate) keep: usize,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self { keep: 1000 }
    }
}

impl Config {
    /// Reads `file`, or the usual places where it is `None`.
    ///
    /// # Errors
    /// When a file that is named or there cannot be read, or does not say what it may.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self> {
        if let Some(file) = file {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the configuration '{}'", file.display()))?;
            return Self::parse(&[(file, text)]);
        }
        let mut texts = Vec::new();
        for place in PLACES {
            match std::fs::read_to_string(place) {
                Ok(text) => texts.push((Path::new(place), text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("cannot read the configuration '{place}'"));
                }
            }
        }
        let mut config = Self::parse(&texts)?;
        rpmostreed::read(Path::new("/etc/rpm-ostreed.conf"), &mut config)?;
        Ok(config)
    }

    /// Merges `texts`, later over earlier, key by key.
    fn parse(texts: &[(&Path, String)]) -> Result<Self> {
        let mut merged = toml::Table::new();
        for (path, text) in texts {
            let what = || format!("the configuration '{}' is wrong", path.display());
            // Each file alone first, so that an error names the file that holds it.
            toml::from_str::<Self>(text).with_context(what)?;
            merge(&mut merged, text.parse().with_context(what)?);
        }
        Ok(merged.try_into()?)
    }
}

fn merge(into: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(into)), toml::Value::Table(over)) => merge(into, over),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<Config> {
        let texts: Vec<_> =
            texts.iter().map(|&text| (Path::new("x.toml"), text.to_owned())).collect();
        Config::parse(&texts)
    }

    #[test]
    fn nothing_means_the_defaults() {
        assert_eq!(parse(&[]).unwrap(), Config::default());
        assert_eq!(parse(&[""]).unwrap(), Config::default());
    }

    #[test]
    fn the_administrator_wins_key_by_key() {
        let vendor = "[metrics]\nlisten = 'off'\n[layering]\nrecommends = false\n";
        let config = parse(&[vendor, "[layering]\nlocked = true\n"]).unwrap();
        assert_eq!(config.layering, LayeringConfig { recommends: false, locked: true });
        assert_eq!(config.metrics.listen, "off");
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it_and_its_line() {
        let error = format!("{:#}", parse(&["[daemon]\nlgo = 'x'\n"]).unwrap_err());
        assert!(error.contains("lgo") && error.contains("line 2"), "{error}");
        assert!(error.contains("x.toml"), "{error}");
    }

    #[test]
    fn the_documented_example_holds_every_key_with_its_default() {
        let example = include_str!("../../../systemd/config.toml");
        assert_eq!(parse(&[example]).unwrap(), Config::default());
        // Its commented keys, too, are keys.
        let keys = toml::Table::try_from(Config::default()).unwrap();
        for (section, table) in keys {
            assert!(example.contains(&format!("[{section}]")), "[{section}] is not documented");
            for key in table.as_table().unwrap().keys() {
                let documented = example
                    .lines()
                    .any(|line| line.trim_start_matches("# ").starts_with(&format!("{key} =")));
                assert!(documented, "{section}.{key} is not documented");
            }
        }
    }
}
