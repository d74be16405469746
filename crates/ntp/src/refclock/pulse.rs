//! From a pulse to a time: which second (or which part of one) it was that began.

use crate::time::{NANOS, OscTime, seconds_to_nanos};

/// A pulse may lie this share of a period from where it was expected; beyond that it might as well be its neighbour.
const NEAR: f64 = 0.4;

/// True time minus oscillator time (ns) of a pulse at `v`, `after` seconds after the beginning of a period of `period`
/// seconds, if `expected` (ns) is about right; `None` if the pulse is too far from there to tell which one it is.
///
/// `width` (s, 0: unknown) is the length of the pulse: an edge that may be its other end is not believed either.
pub fn complete(v: OscTime, after: f64, period: f64, width: f64, expected: i64) -> Option<i64> {
    let guess = v.nanos().saturating_add(expected).saturating_sub(seconds_to_nanos(after));
    let (second, within) = (guess.div_euclid(NANOS), guess.rem_euclid(NANOS));
    let parts = libm::rint(within as f64 * 1e-9 / period);
    let nearest = second.saturating_mul(NANOS).saturating_add(seconds_to_nanos(parts * period));
    let width = width.abs();
    let limit = if width > 0.0 && width < period {
        (NEAR * period).min(width / 2.0).min((period - width) / 2.0)
    } else {
        NEAR * period
    };
    let error = nearest.saturating_sub(guess) as f64 * 1e-9;
    (error.abs() <= limit).then(|| nearest.saturating_add(seconds_to_nanos(after)).saturating_sub(v.nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: OscTime = OscTime::from_nanos(1_700_000_000 * NANOS + 250_000_000);

    #[test]
    fn the_nearest_second_is_meant() {
        // The oscillator is 0.25 s fast, and we think 0.2 s: the second that began is 1 700 000 000.
        assert_eq!(complete(V, 0.0, 1.0, 0.0, -200_000_000), Some(-250_000_000));
        assert_eq!(complete(V, 0.0, 1.0, 0.0, 5_800_000_000), Some(5_750_000_000));
        assert_eq!(complete(V, 0.0, 1.0, 0.0, 200_000_000), None, "half a second away");
    }

    #[test]
    fn parts_of_a_second_and_pulses_that_come_late() {
        // Five a second: 0.2 is the nearest.
        assert_eq!(complete(V, 0.0, 0.2, 0.0, 0), Some(-50_000_000));
        assert_eq!(complete(V, 0.05, 0.2, 0.0, 10_000_000), Some(0));
    }

    #[test]
    fn the_other_end_of_the_pulse_is_not_taken() {
        // Pulses of 0.1 s: an edge 0.1 s after the second is refused, one 0.03 s from where it is expected is not.
        assert_eq!(complete(V, 0.0, 1.0, 0.1, -150_000_000), None);
        assert_eq!(complete(V, 0.0, 1.0, 0.1, -220_000_000), Some(-250_000_000));
    }
}
