//! How much a number of runs says: intervals that hold the truth in 95 of 100 simulations.

/// The 97.5th percentile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;
/// What may lie on either side of an interval.
const TAIL: f64 = 0.025;

/// A share of runs with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proportion {
    /// How many runs.
    pub count: u32,
    /// Of how many.
    pub of: u32,
    /// The lower bound of the share, 0 to 1.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

impl Proportion {
    /// With the score interval (E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    /// Journal of the American Statistical Association 22, 1927): with p = count/n, its middle is (p + z²/2n) / (1 + z²/n)
    /// and its half width z/(1 + z²/n) · √(p(1-p)/n + z²/4n²). It stays within 0 and 1 and says something of 0 in n too.
    pub fn new(count: u32, of: u32) -> Self {
        let n = f64::from(of.max(1));
        let share = f64::from(count) / n;
        let squared = Z * Z;
        let middle = (share + squared / (2.0 * n)) / (1.0 + squared / n);
        let half = Z / (1.0 + squared / n) * (share * (1.0 - share) / n + squared / (4.0 * n * n)).sqrt();
        // At the ends the bound is the end, which rounding may miss.
        let low = if count == 0 { 0.0 } else { (middle - half).max(0.0) };
        let high = if count >= of { 1.0 } else { (middle + half).min(1.0) };
        Self { count, of, low, high }
    }

    /// The share, 0 to 1.
    pub fn share(&self) -> f64 {
        f64::from(self.count) / f64::from(self.of.max(1))
    }
}

/// A quantile of something that not every run reaches, with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantile {
    /// The quantile; `None`: fewer runs than that got there at all.
    pub value: Option<u64>,
    /// The lower bound; `None`: there is none but 0, with so few runs.
    pub low: Option<u64>,
    /// The upper bound; `None`: there is none, for want of runs that got there or of runs at all.
    pub high: Option<u64>,
}

/// Median and 95th percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The median.
    pub median: Quantile,
    /// The 95th percentile.
    pub p95: Quantile,
}

impl Spread {
    /// Of values; a run without one counts as beyond all others.
    pub fn of(values: impl IntoIterator<Item = Option<u64>>) -> Self {
        let (mut reached, mut runs) = (Vec::new(), 0);
        for value in values {
            runs += 1;
            reached.extend(value);
        }
        reached.sort_unstable();
        Self { median: quantile(&reached, runs, 0.5), p95: quantile(&reached, runs, 0.95) }
    }
}

/// The smallest value that at least this share of all `runs` doesn't exceed, between two of the sorted values.
fn quantile(reached: &[u64], runs: u32, share: f64) -> Quantile {
    let nth = |rank: u32| {
        let index = usize::try_from(rank).ok()?.checked_sub(1)?;
        reached.get(index).copied()
    };
    let (low, high) = ranks(runs, share);
    Quantile { value: nth(rank(runs, share)), low: low.and_then(nth), high: high.and_then(nth) }
}

/// The rank of the quantile itself, from 1: the smallest that is at least `share` of the runs.
fn rank(runs: u32, share: f64) -> u32 {
    let enough = |rank: &u32| f64::from(*rank) >= share * f64::from(runs) - 1e-9;
    (1..=runs).find(enough).unwrap_or(runs)
}

/// The ranks, from 1, of the values between which the quantile lies: of n values as many as Binomial(n, share) lie
/// below it, so it is at least the l-th with probability 1 - F(l - 1) and at most the u-th with F(u - 1), whatever the
/// distribution (H. A. David and H. N. Nagaraja, "Order Statistics", 3rd edition, section 7.1). The ranks are the
/// closest ones that leave at most 2.5 % on either side; with few runs there may be none.
fn ranks(runs: u32, share: f64) -> (Option<u32>, Option<u32>) {
    let n = f64::from(runs);
    let odds = (share / (1.0 - share)).ln();
    let (mut ln_probability, mut up_to) = (n * (1.0 - share).ln(), 0.0);
    let (mut low, mut high) = (None, None);
    for below in 0..runs {
        up_to += ln_probability.exp();
        let rank = below + 1;
        if up_to <= TAIL {
            low = Some(rank);
        }
        if high.is_none() && up_to >= 1.0 - TAIL {
            high = Some(rank);
        }
        ln_probability += ((n - f64::from(below)) / f64::from(rank)).ln() + odds;
    }
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-5, "{found} is not {expected}");
    }

    #[test]
    fn proportions_have_wilsons_interval() {
        // Computed apart from this code, in Python.
        for (count, of, low, high) in [
            (0, 10, 0.0, 0.2775),
            (1, 10, 0.0179, 0.4042),
            (5, 10, 0.2366, 0.7634),
            (10, 10, 0.7225, 1.0),
            (15, 148, 0.0624, 0.1605),
            (999, 1000, 0.9944, 0.9998),
            (0, 1000, 0.0, 0.0038),
        ] {
            let proportion = Proportion::new(count, of);
            close(proportion.low, low);
            close(proportion.high, high);
        }
    }

    #[test]
    fn the_interval_of_a_quantile_lies_between_two_of_the_values() {
        // Tables of the sign test: the median of 10 lies between the 2nd and the 9th, of 20 between the 6th and 15th,
        // of 100 between the 40th and 61st; five values bound no median.
        assert_eq!(ranks(5, 0.5), (None, None));
        assert_eq!(ranks(6, 0.5), (Some(1), Some(6)));
        assert_eq!(ranks(10, 0.5), (Some(2), Some(9)));
        assert_eq!(ranks(20, 0.5), (Some(6), Some(15)));
        assert_eq!(ranks(100, 0.5), (Some(40), Some(61)));
        // In fractions: F(89) = 0.0115 and F(90) = 0.0282, F(98) = 0.9629 and F(99) = 0.9941.
        assert_eq!(ranks(100, 0.95), (Some(90), Some(100)));
        assert_eq!(ranks(50, 0.95), (Some(44), None));
        assert_eq!(ranks(1000, 0.95), (Some(936), Some(964)));
        // A million runs don't underflow.
        let (low, high) = ranks(1_000_000, 0.5);
        assert_eq!((low, high), (Some(499_020), Some(500_981)));
    }

    #[test]
    fn a_run_that_never_gets_there_counts_as_the_longest() {
        let spread = Spread::of((1..=100).map(|value| (value <= 92).then_some(value)));
        assert_eq!(spread.median, Quantile { value: Some(50), low: Some(40), high: Some(61) });
        assert_eq!(spread.p95, Quantile { value: None, low: Some(90), high: None });
    }

    #[test]
    fn one_run_has_a_median_and_no_interval() {
        let spread = Spread::of([Some(7)]);
        assert_eq!(spread.median, Quantile { value: Some(7), low: None, high: None });
        assert_eq!(Spread::of([None]).median.value, None);
    }
}
