//! UIDs and generated names: a counter, mixed with the store's seed.

/// Vowels and look-alikes are left out, so that no words come out.
const LETTERS: [char; 27] = [
    'b', 'c', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'q', 'r', 's', 't', 'v', 'w', 'x', 'z', '2',
    '4', '5', '6', '7', '8', '9',
];
/// A generated name is at most this long without its five letters.
const LONGEST_BASE: usize = 58;

#[derive(Debug)]
pub struct Names {
    state: u64,
}

impl Names {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next of a sequence that looks random: `SplitMix64` (Steele, Lea, Flood: Fast Splittable Pseudorandom
    /// Number Generators, 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A UID in the form of a random UUID.
    pub fn uid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        let variant = 0x8000 | ((low >> 48) & 0x3fff);
        format!(
            "{:08x}-{:04x}-4{:03x}-{variant:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low & 0xffff_ffff_ffff
        )
    }

    /// A name that begins so.
    pub fn name(&mut self, base: &str) -> String {
        let mut drawn = self.next();
        let base: String = base.chars().take(LONGEST_BASE).collect();
        let letters = std::iter::from_fn(|| {
            let letter = LETTERS.get(usize::try_from(drawn % 27).unwrap_or_default());
            drawn /= 27;
            letter
        });
        base.chars().chain(letters.take(5).copied()).collect()
    }
}
