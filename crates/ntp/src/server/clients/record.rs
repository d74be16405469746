//! What is remembered of one client: 32 bytes beside its address.

use super::{CLASSES, Tick};

/// Words of a packed [`Client`].
pub(super) const WORDS: usize = 4;

/// What is remembered of one client. All of it fits four words; time is in ticks of 1/16 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Requests.
    pub hits: u32,
    /// Of these, not answered because of a limit.
    pub drops: u32,
    /// When the last one came.
    pub last: Tick,
    /// Credit in the bucket of an explicit limit, in the bucket's unit.
    pub tokens: u16,
    /// Remainder of what the levels have been lowered by, 2⁻¹⁶ requests.
    pub rest: u16,
    /// Requests of each class not yet forgotten: the level of a leaky bucket.
    pub levels: [u8; CLASSES],
    /// Mean interval between requests after one that was answered.
    pub interval: MeanInterval,
    /// Mean interval between requests after one that was not.
    pub limited_interval: MeanInterval,
    /// Bit n: a request of version n was seen; bit 0: symmetric mode.
    pub versions: u8,
    /// See the constants of [`Client`].
    pub flags: u8,
    /// Answers given to quiet classes beyond their share of the leak; see [`super::super::limit`].
    pub debt: u8,
    /// Requests in the tick of `last`, saturating; zero: none has been counted yet.
    pub crowd: u8,
}

impl Client {
    /// More than one address of the group was seen.
    pub const SEVERAL: u8 = 1;
    /// The last request was not answered because of a limit.
    pub const UNANSWERED: u8 = 2;

    /// Is this flag set?
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Sets or clears a flag.
    pub fn set(&mut self, flag: u8, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }

    /// Has no request of it been counted yet? (Its numbers may be zero because an operator wished so.)
    pub fn is_new(&self) -> bool {
        self.crowd == 0
    }

    /// Counts a request that came at `now`: number, time and mean interval.
    pub fn count(&mut self, now: Tick) {
        let elapsed = now.since(self.last);
        if self.is_new() {
            self.crowd = 1;
        } else if elapsed == 0 {
            self.crowd = self.crowd.saturating_add(1);
        } else {
            // Those of one tick came evenly, as far as can be known.
            let mean =
                if self.has(Self::UNANSWERED) { &mut self.limited_interval } else { &mut self.interval };
            mean.add(elapsed, self.crowd);
            self.crowd = 1;
        }
        self.last = now;
        self.hits = self.hits.saturating_add(1);
    }

    pub(super) fn unpack(words: &[u64; WORDS]) -> Self {
        let [counts, times, levels, rest] = *words;
        let [interval_hi, interval_lo, limited_hi, limited_lo, versions, flags, debt, crowd] =
            rest.to_be_bytes();
        Self {
            hits: (counts >> 32) as u32,
            drops: counts as u32,
            last: Tick((times >> 32) as u32),
            tokens: (times >> 16) as u16,
            rest: times as u16,
            levels: levels.to_le_bytes(),
            interval: MeanInterval(u16::from_be_bytes([interval_hi, interval_lo])),
            limited_interval: MeanInterval(u16::from_be_bytes([limited_hi, limited_lo])),
            versions,
            flags,
            debt,
            crowd,
        }
    }

    pub(super) fn pack(&self) -> [u64; WORDS] {
        let [interval_hi, interval_lo] = self.interval.0.to_be_bytes();
        let [limited_hi, limited_lo] = self.limited_interval.0.to_be_bytes();
        let (versions, flags, debt, crowd) = (self.versions, self.flags, self.debt, self.crowd);
        [
            u64::from(self.hits) << 32 | u64::from(self.drops),
            u64::from(self.last.0) << 32 | u64::from(self.tokens) << 16 | u64::from(self.rest),
            u64::from_le_bytes(self.levels),
            u64::from_be_bytes([
                interval_hi,
                interval_lo,
                limited_hi,
                limited_lo,
                versions,
                flags,
                debt,
                crowd,
            ]),
        ]
    }
}

/// A mean of intervals in 16 bits: a floating-point number of 6 bits of exponent and 10 of mantissa, in units of
/// 2⁻⁸ ticks (a request every 0.24 ms), so that the mean of 4000 requests a second and that of one a year fit.
/// Zero: none yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MeanInterval(u16);

/// Bits of a [`MeanInterval`]'s mantissa, the leading one not counted.
const MANTISSA: u32 = 10;
/// log₂ of a [`MeanInterval`]'s units in a tick.
const UNITS: u32 = 8;
/// A new interval weighs 1/2^this in the mean.
const WEIGHT: u32 = 3;

impl MeanInterval {
    /// [`Self::units`] of a tick.
    pub const TICK: u64 = 1 << UNITS;
    /// No interval has been seen.
    pub const NONE: Self = Self(0);

    /// `requests` came in `ticks`, which are at least one.
    fn add(&mut self, ticks: u32, requests: u8) {
        let interval = (u64::from(ticks) << UNITS).checked_div(u64::from(requests)).unwrap_or(0).max(1);
        let mean = self.units();
        let new = match mean {
            0 => interval,
            _ if interval >= mean => mean.saturating_add(interval.wrapping_sub(mean) >> WEIGHT),
            _ => mean.saturating_sub(mean.wrapping_sub(interval) >> WEIGHT),
        };
        *self = Self::from_units(new.max(1));
    }

    /// The mean in 2⁻⁸ ticks; zero: none yet.
    pub fn units(self) -> u64 {
        let (exponent, mantissa) = (u32::from(self.0 >> MANTISSA), u64::from(self.0) & ((1 << MANTISSA) - 1));
        match exponent {
            0 => mantissa,
            _ => (mantissa | 1 << MANTISSA) << exponent.saturating_sub(1),
        }
    }

    fn from_units(units: u64) -> Self {
        let bits = u64::BITS.saturating_sub(units.leading_zeros());
        let exponent = bits.saturating_sub(MANTISSA);
        if exponent == 0 {
            return Self(units as u16);
        }
        let mantissa = (units >> exponent.saturating_sub(1)) as u16 & ((1 << MANTISSA) - 1);
        Self((exponent as u16) << MANTISSA | mantissa)
    }

    /// log₂ of the mean in seconds, rounded; `None`: none yet.
    pub fn log2_seconds(self) -> Option<i8> {
        let units = self.units();
        let whole = units.checked_ilog2()?;
        // Nearer to the next power: beyond its square root of two.
        let square = (u128::from(units)).saturating_mul(u128::from(units));
        let up = square >= 1u128.wrapping_shl(whole.saturating_mul(2).saturating_add(1));
        let log2 = i8::try_from(whole).ok()?.saturating_add(i8::from(up));
        Some(log2.saturating_sub((UNITS + Tick::LOG2) as i8))
    }

    /// The mean in seconds; `None`: none yet.
    pub fn seconds(self) -> Option<f64> {
        let units = self.units();
        (units > 0).then(|| units as f64 / f64::from(1u32 << (UNITS + Tick::LOG2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn intervals_of_clients_from_thousands_a_second_to_one_a_year_are_told() {
        // Ticks between requests, requests in one tick; log2 of the mean in seconds.
        for (ticks, crowd, expected) in [
            (1, 200, -12),
            (1, 16, -8),
            (1, 1, -4),
            (16, 1, 0),
            (23, 1, 1),
            (22, 1, 0),
            (1024, 1, 6),
            (u32::MAX / 2, 1, 27),
        ] {
            let mut client = Client::default();
            let mut now = Tick(77);
            for _ in 0..50 {
                (0..crowd).for_each(|_| client.count(now));
                now = Tick(now.0.wrapping_add(ticks));
            }
            assert_eq!(client.interval.log2_seconds(), Some(expected), "{ticks} {crowd}");
            assert_eq!(client.limited_interval.log2_seconds(), None);
            assert_eq!(client.hits, 50 * crowd);
        }
    }

    proptest! {
        #[test]
        fn a_client_survives_packing(words in any::<[u64; WORDS]>()) {
            prop_assert_eq!(Client::unpack(&words).pack(), words);
        }

        #[test]
        fn a_mean_lies_between_what_it_is_a_mean_of(intervals in prop::collection::vec(1..=u32::MAX, 1..100)) {
            let mut mean = MeanInterval::NONE;
            for &ticks in &intervals {
                mean.add(ticks, 1);
            }
            let units = |ticks: Option<&u32>| u64::from(*ticks.unwrap()) << UNITS;
            // Ten bits of mantissa, rounded down at each step of the mean.
            let low = units(intervals.iter().min());
            prop_assert!(mean.units() >= low - low / 64, "{} {low}", mean.units());
            prop_assert!(mean.units() <= units(intervals.iter().max()));
        }
    }
}
