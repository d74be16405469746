//! An offset too large and too fine for one `f64`.

use crate::sample::Sample;
use crate::time::{LocalTime, NANOS, OscTime, seconds_to_nanos};
use core::ops::{Add, Sub};

/// Deviations of a θ that a sample has to leave room for.
const SURE: f64 = 4.0;

/// True time minus oscillator time: whole nanoseconds and a remainder of at most half a nanosecond.
///
/// A clock that starts in 1970 is half a century behind; `f64` seconds would then resolve 0.2 µs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Theta {
    nanos: i64,
    /// Seconds, |rest| ≤ 0.5 ns.
    rest: f64,
}

impl Theta {
    /// Exactly `nanos` nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self { nanos, rest: 0.0 }
    }

    /// The nearest whole nanosecond.
    pub const fn nanos(self) -> i64 {
        self.nanos
    }

    /// Seconds; loses precision when large.
    pub fn seconds(self) -> f64 {
        self.nanos as f64 / NANOS as f64 + self.rest
    }

    /// True time at the oscillator's reading `v`, saturating.
    pub const fn local(self, v: OscTime) -> LocalTime {
        LocalTime::from_nanos(v.nanos().saturating_add(self.nanos))
    }

    /// Does `sample`, however long its packets waited, exclude this θ of its instant, even if it were wrong by four
    /// times `sd` and by `besides` (s)? True time lies between what the two ways allow, as far as the server says that it
    /// may be wrong.
    pub fn is_excluded_by(self, sample: &Sample, sd: f64, besides: f64) -> bool {
        let doubt = SURE * sd + besides + sample.root_delay / 2.0 + sample.root_dispersion;
        self - Self::from_nanos(sample.forward) > doubt
            || Self::from_nanos(sample.backward.saturating_neg()) - self > doubt
    }
}

impl Add<f64> for Theta {
    type Output = Self;
    /// Larger by `seconds`; saturating, NaN adds nothing.
    fn add(self, seconds: f64) -> Self {
        if !seconds.is_finite() {
            let end = if seconds > 0.0 { i64::MAX } else { i64::MIN };
            return if seconds.is_nan() { self } else { Self::from_nanos(end) };
        }
        let whole = seconds_to_nanos(seconds);
        let rest = self.rest + (seconds - whole as f64 * 1e-9).clamp(-1e-9, 1e-9);
        let carry = seconds_to_nanos(rest);
        let nanos = self.nanos.saturating_add(whole).saturating_add(carry);
        Self { nanos, rest: rest - carry as f64 * 1e-9 }
    }
}

impl Sub for Theta {
    type Output = f64;
    /// `self − other` in seconds.
    fn sub(self, other: Self) -> f64 {
        self.nanos.saturating_sub(other.nanos) as f64 * 1e-9 + (self.rest - other.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_a_century_keeps_its_nanoseconds() {
        let theta = Theta::from_nanos(1_700_000_000 * NANOS) + 0.4e-9 + 0.4e-9 + 0.4e-9;
        assert_eq!(theta.nanos(), 1_700_000_000 * NANOS + 1);
        assert!((theta - Theta::from_nanos(1_700_000_000 * NANOS) - 1.2e-9).abs() < 1e-15);
        assert_eq!(theta.local(OscTime::from_nanos(5)).nanos(), 1_700_000_000 * NANOS + 6);
    }

    #[test]
    fn absurd_seconds_saturate() {
        assert_eq!((Theta::default() + f64::INFINITY).nanos(), i64::MAX);
        assert_eq!((Theta::default() + f64::NAN).nanos(), 0);
        assert_eq!((Theta::from_nanos(i64::MIN) + -1e300).nanos(), i64::MIN);
    }

    proptest! {
        #[test]
        fn what_is_added_can_be_measured(base in any::<i64>(), seconds in -1e6f64..1e6) {
            let theta = Theta::from_nanos(base / 4);
            prop_assert!(((theta + seconds) - theta - seconds).abs() < 1e-9 * seconds.abs().max(1e-3));
        }
    }
}
