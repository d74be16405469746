//! The clocks the loop reads, and the one it steers.
//!
//! Every time stamp of the kernel is a reading of the system clock; [`Clocks`] turns it into [`RawTime`], a
//! reading of the clock we steer: the system clock itself, or a virtual one on top of it. It also notices when
//! somebody else moves the system clock: the difference to the monotonic clock then jumps by more than our own
//! steps explain. (Both run at the same steered rate, so slewing does not show in it.) When the machine sleeps, the clock
//! that counts since the boot goes on and the monotonic one does not; where there is only one of them, a wake-up that
//! comes far too late tells.

use super::system_clock::SystemClock;
use super::virtual_clock::{Segment, VirtualClock};
use ntp::clock::{Applied, Clock, ClockError, ClockState, SyncStatus};
use ntp::engine::{Stamp, StampSource};
use ntp::server::state::FixedReading;
use ntp::time::{MonoTime, Now, RawTime, seconds_to_nanos};
use ntp::wire::Leap;

/// How often to look whether somebody else steers, s.
const WATCH: f64 = 0.5;
/// Smallest foreign step that is noticed, ns. Below it the next measurements find the offset soon enough, and a
/// clock that runs a little differently under a simulator is no alarm.
const FOREIGN_STEP: i64 = 1_000_000;

/// Shortest sleep that is noticed by the monotonic clock's standing still, ns.
const SLEEP: i64 = 100_000_000;

/// A wake-up later than asked by so much (s) means that the machine slept, or its clocks jumped together. A program that
/// was stopped cannot be told from that.
const LATE: f64 = 10.0;

/// Two readings of the monotonic clock this close together (ns) frame a trustworthy reading of the other.
const TIGHT: i64 = 20_000;

/// Attempts at a tight pair before the best one is taken.
const ATTEMPTS: usize = 5;

/// The clock we steer.
#[derive(Debug)]
enum Steered {
    System(SystemClock),
    Virtual(VirtualClock),
}

/// Two clocks read one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Glance {
    /// The one nobody sets.
    pub mono: MonoTime,
    /// The system's, ns since the Unix epoch.
    pub system: i64,
}

/// All clocks of the daemon.
#[derive(Debug)]
pub struct Clocks {
    steered: Steered,
    /// Real-time minus monotonic, ns, at the last look.
    difference: Option<i64>,
    /// Our own steps of the system clock since the last look, ns.
    stepped: i64,
    /// Time since the boot minus monotonic time at the last look, ns: what the machine has slept.
    slept: Option<i64>,
    /// When the frequency of the clock was last looked at.
    watched: Option<MonoTime>,
}

impl Clocks {
    /// The kernel's clock is steered. [`ClockError::NotPermitted`] without the right to it.
    pub fn system() -> Result<Self, ClockError> {
        Ok(Self::new(Steered::System(SystemClock::new()?)))
    }

    /// The kernel's clock is only read; a clock in memory is steered.
    pub fn simulated() -> Self {
        let precision = sys::clock::precision() as f64 * 1e-9;
        Self::new(Steered::Virtual(VirtualClock::new(sys::clock::realtime, precision)))
    }

    fn new(steered: Steered) -> Self {
        Self { steered, difference: None, stepped: 0, slept: None, watched: None }
    }

    /// Is the system's clock the one we steer?
    pub fn steers_system(&self) -> bool {
        matches!(self.steered, Steered::System(_))
    }

    /// One look at both clocks.
    pub fn now(&self) -> Now {
        Now { mono: self.mono(), raw: self.raw_now() }
    }

    /// One look at both clocks of the system.
    pub fn glance(&self) -> Glance {
        let mono = self.mono();
        Glance { mono, system: sys::clock::realtime() }
    }

    /// The clock nobody sets, now.
    pub fn mono(&self) -> MonoTime {
        MonoTime::from_nanos(sys::clock::boottime())
    }

    /// The clock we steer, now.
    pub fn raw_now(&self) -> RawTime {
        self.raw(sys::clock::realtime())
    }

    /// What the clock we steer read when the system clock read `system` (ns since the Unix epoch).
    pub fn raw(&self, system: i64) -> RawTime {
        match &self.steered {
            Steered::System(_) => RawTime::from_nanos(system),
            Steered::Virtual(clock) => clock.read(system),
        }
    }

    /// A packet's stamp: the kernel's if it gave one, else now.
    pub fn stamp(&self, kernel: Option<i64>) -> Stamp {
        match kernel {
            Some(system) => Stamp { time: self.raw(system), source: StampSource::Kernel },
            None => Stamp { time: self.raw_now(), source: StampSource::Daemon },
        }
    }

    /// Real-time minus monotonic clock, ns, as it is if nobody else has stepped since the last look.
    pub fn expected_difference(&self) -> i64 {
        let known = self.difference.map(|difference| difference.saturating_add(self.stepped));
        known.unwrap_or_else(|| difference(sys::clock::boottime, sys::clock::realtime).0)
    }

    /// What the clock we steer reads, for those who answer from a copy.
    pub fn reading(&self) -> FixedReading {
        match &self.steered {
            Steered::System(_) => FixedReading::default(),
            Steered::Virtual(clock) => {
                let Segment { system, raw, frequency } = clock.current();
                FixedReading::new(system, raw, frequency)
            }
        }
    }

    /// By how many seconds somebody else has moved the clock we steer since the last look (positive: forward).
    /// A virtual clock does not move: it follows its base.
    pub fn foreign_step(&mut self) -> Option<f64> {
        let moved = self.judge(look());
        match &mut self.steered {
            Steered::System(_) => moved,
            Steered::Virtual(clock) => {
                if let Some(offset) = moved {
                    clock.external_step(offset);
                }
                None
            }
        }
    }

    /// Would [`Self::foreign_step`] find that somebody has moved the system clock?
    pub fn moved(&self) -> bool {
        let (difference, uncertainty) = look();
        self.foreign(difference)
            .is_none_or(|moved| moved.saturating_abs() > FOREIGN_STEP.saturating_add(uncertainty))
    }

    /// The same, when a glance is at hand: it is enough while all is well; an interruption between the two clocks asks for a closer
    /// look.
    pub fn moved_at(&self, glance: Glance) -> bool {
        let moved = self.foreign(glance.system.saturating_sub(glance.mono.nanos()));
        moved.is_none_or(|moved| moved.saturating_abs() > FOREIGN_STEP) && self.moved()
    }

    /// How far somebody else has moved the system clock if it is ahead of the monotonic one by `difference`, ns. `None`: nobody has looked
    /// yet.
    fn foreign(&self, difference: i64) -> Option<i64> {
        Some(difference.saturating_sub(self.difference?).saturating_sub(self.stepped))
    }

    /// For how many seconds the machine has slept since the last look, and whether that is sure. `asked`: when the loop
    /// wanted to be woken.
    pub fn sleep(&mut self, asked: MonoTime) -> Option<(f64, bool)> {
        let late = MonoTime::from_nanos(sys::clock::boottime()) - asked;
        let slept = self.judge_sleep(difference(sys::clock::monotonic, sys::clock::boottime));
        slept.map(|slept| (slept, true)).or((late > LATE).then_some((late, false)))
    }

    fn judge_sleep(&mut self, (slept, uncertainty): (i64, i64)) -> Option<f64> {
        let before = self.slept.replace(slept)?;
        let more = slept.saturating_sub(before);
        (more > SLEEP.saturating_add(uncertainty)).then_some(more as f64 * 1e-9)
    }

    /// The frequency (s/s) that somebody else has given the clock we steer, and how long ago (s) it was not yet so.
    pub fn foreign_frequency(&mut self) -> Option<(f64, f64)> {
        let Steered::System(clock) = &self.steered else { return None };
        let now = MonoTime::from_nanos(sys::clock::boottime());
        // A system call: not for each of thousands of requests a second.
        if self.watched.is_some_and(|at| (0.0..WATCH).contains(&(now - at))) {
            return None;
        }
        let state = clock.state();
        let since = self.watched.replace(now).map_or(0.0, |at| now - at);
        (!state.ours).then_some((state.frequency, since))
    }

    fn judge(&mut self, (difference, uncertainty): (i64, i64)) -> Option<f64> {
        let moved = self.foreign(difference);
        (self.difference, self.stepped) = (Some(difference), 0);
        let moved = moved?;
        (moved.saturating_abs() > FOREIGN_STEP.saturating_add(uncertainty)).then_some(moved as f64 * 1e-9)
    }

    fn steered(&mut self) -> &mut dyn Clock {
        match &mut self.steered {
            Steered::System(clock) => clock,
            Steered::Virtual(clock) => clock,
        }
    }
}

impl Clock for Clocks {
    fn set_frequency(&mut self, frequency: f64) -> Result<Applied, ClockError> {
        self.steered().set_frequency(frequency)
    }

    fn step(&mut self, offset: f64) -> Result<Applied, ClockError> {
        let applied = self.steered().step(offset)?;
        if self.steers_system() {
            self.stepped = self.stepped.saturating_add(seconds_to_nanos(applied.offset));
        }
        Ok(applied)
    }

    fn set_leap(&mut self, leap: Leap, tai_offset: i32) -> Result<(), ClockError> {
        self.steered().set_leap(leap, tai_offset)
    }

    fn set_status(&mut self, status: SyncStatus) -> Result<(), ClockError> {
        self.steered().set_status(status)
    }

    fn state(&self) -> ClockState {
        match &self.steered {
            Steered::System(clock) => clock.state(),
            Steered::Virtual(clock) => clock.state(),
        }
    }
}

/// The system clock minus the monotonic one and the uncertainty of that, ns.
fn look() -> (i64, i64) {
    difference(sys::clock::boottime, sys::clock::realtime)
}

/// One clock minus a monotonic one and its uncertainty, ns: the best of a few readings, because the process may be
/// interrupted between the two.
pub fn difference(monotonic: fn() -> i64, other: fn() -> i64) -> (i64, i64) {
    let mut best = (0, i64::MAX);
    for _ in 0..ATTEMPTS {
        let before = monotonic();
        let other = other();
        let width = monotonic().saturating_sub(before);
        if width < best.1 {
            best = (other.saturating_sub(before).saturating_sub(width / 2), width);
        }
        if best.1 <= TIGHT {
            break;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_foreign_steps_are_noticed() {
        let mut clocks = Clocks::simulated();
        let second = 1_000_000_000;
        assert_eq!(clocks.judge((10 * second, 50)), None, "the first look only begins");
        assert_eq!(clocks.judge((10 * second + 900_000, 50)), None);
        assert_eq!(clocks.judge((13 * second + 900_000, 50)), Some(3.0));
        clocks.stepped = -2 * second;
        assert_eq!(clocks.foreign(11 * second + 900_000), Some(0), "asked without effect");
        assert_eq!(clocks.judge((11 * second + 900_000, 50)), None, "our own");
        clocks.stepped = -2 * second;
        assert_eq!(clocks.judge((10 * second + 900_000, 50)), Some(1.0), "ours and theirs at once");
        assert_eq!(clocks.judge((10 * second + 3_900_000, 5_000_000)), None, "interrupted while reading");
    }

    #[test]
    fn sleep_is_noticed_by_the_clock_that_stood_still() {
        let mut clocks = Clocks::simulated();
        let second = 1_000_000_000;
        assert_eq!(clocks.judge_sleep((7 * second, 50)), None, "the first look only begins");
        assert_eq!(clocks.judge_sleep((7 * second + 50_000_000, 50)), None);
        assert_eq!(clocks.judge_sleep((3607 * second + 50_000_000, 50)), Some(3600.0));
        assert_eq!(clocks.judge_sleep((3608 * second, 2 * second)), None, "interrupted while reading");
    }

    #[test]
    fn a_wake_up_far_too_late_is_sleep() {
        let mut clocks = Clocks::simulated();
        let now = clocks.now().mono;
        assert_eq!(clocks.sleep(now), None);
        assert_eq!(clocks.sleep(now + -9.0), None, "a busy machine");
        let (slept, sure) = clocks.sleep(now + -60.0).expect("a minute");
        assert!((60.0..70.0).contains(&slept) && !sure, "{slept}");
        assert_eq!(clocks.sleep(now + 60.0), None, "woken by a packet");
    }

    #[test]
    fn a_virtual_clock_steps_without_touching_the_system() {
        let mut clocks = Clocks::simulated();
        assert!(clocks.moved(), "nobody has looked yet");
        assert_eq!(clocks.foreign_step(), None);
        assert!(!clocks.moved() && !clocks.moved_at(clocks.glance()));
        let system = sys::clock::realtime();
        clocks.step(100.0).unwrap();
        let ahead = clocks.raw_now() - RawTime::from_nanos(system);
        assert!((100.0..101.0).contains(&ahead), "{ahead}");
        assert!(!clocks.steers_system() && clocks.stepped == 0 && clocks.foreign_step().is_none());
        let copy = clocks.reading();
        for system in [sys::clock::realtime(), sys::clock::realtime() + 1_000_000_000] {
            assert!((copy.raw(system) - clocks.raw(system)).abs() < 2e-9);
        }
        let early = clocks.stamp(Some(system));
        assert_eq!((early.time, early.source), (RawTime::from_nanos(system), StampSource::Kernel));
        assert_eq!(clocks.stamp(None).source, StampSource::Daemon);
    }

    #[test]
    fn the_difference_of_the_clocks_stands_still() {
        let (first, second) = (look(), look());
        assert!((first.0 - second.0).abs() <= first.1 + second.1 + 1000, "{first:?} {second:?}");
    }
}
