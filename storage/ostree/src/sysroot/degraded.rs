//! The sysroot where libostree loads none of it, because one origin file cannot be parsed.
//!
//! Owns: finding that file, and reading the deployments from the boot entries instead, for people
//! to look at. Nothing is changed this way: a staged deployment is finalised by libostree's own
//! service, which would fail at the same file after the change was reported as made. A file that
//! is not there does no harm, so moving the damaged one away is what is advised.

use super::{Sysroot, is};
use crate::error::{Error, Result, failed, io};
use cambium_model::{DeploymentId, HostState};
use std::path::{Path, PathBuf};

impl Sysroot {
    /// What [`Sysroot::state`] would read, as far as boot entries and commits tell it: the
    /// deployment whose origin is damaged has a problem, the others are as usual. What is staged,
    /// and whether something is unlocked, is not known.
    ///
    /// # Errors
    /// When the boot entries cannot be read.
    pub fn state_from_boot_entries(path: &Path) -> Result<HostState> {
        let inner = ostree::Sysroot::new(Some(&gio::File::for_path(path)));
        let sysroot = Self { inner, path: path.to_owned() };
        let deployments = sysroot.boot_entries()?;
        let running = Path::new("/run/ostree-booted").exists() && path == Path::new("/");
        let booted = deployments.iter().find(|(id, _)| running && sysroot.is_root(id));
        let booted = booted.map(|(id, _)| id.clone());
        let raws: Vec<_> = deployments.into_iter().map(|(_, raw)| raw).collect();
        let booted = booted.and_then(|id| raws.iter().find(|raw| is(raw, &id)).cloned());
        sysroot.describe_all(&raws, booted.as_ref())
    }

    /// The deployments that boot entries name, in their order.
    fn boot_entries(&self) -> Result<Vec<(DeploymentId, ostree::Deployment)>> {
        let place = self.path.join("boot/loader/entries");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&place).map_err(io("list", &place))? {
            let path = entry.map_err(io("list", &place))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !(name.starts_with("ostree-") && name.ends_with(".conf")) {
                continue;
            }
            let config = ostree::BootconfigParser::new();
            config
                .parse(&gio::File::for_path(&path), gio::Cancellable::NONE)
                .map_err(failed("read the boot entry", path.display()))?;
            if let Some((id, boot_checksum)) = self.named_by(&config) {
                let raw = self.raw(&id, &boot_checksum);
                let order = config.get("version").and_then(|text| text.parse::<i64>().ok());
                raw.set_bootconfig(Some(&config));
                found.push((order.unwrap_or(0), id, raw));
            }
        }
        // libostree numbers the default highest.
        found.sort_by_key(|(order, ..)| -order);
        Ok(found.into_iter().map(|(_, id, raw)| (id, raw)).collect())
    }

    fn raw(&self, id: &DeploymentId, boot_checksum: &str) -> ostree::Deployment {
        let serial = i32::try_from(id.serial).unwrap_or(i32::MAX);
        let (stateroot, checksum) = (id.stateroot.as_str(), id.checksum.as_str());
        let raw = ostree::Deployment::new(0, stateroot, checksum, serial, Some(boot_checksum), -1);
        // Where there is none to be read, that is the deployment's problem when it is described.
        let origin = self.origin_text(id).and_then(|text| crate::origin::load(&text));
        raw.set_origin(origin.ok().as_ref());
        raw
    }

    /// The deployment and boot checksum of `ostree=/ostree/boot.N/STATEROOT/BOOTCSUM/SERIAL`, a
    /// link to the deployment's directory.
    fn named_by(&self, config: &ostree::BootconfigParser) -> Option<(DeploymentId, String)> {
        let options = config.get("options")?;
        let link = options.split_whitespace().find_map(|word| word.strip_prefix("ostree=/"))?;
        let boot_checksum = link.rsplit('/').nth(1)?.to_owned();
        let target = std::fs::read_link(self.path.join(link)).ok()?;
        let name = target.file_name()?.to_str()?;
        let (checksum, serial) = name.rsplit_once('.')?;
        let stateroot = target.parent()?.parent()?.file_name()?.to_str()?;
        let id = DeploymentId {
            stateroot: stateroot.parse().ok()?,
            checksum: checksum.parse().ok()?,
            serial: serial.parse().ok()?,
        };
        Some((id, boot_checksum))
    }

    /// Whether a deployment's directory is the root of the running system.
    fn is_root(&self, id: &DeploymentId) -> bool {
        use std::os::unix::fs::MetadataExt;
        let stat = |path: &Path| std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
        let root = stat(Path::new("/"));
        root.is_some() && stat(&self.deployment_path(id)) == root
    }
}

/// The deployment whose origin file libostree cannot read, which keeps it from loading any: it
/// does not say which.
pub(super) fn damaged_origin(sysroot: &Path) -> Option<Error> {
    let damaged = |path: PathBuf| damage(&path).map(|reason| Error::Origin { path, reason });
    origin_files(sysroot).into_iter().find_map(damaged)
}

/// The origin file of every deployment that is there, sorted. What cannot be listed has none.
pub(super) fn origin_files(sysroot: &Path) -> Vec<PathBuf> {
    let stateroots = std::fs::read_dir(sysroot.join("ostree/deploy")).into_iter().flatten();
    let directories = stateroots.filter_map(|entry| Some(entry.ok()?.path().join("deploy")));
    let entries = directories.filter_map(|place| std::fs::read_dir(place).ok()).flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_origin = |path: &PathBuf| path.extension().is_some_and(|end| end == "origin");
    let mut files: Vec<PathBuf> = paths.filter(is_origin).collect();
    files.sort();
    files
}

/// Why libostree cannot parse an origin file, if it cannot: it asks for UTF-8, then for a key file.
fn damage(path: &Path) -> Option<String> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return Some(error.to_string()),
    };
    match std::str::from_utf8(&bytes) {
        Ok(text) if !text.contains('\0') => {
            let loaded = glib::KeyFile::new().load_from_data(text, glib::KeyFileFlags::NONE);
            loaded.err().map(|error| error.message().to_owned())
        }
        _ => Some("it is not text in UTF-8".to_owned()),
    }
}
