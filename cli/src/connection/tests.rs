//! What is said when nothing answers.

use super::*;

fn check(kind: ErrorKind, expected: FailureKind, advice: &str) {
    let failure = unreachable(Path::new("/run/x.sock"), &Error::from(kind));
    assert_eq!(failure.kind, expected);
    assert!(failure.what.contains("'/run/x.sock'"), "{failure}");
    assert_eq!(failure.causes.len(), 1);
    assert!(failure.advice.contains(advice), "{}", failure.advice);
}

#[test]
fn a_daemon_out_of_reach_is_said_with_what_to_do() {
    check(ErrorKind::NotFound, FailureKind::Unavailable, "systemctl start cambiumd.socket");
    check(ErrorKind::ConnectionRefused, FailureKind::Unavailable, "--peer");
    check(ErrorKind::PermissionDenied, FailureKind::PermissionDenied, "as root");
    check(ErrorKind::TimedOut, FailureKind::Unavailable, "log");
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_a_failure_of_that_name() {
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("none.sock");
    let global = Global { socket: Some(socket.clone()), ..Global::default() };
    let error = Daemon::connect(&global).await.unwrap_err();
    let failure = error.downcast_ref::<Failure>().unwrap();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.what.contains(socket.to_str().unwrap()));
}
