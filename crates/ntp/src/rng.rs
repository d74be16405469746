//! The core's only chance: a seeded generator (xoshiro256++, Blackman and Vigna 2019).
//!
//! The daemon seeds it from the kernel; the simulator from the scenario. It draws transmit stamps, ports'
//! order, polling jitter; it makes no keys.

/// A small fast generator whose whole state is its seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng([u64; 4]);

impl Rng {
    /// From 32 bytes of seed; an all-zero seed is replaced by a fixed one.
    pub fn from_seed(seed: [u64; 4]) -> Self {
        if seed == [0; 4] { Self::from_number(0) } else { Self(seed) }
    }

    /// From one number, spread by splitmix64: for tests and simulations.
    pub fn from_number(number: u64) -> Self {
        let mut x = number;
        let mut word = || {
            x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = x;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Self([word(), word(), word(), word()])
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in 0..bound; zero for an empty range.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_streams_and_the_mean_is_a_half() {
        let (mut a, mut b) = (Rng::from_number(7), Rng::from_number(7));
        let mut sum = 0.0;
        for _ in 0..10_000 {
            let x = a.uniform();
            assert!((0.0..1.0).contains(&x) && x.to_bits() == b.uniform().to_bits());
            sum += x;
        }
        assert!((sum / 10_000.0 - 0.5).abs() < 0.01);
        assert!((0..1000).all(|_| a.below(7) < 7));
    }
}
