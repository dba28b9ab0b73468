//! The test hook that kills the process after its k-th write: whatever comes after a write must be able to fail.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

/// Counts writes and ends the process after the one that the environment names. Off unless
/// `SISKIN_TEST_KILL_AFTER` is set; with `SISKIN_TEST_KILL_MARKER` it acts once, also over restarts.
#[derive(Clone, Debug, Default)]
pub struct Kill(Option<Arc<Armed>>);

#[derive(Debug)]
struct Armed {
    after: u64,
    marker: Option<PathBuf>,
    written: AtomicU64,
}

impl Kill {
    /// As the environment says.
    pub fn from_env() -> Self {
        let after = std::env::var("SISKIN_TEST_KILL_AFTER").ok().and_then(|text| text.parse().ok());
        let marker = std::env::var_os("SISKIN_TEST_KILL_MARKER").map(PathBuf::from);
        let Some(after) = after.filter(|_| !marker.as_ref().is_some_and(|marker| marker.exists())) else {
            return Self(None);
        };
        tracing::warn!(after, "SISKIN_TEST_KILL_AFTER is set: this process will kill itself");
        Self(Some(Arc::new(Armed { after, marker, written: AtomicU64::new(0) })))
    }

    /// A write succeeded.
    pub fn written(&self) {
        let Some(armed) = &self.0 else { return };
        if armed.written.fetch_add(1, SeqCst) + 1 == armed.after {
            if let Some(marker) = &armed.marker
                && let Err(error) = std::fs::write(marker, [])
            {
                tracing::error!(%error, "the kill is left out: its marker can't be made");
                return;
            }
            // A process can't send itself SIGKILL as the first of its container; this ends it as abruptly.
            std::process::abort();
        }
    }
}
