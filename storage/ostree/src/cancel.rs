//! The bridge between an [`Observer`] that is polled and a `gio::Cancellable` that libostree
//! waits on.

use cambium_model::{Observer, Progress};
use gio::prelude::CancellableExt;
use std::sync::mpsc;
use std::time::Duration;

/// How often the observer is asked: a person's patience, not a busy loop.
const INTERVAL: Duration = Duration::from_millis(50);

/// Runs `work` with a cancellable that fires when the observer wants to stop, even while libostree
/// is waiting for the network. What `work` sends down the channel reaches the observer.
pub(crate) fn watched<T>(
    observer: &dyn Observer,
    work: impl FnOnce(&gio::Cancellable, mpsc::Sender<Progress>) -> T,
) -> T {
    let cancellable = gio::Cancellable::new();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let cancellable = &cancellable;
        scope.spawn(move || {
            loop {
                match receiver.recv_timeout(INTERVAL) {
                    Ok(progress) => observer.progress(progress),
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                }
                if observer.cancelled() {
                    cancellable.cancel();
                }
            }
        });
        // The sender goes with `work`: its end is the watcher's end.
        work(cancellable, sender)
    })
}
