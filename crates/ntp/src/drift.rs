//! The drift file's text: one line, frequency and skew in ppm.
//!
//! The frequency is positive when this machine's clock gains, as chrony writes it, so the file can be taken over
//! in both directions.

/// Smallest skew read from a file, s/s: a bound of zero would never be corrected.
pub const MIN_SKEW: f64 = 1e-12;

/// What a drift file says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// Frequency error of the clock, s/s; positive: it gains.
    pub frequency: f64,
    /// Bound of its error, s/s, at least [`MIN_SKEW`].
    pub skew: f64,
}

impl Drift {
    /// The file's text: `%20.6f %20.6f` in ppm and a line end, 42 bytes.
    pub fn format(&self) -> String {
        // Adding zero takes the sign from a negative zero.
        format!("{:20.6} {:20.6}\n", self.frequency * 1e6 + 0.0, self.skew * 1e6)
    }

    /// Reads a file's text: two numbers, the rest is ignored. `None` for anything that cannot be a frequency: no two
    /// numbers, not finite, a frequency beyond one (the clock would stand still), a negative skew.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_ascii_whitespace().map(str::parse::<f64>);
        let (frequency, skew) = (numbers.next()?.ok()? * 1e-6, numbers.next()?.ok()? * 1e-6);
        let sane = frequency.is_finite() && frequency.abs() < 1.0 && skew.is_finite() && skew >= 0.0;
        sane.then_some(Self { frequency, skew: skew.max(MIN_SKEW) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_text_is_that_of_chrony() {
        let drift = Drift { frequency: -12.345678e-6, skew: 0.012e-6 };
        assert_eq!(drift.format(), "          -12.345678             0.012000\n");
        let never = Drift { frequency: 0.0, skew: 1.0 };
        assert_eq!(never.format(), "            0.000000       1000000.000000\n");
        assert_eq!(Drift { frequency: -0.0, ..never }.format(), never.format());
        assert_eq!(never.format().len(), 42);
        assert_eq!(Drift::parse(&never.format()), Some(never));
    }

    #[test]
    fn what_is_no_drift_is_refused() {
        for text in ["", "1", "x y", "1 x", "nan 1", "1 nan", "inf 1", "1 inf", "1e7 1", "1 -1", "\0\0"] {
            assert_eq!(Drift::parse(text), None, "{text:?}");
        }
        assert_eq!(Drift::parse(" 1 0 \n more"), Some(Drift { frequency: 1e-6, skew: MIN_SKEW }));
        assert!(Drift::parse("5.0\n0.1").is_some());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(ppm in -90_000.0f64..90_000.0, skew in 0.0f64..1000.0) {
            let drift = Drift { frequency: ppm * 1e-6, skew: skew * 1e-6 };
            let back = Drift::parse(&drift.format()).expect("own text");
            prop_assert!((back.frequency - drift.frequency).abs() < 1e-12 && (back.skew - drift.skew).abs() < 1.1e-12);
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,60}") {
            let _ = Drift::parse(&text);
        }
    }
}
