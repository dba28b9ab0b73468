//! Waiting for changes of the store.
//!
//! All who wait are woken in the order in which they came, so that what follows can be repeated from a seed; tokio's
//! `watch` wakes its receivers in an order that chance decides.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use tokio::sync::Notify;

use super::ApiServer;

/// Tells of changes.
#[derive(Debug, Default)]
pub(super) struct Changed {
    times: AtomicU64,
    waiting: Notify,
}

impl Changed {
    pub(super) fn tell(&self) {
        self.times.fetch_add(1, SeqCst);
        self.waiting.notify_waiters();
    }
}

/// Follows the changes of a server's store and of its faults; looking at the store tells nobody.
pub struct Changes {
    server: ApiServer,
    seen: u64,
}

impl Changes {
    pub(super) fn of(server: ApiServer) -> Self {
        let seen = server.shared.changed.times.load(SeqCst);
        Self { server, seen }
    }

    /// Whether there was a change since the last one that was waited for.
    pub fn has_changed(&self) -> bool {
        self.server.shared.changed.times.load(SeqCst) != self.seen
    }

    /// What has changed until now needs no waiting for.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.server.shared.changed.times.load(SeqCst);
    }

    /// Waits for a change.
    pub async fn changed(&mut self) {
        // Made first: it hears of what happens from now on.
        let server = self.server.clone();
        let told = server.shared.changed.waiting.notified();
        if !self.has_changed() {
            told.await;
        }
        self.mark_unchanged();
    }
}
