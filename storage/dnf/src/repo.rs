//! A repository's configuration: the keys of a `.repo` file that Cambium knows.
//!
//! Keys and defaults are those of dnf.conf(5). A dead repository never stops work that does not
//! need it, whatever `skip_if_unavailable` says; that key decides where none is to be had at all.
//! A key that would change what comes, and that is not honoured here, is a warning; dnf's other
//! keys are passed over. `[main]` of /etc/dnf/dnf.conf is not read.

mod file;
mod vars;

use crate::{Config, Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One repository, variables already replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoConfig {
    /// Its id: letters, digits and `-_.:`.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// URLs of mirrors with the same content; a path is a `file://` URL.
    pub baseurl: Vec<String>,
    /// URL of a list of mirrors.
    pub mirrorlist: Option<String>,
    /// URL of a metalink, which also holds repomd.xml's checksum.
    pub metalink: Option<String>,
    /// `enabled=`
    pub enabled: bool,
    /// Whether packages must be signed: the importer's to check.
    pub gpgcheck: bool,
    /// Whether repomd.xml must be signed.
    pub repo_gpgcheck: bool,
    /// Keys for both, as URLs.
    pub gpgkey: Vec<String>,
    /// Lower wins; 99 where not said.
    pub priority: i32,
    /// Lower wins among equal priorities; 1000 where not said.
    pub cost: i32,
    /// Patterns of packages that are not used.
    pub excludepkgs: Vec<String>,
    /// Patterns of the only packages that are used; empty for all.
    pub includepkgs: Vec<String>,
    /// Seconds until metadata is asked for again; `None` for never.
    pub metadata_expire: Option<u64>,
    /// URL of a proxy; empty for none even where the environment says one.
    pub proxy: Option<String>,
    /// `user:password` of the proxy.
    pub proxy_auth: Option<String>,
    /// `user:password` of the server.
    pub auth: Option<String>,
    /// Whether the server's certificate is checked.
    pub sslverify: bool,
    /// Whether the server must prove, by OCSP stapling, that its certificate was not revoked.
    pub sslverifystatus: bool,
    /// CA certificates to check it with.
    pub sslcacert: Option<PathBuf>,
    /// Our certificate.
    pub sslclientcert: Option<PathBuf>,
    /// Its key.
    pub sslclientkey: Option<PathBuf>,
    /// Whether work that needs no repository goes on where no repository is to be had.
    pub skip_if_unavailable: bool,
    /// Seconds of silence, or of less than `minrate`, after which a server is given up; 0 for none.
    pub timeout: u64,
    /// Bytes a second below which a server counts as silent.
    pub minrate: u64,
    /// Keys that were said and would change what comes or how, but that Cambium does not honour.
    pub ignored: Vec<String>,
}

impl RepoConfig {
    /// An enabled repository with dnf's defaults.
    #[must_use]
    pub fn new(id: impl Into<String>, baseurl: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            name: id.clone(),
            id,
            baseurl: Some(baseurl.into()).filter(|url| !url.is_empty()).into_iter().collect(),
            mirrorlist: None,
            metalink: None,
            enabled: true,
            gpgcheck: false,
            repo_gpgcheck: false,
            gpgkey: Vec::new(),
            priority: 99,
            cost: 1000,
            excludepkgs: Vec::new(),
            includepkgs: Vec::new(),
            metadata_expire: Some(48 * 60 * 60),
            proxy: None,
            proxy_auth: None,
            auth: None,
            sslverify: true,
            sslverifystatus: false,
            sslcacert: None,
            sslclientcert: None,
            sslclientkey: None,
            skip_if_unavailable: false,
            timeout: 30,
            minrate: 1000,
            ignored: Vec::new(),
        }
    }

    /// Where it is, for messages.
    pub(crate) fn place(&self) -> String {
        let urls = self.baseurl.iter().chain(&self.mirrorlist).chain(&self.metalink);
        urls.map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// The directory of a repository on this machine, which is used in place.
    pub(crate) fn local_dir(&self) -> Option<&Path> {
        let [url] = self.baseurl.as_slice() else { return None };
        let local = self.mirrorlist.is_none() && self.metalink.is_none();
        let path = url.strip_prefix("file://").unwrap_or(url);
        (local && path.starts_with('/')).then(|| Path::new(path))
    }
}

/// The repositories that a call would use: configured, enabled, variables replaced, by id.
pub fn repositories(config: &Config) -> Result<Vec<RepoConfig>> {
    let vars = vars::load(config)?;
    let mut repos = BTreeMap::new();
    for dir in &config.repos_dirs {
        let mut files: Vec<PathBuf> = match std::fs::read_dir(dir) {
            Ok(entries) => entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<_, _>>()
                .map_err(Error::io("read", dir))?,
            // A host without such a directory has no repositories in it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io("read", dir)(error)),
        };
        files.retain(|path| path.extension().is_some_and(|extension| extension == "repo"));
        files.sort();
        for path in files {
            let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
            for repo in file::parse(&text, &vars).map_err(|what| wrong(&path, what))? {
                repos.insert(repo.id.clone(), repo);
            }
        }
    }
    for repo in &config.repos {
        let mut repo = repo.clone();
        for url in repo.baseurl.iter_mut().chain(&mut repo.mirrorlist).chain(&mut repo.metalink) {
            *url = vars::replace(url, &vars);
        }
        repos.insert(repo.id.clone(), repo);
    }
    let used: Vec<RepoConfig> = match &config.enabled_repos {
        None => repos.into_values().filter(|repo| repo.enabled).collect(),
        Some(ids) => ids
            .iter()
            .map(|id| repos.remove(id).ok_or_else(|| Error::UnknownRepo(id.clone())))
            .collect::<Result<_>>()?,
    };
    for repo in &used {
        check(repo).map_err(|what| wrong(Path::new(&repo.id), what))?;
    }
    Ok(used)
}

fn wrong(path: &Path, what: String) -> Error {
    Error::RepoConfig { path: path.to_owned(), what }
}

/// An id becomes the name of cache files, so it may hold nothing that leads elsewhere.
fn check(repo: &RepoConfig) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if repo.id.is_empty() || repo.id.starts_with('.') || !repo.id.chars().all(allowed) {
        return Err(format!("'{}' is no repository id", repo.id));
    }
    if repo.baseurl.is_empty() && repo.mirrorlist.is_none() && repo.metalink.is_none() {
        return Err("no baseurl, mirrorlist or metalink".to_owned());
    }
    if repo.repo_gpgcheck && repo.gpgkey.is_empty() {
        return Err("repo_gpgcheck=1 without a gpgkey".to_owned());
    }
    let file = |key: &&String| !key.strip_prefix("file://").unwrap_or(key).starts_with('/');
    if let Some(key) = repo.gpgkey.iter().find(file).filter(|_| repo.repo_gpgcheck) {
        return Err(format!(
            "repo_gpgcheck=1 with the key {key}, which would come unchecked itself: fetch it, \
             look at it, keep it in /etc/pki/rpm-gpg and name it by file://"
        ));
    }
    Ok(())
}
