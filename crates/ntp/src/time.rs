//! Time: four clocks that cannot be mixed, and NTP's two wire formats.
//!
//! * [`RawTime`]: a reading of *the clock we steer* (the system clock, or a virtual one on top of it).
//! * [`LocalTime`]: raw time plus the correction still being slewed: our best idea of true time.
//! * [`MonoTime`]: a clock that nobody sets; timers live here.
//! * [`OscTime`]: the free-running oscillator's own time scale V, in which our steering is invisible
//!   (see [`crate::timeline`]).
//!
//! All are integer nanoseconds; the difference of two readings of one clock is `f64` seconds. Raw, local and
//! oscillator time count from the Unix epoch (UTC without leap seconds), monotonic time from an arbitrary instant.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// Nanoseconds in a second.
pub const NANOS: i64 = 1_000_000_000;

/// Seconds from NTP's prime epoch (1900) to the Unix epoch (1970): RFC 5905 §6.
pub const UNIX_TO_NTP: i64 = 2_208_988_800;

/// First Unix second of the 136-year window in which 32-bit NTP seconds are understood: 1976-01-01.
///
/// Era 0 ends in 2036; with this window times up to 2112 are unambiguous (RFC 5905 §6).
pub const ERA_WINDOW_START: i64 = 189_302_400;

/// Rounds seconds to nanoseconds; saturates, and maps NaN to zero.
pub fn seconds_to_nanos(seconds: f64) -> i64 {
    libm::rint(seconds * 1e9) as i64
}

/// Nanoseconds as seconds.
const fn to_seconds(nanos: i64) -> f64 {
    nanos as f64 * 1e-9
}

macro_rules! clock_reading {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The reading of `nanos` nanoseconds since this clock's epoch.
            pub const fn from_nanos(nanos: i64) -> Self {
                Self(nanos)
            }
            /// The reading of `seconds` seconds since this clock's epoch, rounded to nanoseconds.
            pub fn from_seconds(seconds: f64) -> Self {
                Self(seconds_to_nanos(seconds))
            }
            /// Nanoseconds since this clock's epoch.
            pub const fn nanos(self) -> i64 {
                self.0
            }
            /// Seconds since this clock's epoch; loses precision (0.2 µs today): for printing only.
            pub fn seconds(self) -> f64 {
                self.0 as f64 * 1e-9
            }
            /// Exact difference `self − earlier` in nanoseconds, saturating.
            pub const fn nanos_since(self, earlier: Self) -> i64 {
                self.0.saturating_sub(earlier.0)
            }
        }
        impl Sub for $name {
            type Output = f64;
            /// `self − other` in seconds.
            fn sub(self, other: Self) -> f64 {
                to_seconds(self.nanos_since(other))
            }
        }
        impl Add<f64> for $name {
            type Output = Self;
            /// `seconds` later; saturating.
            fn add(self, seconds: f64) -> Self {
                Self(self.0.saturating_add(seconds_to_nanos(seconds)))
            }
        }
        impl AddAssign<f64> for $name {
            fn add_assign(&mut self, seconds: f64) {
                *self = *self + seconds;
            }
        }
    };
}

clock_reading!(
    /// A reading of the clock we steer, nanoseconds since the Unix epoch.
    RawTime
);
clock_reading!(
    /// Raw time plus the correction still being slewed, nanoseconds since the Unix epoch.
    LocalTime
);
clock_reading!(
    /// A reading of a clock that nobody sets or steers, nanoseconds since an arbitrary instant.
    MonoTime
);
clock_reading!(
    /// Time of the free-running oscillator (V), nanoseconds since the Unix epoch as first believed.
    OscTime
);

/// One look at the clocks, once per wake-up. Local time is not here: only the engine knows the correction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock.
    pub mono: MonoTime,
    /// The clock we steer.
    pub raw: RawTime,
}

/// NTP timestamp format: 32 bits of seconds since 1900 (modulo 2³²), 32 bits of fraction (RFC 5905 §6).
/// Zero means "unknown".
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// Unknown time.
    pub const ZERO: Self = Self(0);

    /// True for the special value "unknown".
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// From nanoseconds since the Unix epoch, rounded down to 2⁻³² s; the era is dropped.
    pub fn from_unix_nanos(nanos: i64) -> Self {
        let seconds = nanos.div_euclid(NANOS).wrapping_add(UNIX_TO_NTP) as u32;
        let fraction = ((nanos.rem_euclid(NANOS) as u64) << 32) / NANOS as u64;
        Self((u64::from(seconds) << 32) | fraction)
    }

    /// Nanoseconds since the Unix epoch, rounded to the nearest, in the window of 136 years that starts at
    /// Unix second `window_start` (usually [`ERA_WINDOW_START`]).
    pub fn to_unix_nanos(self, window_start: i64) -> i64 {
        let start = window_start.wrapping_add(UNIX_TO_NTP) as u32;
        let ahead = ((self.0 >> 32) as u32).wrapping_sub(start);
        let fraction = ((self.0 & 0xffff_ffff) * NANOS as u64 + (1 << 31)) >> 32;
        (window_start + i64::from(ahead)).saturating_mul(NANOS).saturating_add(fraction as i64)
    }

    /// The local time this timestamp means, within the current era window.
    pub fn to_local(self) -> LocalTime {
        LocalTime::from_nanos(self.to_unix_nanos(ERA_WINDOW_START))
    }
}

impl fmt::Debug for NtpTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}.{:08x}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl From<LocalTime> for NtpTime {
    fn from(time: LocalTime) -> Self {
        Self::from_unix_nanos(time.nanos())
    }
}

/// NTP short format: 16 bits of seconds, 16 bits of fraction, unsigned (RFC 5905 §6).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct NtpShort(pub u32);

impl NtpShort {
    /// From seconds, rounded up so that a bound stays a bound; saturates at both ends, NaN becomes the maximum.
    pub fn from_seconds_ceil(seconds: f64) -> Self {
        if seconds.is_nan() {
            return Self(u32::MAX);
        }
        Self(libm::ceil(seconds * 65536.0) as u32)
    }

    /// Seconds.
    pub fn seconds(self) -> f64 {
        f64::from(self.0) / 65536.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_epochs_are_where_rfc_5905_puts_them() {
        assert_eq!(NtpTime::from_unix_nanos(0).0, (UNIX_TO_NTP as u64) << 32);
        // RFC 5905 figure 4: first day of era 1 is 2036-02-08 (second 0 at 06:28:16 on the 7th).
        let rollover = 2_085_978_496 * NANOS;
        assert_eq!(NtpTime::from_unix_nanos(rollover).0, 0);
        assert_eq!(
            NtpTime::from_unix_nanos(rollover + NANOS).to_unix_nanos(ERA_WINDOW_START),
            rollover + NANOS
        );
        assert_eq!(
            NtpTime::from_unix_nanos(rollover - NANOS).to_unix_nanos(ERA_WINDOW_START),
            rollover - NANOS
        );
    }

    #[test]
    fn a_bound_is_never_rounded_down() {
        assert_eq!(NtpShort::from_seconds_ceil(0.0), NtpShort(0));
        assert_eq!(NtpShort::from_seconds_ceil(1e-9), NtpShort(1));
        assert_eq!(NtpShort::from_seconds_ceil(-1.0), NtpShort(0));
        assert_eq!(NtpShort::from_seconds_ceil(f64::INFINITY), NtpShort(u32::MAX));
        assert_eq!(NtpShort::from_seconds_ceil(f64::NAN), NtpShort(u32::MAX));
    }

    proptest! {
        #[test]
        fn ntp_time_round_trips_to_the_nanosecond(nanos in ERA_WINDOW_START * NANOS..(ERA_WINDOW_START + (1i64 << 32)) * NANOS) {
            let back = NtpTime::from_unix_nanos(nanos).to_unix_nanos(ERA_WINDOW_START);
            prop_assert!((back - nanos).abs() <= 1, "{nanos} {back}");
        }

        #[test]
        fn adding_and_subtracting_agree(base in -(1i64 << 60)..(1i64 << 60), seconds in -1e6f64..1e6) {
            let t = RawTime::from_nanos(base);
            prop_assert!(((t + seconds) - t - seconds).abs() < 1e-9);
        }
    }
}
