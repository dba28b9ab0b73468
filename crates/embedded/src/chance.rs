//! The one source of chance: seeded, and the same on every machine (integers only).

/// A pseudo-random sequence: `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014). The state is a counter that grows by 2^64 divided by the golden ratio; each output is the counter
/// mixed by two rounds of xor-shift and multiply. Its period is 2^64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chance {
    counter: u64,
}

impl Chance {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self { counter: seed }
    }

    /// Uniform over all values.
    pub fn draw(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.counter;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Another sequence that depends on this one and no longer moves with it.
    #[must_use]
    pub fn split(&mut self) -> Self {
        Self::new(self.draw())
    }

    /// Uniform in `0..bound`, and 0 for a bound of 0. The bias is below `bound / 2^64`.
    pub fn below(&mut self, bound: u64) -> u64 {
        let scaled = u128::from(self.draw()) * u128::from(bound);
        u64::try_from(scaled >> 64).unwrap_or(0)
    }

    /// Uniform in `low..=high`, and `low` where `high` is below it.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True with the probability `share`.
    pub fn hits(&mut self, share: Share) -> bool {
        self.below(1 << Share::BITS) < u64::from(share.0)
    }

    /// How many of `trials` independent tries with the probability `share` succeed.
    ///
    /// 64 tries at a time: the binary digits of the share, lowest first, fold random words with `or` for a one and
    /// `and` for a zero, after which each bit is set with exactly that probability.
    pub fn binomial(&mut self, trials: u64, share: Share) -> u64 {
        if share.0 == 0 || share == Share::ALL {
            return if share.0 == 0 { 0 } else { trials };
        }
        let mut left = trials;
        let mut hits = 0;
        while left > 0 {
            let mut word = 0;
            for digit in share.0.trailing_zeros()..Share::BITS {
                let random = self.draw();
                word = if share.0 >> digit & 1 == 1 { word | random } else { word & random };
            }
            let kept = if left >= 64 { word } else { word & ((1 << left) - 1) };
            hits += u64::from(kept.count_ones());
            left = left.saturating_sub(64);
        }
        hits
    }
}

/// A share from 0 to 1, in steps of 2^-24 (6e-8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

impl Share {
    const BITS: u32 = 24;
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(1 << Self::BITS);

    /// `part / whole`, at most 1; of nothing, nothing.
    pub fn of(part: u64, whole: u64) -> Self {
        if whole == 0 {
            return Self::NONE;
        }
        let scaled = (u128::from(part) << Self::BITS) + u128::from(whole) / 2;
        let share = u32::try_from(scaled / u128::from(whole)).unwrap_or(u32::MAX);
        Self(share.min(Self::ALL.0))
    }

    /// In millionths: 1000 is 0.1 %.
    pub fn millionths(millionths: u32) -> Self {
        Self::of(u64::from(millionths), 1_000_000)
    }

    /// The nearest number of millionths.
    pub fn as_millionths(self) -> u32 {
        let scaled = u64::from(self.0) * 1_000_000 + (1 << (Self::BITS - 1));
        u32::try_from(scaled >> Self::BITS).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_paper() {
        // The first outputs for seed 1234567, as published with the reference implementation.
        let mut chance = Chance::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| chance.draw()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn bounds_are_kept_and_reached() {
        let mut chance = Chance::new(1);
        let drawn: std::collections::BTreeSet<u64> = (0..1000).map(|_| chance.between(3, 7)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
        assert_eq!((chance.below(0), chance.between(9, 2)), (0, 9));
    }

    #[test]
    fn shares_are_exact_at_the_ends_and_close_between() {
        assert_eq!(Share::of(3, 3), Share::ALL);
        assert_eq!(Share::of(5, 3), Share::ALL);
        assert_eq!(Share::of(1, 0), Share::NONE);
        assert_eq!(Share::millionths(1234).as_millionths(), 1234);
    }

    #[test]
    fn a_binomial_has_its_mean_and_its_spread() {
        let mut chance = Chance::new(2);
        let (rounds, trials, share) = (4000_u64, 100, Share::millionths(50_000));
        let drawn: Vec<u64> = (0..rounds).map(|_| chance.binomial(trials, share)).collect();
        // Mean 5, variance 4.75: the mean of 4000 draws is within 0.14 for all but one of 30,000 seeds.
        let sum: u64 = drawn.iter().sum();
        assert!((19_440..20_560).contains(&sum), "{sum}");
        let squares: u64 = drawn.iter().map(|hits| hits.abs_diff(5).pow(2)).sum();
        assert!((16_800..21_200).contains(&squares), "{squares}");
    }

    #[test]
    fn certain_and_impossible_tries_need_no_luck() {
        let mut chance = Chance::new(3);
        assert_eq!(chance.binomial(1000, Share::ALL), 1000);
        assert_eq!(chance.binomial(1000, Share::NONE), 0);
        assert_eq!(chance.binomial(0, Share::millionths(500_000)), 0);
        assert!(chance.hits(Share::ALL) && !chance.hits(Share::NONE));
    }
}
