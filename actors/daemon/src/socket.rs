//! The sockets that the daemon listens on: handed over by systemd, or made here.

use anyhow::{Context as _, Result, bail};
use cambium_frontends::metrics::Listener;
use rustix::fs::{AtFlags, CWD, Mode, chmodat, chownat};
use std::io::ErrorKind;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// The control socket: the one that systemd hands over, else `path`, open to root and `group`.
///
/// # Errors
/// When another daemon answers on `path`, or the socket cannot be made.
pub(crate) fn control(path: &Path, group: &str) -> Result<tokio::net::UnixListener> {
    let mut handed = listenfd::ListenFd::from_env();
    let listener = match handed.take_unix_listener(0).context("systemd's socket is unusable")? {
        Some(listener) => listener,
        None => bind(path, group)?,
    };
    listener.set_nonblocking(true).context("cannot make the control socket asynchronous")?;
    Ok(tokio::net::UnixListener::from_std(listener)?)
}

fn bind(path: &Path, group: &str) -> Result<UnixListener> {
    let listener = bind_unix(path)?;
    // Closed to all but root until its group is known: there is no moment in which it is open.
    chmodat(CWD, path, Mode::from_raw_mode(0o600), AtFlags::empty())
        .with_context(|| format!("cannot set the mode of '{}'", path.display()))?;
    let groups = std::fs::read_to_string("/etc/group").context("cannot read '/etc/group'")?;
    match group_id(&groups, group) {
        Some(gid) => {
            chownat(CWD, path, None, Some(rustix::fs::Gid::from_raw(gid)), AtFlags::empty())
                .with_context(|| format!("cannot give '{}' to its group", path.display()))?;
            chmodat(CWD, path, Mode::from_raw_mode(0o660), AtFlags::empty())
                .with_context(|| format!("cannot set the mode of '{}'", path.display()))?;
        }
        None => tracing::info!(group, "no such group: only root may use the control socket"),
    }
    Ok(listener)
}

/// Binds `path`, replacing the socket of a daemon that is dead.
fn bind_unix(path: &Path) -> Result<UnixListener> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot make '{}'", parent.display()))?;
    }
    match UnixStream::connect(path) {
        Ok(_) => bail!("another daemon listens on '{}'", path.display()),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
                .with_context(|| format!("cannot remove the dead socket '{}'", path.display()))?;
        }
        Err(_) => {}
    }
    UnixListener::bind(path).with_context(|| format!("cannot listen on '{}'", path.display()))
}

/// The id of `name` in the text of /etc/group.
fn group_id(text: &str, name: &str) -> Option<u32> {
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

/// Where metrics are served: `ADDRESS:PORT`, `unix:PATH`; `None` for `off`.
///
/// # Errors
/// When the address is none or is taken.
pub(crate) async fn metrics(listen: &str) -> Result<Option<Listener>> {
    if listen == "off" {
        return Ok(None);
    }
    if let Some(path) = listen.strip_prefix("unix:") {
        let listener = bind_unix(Path::new(path))?;
        listener.set_nonblocking(true)?;
        return Ok(Some(Listener::Unix(tokio::net::UnixListener::from_std(listener)?)));
    }
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot serve metrics on '{listen}'"))?;
    tracing::info!(address = %listener.local_addr()?, "metrics");
    Ok(Some(Listener::Tcp(listener)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let text = "root:x:0:\ncambium-old:x:7:\ncambium:x:991:alice,bob\n";
        assert_eq!(group_id(text, "cambium"), Some(991));
        assert_eq!(group_id(text, "camb"), None);
        assert_eq!(group_id("cambium:x:\n", "cambium"), None);
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_live_one_respected() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/socket");
        let first = bind_unix(&path).unwrap();
        let error = bind_unix(&path).unwrap_err();
        assert!(error.to_string().contains("another daemon"), "{error}");
        drop(first);
        bind_unix(&path).unwrap();
    }
}
