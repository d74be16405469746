//! A clock of our own on top of the system's, for `-x` and for runs without the right to steer: the kernel is only
//! read, never touched.
//!
//! It is a piecewise affine map from readings of the wall clock ("system time") to [`RawTime`]. The last segments
//! are kept, so a stamp the kernel took before a correction, but delivered after it, is mapped as it was meant.

use ntp::clock::{Applied, Clock, ClockError, ClockState, SyncStatus};
use ntp::time::{RawTime, seconds_to_nanos};
use ntp::wire::Leap;
use std::collections::VecDeque;
use std::fmt;
use sys::errno;

/// Segments kept.
const SEGMENTS: usize = 64;

/// Largest frequency, s/s: the same as a kernel's, so that both kinds of run behave alike.
const MAX_FREQUENCY: f64 = 0.1;

/// One affine piece of the map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// System time from which it holds, nanoseconds since the Unix epoch.
    pub system: i64,
    /// The reading of the virtual clock then.
    pub raw: RawTime,
    /// What its rate differs by from the system clock's, s/s.
    pub frequency: f64,
}

impl Segment {
    /// The virtual clock's reading at `system` (ns since the Unix epoch).
    pub fn read(&self, system: i64) -> RawTime {
        let elapsed = system.saturating_sub(self.system);
        let faster = seconds_to_nanos(elapsed as f64 * 1e-9 * self.frequency);
        RawTime::from_nanos(self.raw.nanos().saturating_add(elapsed).saturating_add(faster))
    }
}

/// A clock in memory.
pub struct VirtualClock {
    /// Reads the wall clock, nanoseconds since the Unix epoch.
    source: Box<dyn Fn() -> i64>,
    /// Oldest first; never empty.
    segments: VecDeque<Segment>,
    precision: f64,
    may_step: bool,
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock").field("segments", &self.segments).finish_non_exhaustive()
    }
}

impl VirtualClock {
    /// Agrees with the wall clock, which `source` reads (ns since the Unix epoch) to `precision` seconds, until
    /// it is first corrected.
    pub fn new(source: impl Fn() -> i64 + 'static, precision: f64) -> Self {
        let now = source();
        let first = Segment { system: now, raw: RawTime::from_nanos(now), frequency: 0.0 };
        let mut segments = VecDeque::with_capacity(SEGMENTS);
        segments.push_back(first);
        Self { source: Box::new(source), segments, precision, may_step: true }
    }

    /// Lets [`Clock::step`] fail with [`ClockError::Unsupported`].
    #[cfg(test)]
    #[must_use]
    pub fn without_steps(mut self) -> Self {
        self.may_step = false;
        self
    }

    /// The reading at system time `system` (ns since the Unix epoch), now or lately: use it on every stamp of the
    /// kernel. Older stamps than the last 64 corrections are mapped by the oldest segment kept.
    pub fn read(&self, system: i64) -> RawTime {
        let holds = self.segments.iter().rev().find(|segment| segment.system <= system);
        holds.unwrap_or(&self.segments[0]).read(system)
    }

    /// The newest piece of the map, a plain value: for those who answer from a snapshot.
    pub fn current(&self) -> Segment {
        *self.segments.back().expect("never empty")
    }

    /// Somebody moved the wall clock by `offset` seconds (positive: forward), just now: this clock goes on as if
    /// that had not happened. Stamps taken between the move and this call are off by it; after a move backward,
    /// stamps from before it are too.
    pub fn external_step(&mut self, offset: f64) {
        let system = (self.source)();
        let raw = self.read(system.saturating_sub(seconds_to_nanos(offset)));
        self.push(Segment { system, raw, frequency: self.current().frequency });
    }

    fn push(&mut self, segment: Segment) {
        if self.segments.len() == SEGMENTS {
            self.segments.pop_front();
        }
        self.segments.push_back(segment);
    }
}

impl Clock for VirtualClock {
    fn set_frequency(&mut self, frequency: f64) -> Result<Applied, ClockError> {
        if frequency.is_nan() {
            return Err(ClockError::Refused(errno::EINVAL));
        }
        let frequency = frequency.clamp(-MAX_FREQUENCY, MAX_FREQUENCY);
        let system = (self.source)();
        let raw = self.read(system);
        self.push(Segment { system, raw, frequency });
        Ok(Applied { at: raw, frequency, offset: 0.0 })
    }

    fn step(&mut self, offset: f64) -> Result<Applied, ClockError> {
        if !self.may_step {
            return Err(ClockError::Unsupported);
        }
        if offset.is_nan() {
            return Err(ClockError::Refused(errno::EINVAL));
        }
        let nanos = seconds_to_nanos(offset);
        let frequency = self.current().frequency;
        let system = (self.source)();
        let at = self.read(system);
        let raw = RawTime::from_nanos(at.nanos().saturating_add(nanos));
        self.push(Segment { system, raw, frequency });
        Ok(Applied { at, frequency, offset: nanos as f64 * 1e-9 })
    }

    /// A leap second cannot be left to the kernel here.
    fn set_leap(&mut self, leap: Leap, _tai_offset: i32) -> Result<(), ClockError> {
        match leap {
            Leap::None | Leap::Unsynchronised => Ok(()),
            Leap::Insert | Leap::Delete => Err(ClockError::Unsupported),
        }
    }

    /// Nobody to tell.
    fn set_status(&mut self, _status: SyncStatus) -> Result<(), ClockError> {
        Ok(())
    }

    fn state(&self) -> ClockState {
        ClockState {
            frequency: self.current().frequency,
            max_frequency: MAX_FREQUENCY,
            precision: self.precision,
            ours: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    const SECOND: i64 = 1_000_000_000;
    const START: i64 = 1_700_000_000 * SECOND;

    /// A clock over a wall clock that the test moves.
    fn clock() -> (VirtualClock, Rc<Cell<i64>>) {
        let wall = Rc::new(Cell::new(START));
        let source = Rc::clone(&wall);
        (VirtualClock::new(move || source.get(), 1e-7), wall)
    }

    fn advance(wall: &Cell<i64>, nanos: i64) {
        wall.set(wall.get() + nanos);
    }

    #[test]
    fn it_begins_as_the_wall_clock() {
        let (clock, _) = clock();
        for stamp in [START - SECOND, START, START + 1_234_567_890] {
            assert_eq!(clock.read(stamp).nanos(), stamp);
        }
        let state = clock.state();
        assert_eq!((state.frequency, state.precision, state.ours), (0.0, 1e-7, true));
    }

    #[test]
    fn frequencies_add_up_without_a_jump() {
        let (mut clock, wall) = clock();
        clock.set_frequency(0.05).expect("in memory");
        advance(&wall, 100 * SECOND);
        assert_eq!(clock.read(wall.get()).nanos(), START + 105 * SECOND);
        let applied = clock.set_frequency(-0.1).expect("in memory");
        assert_eq!((applied.at.nanos(), applied.frequency), (START + 105 * SECOND, -0.1));
        advance(&wall, 10 * SECOND);
        assert_eq!(clock.read(wall.get()).nanos(), START + 114 * SECOND);
        assert_eq!(clock.set_frequency(0.5).expect("limited").frequency, 0.1);
        assert_eq!(clock.set_frequency(f64::NAN), Err(ClockError::Refused(errno::EINVAL)));
    }

    #[test]
    fn late_stamps_are_read_as_they_were_meant() {
        let (mut clock, wall) = clock();
        clock.set_frequency(0.01).expect("in memory");
        advance(&wall, 10 * SECOND);
        let stamp = wall.get();
        let meant = clock.read(stamp);
        advance(&wall, SECOND);
        let applied = clock.step(-0.25).expect("allowed");
        assert_eq!(
            (applied.at, applied.offset, applied.frequency),
            (clock.read(wall.get()) + 0.25, -0.25, 0.01)
        );
        for change in 0..62 {
            advance(&wall, SECOND);
            clock.set_frequency(f64::from(change) * 1e-4).expect("in memory");
            assert_eq!(clock.read(stamp), meant, "after {change} more");
        }
        assert_eq!(clock.current().read(wall.get()), clock.read(wall.get()));
    }

    #[test]
    fn it_goes_on_when_somebody_moves_the_wall_clock() {
        for offset in [-3600.5, -0.001, 0.001, 86_400.0] {
            let (mut clock, wall) = clock();
            clock.set_frequency(0.02).expect("in memory");
            advance(&wall, 50 * SECOND);
            let before = clock.read(wall.get());
            advance(&wall, seconds_to_nanos(offset));
            clock.external_step(offset);
            assert_eq!(clock.read(wall.get()), before, "{offset}");
            advance(&wall, 50 * SECOND);
            assert_eq!(clock.read(wall.get()) - before, 51.0, "{offset}");
        }
    }

    #[test]
    fn what_needs_the_kernel_is_refused() {
        let (clock, _) = clock();
        let mut clock = clock.without_steps();
        assert_eq!(clock.step(1.0), Err(ClockError::Unsupported));
        assert_eq!(clock.set_leap(Leap::Insert, 37), Err(ClockError::Unsupported));
        assert_eq!(clock.set_leap(Leap::None, 37), Ok(()));
    }
}
