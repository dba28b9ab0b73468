//! The only place that reads clocks; everything else gets time as a value, or a clock that it is handed.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderMap, header::DATE};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use siskin_core::time::{Instant, Now, Wall};

/// The clocks of the machine that a daemon runs on; cheap to clone, and each clone is the same one.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// This machine's.
    #[default]
    Machine,
    /// One that goes as tokio's does, and stands still where that one does.
    Tokio(TokioClock),
}

impl Clock {
    /// The monotonic clock.
    pub fn mono(&self) -> Instant {
        match self {
            Self::Machine => machine_mono(),
            Self::Tokio(clock) => clock.mono(),
        }
    }

    /// The wall clock.
    pub fn timestamp(&self) -> Timestamp {
        match self {
            Self::Machine => machine_timestamp(),
            Self::Tokio(clock) => clock.timestamp(),
        }
    }
}

/// A machine's clocks in time that tokio tells. Clones are one clock.
#[derive(Clone, Debug)]
pub struct TokioClock {
    began: tokio::time::Instant,
    start: Timestamp,
    jumps: Arc<Jumps>,
}

#[derive(Debug, Default)]
struct Jumps {
    /// By how much the wall clock is ahead, in milliseconds.
    wall: AtomicI64,
    /// By how much the monotonic clock is ahead, in milliseconds.
    mono: AtomicU64,
}

impl TokioClock {
    /// The wall clock says `start` now.
    pub fn new(start: Timestamp) -> Self {
        Self { began: tokio::time::Instant::now(), start, jumps: Arc::default() }
    }

    /// Somebody sets the wall clock forward, or back. The monotonic one doesn't mind.
    pub fn set(&self, by: SignedDuration) {
        self.jumps.wall.fetch_add(i64::try_from(by.as_millis()).unwrap_or_default(), Relaxed);
    }

    /// The machine wakes up after it was suspended for this long: both clocks went on, and no timer did.
    pub fn slept(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or_default();
        self.jumps.mono.fetch_add(millis, Relaxed);
        self.set(SignedDuration::try_from(time).unwrap_or_default());
    }

    fn mono(&self) -> Instant {
        Instant(self.began.elapsed() + Duration::from_millis(self.jumps.mono.load(Relaxed)))
    }

    fn timestamp(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.elapsed()).unwrap_or_default();
        let jumped = SignedDuration::from_millis(self.jumps.wall.load(Relaxed));
        self.start.saturating_add(passed.saturating_add(jumped)).unwrap_or_default()
    }
}

static START: LazyLock<Duration> = LazyLock::new(since_boot);

fn machine_mono() -> Instant {
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

#[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
fn machine_timestamp() -> Timestamp {
    Timestamp::now()
}

/// The API server's clock: that of the daemon's machine, corrected by the `Date` of the API server's answers. Times in objects are by
/// that clock, and the two may be minutes apart. Right to a second, and to the time that an answer takes. Clones are one
/// clock.
#[derive(Clone, Debug, Default)]
pub struct ServerClock {
    machine: Clock,
    /// How far it is ahead of the machine's, in milliseconds.
    ahead: Arc<AtomicI64>,
}

impl ServerClock {
    /// As far as is known it is this machine's.
    pub fn new(machine: Clock) -> Self {
        Self { machine, ahead: Arc::default() }
    }

    /// The clock of the daemon's machine.
    pub fn machine(&self) -> &Clock {
        &self.machine
    }

    /// The monotonic clock alone.
    pub fn mono(&self) -> Instant {
        self.machine.mono()
    }

    /// Both clocks at one moment.
    pub fn now(&self) -> Now {
        Now { mono: self.mono(), wall: Wall(self.timestamp().as_second()) }
    }

    /// The time, as Kubernetes' Events have it.
    pub fn timestamp(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.ahead.load(Relaxed));
        self.machine.timestamp().saturating_add(ahead).unwrap_or_default()
    }

    /// Takes in what the headers of an answer that has just arrived say; one without a `Date` says nothing.
    pub fn hear(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let Some(date) = date.and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(date).ok())
        else {
            return;
        };
        let least = date.as_millisecond() - self.machine.timestamp().as_millisecond();
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
        let text = rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&(Clock::Machine.timestamp() + ahead))
            .unwrap();
        HeaderMap::from_iter([(DATE, text.parse().unwrap())])
    }

    #[test]
    fn the_servers_clock_is_that_of_its_answers_however_far_ours_is_away() {
        for minutes in [-7, 0, 7] {
            let clock = ServerClock::default();
            clock.hear(&date(SignedDuration::from_mins(minutes)));
            let off = clock.timestamp().duration_since(Clock::Machine.timestamp())
                - SignedDuration::from_mins(minutes);
            assert!(off.abs() < SignedDuration::from_secs(2), "{off}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_follows_tokio_stands_still_with_it_and_jumps_when_told() {
        let told = TokioClock::new("2026-01-01T10:00:00Z".parse().unwrap());
        let clock = Clock::Tokio(told.clone());
        let shown = || (clock.mono().0.as_secs(), clock.timestamp().to_string());
        assert_eq!(shown(), (0, "2026-01-01T10:00:00Z".to_owned()));
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(shown(), (90, "2026-01-01T10:01:30Z".to_owned()));
        told.set(SignedDuration::from_mins(-5));
        assert_eq!(shown(), (90, "2026-01-01T09:56:30Z".to_owned()));
        told.slept(Duration::from_secs(30));
        assert_eq!(shown(), (120, "2026-01-01T09:57:00Z".to_owned()));
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
