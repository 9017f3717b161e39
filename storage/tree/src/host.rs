//! The host as the workers act on it: one method for each of their messages.
//!
//! Owns: which engine is asked what, in which order, for one step of a transaction. Each step
//! opens what it needs and keeps nothing but the last reading of the sysroot. Deliberately absent:
//! the order of the steps (the coordinator's), how trees are assembled (`assemble`), actors.

mod base;
mod deploy;
mod error;
mod fetch;
mod layer;
mod packages;
mod plan;
mod plan_order;
mod reboot;
mod repos;
mod rpmdb;
mod solve;
mod tidy;

pub use error::Error;
pub use layer::AssembleTarget;

use cambium_model::{HostState, ScriptSandbox};
use cambium_ostree::{ChangeKey, Sysroot};
use cambium_rpm::PayloadOptions;
use cambium_rpm::scriptlets::ScriptRule;
use cambium_sandbox::{Backend, Limits};

pub use cambium_rpm::FileSignatures;

use error::Result;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How a host is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostConfig {
    /// The sysroot: `/` for the running system.
    pub sysroot: PathBuf,
    /// Where metadata and packages are cached.
    pub cache: PathBuf,
    /// What weak dependencies come to.
    pub recommends: bool,
    /// Whether layering is refused.
    pub locked: bool,
    /// Bounds of each script.
    pub limits: Limits,
    /// What is decided about packages' scripts, before the list that comes with the program.
    pub scripts: Vec<ScriptRule>,
    /// Whether packages' IMA signatures are carried over to their files.
    pub file_signatures: FileSignatures,
}

/// A host. Shared by all workers; every method may be called from any thread.
#[derive(Debug)]
pub struct Host {
    config: HostConfig,
    seen: Mutex<Option<(ChangeKey, Arc<HostState>)>>,
    sandbox: OnceLock<Result<Backend, String>>,
    /// Held while something is made in, or removed from, the directory of assemblies.
    private: Mutex<()>,
}

impl Host {
    /// The host that `config` names. Opens nothing.
    #[must_use]
    pub fn new(config: HostConfig) -> Self {
        Self { config, seen: Mutex::new(None), sandbox: OnceLock::new(), private: Mutex::new(()) }
    }

    /// Finds out, once, by what scripts can be confined here; an error says what was tried.
    pub fn find_sandbox(&self) -> &Result<Backend, String> {
        self.sandbox.get_or_init(|| {
            let _held = self.private.lock().unwrap_or_else(PoisonError::into_inner);
            let directory = self.private();
            std::fs::create_dir_all(&directory)
                .map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
            Backend::probe(&directory).map_err(|error| error.to_string())
        })
    }

    /// What [`Self::find_sandbox`] found, where it was asked.
    fn known_sandbox(&self) -> Option<ScriptSandbox> {
        self.sandbox.get().map(|found| match found {
            Ok(backend) => {
                ScriptSandbox { name: backend.name().to_owned(), reason: backend.reason.clone() }
            }
            Err(reason) => ScriptSandbox { name: "none".to_owned(), reason: reason.clone() },
        })
    }

    /// The deployments and what surrounds them. As cheap as a few stat calls while nothing has
    /// changed since the last call.
    ///
    /// # Errors
    /// When the sysroot cannot be read. A damaged deployment is described, not an error.
    pub fn state(&self) -> Result<Arc<HostState>> {
        let key = Sysroot::change_key(&self.config.sysroot);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen_key, state)) = seen.as_ref()
            && *seen_key == key
            && (state.sandbox.is_some() || self.sandbox.get().is_none())
        {
            return Ok(state.clone());
        }
        let mut state = match Sysroot::open(&self.config.sysroot) {
            Ok(sysroot) => sysroot.state()?,
            Err(error @ cambium_ostree::Error::Origin { .. }) => {
                tracing::warn!(%error, "reading boot entries instead");
                Sysroot::state_from_boot_entries(&self.config.sysroot)?
            }
            Err(error) => return Err(error.into()),
        };
        state.metadata_timestamp = self.metadata_timestamp();
        state.sandbox = self.known_sandbox();
        let state = Arc::new(state);
        *seen = Some((key, state.clone()));
        Ok(state)
    }

    /// What of a package is taken.
    fn payload(&self) -> PayloadOptions {
        let file_signatures = self.config.file_signatures;
        PayloadOptions { file_signatures, ..PayloadOptions::default() }
    }

    /// Forgets the last reading, where what it does not depend on has changed (repository
    /// metadata, free space).
    fn forget_state(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
