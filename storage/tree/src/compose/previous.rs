//! The commit that the new one follows: what it was made from and what must not change.

use super::accounts::Accounts;
use super::{ComposeOptions, Error, Parent};
use cambium_model::{Checksum, Evr, Nevra};
use cambium_ostree::Repo;

/// The commit before.
#[derive(Debug)]
pub(crate) struct Previous {
    /// Its checksum.
    pub commit: Checksum,
    /// Its version.
    pub version: Option<String>,
    /// `rpmostree.inputhash`.
    pub inputhash: Option<String>,
    /// Its packages, as its metadata lists them.
    pub packages: Vec<Nevra>,
    /// Its accounts.
    pub accounts: Accounts,
}

/// Reads the commit that `options` choose; `None` where the new commit is the first.
pub(crate) fn read(
    repo: &Repo,
    treeref: Option<&str>,
    options: &ComposeOptions,
) -> Result<Option<Previous>, Error> {
    let commit = match &options.parent {
        Parent::None => None,
        Parent::Commit(commit) => Some(commit.clone()),
        Parent::OfRef => treeref.map(|name| repo.resolve_ref(name)).transpose()?.flatten(),
    };
    let Some(commit) = commit else { return Ok(None) };
    let info = repo.commit_info(&commit)?;
    // Accounts lie in /etc for root and in /usr/lib for the others, or all in /etc.
    let accounts = Accounts::read(|path| {
        let inside = path.strip_prefix("/etc/").map(|name| format!("usr/etc/{name}"));
        Ok(repo.read_file(&commit, inside.as_deref().unwrap_or(path))?)
    })?;
    Ok(Some(Previous {
        version: info.version.clone(),
        inputhash: info.metadata.get_string("rpmostree.inputhash").map(str::to_owned),
        packages: packages(&info.metadata),
        accounts,
        commit,
    }))
}

/// `rpmostree.rpmdb.pkglist`; empty where it is missing or of an unknown type.
fn packages(metadata: &cambium_ostree::Metadata) -> Vec<Nevra> {
    let list = metadata.get("rpmostree.rpmdb.pkglist");
    let list = list.and_then(glib::Variant::get::<Vec<(String, String, String, String, String)>>);
    let package =
        |(name, epoch, version, release, arch): (String, String, String, String, String)| {
            let evr = Evr { epoch: epoch.parse().unwrap_or(0), version, release };
            Nevra { name, evr, arch }
        };
    list.unwrap_or_default().into_iter().map(package).collect()
}
