//! When to try again after something failed.

use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);
/// News may cut a pause short, but not below this: a rollback must not wait for half a minute because a delete
/// of something else failed.
const SHORTEST_WITH_NEWS: Duration = Duration::from_secs(1);
/// More writes than this in a second are a fight with somebody or a defect.
const WRITES: u32 = 50;
const WRITES_PER: Duration = Duration::from_secs(1);

/// Exponential pauses, from the first failure to the next success.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    pause: Option<Pause>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    with_news: Instant,
    without: Instant,
}

impl Backoff {
    /// All went well.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Something failed; gives the pause.
    pub fn failed(&mut self, now: Instant) -> Duration {
        let pause = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures += 1;
        self.pause = Some(Pause { with_news: now + pause.min(SHORTEST_WITH_NEWS), without: now + pause });
        pause
    }

    /// When to try again; `None`: at once.
    pub fn until(&self, news: bool, now: Instant) -> Option<Instant> {
        let pause = self.pause?;
        Some(if news { pause.with_news } else { pause.without }).filter(|until| *until > now)
    }
}

/// Counts writes that follow each other.
#[derive(Debug)]
pub struct Rate {
    since: Instant,
    writes: u32,
}

impl Rate {
    /// None yet.
    pub fn new(now: Instant) -> Self {
        Self { since: now, writes: 0 }
    }

    /// One more; true if they are too many.
    pub fn too_fast(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) > WRITES_PER {
            *self = Self::new(now);
        }
        self.writes += 1;
        self.writes > WRITES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute_and_begin_anew_after_a_success() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..10).map(|_| backoff.failed(now).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000]);
        backoff.succeeded();
        assert_eq!(backoff.until(false, now), None);
        assert_eq!(backoff.failed(now), FIRST);
    }

    #[test]
    fn news_cut_a_long_pause_short() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        for _ in 0..9 {
            backoff.failed(now);
        }
        assert_eq!(backoff.until(true, now), Some(now + SHORTEST_WITH_NEWS));
        assert_eq!(backoff.until(true, now + SHORTEST_WITH_NEWS), None);
        assert!(backoff.until(false, now + SHORTEST_WITH_NEWS).is_some());
    }

    #[test]
    fn the_fifty_first_write_in_a_second_is_too_fast() {
        let now = Instant::now();
        let mut rate = Rate::new(now);
        assert!((0..WRITES).all(|_| !rate.too_fast(now)));
        assert!(rate.too_fast(now));
        assert!(!rate.too_fast(now + WRITES_PER * 2));
    }
}
