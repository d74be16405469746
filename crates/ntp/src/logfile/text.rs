//! How numbers and instants are written.

use crate::calendar::civil_from_days;
use crate::time::{LocalTime, NANOS};
use crate::wire::Leap;
use core::fmt;

/// `N` no leap second, `+` one is inserted, `-` one is deleted, `?` not synchronised.
pub const fn leap_char(leap: Leap) -> char {
    match leap {
        Leap::None => 'N',
        Leap::Insert => '+',
        Leap::Delete => '-',
        Leap::Unsynchronised => '?',
    }
}

/// C's `%.*e`: a sign and at least two digits in the exponent, where Rust writes neither.
pub fn exponential(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => match exponent.strip_prefix('-') {
            Some(size) => format!("{mantissa}e-{size:0>2}"),
            None => format!("{mantissa}e+{exponent:0>2}"),
        },
        // inf and NaN have no exponent; C writes nan.
        None => text.to_ascii_lowercase(),
    }
}

/// `YYYY-MM-DD HH:MM:SS` in UTC.
#[derive(Clone, Copy, Debug)]
pub struct Utc(pub LocalTime);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.nanos().div_euclid(NANOS);
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let of_day = seconds.rem_euclid(86_400);
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
            of_day / 3600,
            of_day / 60 % 60,
            of_day % 60
        )
    }
}

/// `%10.3e`.
pub(super) struct Exp(pub f64);

impl fmt::Display for Exp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10}", exponential(self.0, 3))
    }
}

/// One digit each.
pub(super) struct Bits<'a>(pub &'a [bool]);

impl fmt::Display for Bits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|bit| f.write_str(if *bit { "1" } else { "0" }))
    }
}
