//! Who may do what on the control socket.
//!
//! The socket's mode lets in root and one group. Root (and the user that the daemon itself runs
//! as) may change the host; whoever else got in may read it. The kernel says who is there, and it
//! says so of the process that connected.

use cambium_model::{Failure, FailureKind, Initiator};
use tonic::transport::server::UdsConnectInfo;
use tonic::{Request, Status};

/// The peer of `request`.
///
/// # Errors
/// When the kernel does not say who it is.
fn peer<T>(request: &Request<T>) -> Result<tokio::net::unix::UCred, Status> {
    let peer = request.extensions().get::<UdsConnectInfo>().and_then(|info| info.peer_cred);
    peer.ok_or_else(|| denied("the kernel does not say who is connected"))
}

/// Lets the request pass where its peer may change the host, and says who that is.
///
/// # Errors
/// When the peer may only read.
pub(super) fn may_change<T>(request: &Request<T>) -> Result<Initiator, Status> {
    let peer = peer(request)?;
    if !is_trusted(peer.uid(), rustix::process::geteuid().as_raw()) {
        let what = format!("user {} may read this host's state but not change it", peer.uid());
        return Err(denied(&what));
    }
    Ok(Initiator { uid: peer.uid(), pid: peer.pid().unwrap_or_default(), ..Initiator::default() })
}

fn is_trusted(uid: u32, own: u32) -> bool {
    uid == 0 || uid == own
}

fn denied(what: &str) -> Status {
    let failure = Failure::new(FailureKind::PermissionDenied, what)
        .advise("Run the command as root, for instance with sudo.");
    cambium_proto::status_from_failure(&failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_daemons_own_user_change() {
        for (uid, own, trusted) in
            [(0, 0, true), (0, 990, true), (990, 990, true), (1000, 0, false), (1000, 990, false)]
        {
            assert_eq!(is_trusted(uid, own), trusted, "{uid} {own}");
        }
    }

    #[test]
    fn a_peer_that_nobody_vouches_for_is_nobody() {
        let status = may_change(&Request::new(())).unwrap_err();
        assert_eq!(status.code(), tonic::Code::PermissionDenied);
    }
}
