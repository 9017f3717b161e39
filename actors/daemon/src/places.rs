//! Where the daemon keeps what: from the command line, the configuration, and the sysroot.

use crate::Serve;
use crate::config::Config;
use std::path::{Path, PathBuf};

/// The places of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) sysroot: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) metrics: String,
}

impl Places {
    /// The command line wins over the configuration. A sysroot other than `/` keeps its log and
    /// caches to itself: they describe it, and the running host has its own.
    pub(crate) fn of(serve: &Serve, config: &Config) -> Self {
        let own = serve.sysroot != Path::new("/");
        let default = |booted: &str, name: &str| {
            if own { serve.sysroot.join("ostree/cambium").join(name) } else { booted.into() }
        };
        let pick = |argument: &Option<PathBuf>, configured: &Option<PathBuf>, default: PathBuf| {
            argument.clone().or_else(|| configured.clone()).unwrap_or(default)
        };
        let daemon = &config.daemon;
        Self {
            sysroot: serve.sysroot.clone(),
            state: pick(&serve.state_dir, &daemon.state_dir, default("/var/lib/cambium", "state")),
            cache: pick(
                &serve.cache_dir,
                &daemon.cache_dir,
                default("/var/cache/cambium", "cache"),
            ),
            socket: serve.socket.clone().unwrap_or_else(|| config.socket.path.clone()),
            metrics: serve.metrics.clone().unwrap_or_else(|| config.metrics.listen.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(sysroot: &str) -> Serve {
        Serve {
            sysroot: sysroot.into(),
            config: None,
            socket: None,
            no_dbus: false,
            metrics: None,
            state_dir: None,
            cache_dir: None,
        }
    }

    #[test]
    fn the_booted_system_and_a_sysroot_of_its_own_keep_apart() {
        let config = Config::default();
        let booted = Places::of(&serve("/"), &config);
        assert_eq!(booted.state, Path::new("/var/lib/cambium"));
        assert_eq!(booted.cache, Path::new("/var/cache/cambium"));
        let own = Places::of(&serve("/mnt/x"), &config);
        assert_eq!(own.state, Path::new("/mnt/x/ostree/cambium/state"));
        assert_eq!(own.cache, Path::new("/mnt/x/ostree/cambium/cache"));
    }

    #[test]
    fn the_command_line_wins() {
        let mut config = Config::default();
        config.daemon.state_dir = Some("/configured".into());
        assert_eq!(Places::of(&serve("/mnt/x"), &config).state, Path::new("/configured"));
        let said = Serve { state_dir: Some("/said".into()), ..serve("/mnt/x") };
        assert_eq!(Places::of(&said, &config).state, Path::new("/said"));
    }
}
