//! Served time that follows slowly (`smoothtime`): clients see our corrections, leap seconds included, as a gentle
//! change of rate.
//!
//! Served time is our time plus an offset o with o′ = f. Both have to become zero with |f| at most the largest
//! frequency and |f′| exactly the wander or zero: the fastest way is to speed up, perhaps to keep the largest
//! frequency for a while, and to brake. Each correction of our clock begins anew from where o and f are then, so that
//! neither ever jumps.

use crate::config::SmoothConfig;
use crate::control::smoothing::Smoothing as Report;
use crate::report::{Frequency, Seconds};
use crate::time::MonoTime;
use libm::sqrt;

/// Smoothing begins when the frequency is known so well: skew (s/s) over this is less than the wander (s/s²).
const KNOWN: f64 = 1e4;

/// A part of the way: for so long (s) the frequency changes by so much (s/s²).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Stage {
    duration: f64,
    wander: f64,
}

/// Where served time is at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Place {
    /// Served minus our time, s.
    pub offset: f64,
    /// Its rate, s/s.
    pub frequency: f64,
    /// The rate's rate, s/s².
    pub wander: f64,
    /// Until both are zero, s.
    pub remaining: f64,
}

/// The process.
#[derive(Clone, Debug)]
pub struct Smoothing {
    config: SmoothConfig,
    active: bool,
    /// When the present way began, and from where.
    since: MonoTime,
    offset: f64,
    frequency: f64,
    stages: [Stage; 3],
}

impl Smoothing {
    /// Not active yet.
    pub fn new(config: SmoothConfig, now: MonoTime) -> Self {
        let config = SmoothConfig {
            max_frequency: config.max_frequency.abs().max(1e-12),
            max_wander: config.max_wander.abs().max(1e-18),
            ..config
        };
        Self { config, active: false, since: now, offset: 0.0, frequency: 0.0, stages: Default::default() }
    }

    /// Is it under way?
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Only leap seconds are smoothed.
    pub fn leap_only(&self) -> bool {
        self.config.leap_only
    }

    /// Our frequency is known with this bound, s/s: begins, if it is good enough. Returns whether it began now.
    pub fn consider(&mut self, now: MonoTime, skew: f64) -> bool {
        let begins = !self.active && skew / KNOWN < self.config.max_wander;
        if begins {
            self.activate(now);
        }
        begins
    }

    /// Begins, from where our time is.
    pub fn activate(&mut self, now: MonoTime) {
        self.reset(now);
        self.active = true;
    }

    /// Served time is ours at once.
    pub fn reset(&mut self, now: MonoTime) {
        (self.since, self.offset, self.frequency, self.stages) = (now, 0.0, 0.0, Default::default());
    }

    /// Our time has moved by `moved` seconds (positive: forward) and its rate changed by `faster` (s/s): served time has
    /// not.
    pub fn update(&mut self, now: MonoTime, moved: f64, faster: f64) {
        if !self.active || !moved.is_finite() || !faster.is_finite() {
            return;
        }
        let place = self.at(now);
        self.since = now;
        self.offset = place.offset - moved;
        self.frequency = (place.frequency - faster) / (1.0 + faster);
        self.plan();
    }

    /// Chooses the stages from `offset` and `frequency` to zero.
    fn plan(&mut self) {
        let (most, wander) = (self.config.max_frequency, self.config.max_wander);
        // Where it would come to rest if it braked at once.
        let rest = self.offset + self.frequency * self.frequency.abs() / (2.0 * wander);
        let toward = if rest > 0.0 { -1.0 } else { 1.0 };
        let (way, speed) = (-toward * self.offset, toward * self.frequency);
        let top = sqrt((wander * way + speed * speed / 2.0).max(0.0));
        let limited = top.min(most.max(speed));
        let first = (limited - speed).max(0.0) / wander;
        let ways = (2.0 * limited * limited - speed * speed) / (2.0 * wander);
        let level = if top > limited && limited > 0.0 { ((way - ways) / limited).max(0.0) } else { 0.0 };
        self.stages = [
            Stage { duration: first, wander: toward * wander },
            Stage { duration: level, wander: 0.0 },
            Stage { duration: limited / wander, wander: -toward * wander },
        ];
    }

    /// Where served time is at `now`.
    pub fn at(&self, now: MonoTime) -> Place {
        let mut left = (now - self.since).max(0.0);
        let (mut offset, mut frequency, mut wander, mut remaining) = (self.offset, self.frequency, 0.0, 0.0);
        for stage in &self.stages {
            let t = left.min(stage.duration);
            offset += frequency * t + stage.wander * t * t / 2.0;
            frequency += stage.wander * t;
            if t < stage.duration {
                if remaining == 0.0 {
                    wander = stage.wander;
                }
                remaining += stage.duration - t;
            }
            left -= t;
        }
        if remaining <= 0.0 {
            return Place::default(); // what rounding left
        }
        Place { offset, frequency, wander, remaining }
    }

    /// The report `smoothing`.
    pub fn report(&self, now: MonoTime) -> Report {
        let place = self.at(now);
        Report {
            active: self.active,
            leap_only: self.config.leap_only,
            offset: Seconds(place.offset),
            frequency: Frequency::new(place.frequency),
            wander: Frequency::new(place.wander),
            last_update: Seconds((now - self.since).max(0.0)),
            remaining: Seconds(place.remaining),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: MonoTime = MonoTime::from_nanos(0);

    fn smoothing(max_frequency: f64, max_wander: f64) -> Smoothing {
        let mut s = Smoothing::new(SmoothConfig { max_frequency, max_wander, leap_only: false }, START);
        s.activate(START);
        s
    }

    /// The values that operators use for a smear of a leap second: 62 500 s long, at most 32 ppm.
    #[test]
    fn a_leap_second_takes_what_it_is_known_to_take() {
        let mut s = smoothing(400e-6, 0.001024e-6);
        s.update(START, -1.0, 0.0);
        let begin = s.at(START);
        assert!((begin.offset - 1.0).abs() < 1e-9 && (begin.remaining - 62_500.0).abs() < 1.0, "{begin:?}");
        let middle = s.at(START + 31_250.0);
        assert!((middle.offset - 0.5).abs() < 1e-6 && (middle.frequency + 32e-6).abs() < 1e-9, "{middle:?}");
        assert_eq!(s.at(START + 62_501.0), Place::default());
    }

    #[test]
    fn it_begins_when_the_frequency_is_known() {
        let mut s =
            Smoothing::new(SmoothConfig { max_frequency: 1e-4, max_wander: 1e-8, leap_only: false }, START);
        assert!(!s.consider(START, 1e-3) && !s.is_active());
        s.update(START, 5.0, 0.0);
        assert_eq!(s.at(START), Place::default(), "what was before is not smoothed");
        assert!(s.consider(START, 1e-5) && s.is_active() && !s.consider(START, 1e-5));
    }

    proptest! {
        /// Whatever happens to our clock, served time and its rate never jump, obey the limits, and arrive.
        #[test]
        fn served_time_never_jumps_and_arrives(
            moves in prop::collection::vec((1.0f64..2000.0, -0.1f64..0.1, -1e-5f64..1e-5), 1..8),
        ) {
            let (most, wander) = (2e-4, 1e-6);
            let mut s = smoothing(most, wander);
            let mut now = START;
            for (wait, moved, faster) in moves {
                now += wait;
                let before = s.at(now);
                prop_assert!(before.frequency.abs() <= most * 1.2 + 1e-5);
                s.update(now, moved, faster);
                let after = s.at(now);
                prop_assert!((after.offset - (before.offset - moved)).abs() < 1e-12);
                prop_assert!((after.frequency - (before.frequency - faster)).abs() < 1e-8);
            }
            let end = now + s.at(now).remaining + -1e-3;
            let (last, scale) = (s.at(end), s.at(now).offset.abs().max(1e-3));
            prop_assert!(last.offset.abs() < 1e-6 * scale + 1e-8 && last.frequency.abs() < 1e-8, "{last:?}");
        }
    }
}
