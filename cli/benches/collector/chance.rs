//! Numbers that look like chance and are the same in every run.

/// A stream of them (splitmix64).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Whether one case of a hundred with so many of this kind is.
    pub(crate) fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Around a median, with a long tail.
    pub(crate) fn about(&mut self, median: f64, spread: f64) -> u64 {
        let normal = (0..4).map(|_| self.unit()).sum::<f64>() * 1.73 - 3.46;
        (median * (normal * spread).exp()) as u64
    }

    /// Few are frequent.
    pub(crate) fn skewed(&mut self, bound: usize) -> usize {
        (self.unit().powi(3) * bound as f64) as usize
    }

    pub(crate) fn word(&mut self, letters: usize) -> String {
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        (0..letters).map(|_| char::from(ALPHABET[self.below(ALPHABET.len())])).collect()
    }
}
