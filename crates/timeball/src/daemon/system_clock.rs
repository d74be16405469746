//! The kernel's clock, steered: [`Clock`] over `clock_adjtime(2)`.
//!
//! The rate is set by two numbers at once: `tick`, the microseconds the clock advances per tick of USER_HZ (coarse:
//! 100 ppm a unit, ±10 %), and `freq` (fine: 2⁻¹⁶ ppm, ±500 ppm). Slews are changes of rate too; the kernel's own
//! phase-locked loop is off. See adjtimex(2).

use ntp::clock::{Applied, Clock, ClockError, ClockState, SyncStatus};
use ntp::time::{NANOS, RawTime, seconds_to_nanos};
use ntp::wire::Leap;
use std::cell::Cell;
use std::io;
use sys::abi::{Long, Timeval, Timex, long, wide};
use sys::clock::timex::*;
use sys::{clock, errno};

/// Largest frequency the kernel's tick allows, s/s.
const MAX_FREQUENCY: f64 = 0.1;

/// Error above which a clock does not count as synchronised, s; the kernel's own limit (NTP_PHASE_LIMIT).
const MAX_SYNCHRONISED_ERROR: f64 = 16.0;

/// `freq` units in 1 s/s: 2¹⁶ per ppm.
const FREQ_UNITS: f64 = 65536e6;

/// The rate of the clock in the kernel's two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    /// µs per tick of USER_HZ.
    tick: i64,
    /// 2⁻¹⁶ ppm.
    freq: i64,
}

impl Rate {
    fn of(state: &Timex) -> Self {
        Self { tick: wide(state.tick), freq: wide(state.freq) }
    }

    /// The two numbers for `frequency` (s/s): the nearest tick, and the rest.
    fn from_frequency(frequency: f64, hz: i64) -> Self {
        let hz = hz as f64;
        let tick = (1e6 * (1.0 + frequency) / hz).round();
        let rest = frequency - (tick * hz - 1e6) * 1e-6;
        Self { tick: tick as i64, freq: (rest * FREQ_UNITS).round() as i64 }
    }

    /// s/s; positive: faster than the oscillator.
    fn frequency(self, hz: i64) -> f64 {
        (self.tick * hz - 1_000_000) as f64 * 1e-6 + self.freq as f64 / FREQ_UNITS
    }
}

/// The kernel's wall clock. Steers from the moment it is made; one per process.
#[derive(Debug)]
pub struct SystemClock {
    hz: i64,
    precision: f64,
    /// What was in force when last looked at.
    rate: Cell<Rate>,
    /// STA_INS or STA_DEL.
    leap: i32,
    /// STA_UNSYNC or 0.
    unsynchronised: i32,
}

impl SystemClock {
    /// Takes the clock over: the kernel's phase-locked loop is switched off, the clock marked unsynchronised and
    /// without a leap second to come; the frequency stays as it is found.
    ///
    /// Errors: [`ClockError::NotPermitted`] without CAP_SYS_TIME.
    pub fn new() -> Result<Self, ClockError> {
        let found = adjust(Timex::default())?;
        if found.status & STA_PLL != 0 || found.offset != 0 {
            // The loop must be on for its pending offset to be cleared.
            let status = found.status & !STA_RONLY | STA_PLL;
            adjust(Timex { modes: ADJ_OFFSET | ADJ_STATUS, status, offset: 0, ..Timex::default() })?;
        }
        let now = adjust(Timex { modes: ADJ_STATUS, status: STA_UNSYNC, ..Timex::default() })?;
        Ok(Self {
            hz: clock::user_hz(),
            precision: clock::precision() as f64 * 1e-9,
            rate: Cell::new(Rate::of(&now)),
            leap: 0,
            unsynchronised: STA_UNSYNC,
        })
    }

    /// Reads it.
    pub fn read() -> RawTime {
        RawTime::from_nanos(clock::realtime())
    }

    fn status(&self) -> i32 {
        self.leap | self.unsynchronised
    }
}

impl Clock for SystemClock {
    fn set_frequency(&mut self, frequency: f64) -> Result<Applied, ClockError> {
        if frequency.is_nan() {
            return Err(ClockError::Refused(errno::EINVAL));
        }
        let wanted = Rate::from_frequency(frequency.clamp(-MAX_FREQUENCY, MAX_FREQUENCY), self.hz);
        let at = Self::read();
        let state = adjust(Timex {
            modes: ADJ_FREQUENCY | ADJ_TICK,
            tick: long(wanted.tick),
            freq: long(wanted.freq),
            ..Timex::default()
        })?;
        let accepted = Rate::of(&state);
        self.rate.set(accepted);
        Ok(Applied { at, frequency: accepted.frequency(self.hz), offset: 0.0 })
    }

    fn step(&mut self, offset: f64) -> Result<Applied, ClockError> {
        if offset.is_nan() {
            return Err(ClockError::Refused(errno::EINVAL));
        }
        let nanos = seconds_to_nanos(offset);
        let request = Timex {
            modes: ADJ_SETOFFSET | ADJ_NANO,
            // The seconds carry the sign: the part below a second is never negative.
            time: Timeval { sec: nanos.div_euclid(NANOS), usec: nanos.rem_euclid(NANOS) },
            ..Timex::default()
        };
        let at = Self::read();
        match adjust(request) {
            Ok(_) => {}
            // Kernels before 2.6.39 cannot add; setting loses the time between reading and setting.
            Err(ClockError::Unsupported | ClockError::Refused(errno::EINVAL)) => {
                clock::set_realtime(clock::realtime().saturating_add(nanos)).map_err(|e| refusal(&e))?;
            }
            Err(error) => return Err(error),
        }
        Ok(Applied { at, frequency: self.rate.get().frequency(self.hz), offset: nanos as f64 * 1e-9 })
    }

    fn set_leap(&mut self, leap: Leap, tai_offset: i32) -> Result<(), ClockError> {
        self.leap = match leap {
            Leap::Insert => STA_INS,
            Leap::Delete => STA_DEL,
            Leap::None | Leap::Unsynchronised => 0,
        };
        let mut request = Timex { modes: ADJ_STATUS, status: self.status(), ..Timex::default() };
        if tai_offset != 0 {
            request.modes |= ADJ_TAI;
            request.constant = long(tai_offset.into());
        }
        adjust(request)?;
        Ok(())
    }

    fn set_status(&mut self, status: SyncStatus) -> Result<(), ClockError> {
        let good = status.synchronised && status.rtc_sync && status.max_error < MAX_SYNCHRONISED_ERROR;
        self.unsynchronised = if good { 0 } else { STA_UNSYNC };
        adjust(Timex {
            modes: ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR,
            status: self.status(),
            maxerror: microseconds(status.max_error),
            esterror: microseconds(status.est_error),
            ..Timex::default()
        })?;
        Ok(())
    }

    fn state(&self) -> ClockState {
        let known = self.rate.get();
        // Reading needs no right and does not fail; if it did, what was set last is the best answer.
        let rate = adjust(Timex::default()).map_or(known, |state| Rate::of(&state));
        self.rate.set(rate);
        ClockState {
            frequency: rate.frequency(self.hz),
            max_frequency: MAX_FREQUENCY,
            precision: self.precision,
            ours: rate == known,
        }
    }
}

fn adjust(mut request: Timex) -> Result<Timex, ClockError> {
    clock::adjust(&mut request).map(|_| request).map_err(|error| refusal(&error))
}

fn refusal(error: &io::Error) -> ClockError {
    match error.raw_os_error() {
        Some(errno::EPERM | errno::EACCES) => ClockError::NotPermitted,
        Some(errno::ENOSYS | errno::EOPNOTSUPP) => ClockError::Unsupported,
        number => ClockError::Refused(number.unwrap_or(errno::EINVAL)),
    }
}

/// Seconds to the kernel's microseconds, rounded up because they are bounds; what is too large, or unknown, is the
/// largest.
fn microseconds(seconds: f64) -> Long {
    if seconds.is_nan() {
        return Long::MAX;
    }
    (seconds.max(0.0) * 1e6).ceil() as Long
}
