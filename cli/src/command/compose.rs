//! `compose`: another program's work, in this process.

use cambium_model::{Failure, FailureKind};
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Becomes `cambiumd compose ARGS…`. Comes back only with the reason why it could not.
#[must_use]
pub fn exec(args: &[OsString]) -> anyhow::Error {
    let daemon = match crate::connection::find_daemon() {
        Ok(daemon) => daemon,
        Err(failure) => return failure.into(),
    };
    let error = Command::new(&daemon).arg("compose").args(args).exec();
    let what = format!("cannot run '{}'", daemon.display());
    Failure { causes: vec![error.to_string()], ..Failure::new(FailureKind::NotFound, what) }.into()
}
