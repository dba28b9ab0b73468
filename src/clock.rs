//! The only place that reads clocks; everything else gets time as a value.

use std::{sync::LazyLock, time::Duration};

use siskin_core::time::{Instant, Now, Wall};

static START: LazyLock<Duration> = LazyLock::new(since_boot);

/// Both clocks at one moment.
pub fn now() -> Now {
    Now { mono: mono(), wall: wall() }
}

/// The monotonic clock alone.
pub fn mono() -> Instant {
    let start = *START;
    Instant(since_boot().saturating_sub(start))
}

/// Counts on while the machine is suspended, as the Lease of others does and `std::time::Instant` doesn't.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

#[cfg(not(target_os = "linux"))]
fn since_boot() -> Duration {
    static FIRST: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
    FIRST.elapsed()
}

/// The wall clock alone.
pub fn wall() -> Wall {
    Wall(timestamp().as_second())
}

/// The wall clock in microseconds, as Kubernetes' Events have it.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
pub fn timestamp() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Seconds of an RFC 3339 timestamp of the API.
pub fn parse(text: &str) -> Option<Wall> {
    text.parse::<jiff::Timestamp>().ok().map(|timestamp| Wall(timestamp.as_second()))
}

/// A time for people, in UTC.
pub fn render(wall: Wall) -> String {
    jiff::Timestamp::from_second(wall.0)
        .map_or_else(|_| wall.0.to_string(), |timestamp| timestamp.to_string())
}
