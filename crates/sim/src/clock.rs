//! The simulated system clock: an oscillator, a multiplier, and a hand that may step it.
//!
//! Time is integrated exactly, piece by piece: within a piece (at most one second of a wandering oscillator, between
//! two changes of steering) both rates are constant, and what is smaller than a nanosecond is carried on. Reading the
//! clock changes nothing, so watching a run does not alter it.

use crate::climate::Climate;
use crate::oscillator::Oscillator;
use crate::time::{Calendar, START, TrueTime, leap_step};
use ntp::clock::{Applied, Clock, ClockError, ClockState, SyncStatus};
use ntp::rng::Rng;
use ntp::time::{MonoTime, NANOS, Now, RawTime, seconds_to_nanos};
use ntp::wire::Leap;

/// Largest steering, s/s (Linux: tick ±10 %).
pub const MAX_FREQUENCY: f64 = 0.1;
/// Smallest change of steering, s/s (Linux: 2⁻¹⁶ ppm).
pub const FREQUENCY_RESOLUTION: f64 = 1e-6 / 65536.0;
/// Reading of the monotonic clock when the world begins: the machine has been up for a while.
const UPTIME: i64 = 1000 * NANOS;

/// Nanoseconds with what is left below one.
#[derive(Clone, Copy, Debug, Default)]
struct Fine {
    nanos: i64,
    /// 0 ≤ rest < 1.
    rest: f64,
}

impl Fine {
    /// `elapsed` ns at the rate 1 + `excess` later.
    fn after(self, elapsed: i64, excess: f64) -> Self {
        let more = self.rest + elapsed as f64 * excess;
        let whole = libm::floor(more);
        Self { nanos: self.nanos + elapsed + whole as i64, rest: more - whole }
    }
}

/// A clock that can be steered like Linux's, on top of an oscillator.
#[derive(Clone, Debug)]
pub struct SimClock {
    oscillator: Oscillator,
    rng: Rng,
    /// The instant at which the [`Clock`] methods act.
    now: TrueTime,
    /// Beginning of the present piece and the readings there.
    since: TrueTime,
    free: Fine,
    raw: Fine,
    /// Frequency error of the oscillator and our steering in this piece, s/s.
    rate: f64,
    steering: f64,
    /// When the oscillator's rate changes next.
    renewal: TrueTime,
    resolution: i64,
    frequency_resolution: f64,
    steps: Vec<(TrueTime, f64)>,
    status: Option<SyncStatus>,
    calendar: Calendar,
    /// The leap second the kernel will make, and the reading at which it does.
    leap: Option<(Leap, i64)>,
    /// What it has moved the clock by since somebody looked, ns.
    leapt: i64,
    /// Readings and instant when the machine went to sleep.
    asleep: Option<(Fine, Fine, TrueTime)>,
    /// Somebody else has changed the frequency.
    foreign: bool,
}

impl SimClock {
    /// A clock that is wrong by `offset` seconds when the world begins (positive: ahead).
    pub fn new(mut oscillator: Oscillator, offset: f64, mut rng: Rng) -> Self {
        if let Some(climate) = oscillator.climate.as_mut() {
            climate.set_seed(rng.bits());
        }
        let rate = oscillator.next(0.0, &mut rng);
        let renewal = if oscillator.is_constant() { TrueTime::NEVER } else { START + 1.0 };
        Self {
            oscillator,
            rng,
            now: START,
            since: START,
            free: Fine { nanos: UPTIME, rest: 0.0 },
            raw: Fine { nanos: START.nanos() + seconds_to_nanos(offset), rest: 0.0 },
            rate,
            steering: 0.0,
            renewal,
            resolution: 1,
            frequency_resolution: FREQUENCY_RESOLUTION,
            steps: Vec::new(),
            status: None,
            calendar: Calendar::default(),
            leap: None,
            leapt: 0,
            asleep: None,
            foreign: false,
        }
    }

    /// Readings are multiples of `seconds` (1 ns unless set).
    pub fn with_resolution(mut self, seconds: f64) -> Self {
        self.resolution = seconds_to_nanos(seconds).max(1);
        self
    }

    /// Steering is in multiples of `frequency` s/s ([`FREQUENCY_RESOLUTION`] unless set).
    pub fn with_frequency_resolution(mut self, frequency: f64) -> Self {
        self.frequency_resolution = frequency;
        self
    }

    /// Another calendar: the clock begins as wrong as before, on another day.
    pub fn set_calendar(&mut self, calendar: Calendar) {
        self.raw.nanos += calendar.utc(self.since) - self.calendar.utc(self.since);
        self.calendar = calendar;
    }

    /// Lets true time come to `at`. Times before the present piece are an error of the world.
    pub fn advance(&mut self, at: TrueTime) {
        assert!(at >= self.since, "a clock cannot run backwards in true time");
        loop {
            let leap = self.leap_due();
            if leap <= at && leap < self.renewal {
                self.begin_piece(leap);
                self.make_leap();
                continue;
            }
            let second = self.renewal;
            if second > at {
                break;
            }
            self.begin_piece(second);
            self.rate = self.oscillator.next(second.seconds(), &mut self.rng);
            self.renewal = TrueTime::from_nanos(second.nanos() + NANOS);
        }
        self.now = at;
    }

    /// When the kernel makes the leap second that it was told of, at the present rate.
    fn leap_due(&self) -> TrueTime {
        let Some((_, reading)) = self.leap.filter(|_| self.asleep.is_none()) else { return TrueTime::NEVER };
        let left = (reading - self.raw.nanos).max(0) as f64 / (1.0 + self.excess());
        TrueTime::from_nanos(self.since.nanos().saturating_add(libm::ceil(left) as i64))
    }

    fn make_leap(&mut self) {
        let Some((leap, _)) = self.leap.take() else { return };
        self.raw.nanos += leap_step(leap);
        self.leapt += leap_step(leap);
    }

    /// What the kernel's leap second has moved the clock by since the last call, s.
    pub fn take_leap(&mut self) -> f64 {
        core::mem::take(&mut self.leapt) as f64 * 1e-9
    }

    /// The machine goes to sleep: from now on nobody reads its clocks.
    pub fn sleep(&mut self) {
        self.begin_piece(self.now);
        self.asleep = Some((self.free, self.raw, self.now));
    }

    /// Since when it sleeps.
    pub fn asleep_since(&self) -> Option<TrueTime> {
        self.asleep.map(|(.., since)| since)
    }

    /// It wakes up: its clocks have gone on by the time slept as the real-time clock on its board has it, which is
    /// wrong by `error` s.
    pub fn resume(&mut self, error: f64) {
        let Some((free, raw, since)) = self.asleep.take() else { return };
        self.begin_piece(self.now);
        let slept = self.now.nanos() - since.nanos() + seconds_to_nanos(error);
        self.free = Fine { nanos: free.nanos + slept, ..free };
        self.raw = Fine { nanos: raw.nanos + slept, ..raw };
        // The kernel makes a leap second at its very midnight. The board knows of none.
        self.leap = self.leap.filter(|(_, reading)| *reading > self.raw.nanos);
    }

    /// Another program changes the frequency by so many s/s.
    pub fn steer_from_outside(&mut self, change: f64) {
        self.begin_piece(self.now);
        self.steering += change;
        self.foreign = true;
    }

    fn begin_piece(&mut self, at: TrueTime) {
        self.free = self.free_at(at);
        self.raw = self.raw_at(at);
        self.since = at;
    }

    fn free_at(&self, at: TrueTime) -> Fine {
        self.free.after(at.nanos() - self.since.nanos(), self.rate)
    }

    fn raw_at(&self, at: TrueTime) -> Fine {
        self.raw.after(at.nanos() - self.since.nanos(), self.excess())
    }

    /// Rate of the steered clock minus one, s/s: its true frequency error.
    pub fn excess(&self) -> f64 {
        self.rate + self.steering + self.rate * self.steering
    }

    /// Frequency error of the bare oscillator, s/s.
    pub fn oscillator_error(&self) -> f64 {
        self.rate
    }

    /// What its thermometers read; NaN: one does not tell.
    pub fn temperatures(&self) -> Option<Vec<f64>> {
        self.oscillator.climate.as_ref().map(Climate::read)
    }

    /// The names of its thermometers.
    pub fn thermometers(&self) -> Vec<String> {
        self.oscillator.climate.as_ref().map_or_else(Vec::new, Climate::names)
    }

    /// Our steering, s/s.
    pub fn steering(&self) -> f64 {
        self.steering
    }

    /// What the clock reads at `at`, which lies in the present second.
    pub fn read(&self, at: TrueTime) -> RawTime {
        let nanos = self.raw_at(at).nanos;
        RawTime::from_nanos(nanos - nanos.rem_euclid(self.resolution))
    }

    /// Both clocks at the present.
    pub fn now(&self) -> Now {
        Now { mono: MonoTime::from_nanos(self.free_at(self.now).nanos), raw: self.read(self.now) }
    }

    /// What UTC reads.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Reading minus UTC at the present, s.
    pub fn error(&self) -> f64 {
        (self.raw_at(self.now).nanos - self.calendar.utc(self.now)) as f64 * 1e-9
    }

    /// When the monotonic clock will read `mono` if nothing changes; never before the present.
    pub fn when(&self, mono: MonoTime) -> TrueTime {
        let ahead = (mono.nanos() - self.free_at(self.now).nanos).max(0);
        let nanos = libm::ceil(ahead as f64 / (1.0 + self.rate)) as i64;
        TrueTime::from_nanos(self.now.nanos().saturating_add(nanos))
    }

    /// Somebody else moves the clock by `offset` seconds.
    pub fn step_from_outside(&mut self, offset: f64) {
        self.begin_piece(self.now);
        self.raw.nanos += seconds_to_nanos(offset);
    }

    /// Forgets steering and status, as a reboot does; what the clock reads goes on.
    pub fn reboot(&mut self) {
        self.begin_piece(self.now);
        self.steering = 0.0;
        self.status = None;
        self.leap = None;
    }

    /// Steps through [`Clock::step`] so far, with their times.
    pub fn steps(&self) -> &[(TrueTime, f64)] {
        &self.steps
    }

    /// The last status told.
    pub fn status(&self) -> Option<&SyncStatus> {
        self.status.as_ref()
    }

    /// The leap second armed.
    pub fn leap(&self) -> Leap {
        self.leap.map_or(Leap::None, |(leap, _)| leap)
    }
}

impl Clock for SimClock {
    fn set_frequency(&mut self, frequency: f64) -> Result<Applied, ClockError> {
        if !frequency.is_finite() {
            return Err(ClockError::Refused(22)); // EINVAL
        }
        self.begin_piece(self.now);
        let ticks = libm::rint(frequency.clamp(-MAX_FREQUENCY, MAX_FREQUENCY) / self.frequency_resolution);
        self.steering = ticks * self.frequency_resolution;
        self.foreign = false;
        Ok(Applied { at: self.read(self.now), frequency: self.steering, offset: 0.0 })
    }

    fn step(&mut self, offset: f64) -> Result<Applied, ClockError> {
        if !offset.is_finite() {
            return Err(ClockError::Refused(22));
        }
        let at = self.read(self.now);
        self.begin_piece(self.now);
        let nanos = seconds_to_nanos(offset);
        self.raw.nanos += nanos;
        let offset = nanos as f64 * 1e-9;
        self.steps.push((self.now, offset));
        Ok(Applied { at, frequency: self.steering, offset })
    }

    fn set_leap(&mut self, leap: Leap, _tai_offset: i32) -> Result<(), ClockError> {
        self.begin_piece(self.now);
        let day = 86_400 * NANOS;
        let midnight = (self.raw.nanos.div_euclid(day) + 1) * day;
        self.leap = match leap {
            Leap::Insert => Some((leap, midnight)),
            Leap::Delete => Some((leap, midnight - NANOS)),
            Leap::None | Leap::Unsynchronised => None,
        };
        Ok(())
    }

    fn set_status(&mut self, status: SyncStatus) -> Result<(), ClockError> {
        self.status = Some(status);
        Ok(())
    }

    fn state(&self) -> ClockState {
        ClockState {
            frequency: self.steering,
            max_frequency: MAX_FREQUENCY,
            precision: self.resolution as f64 / NANOS as f64,
            ours: !self.foreign,
        }
    }
}

#[cfg(test)]
mod tests;
