//! Where repositories, caches and the installed packages are, and how they are used.

use crate::RepoConfig;
use std::path::PathBuf;

/// What a call works on. Plain data; nothing is opened before a call.
#[derive(Debug, Clone)]
pub struct Config {
    /// Directories with `*.repo` files.
    pub repos_dirs: Vec<PathBuf>,
    /// Repositories said directly (treefiles, tests); one with the id of a file's replaces it.
    pub repos: Vec<RepoConfig>,
    /// Use exactly these ids, whatever their `enabled=` says; `None` for the enabled ones.
    pub enabled_repos: Option<Vec<String>>,
    /// Directories whose files are variables, such as `/etc/dnf/vars`; later ones win.
    pub vars_dirs: Vec<PathBuf>,
    /// `$releasever`; `None` for `VERSION_ID` of the installed root's os-release.
    pub releasever: Option<String>,
    /// `$basearch`, e.g. `x86_64`.
    pub basearch: String,
    /// Where downloaded metadata is kept.
    pub cache_dir: PathBuf,
    /// Where libsolv's caches are kept.
    pub solv_dir: PathBuf,
    /// A directory whose `usr/share/rpm` is the database of installed packages; may lack one.
    pub installed_root: PathBuf,
    /// The root below which `gpgkey=file:///…` is looked for before this machine's own.
    pub keys_root: Option<PathBuf>,
    /// Whether recommended packages come along.
    pub weak_deps: WeakDeps,
    /// How cached metadata is used.
    pub cache_policy: CachePolicy,
    /// When lists of all files are fetched.
    pub filelists: Filelists,
    /// The largest metadata file that is accepted, in bytes, packed or unpacked.
    pub max_metadata_bytes: u64,
}

impl Config {
    /// No repositories; caches below `cache_dir`, installed packages below `installed_root`.
    #[must_use]
    pub fn new(cache_dir: impl Into<PathBuf>, installed_root: impl Into<PathBuf>) -> Self {
        let cache_dir = cache_dir.into();
        Self {
            repos_dirs: Vec::new(),
            repos: Vec::new(),
            enabled_repos: None,
            vars_dirs: Vec::new(),
            releasever: None,
            basearch: std::env::consts::ARCH.to_owned(),
            solv_dir: cache_dir.join("solv"),
            cache_dir,
            installed_root: installed_root.into(),
            keys_root: None,
            weak_deps: WeakDeps::Install,
            cache_policy: CachePolicy::Normal,
            filelists: Filelists::WhenNeeded,
            // Fedora's largest (filelists of all packages) unpacks to under 1 GiB.
            max_metadata_bytes: 4 << 30,
        }
    }
}

/// Whether recommended packages come along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeakDeps {
    /// They do, where they can be installed.
    Install,
    /// They do not.
    Skip,
}

/// How cached metadata is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePolicy {
    /// Until it expires (`metadata_expire`).
    Normal,
    /// Whatever its age; the network is not used.
    CacheOnly,
    /// Not before the repository said that it is current.
    ForceRefresh,
}

/// When the lists of all files of all packages, which are large, are fetched and loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filelists {
    /// When a request or a dependency names a file that the primary metadata does not hold.
    WhenNeeded,
    /// Never: such a request has no solution.
    Never,
}
