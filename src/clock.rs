//! The only place that reads clocks; everything else gets time as a value.

use std::{sync::LazyLock, time};

use siskin_core::time::{Instant, Now, Wall};

static START: LazyLock<time::Instant> = LazyLock::new(time::Instant::now);

/// Both clocks at one moment.
pub fn now() -> Now {
    Now { mono: Instant(START.elapsed()), wall: wall() }
}

/// The monotonic clock alone.
pub fn mono() -> Instant {
    Instant(START.elapsed())
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
