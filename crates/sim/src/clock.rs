//! The simulated system clock: an oscillator, a multiplier, and a hand that may step it.
//!
//! Time is integrated exactly, piece by piece: within a piece (at most one second of a wandering oscillator, between
//! two changes of steering) both rates are constant, and what is smaller than a nanosecond is carried on. Reading the
//! clock changes nothing, so watching a run does not alter it.

use crate::oscillator::Oscillator;
use crate::time::{START, TrueTime};
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
    status_changes: u64,
    leap: Leap,
}

impl SimClock {
    /// A clock that is wrong by `offset` seconds when the world begins (positive: ahead).
    pub fn new(mut oscillator: Oscillator, offset: f64, mut rng: Rng) -> Self {
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
            status_changes: 0,
            leap: Leap::None,
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

    /// Lets true time come to `at`. Times before the present piece are an error of the world.
    pub fn advance(&mut self, at: TrueTime) {
        assert!(at >= self.since, "a clock cannot run backwards in true time");
        while self.renewal <= at {
            let second = self.renewal;
            self.begin_piece(second);
            self.rate = self.oscillator.next(second.seconds(), &mut self.rng);
            self.renewal = TrueTime::from_nanos(second.nanos() + NANOS);
        }
        self.now = at;
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

    /// Reading minus truth at the present, s.
    pub fn error(&self) -> f64 {
        (self.raw_at(self.now).nanos - self.now.nanos()) as f64 * 1e-9
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
        self.leap = Leap::None;
    }

    /// Steps through [`Clock::step`] so far, with their times.
    pub fn steps(&self) -> &[(TrueTime, f64)] {
        &self.steps
    }

    /// The last status told.
    pub fn status(&self) -> Option<&SyncStatus> {
        self.status.as_ref()
    }

    /// How often a status was told.
    pub fn status_changes(&self) -> u64 {
        self.status_changes
    }

    /// The leap second armed. It never comes: true time has none.
    pub fn leap(&self) -> Leap {
        self.leap
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
        self.leap = leap;
        Ok(())
    }

    fn set_status(&mut self, status: SyncStatus) -> Result<(), ClockError> {
        self.status = Some(status);
        self.status_changes += 1;
        Ok(())
    }

    fn state(&self) -> ClockState {
        ClockState {
            frequency: self.steering,
            max_frequency: MAX_FREQUENCY,
            precision: self.resolution as f64 / NANOS as f64,
            ours: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(oscillator: Oscillator) -> SimClock {
        SimClock::new(oscillator, 0.0, Rng::from_number(3))
    }

    #[test]
    fn a_year_of_small_pieces_is_as_exact_as_one_large_piece() {
        let mut pieces = clock(Oscillator::with_error(-1073e-6));
        let mut whole = pieces.clone();
        let mut at = START;
        for i in 0..1_000_000 {
            at = TrueTime::from_nanos(at.nanos() + 31_536_000_017 + i % 7);
            pieces.advance(at);
            pieces.begin_piece(at);
        }
        whole.advance(at);
        assert!((pieces.now().raw.nanos() - whole.now().raw.nanos()).abs() <= 1);
        // 64-bit arithmetic without rounding: elapsed · 1073 / 10⁶.
        let expected = -((i128::from(at.nanos() - START.nanos()) * 1073) / 1_000_000) as i64;
        assert!((pieces.now().raw.nanos() - at.nanos() - expected).abs() <= 2);
    }

    #[test]
    fn reading_leaves_no_trace() {
        let mut watched = clock(Oscillator::with_error(1e-4).wander(1e-8));
        let mut alone = watched.clone();
        for tenth in 1..=100_000 {
            watched.advance(TrueTime::after_start(f64::from(tenth) / 10.0));
            watched.now();
        }
        alone.advance(TrueTime::after_start(10_000.0));
        assert_eq!(watched.now(), alone.now());
    }

    #[test]
    fn steering_is_quantised_limited_and_exact() {
        let mut clock = clock(Oscillator::perfect());
        clock.advance(TrueTime::after_start(10.0));
        let applied = clock.set_frequency(1.234_567_890_123e-5).unwrap();
        assert!((applied.frequency - 1.234_567_890_123e-5).abs() <= FREQUENCY_RESOLUTION / 2.0);
        assert_eq!(applied.frequency, clock.state().frequency);
        assert!((clock.set_frequency(0.5).unwrap().frequency - 0.1).abs() < 1e-15);
        clock.advance(TrueTime::after_start(110.0));
        assert!((clock.error() - 10.0).abs() < 2e-9);
        clock.step(-10.0).unwrap();
        assert!(clock.error().abs() < 2e-9);
        clock.step_from_outside(0.5);
        assert!((clock.error() - 0.5).abs() < 2e-9);
        assert_eq!(clock.steps().len(), 1, "only our own steps are ours");
        assert!(clock.set_frequency(f64::NAN).is_err() && clock.step(f64::INFINITY).is_err());
    }

    #[test]
    fn the_monotonic_clock_runs_on_the_bare_oscillator() {
        let mut clock = clock(Oscillator::with_error(0.05));
        clock.set_frequency(-0.1).unwrap();
        clock.step(1000.0).unwrap();
        let before = clock.now().mono;
        clock.advance(TrueTime::after_start(100.0));
        assert!((clock.now().mono - before - 105.0).abs() < 2e-9);
        let at = clock.when(before + 210.0);
        assert!((at.seconds() - 200.0).abs() < 1e-8);
        clock.advance(at);
        assert!(clock.now().mono >= before + 210.0, "a timer never fires early");
    }

    #[test]
    fn a_coarse_clock_reads_multiples() {
        let mut clock = clock(Oscillator::perfect()).with_resolution(1e-6);
        clock.advance(TrueTime::after_start(1.234_567_891));
        assert_eq!(clock.now().raw.nanos() % 1000, 0);
        assert_eq!(clock.state().precision, 1e-6);
    }
}
