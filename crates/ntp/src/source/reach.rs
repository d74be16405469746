//! The 8-bit reachability register (RFC 5905 §13): one bit a poll, the newest lowest.

/// Which of the last eight polls were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The register.
    pub bits: u8,
    /// How many polls it covers, up to eight.
    pub size: u8,
}

impl Reach {
    /// A new poll begins: it is unanswered so far.
    pub fn shift(&mut self) {
        self.bits <<= 1;
        self.size = (self.size + 1).min(8);
    }

    /// The current poll was answered well.
    pub fn hit(&mut self) {
        self.bits |= 1;
        self.size = self.size.max(1);
    }

    /// Some of the last eight polls were answered.
    pub fn reachable(self) -> bool {
        self.bits != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_misses_make_it_unreachable() {
        let mut reach = Reach::default();
        reach.shift();
        reach.hit();
        for _ in 0..7 {
            reach.shift();
            assert!(reach.reachable());
        }
        reach.shift();
        assert_eq!((reach.bits, reach.size), (0, 8));
    }
}
