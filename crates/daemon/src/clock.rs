//! The only place that reads clocks; everything else gets time as a value.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderMap, header::DATE};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use siskin_core::time::{Instant, Now, Wall};

static START: LazyLock<Duration> = LazyLock::new(since_boot);

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

/// This machine's wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
pub fn timestamp() -> Timestamp {
    Timestamp::now()
}

/// The API server's clock: this machine's, corrected by the `Date` of the API server's answers. Times in objects are by
/// that clock, and the two may be minutes apart. Right to a second, and to the time that an answer takes. Clones are one
/// clock.
#[derive(Clone, Debug, Default)]
pub struct ServerClock {
    /// How far it is ahead of this machine's, in milliseconds.
    ahead: Arc<AtomicI64>,
}

impl ServerClock {
    /// Both clocks at one moment.
    pub fn now(&self) -> Now {
        Now { mono: mono(), wall: Wall(self.timestamp().as_second()) }
    }

    /// The time, as Kubernetes' Events have it.
    pub fn timestamp(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.ahead.load(Relaxed));
        timestamp().saturating_add(ahead).unwrap_or_default()
    }

    /// Takes in what the headers of an answer that has just arrived say; one without a `Date` says nothing.
    pub fn hear(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let Some(date) = date.and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(date).ok())
        else {
            return;
        };
        let least = date.as_millisecond() - timestamp().as_millisecond();
        self.ahead.store(corrected(self.ahead.load(Relaxed), least), Relaxed);
    }
}

/// A `Date` is cut off to its second, so that the clock is at least `least` milliseconds ahead and less than a second
/// more; what was known before is changed no further than this needs.
fn corrected(ahead: i64, least: i64) -> i64 {
    ahead.clamp(least, least + 999)
}

/// Seconds of an RFC 3339 timestamp of the API.
pub fn parse(text: &str) -> Option<Wall> {
    text.parse::<Timestamp>().ok().map(|timestamp| Wall(timestamp.as_second()))
}

/// A time for people, in UTC.
pub fn render(wall: Wall) -> String {
    Timestamp::from_second(wall.0).map_or_else(|_| wall.0.to_string(), |timestamp| timestamp.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(ahead: SignedDuration) -> HeaderMap {
        let text =
            rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&(timestamp() + ahead)).unwrap();
        HeaderMap::from_iter([(DATE, text.parse().unwrap())])
    }

    #[test]
    fn the_servers_clock_is_that_of_its_answers_however_far_ours_is_away() {
        for minutes in [-7, 0, 7] {
            let clock = ServerClock::default();
            clock.hear(&date(SignedDuration::from_mins(minutes)));
            let off = clock.timestamp().duration_since(timestamp()) - SignedDuration::from_mins(minutes);
            assert!(off.abs() < SignedDuration::from_secs(2), "{off}");
        }
    }

    #[test]
    fn seconds_that_are_cut_off_are_learnt_from_many_answers() {
        let (truth, mut ahead) = (90_000 + 640, 0);
        for ours in (0..40_000).step_by(370) {
            let date = (ours + truth) / 1000 * 1000;
            ahead = corrected(ahead, date - ours);
        }
        assert!((truth - 30..=truth + 30).contains(&ahead), "{ahead}");
    }

    #[test]
    fn what_is_no_date_changes_nothing() {
        let clock = ServerClock::default();
        clock.hear(&HeaderMap::new());
        clock.hear(&HeaderMap::from_iter([(DATE, "soon".parse().unwrap())]));
        assert_eq!(clock.ahead.load(Relaxed), 0);
    }
}
