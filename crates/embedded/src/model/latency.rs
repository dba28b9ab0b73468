//! How long answers take: a distribution in integers, drawn by histogram bucket.

use crate::chance::{Chance, Share};

/// Upper bounds of the histogram in microseconds, those of the sample application; what is above them all comes
/// into a last bucket.
pub const BOUNDS: [u64; 11] =
    [5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000];

/// Requests by bucket: one for each of [`BOUNDS`] (without those of the buckets below), and one above.
pub type Buckets = [u64; BOUNDS.len() + 1];

/// A distribution of answer times.
///
/// Half is spread evenly between a quarter of the median and the median, 49 % between median and 99th percentile,
/// and the slowest 1 % up to twice that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Of what the buckets below left, the share that falls into each.
    shares: [Share; BOUNDS.len() + 1],
    /// A typical time of each bucket, in microseconds.
    typical: Buckets,
}

impl Latency {
    /// A distribution by its median and its 99th percentile, in microseconds. A percentile below the median counts
    /// as the median.
    pub fn new(median: u64, p99: u64) -> Self {
        let p99 = p99.max(median);
        let quantiles = [(0, median / 4), (500_000, median), (990_000, p99), (1_000_000, p99 * 2)];
        let mut latency = Self { shares: [Share::NONE; BOUNDS.len() + 1], typical: [0; BOUNDS.len() + 1] };
        let (mut below, mut lower) = (0, 0);
        let buckets = BOUNDS.iter().copied().chain([u64::MAX]);
        for ((share, typical), upper) in latency.shares.iter_mut().zip(&mut latency.typical).zip(buckets) {
            let up_to = millionths_below(&quantiles, upper);
            *share = Share::of(up_to - below, 1_000_000 - below);
            *typical = u64::midpoint(lower.max(median / 4), upper.min(p99 * 2));
            (below, lower) = (up_to, upper);
        }
        latency
    }

    /// Draws the times of `count` requests. Returns them by bucket, and their sum in microseconds, in which each
    /// counts with the middle of its bucket.
    pub fn draw(&self, count: u64, chance: &mut Chance) -> (Buckets, u64) {
        let mut buckets = Buckets::default();
        let (mut left, mut sum) = (count, 0);
        for ((bucket, share), typical) in buckets.iter_mut().zip(&self.shares).zip(&self.typical) {
            *bucket = chance.binomial(left, *share);
            left -= *bucket;
            sum += *bucket * typical;
        }
        (buckets, sum)
    }
}

/// The share below a time, in millionths, between quantiles given as (share, time).
fn millionths_below(quantiles: &[(u64, u64)], time: u64) -> u64 {
    let mut before = (0, 0);
    for &(share, at) in quantiles {
        if time < at {
            let (low_share, low) = before;
            return low_share + (share - low_share) * time.saturating_sub(low) / (at - low).max(1);
        }
        before = (share, at);
    }
    1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_answers_are_faster_than_the_median_and_one_in_a_hundred_slower_than_the_99th_percentile() {
        let (buckets, sum) = Latency::new(25_000, 100_000).draw(1_000_000, &mut Chance::new(1));
        let up_to = |bound: u64| -> u64 {
            let below = BOUNDS.iter().filter(|&&other| other <= bound).count();
            buckets[..below].iter().sum()
        };
        assert_eq!(buckets.iter().sum::<u64>(), 1_000_000);
        assert!(up_to(25_000).abs_diff(500_000) < 2_500, "{buckets:?}");
        assert!(up_to(100_000).abs_diff(990_000) < 500, "{buckets:?}");
        assert_eq!(up_to(250_000), 1_000_000);
        let mean = sum / 1_000_000;
        assert!((25_000..60_000).contains(&mean), "{mean}");
    }

    #[test]
    fn all_answers_may_take_the_same_time() {
        let (buckets, _) = Latency::new(0, 0).draw(100, &mut Chance::new(1));
        assert_eq!(buckets[0], 100);
    }
}
