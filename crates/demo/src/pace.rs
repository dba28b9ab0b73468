//! Lets tokio's paused clock go on, at so many times real time.

use std::time::{Duration, Instant};

use tokio::{
    sync::mpsc,
    task::{spawn_blocking, yield_now},
    time::advance,
};

/// How often the clock is moved, in real time.
const BEAT: Duration = Duration::from_millis(5);
/// A machine that was suspended, or is busy, doesn't make the clock jump: more real time than this counts as this.
const LONGEST: Duration = Duration::from_millis(100);
/// How far the clock is moved at once: what is due within is a little late.
const SLICE: Duration = Duration::from_millis(20);
/// After each move whoever is ready has so many turns: a request in this process and its answer take a few.
const TURNS: usize = 32;

/// The slowest and the fastest speed.
pub const SPEEDS: (f64, f64) = (0.1, 1000.0);

/// Real time that has passed, beat by beat.
pub struct Beats(mpsc::Receiver<Duration>);

impl Beats {
    /// Begins to beat. From now on tokio doesn't move the paused clock by itself, as it does when nothing else is to do
    /// and no blocking task runs.
    pub fn start() -> Self {
        let (beat, beats) = mpsc::channel(1);
        spawn_blocking(move || {
            let mut last = Instant::now();
            loop {
                std::thread::sleep(BEAT);
                let now = Instant::now();
                if beat.blocking_send(now - last).is_err() {
                    return;
                }
                last = now;
            }
        });
        Self(beats)
    }

    /// Moves the clock for ever.
    pub async fn pace(mut self, speed: f64) {
        while let Some(passed) = self.0.recv().await {
            let mut left = passed.min(LONGEST).mul_f64(speed);
            while !left.is_zero() {
                let slice = left.min(SLICE);
                left -= slice;
                advance(slice).await;
                for _ in 0..TURNS {
                    yield_now().await;
                }
            }
        }
    }
}
