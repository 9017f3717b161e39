//! A sysroot: its deployments, its lock, and every change of what boots.
//!
//! Owns: opening as libostree does (`/` with `/run/ostree-booted` is the running system), the
//! lock, stateroots and remotes. The modules below own one verb each. Deliberately absent: the
//! bootloaders, which are libostree's own back ends.

mod collect;
mod degraded;
mod edit;
mod forecast;
mod kernel;
mod labels;
mod prepare;
mod reap;
mod staged;
mod state;
mod swap;

pub use cambium_model::Finalization;
pub use collect::UsedPackages;
pub use edit::Pinned;
pub use forecast::Forecast;
pub use kernel::Kernel;
pub(crate) use labels::label_if_missing;
pub use prepare::DeployRequest;
pub use swap::{Retention, Swap};

use crate::error::{Error, Result, failed, io};
use crate::repo::Repo;
use cambium_model::{Checksum, DeploymentId, Stateroot};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// An open sysroot. As cheap to open as it is to read; opened anew by each call.
#[derive(Debug)]
pub struct Sysroot {
    inner: ostree::Sysroot,
    path: PathBuf,
}

/// The sysroot's lock, held until it is dropped.
#[derive(Debug)]
#[must_use = "the sysroot is unlocked as soon as this is dropped"]
pub struct SysrootLock<'s>(&'s Sysroot);

impl Drop for SysrootLock<'_> {
    fn drop(&mut self) {
        self.0.inner.unlock();
    }
}

/// What changes when the sysroot does: equal keys mean that [`Sysroot::state`] would read the
/// same, so that callers can keep its answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChangeKey(Vec<Option<(i64, i64, u64)>>);

/// A remote repository's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Its name, the part of a refspec before the colon.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Other options by key, e.g. `gpg-verify` = `true`.
    pub options: BTreeMap<String, String>,
}

/// Options of a remote that are shown: those of ostree.repo-config(5). libostree keeps remotes in
/// several files and lists no keys.
const REMOTE_OPTIONS: &[&str] = &[
    "branches",
    "collection-id",
    "contenturl",
    "custom-backend",
    "gpg-verify",
    "gpg-verify-summary",
    "gpgkeypath",
    "http2",
    "metalink",
    "proxy",
    "sign-verify",
    "tls-ca-path",
    "tls-client-cert-path",
    "tls-client-key-path",
    "tls-permissive",
    "unconfigured-state",
];

/// Room on the file systems that a deployment needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes free where the sysroot is.
    pub sysroot_free: u64,
    /// Bytes free where `/boot` is.
    pub boot_free: u64,
}

impl Sysroot {
    /// Opens the sysroot at `path`: `/` for the running system.
    ///
    /// # Errors
    /// When there is none or it cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let inner = ostree::Sysroot::new(Some(&gio::File::for_path(&path)));
        if own_mount_namespace() {
            // libostree may then make /sysroot and /boot writable without the host seeing it.
            inner.set_mount_namespace_in_use();
        }
        if !path.join("boot").is_dir() {
            let what = format!(
                "{} is missing or not mounted, so no deployment can be read",
                path.join("boot").display()
            );
            return Err(Error::Precondition { what });
        }
        inner.load(gio::Cancellable::NONE).map_err(|source| {
            degraded::damaged_origin(&path)
                .unwrap_or_else(|| failed("open the sysroot", path.display())(source))
        })?;
        Ok(Self { inner, path })
    }

    /// Makes a directory a sysroot, as `ostree admin init-fs` does, or opens the one there is.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        std::fs::create_dir_all(path.join("boot")).map_err(io("create", path))?;
        ostree::Sysroot::new(Some(&gio::File::for_path(path)))
            .ensure_initialized(gio::Cancellable::NONE)
            .map_err(failed("create the sysroot", path.display()))?;
        Self::open(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the running system was booted from it.
    #[must_use]
    pub fn is_booted(&self) -> bool {
        self.inner.booted_deployment().is_some()
    }

    /// Its repository, with the remotes that its configuration names.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn repo(&self) -> Result<Repo> {
        Repo::of_sysroot(&self.path)
    }

    /// Takes the lock that `ostree admin` takes, too.
    ///
    /// # Errors
    /// [`Error::Busy`] while another process holds it.
    pub fn try_lock(&self) -> Result<SysrootLock<'_>> {
        let taken =
            self.inner.try_lock().map_err(failed("lock the sysroot", self.path.display()))?;
        if taken { Ok(SysrootLock(self)) } else { Err(Error::Busy { sysroot: self.path.clone() }) }
    }

    /// What to compare before reading [`Self::state`] again: a few stat calls. Covers what
    /// libostree touches at every change (`ostree/deploy`), what boots, what is staged, and the
    /// origin files.
    #[must_use]
    pub fn change_key(path: &Path) -> ChangeKey {
        let stat = |path: PathBuf| {
            let metadata = std::fs::symlink_metadata(path).ok()?;
            Some((metadata.mtime(), metadata.mtime_nsec(), metadata.ino()))
        };
        let mut key: Vec<_> = [
            "ostree/deploy",
            "boot/loader",
            "ostree/repo/refs",
            "boot/ostree/finalize-failure.stamp",
        ]
        .iter()
        .map(|name| stat(path.join(name)))
        .collect();
        // An origin may be edited or mended in place.
        key.extend(degraded::origin_files(path).into_iter().map(stat));
        // These belong to the running system, whatever sysroot is asked about.
        key.extend([staged::FILE, staged::LOCKED].iter().map(|name| stat(PathBuf::from(name))));
        ChangeKey(key)
    }

    /// Makes a stateroot (`/ostree/deploy/NAME` with its /var).
    ///
    /// # Errors
    /// When it is there, or cannot be made.
    pub fn init_stateroot(&self, name: &Stateroot) -> Result<()> {
        self.inner
            .init_osname(name.as_str(), gio::Cancellable::NONE)
            .map_err(failed("create the stateroot", name))
    }

    /// The remotes that are configured.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn remotes(&self) -> Result<Vec<Remote>> {
        let repo = self.repo()?;
        let read = |name: glib::GString| {
            let url = repo
                .raw()
                .remote_get_url(&name)
                .map_err(failed("read the URL of the remote", &name))?;
            let mut options = BTreeMap::new();
            for key in REMOTE_OPTIONS {
                let value = repo
                    .raw()
                    .remote_option(&name, key, None)
                    .map_err(failed("read the options of the remote", &name))?;
                if let Some(value) = value {
                    options.insert((*key).to_owned(), value.to_string());
                }
            }
            Ok(Remote { name: name.to_string(), url: url.to_string(), options })
        };
        repo.raw().remote_list().into_iter().map(read).collect()
    }

    /// Adds a remote.
    ///
    /// # Errors
    /// When one of that name is there.
    pub fn add_remote(&self, remote: &Remote) -> Result<()> {
        let options = glib::VariantDict::new(None);
        for (key, value) in &remote.options {
            match value.parse::<bool>() {
                Ok(flag) => options.insert(key, flag),
                Err(_) => options.insert(key, value.as_str()),
            }
        }
        let repo = self.repo()?;
        repo.raw()
            .remote_add(
                &remote.name,
                Some(&remote.url),
                Some(&options.end()),
                gio::Cancellable::NONE,
            )
            .map_err(failed("add the remote", &remote.name))
    }

    /// Room where the sysroot is and where /boot is.
    ///
    /// # Errors
    /// When a file system cannot be asked.
    pub fn space(&self) -> Result<Space> {
        Ok(Space {
            sysroot_free: crate::repo::free_bytes(&self.path.join("ostree"))?,
            boot_free: crate::repo::free_bytes(&self.path.join("boot"))?,
        })
    }

    /// The deployment of this id as libostree has it loaded.
    fn find(&self, id: &DeploymentId) -> Result<ostree::Deployment> {
        self.inner
            .deployments()
            .into_iter()
            .find(|deployment| is(deployment, id))
            .ok_or_else(|| Error::NotFound { what: format!("The deployment {id}") })
    }

    /// Where deployments of a stateroot are.
    fn deploy_directory(&self, stateroot: &Stateroot) -> PathBuf {
        self.path.join("ostree/deploy").join(stateroot.as_str()).join("deploy")
    }

    /// The root directory of a deployment.
    #[must_use]
    pub fn deployment_path(&self, id: &DeploymentId) -> PathBuf {
        self.deploy_directory(&id.stateroot).join(format!("{}.{}", id.checksum, id.serial))
    }

    /// The text of a deployment's origin file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn origin_text(&self, id: &DeploymentId) -> Result<String> {
        let path = self.origin_path(id);
        std::fs::read_to_string(&path).map_err(io("read", path))
    }

    fn origin_path(&self, id: &DeploymentId) -> PathBuf {
        self.deploy_directory(&id.stateroot).join(format!("{}.{}.origin", id.checksum, id.serial))
    }

    /// Loads what is on disk now.
    fn reload(&self) -> Result<()> {
        self.inner
            .load_if_changed(gio::Cancellable::NONE)
            .map(|_| ())
            .map_err(failed("read the sysroot", self.path.display()))
    }

    /// Tells watchers that something changed: libostree's own signal, on which clients rely.
    fn touch(&self) -> Result<()> {
        let path = self.path.join("ostree/deploy");
        let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
        rustix::fs::utimensat(rustix::fs::CWD, &path, &times, rustix::fs::AtFlags::empty())
            .map_err(io("touch", path))
    }
}

/// Whether libostree's deployment is the one of this id.
fn is(deployment: &ostree::Deployment, id: &DeploymentId) -> bool {
    deployment.osname() == id.stateroot.as_str()
        && deployment.csum() == id.checksum.as_str()
        && u32::try_from(deployment.deployserial()) == Ok(id.serial)
}

fn id_of(deployment: &ostree::Deployment) -> Result<DeploymentId> {
    let stateroot =
        deployment.osname().parse().map_err(|error: cambium_model::InvalidStateroot| {
            Error::Corrupt { what: "A deployment".into(), reason: error.to_string() }
        })?;
    let checksum: Checksum = crate::object::checksum(&deployment.csum())?;
    let serial = u32::try_from(deployment.deployserial()).unwrap_or(0);
    Ok(DeploymentId { stateroot, checksum, serial })
}

/// Whether this process has a mount namespace of its own. Where that cannot be seen it is taken
/// not to have one, which only makes libostree more careful.
fn own_mount_namespace() -> bool {
    let read = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    match (read("1"), read("self")) {
        (Some(init), Some(own)) => init != own,
        _ => false,
    }
}
