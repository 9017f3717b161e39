//! Says that something about the host may have changed, without saying what.

use std::sync::Arc;
use tokio::sync::watch;

/// A bell that any number of listeners hear. Cheap to clone; all clones are one bell.
#[derive(Debug, Clone)]
pub struct Changes(Arc<watch::Sender<()>>);

impl Default for Changes {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(())))
    }
}

impl Changes {
    /// Rings.
    pub fn ring(&self) {
        self.0.send_replace(());
    }

    /// A listener that hears every ring from now on; rings that it misses count as one.
    #[must_use]
    pub fn listen(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ring_between_two_looks_is_not_missed() {
        let changes = Changes::default();
        let mut listener = changes.listen();
        changes.clone().ring();
        changes.ring();
        listener.changed().await.unwrap();
        assert!(!listener.has_changed().unwrap());
    }
}
