//! Values that are measured: seconds, ratios, rates, intervals, instants.

use super::{Cell, Value};
use crate::control::float;
use crate::report::wire::{Reader, Writer};
use crate::time::{LocalTime, NANOS};
use core::fmt;

macro_rules! float_value {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
        pub struct $name(pub f64);

        impl Value for $name {
            fn write(&self, out: &mut Writer<'_>) {
                out.value(&float::encode(self.0));
            }
            fn read(&mut self, input: &mut Reader<'_>) {
                self.0 = float::decode(input.value());
            }
            fn cell(&self) -> Cell {
                Cell::Real(self.0)
            }
        }
    };
}

float_value!(
    /// Seconds; the sign is the column's.
    Seconds
);
float_value!(
    /// A number without unit: a ratio, a score.
    Number
);

/// A rate: s/s for everybody, ppm on the wire and in print.
///
/// Kept in ppm inside, so that a value passes from wire to print without a change in its last bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Frequency {
    ppm: f64,
}

impl Frequency {
    /// From s/s.
    pub fn new(frequency: f64) -> Self {
        Self { ppm: frequency * 1e6 }
    }
    /// From parts per million.
    pub const fn from_ppm(ppm: f64) -> Self {
        Self { ppm }
    }
    /// s/s.
    pub fn get(self) -> f64 {
        self.ppm / 1e6
    }
    /// Parts per million.
    pub const fn ppm(self) -> f64 {
        self.ppm
    }
}

impl Value for Frequency {
    fn write(&self, out: &mut Writer<'_>) {
        out.value(&float::encode(self.ppm));
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        self.ppm = float::decode(input.value());
    }
    fn cell(&self) -> Cell {
        Cell::Real(self.ppm)
    }
}

/// Whole seconds since something, or never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval(pub Option<u32>);

impl Interval {
    /// It has never been.
    pub const NEVER: Self = Self(None);

    /// From seconds, rounded down, limited to what fits; NaN is never.
    pub fn from_seconds(seconds: f64) -> Self {
        Self((!seconds.is_nan()).then_some((seconds as u32).min(u32::MAX - 1)))
    }
}

impl Value for Interval {
    fn write(&self, out: &mut Writer<'_>) {
        self.0.write(out);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        self.0.read(input);
    }
    fn cell(&self) -> Cell {
        self.0.cell()
    }
    fn csv(&self, _digits: usize) -> Option<String> {
        Some(self.0.unwrap_or(u32::MAX).to_string())
    }
}

/// log₂ of an interval in seconds; 127 is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log2Interval(pub i8);

impl Log2Interval {
    /// Too few requests to tell.
    pub const UNKNOWN: Self = Self(127);
}

impl Default for Log2Interval {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl Value for Log2Interval {
    fn write(&self, out: &mut Writer<'_>) {
        self.0.write(out);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        self.0.read(input);
    }
    fn cell(&self) -> Cell {
        if *self == Self::UNKNOWN { Cell::Absent } else { self.0.cell() }
    }
    fn csv(&self, _digits: usize) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// An instant, since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970, UTC without leap seconds.
    pub seconds: i64,
    /// Nanoseconds, 0–999 999 999.
    pub nanos: u32,
}

impl Time {
    /// A sender whose time_t has 32 bits puts this into the upper half of the seconds.
    pub(super) const NO_HIGH: u32 = 0x7fff_ffff;

    /// The same as a local time, saturating.
    pub const fn local(self) -> LocalTime {
        LocalTime::from_nanos(self.seconds.saturating_mul(NANOS).saturating_add(self.nanos as i64))
    }

    /// Seconds since 1970, rounded to what an f64 holds.
    pub fn as_seconds(self) -> f64 {
        self.seconds as f64 + f64::from(self.nanos) * 1e-9
    }
}

impl From<LocalTime> for Time {
    fn from(time: LocalTime) -> Self {
        Self { seconds: time.nanos().div_euclid(NANOS), nanos: time.nanos().rem_euclid(NANOS) as u32 }
    }
}

impl fmt::Display for Time {
    /// `seconds.nnnnnnnnn`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.seconds, self.nanos)
    }
}

impl Value for Time {
    fn write(&self, out: &mut Writer<'_>) {
        out.value(&self.seconds.cast_unsigned());
        out.value(&self.nanos);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        let (high, low): (u32, u32) = (input.value(), input.value());
        let high = if high == Self::NO_HIGH { 0 } else { high };
        self.seconds = (u64::from(high) << 32 | u64::from(low)).cast_signed();
        self.nanos = input.value::<u32>().min(999_999_999);
    }
    fn cell(&self) -> Cell {
        Cell::Time(*self)
    }
}
