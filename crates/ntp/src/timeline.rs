//! The oscillator's own time scale V, in which our steering is invisible.
//!
//! The clock we steer runs at (1 + u) times the oscillator. Every frequency change and step of ours, *as the
//! kernel accepted it*, is a segment here, so a reading of the steered clock can be turned into oscillator time
//! and back exactly. Estimates live in V: steering never has to touch them (docs: DESIGN.md, "Two time scales").

use crate::time::{OscTime, RawTime, seconds_to_nanos};

/// Segments kept: stamps older than the oldest are read with its rate.
const SEGMENTS: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Readings from here on are this segment's, unless a newer one claims them.
    from: RawTime,
    raw: RawTime,
    v: OscTime,
    /// Frequency in force from here on, s/s.
    frequency: f64,
}

/// The piecewise linear map between raw time and oscillator time.
#[derive(Clone, Debug)]
pub struct Timeline {
    segments: [Segment; SEGMENTS],
    count: usize,
}

impl Timeline {
    /// Starts with V equal to raw time at `raw`, the clock running at `frequency` (s/s).
    pub fn new(raw: RawTime, frequency: f64) -> Self {
        let first = Segment { from: raw, raw, v: OscTime::from_nanos(raw.nanos()), frequency };
        Self { segments: [first; SEGMENTS], count: 1 }
    }

    fn last(&self) -> &Segment {
        &self.segments[self.count - 1]
    }

    /// Frequency in force, s/s.
    pub fn frequency(&self) -> f64 {
        self.last().frequency
    }

    fn push(&mut self, segment: Segment) {
        if self.count == SEGMENTS {
            self.segments.copy_within(1.., 0);
            self.count -= 1;
        }
        self.segments[self.count] = segment;
        self.count += 1;
    }

    /// The clock runs at `frequency` (s/s) from the reading `at` on. A coarse clock may read a little less than where
    /// the last segment begins.
    pub fn set_frequency(&mut self, at: RawTime, frequency: f64) {
        let at = at.max(self.last().raw);
        let v = self.to_osc(at);
        self.push(Segment { from: at, raw: at, v, frequency });
    }

    /// The clock was moved by `offset` seconds (positive: forward) when it read `at`.
    ///
    /// Readings are not monotonic across a step; a reading is taken to be of the newest segment that starts
    /// at or before it, so stamps from before a backward step must be converted before the step is entered.
    ///
    /// Nobody read what a step forward skipped, except that a coarse clock may read a little more than `at` before and a
    /// little less than its end after it: each half of the gap belongs to its nearer side.
    pub fn step(&mut self, at: RawTime, offset: f64) {
        let v = self.to_osc(at);
        let raw = at + offset;
        let frequency = self.frequency();
        if offset < 0.0 {
            self.count = 0; // older segments would claim readings that now belong to the new one
        }
        self.push(Segment { from: at + offset / 2.0, raw, v, frequency });
    }

    /// Oscillator time at the reading `raw`.
    pub fn to_osc(&self, raw: RawTime) -> OscTime {
        let used = &self.segments[..self.count];
        let segment = used.iter().rev().find(|s| s.from <= raw).unwrap_or(&used[0]);
        let elapsed = raw.nanos_since(segment.raw);
        // Δraw/(1+u) = Δraw − Δraw·u/(1+u): the correction is small, so f64 keeps nanoseconds over weeks.
        let slower = seconds_to_nanos(elapsed as f64 * 1e-9 * segment.frequency / (1.0 + segment.frequency));
        OscTime::from_nanos(segment.v.nanos().saturating_add(elapsed).saturating_sub(slower))
    }

    /// The clock's reading at oscillator time `v`.
    pub fn to_raw(&self, v: OscTime) -> RawTime {
        let used = &self.segments[..self.count];
        let segment = used.iter().rev().find(|s| s.v <= v).unwrap_or(&used[0]);
        let elapsed = v.nanos_since(segment.v);
        let faster = seconds_to_nanos(elapsed as f64 * 1e-9 * segment.frequency);
        RawTime::from_nanos(segment.raw.nanos().saturating_add(elapsed).saturating_add(faster))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn steering_is_invisible_in_oscillator_time() {
        let start = RawTime::from_seconds(1e9);
        let mut line = Timeline::new(start, 0.0);
        // 100 s free, then 10 % fast for 110 s of raw time (100 s of the oscillator), then a step of -50 s.
        line.set_frequency(start + 100.0, 0.1);
        assert!((line.to_osc(start + 210.0) - OscTime::from_seconds(1e9) - 200.0).abs() < 1e-9);
        line.step(start + 210.0, -50.0);
        assert!((line.to_osc(start + 160.0) - OscTime::from_seconds(1e9) - 200.0).abs() < 1e-9);
        assert!((line.to_osc(start + 171.0) - OscTime::from_seconds(1e9) - 210.0).abs() < 1e-9);
    }

    /// A clock that counts microseconds reads less after a step than before it plus the step.
    #[test]
    fn a_coarse_clock_keeps_its_oscillator_across_a_step() {
        let start = RawTime::from_seconds(1e9);
        let tick = 1e-6;
        for offset in [5.0, 0.3, -0.3, -5.0] {
            let mut line = Timeline::new(start, 0.0);
            line.step(start + 10.0, offset);
            let late = start + (10.0 + offset - tick / 2.0);
            assert!((line.to_osc(late) - OscTime::from_seconds(1e9) - 10.0).abs() <= tick, "{offset}");
            line.set_frequency(late, 1e-3);
            for (reading, expected) in [(late, 10.0), (late + 100.1, 110.0)] {
                let v = line.to_osc(reading) - OscTime::from_seconds(1e9);
                assert!((v - expected).abs() <= 2.0 * tick, "{offset}: {v} {expected}");
            }
            let early =
                if offset > 0.0 { line.to_osc(start + 9.0) - OscTime::from_seconds(1e9) } else { 9.0 };
            assert!((early - 9.0).abs() < 1e-9, "{offset}: {early}");
        }
    }

    proptest! {
        #[test]
        fn the_map_is_its_own_inverse(changes in prop::collection::vec((0.1f64..1000.0, -0.1f64..0.1), 0..100), after in 0.0f64..1000.0) {
            let mut raw = RawTime::from_seconds(1.7e9);
            let mut line = Timeline::new(raw, 0.0);
            for (wait, frequency) in changes {
                raw += wait;
                line.set_frequency(raw, frequency);
            }
            let probe = raw + after;
            prop_assert!((line.to_raw(line.to_osc(probe)).nanos() - probe.nanos()).abs() <= 2);
        }
    }
}
