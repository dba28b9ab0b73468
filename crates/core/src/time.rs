//! Time as an argument.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Seconds since the Unix epoch: the resolution of Kubernetes' own timestamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wall(pub i64);

/// A monotonic reading: time since an arbitrary start of this process. Only differences mean anything, and they
/// don't survive a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub Duration);

impl Instant {
    /// The time from `earlier` to here; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For durations.
    pub mono: Instant,
    /// The API server's clock, as the times in its objects are by it; for people, too.
    pub wall: Wall,
}
