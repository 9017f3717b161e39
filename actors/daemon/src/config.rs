//! The daemon's configuration: every key with its default.
//!
//! Read from `/usr/lib/cambium/config.toml`, then `/etc/cambium/config.toml` over it key by key,
//! or from the one file that `--config` names; then `[Daemon]` of `/etc/rpm-ostreed.conf` for the
//! keys that a host taken over from rpm-ostree may have set. An unknown key is an error that names
//! it: a typing error must not silently mean the default. systemd/config.toml documents the keys;
//! a test holds that file to this one.

mod rpmostreed;

use anyhow::{Context as _, Result};
use cambium_tree::{Limits, ScriptRule};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    pub(crate) sandbox: SandboxConfig,
    pub(crate) scripts: ScriptsConfig,
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
    /// Carry packages' IMA signatures over to their files.
    pub(crate) ima: bool,
}

impl Default for LayeringConfig {
    fn default() -> Self {
        Self { recommends: true, locked: false, ima: false }
    }
}

/// `[sandbox]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SandboxConfig {
    /// Wall-clock time of one script.
    pub(crate) time_seconds: u64,
    /// Its processes and threads at a time.
    pub(crate) processes: u64,
    /// Its memory, where control groups can be made.
    pub(crate) memory_mib: u64,
    /// What it may write altogether.
    pub(crate) disk_mib: u64,
    /// How many files it may make.
    pub(crate) files: u64,
    /// Its largest file.
    pub(crate) file_mib: u64,
    /// How much of its output is kept.
    pub(crate) output_kib: u64,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        let Limits { time, output, tmpfs: _, file, descriptors: _, processes, memory, disk, files } =
            Limits::default();
        Self {
            time_seconds: time.as_secs(),
            processes,
            memory_mib: memory >> 20,
            disk_mib: disk >> 20,
            files,
            file_mib: file >> 20,
            output_kib: output as u64 >> 10,
        }
    }
}

impl SandboxConfig {
    /// As the engine has them.
    pub(crate) fn limits(&self) -> Limits {
        let bytes = |mib: u64| mib.saturating_mul(1 << 20);
        Limits {
            time: Duration::from_secs(self.time_seconds),
            output: usize::try_from(self.output_kib.saturating_mul(1 << 10)).unwrap_or(usize::MAX),
            file: bytes(self.file_mib),
            processes: self.processes,
            memory: bytes(self.memory_mib),
            disk: bytes(self.disk_mib),
            files: self.files,
            ..Limits::default()
        }
    }
}

/// `[scripts]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ScriptsConfig {
    /// What is decided about packages' scripts, before the list that comes with the program.
    pub(crate) rules: Vec<ScriptRule>,
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
        assert_eq!(config.layering, LayeringConfig { recommends: false, locked: true, ima: false });
        assert_eq!(config.metrics.listen, "off");
    }

    #[test]
    fn bounds_of_scripts_reach_the_engine() {
        assert_eq!(Config::default().sandbox.limits(), Limits::default());
        let config = parse(&["[sandbox]\nprocesses = 64\nmemory_mib = 512\n"]).unwrap();
        let limits = config.sandbox.limits();
        assert_eq!((limits.processes, limits.memory), (64, 512 << 20));
        assert_eq!(limits.disk, Limits::default().disk);
    }

    #[test]
    fn scripts_are_left_out_by_rules() {
        let text = "[[scripts.rules]]\npackage = 'akmod-*'\naction = 'skip'\n\
            [[scripts.rules]]\npackage = 'a'\nclasses = ['pre', 'post']\naction = 'run'\n";
        let rules = parse(&[text]).unwrap().scripts.rules;
        assert_eq!((rules[0].package.as_str(), rules[1].classes.len()), ("akmod-*", 2));
        let wrong = "[[scripts.rules]]\npackage = 'a'\naction = 'skip'\nclases = []\n";
        assert!(format!("{:#}", parse(&[wrong]).unwrap_err()).contains("clases"));
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
