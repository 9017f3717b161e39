//! Reaching the daemon: the control socket, its socket unit where systemd runs, or a private
//! daemon of one's own.

mod peer;

pub(crate) use peer::find_daemon;

use crate::args::Global;
use anyhow::Result;
use cambium_model::{Failure, FailureKind};
use cambium_proto::v1::host_client::HostClient;
use cambium_proto::v1::packages_client::PackagesClient;
use cambium_proto::v1::transactions_client::TransactionsClient;
use hyper_util::rt::TokioIo;
use std::io::{Error, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};

/// Where the daemon listens.
const SOCKET: &str = "/run/cambium/cambium.sock";

/// Its socket unit.
const UNIT: &str = "cambiumd.socket";

/// The longest answer that is read: all packages of a large host with changelogs.
const LONGEST_ANSWER: usize = 64 << 20;

/// A daemon that answers.
#[derive(Debug)]
pub(crate) struct Daemon {
    channel: Channel,
    peer: Option<peer::Peer>,
}

impl Daemon {
    /// Connects as the options say.
    ///
    /// # Errors
    /// When nothing answers; the failure says what to do.
    pub(crate) async fn connect(global: &Global) -> Result<Self> {
        let elsewhere = global.sysroot.as_deref().filter(|sysroot| *sysroot != Path::new("/"));
        if global.peer || (elsewhere.is_some() && global.socket.is_none()) {
            let sysroot = elsewhere.unwrap_or(Path::new("/"));
            let mut peer = peer::Peer::start(sysroot)?;
            let stream = peer.wait_until_ready().await?;
            let channel = channel(stream, peer.socket()).await?;
            return Ok(Self { channel, peer: Some(peer) });
        }
        let path = global.socket.clone().unwrap_or_else(|| SOCKET.into());
        let stream = match UnixStream::connect(&path).await {
            Ok(stream) => stream,
            Err(error) if global.socket.is_none() && start_unit(&error) => {
                UnixStream::connect(&path).await.map_err(|error| unreachable(&path, &error))?
            }
            Err(error) => return Err(unreachable(&path, &error).into()),
        };
        let daemon = Self { channel: channel(stream, &path).await?, peer: None };
        if let Some(sysroot) = elsewhere {
            daemon.serves(sysroot).await?;
        }
        Ok(daemon)
    }

    /// Holds the daemon to the sysroot that was named beside its socket.
    async fn serves(&self, sysroot: &Path) -> Result<()> {
        let status = self.host().get_status(cambium_proto::v1::GetStatusRequest {}).await;
        let served = status.map_err(|status| cambium_proto::failure_from_status(&status))?;
        let served = served.into_inner().sysroot;
        let same = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if same(Path::new(&served)) != same(sysroot) {
            let what = format!("the daemon serves '{served}', not '{}'", sysroot.display());
            return Err(Failure::new(FailureKind::Precondition, what)
                .advise("Leave out --socket: a private daemon is then started for the sysroot.")
                .into());
        }
        Ok(())
    }

    pub(crate) fn host(&self) -> HostClient<Channel> {
        HostClient::new(self.channel.clone()).max_decoding_message_size(LONGEST_ANSWER)
    }

    pub(crate) fn transactions(&self) -> TransactionsClient<Channel> {
        TransactionsClient::new(self.channel.clone()).max_decoding_message_size(LONGEST_ANSWER)
    }

    pub(crate) fn packages(&self) -> PackagesClient<Channel> {
        PackagesClient::new(self.channel.clone()).max_decoding_message_size(LONGEST_ANSWER)
    }

    /// Ends a private daemon and waits for it.
    ///
    /// # Errors
    /// When it does not end.
    pub(crate) async fn close(self) -> Result<()> {
        let Self { channel, peer } = self;
        drop(channel);
        match peer {
            Some(peer) => peer.stop().await,
            None => Ok(()),
        }
    }
}

/// A channel over `first`, and over new connections to `path` when that one is lost.
async fn channel(first: UnixStream, path: &Path) -> Result<Channel> {
    let first = Arc::new(Mutex::new(Some(first)));
    let path: Arc<Path> = path.into();
    let connector = tower::service_fn(move |_: Uri| {
        let (first, path) = (first.clone(), path.clone());
        async move {
            let taken = first.lock().unwrap_or_else(PoisonError::into_inner).take();
            let stream = match taken {
                Some(stream) => stream,
                None => UnixStream::connect(&*path).await?,
            };
            Ok::<_, Error>(TokioIo::new(stream))
        }
    });
    // The address is only a name: the connector knows the way.
    Ok(Endpoint::from_static("http://cambium").connect_with_connector(connector).await?)
}

/// Starts the socket unit where that is likely to help, and says whether it did.
fn start_unit(error: &Error) -> bool {
    let absent = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
    let systemd = Path::new("/run/systemd/system").is_dir();
    if !(absent && systemd && rustix::process::geteuid().is_root()) {
        return false;
    }
    match std::process::Command::new("systemctl").args(["start", UNIT]).status() {
        Ok(status) => status.success(),
        Err(error) => {
            crate::output::warn(&format!("cannot run systemctl: {error}"));
            false
        }
    }
}

/// Nothing answers at `path`.
fn unreachable(path: &Path, error: &Error) -> Failure {
    let what = format!("cannot reach the daemon at '{}'", path.display());
    let (kind, advice) = match error.kind() {
        ErrorKind::PermissionDenied => (
            FailureKind::PermissionDenied,
            "Run the command as root, or become a member of the group 'cambium' to read."
                .to_owned(),
        ),
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => (
            FailureKind::Unavailable,
            format!("Start it with 'systemctl start {UNIT}', or use --peer for a private one."),
        ),
        _ => (FailureKind::Unavailable, "See the daemon's log.".to_owned()),
    };
    Failure { kind, what, causes: vec![error.to_string()], advice }
}

#[cfg(test)]
mod tests;
