//! The discipline: keeps a belief about true time and makes the clock agree with it.
//!
//! The belief is a line in oscillator time V: true − V = θ + y·(V − v). It does not change when we steer, so the
//! correction still pending is always the difference between the belief and the clock's present reading, whatever
//! slews were under way, however late their end was noticed. Control only reproduces the belief: the base
//! frequency is y, the rest is slewed over a computed time, or stepped when that is allowed.

use crate::clock::{Applied, Clock, ClockError, Cooking};
use crate::estimator::Theta;
use crate::time::{MonoTime, Now, OscTime, RawTime};
use crate::timeline::Timeline;

/// Shortest and longest slew, s of the steered clock. The longest bounds what one late wake-up can overshoot.
const SLEW_LIMITS: (f64, f64) = (0.1, 10_000.0);
/// Updates during which large corrections are made faster (a quarter of the update interval).
const SETTLING_UPDATES: u32 = 12;
/// Weight of the newest update in the running means of squared corrections and variances.
const MEAN_WEIGHT: f64 = 0.05;
/// Share of the estimate's variance that the slew's lag may add (per unit of `corrtimeratio`), with one source; of n sources
/// less, by the root of n. In the mean over `sim table` half of it makes the time 2 % better and the frequency 13 % worse.
const LAG_SHARE: f64 = 0.18;
/// Longest slew in poll intervals (per unit of `corrtimeratio`): where hundreds of samples make up an estimate, frequency has
/// room to spare, time has not. Over `sim table` 1.33 makes the time 2 % worse and the frequency 8 % better.
const LONGEST: f64 = 0.8;
/// Corrections below so much (s) are made within a poll interval at the fastest, in regular operation: what is larger was
/// not made by wander.
const HURRY: f64 = 0.05;
/// A pending correction beyond so many standard deviations of the estimate is worth hurrying for, and beyond so many among
/// the first updates very much.
const LARGE: (f64, f64) = (3.0, 8.0);
/// Where corrections are larger than the estimate lets expect, it is less sure than it says, and a lag costs less: slews are
/// longer by this power of how much larger their squares are, which counts up to the second number.
const SURPRISED: (f64, f64) = (0.5, 3.0);
/// Corrections are counted as usual up to this many standard deviations of the estimate.
const UNUSUAL: f64 = 10.0;
/// What is left after a slew is worth another one if larger than this, s.
const RESIDUE: f64 = 1e-9;

/// true − V as a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Belief {
    /// Where the line is pinned.
    pub v: OscTime,
    /// true − V there; positive: the oscillator is behind.
    pub theta: Theta,
    /// Its slope: frequency correction of the oscillator, s/s; positive: the oscillator is slow.
    pub frequency: f64,
}

impl Belief {
    /// true − V at `v`.
    pub fn theta_at(&self, v: OscTime) -> Theta {
        self.theta + self.frequency * (v - self.v)
    }
}

/// Temperature cannot do more to a crystal, s/s.
const MAX_COMPENSATION: f64 = 1e-3;

/// Limits the discipline obeys, from the configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// `maxslewrate`, s/s.
    pub max_slew_rate: f64,
    /// What the clock can do, slewing included, s/s.
    pub max_frequency: f64,
    /// `maxdrift`: the largest drift corrected for, s/s.
    pub max_drift: f64,
    /// `corrtimeratio`.
    pub corr_time_ratio: f64,
}

impl Limits {
    /// `frequency` (s/s) within what is corrected for.
    fn drift(&self, frequency: f64) -> f64 {
        let most = self.max_drift.min(self.max_frequency);
        frequency.clamp(-most, most)
    }
}

/// A new estimate to steer by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correction {
    /// The instant of the estimate.
    pub v: OscTime,
    /// true − V there.
    pub theta: Theta,
    /// Standard deviation of it, s.
    pub theta_sd: f64,
    /// Variance that the time between two updates ([`Discipline::spacing`]) adds to what is believed of θ, s²: the mean
    /// square of what an update corrects.
    pub growth: f64,
    /// Sources that bring updates.
    pub sources: usize,
    /// Frequency correction, s/s; `None`: keep the present one (its error is beyond `maxupdateskew`).
    pub frequency: Option<f64>,
    /// Poll interval of the source followed, s.
    pub interval: f64,
}

/// The clock's discipline.
#[derive(Clone, Debug)]
pub struct Discipline {
    timeline: Timeline,
    belief: Belief,
    /// How much faster than the oscillator its time scale runs, s/s: what temperature does is known.
    compensation: f64,
    limits: Limits,
    /// Where the present slew ends, on the steered clock.
    slew_until: Option<RawTime>,
    /// Running means of squared corrections and of the estimate's variance, s².
    mean_square: f64,
    mean_variance: f64,
    /// … and of what the squares are expected to be, s².
    mean_growth: f64,
    /// Running mean of the time between updates, s.
    mean_spacing: f64,
    updates: u32,
    last_update: Option<MonoTime>,
    /// The last refusal of the clock, so that it is reported once.
    refusal: Option<ClockError>,
    /// Corrections refused because they were not numbers.
    absurd: u32,
}

impl Discipline {
    /// Believes that the clock is right and runs at the right rate when set to `frequency` (s/s).
    pub fn new(raw: RawTime, frequency: f64, limits: Limits) -> Self {
        let timeline = Timeline::new(raw, frequency);
        let v = timeline.to_osc(raw);
        Self {
            timeline,
            belief: Belief { v, theta: Theta::default(), frequency },
            compensation: 0.0,
            limits,
            slew_until: None,
            mean_square: 0.0,
            mean_variance: 0.0,
            mean_growth: 0.0,
            mean_spacing: 0.0,
            updates: 0,
            last_update: None,
            refusal: None,
            absurd: 0,
        }
    }

    /// The oscillator's time scale.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Corrections refused because a number in them was none: our bug, whoever sent what.
    pub fn absurd(&self) -> u32 {
        self.absurd
    }

    /// What is believed.
    pub fn belief(&self) -> &Belief {
        &self.belief
    }

    /// What is believed of the bare oscillator, dθ/dV as it would be without compensation, s/s.
    pub fn frequency(&self) -> f64 {
        self.as_set(self.belief.frequency)
    }

    /// What the clock is set to, s/s, slewing included.
    pub fn steering(&self) -> f64 {
        self.as_set(self.timeline.frequency())
    }

    /// How much faster than the oscillator its time scale runs, s/s.
    pub fn compensation(&self) -> f64 {
        self.compensation
    }

    /// `frequency` beside oscillator time as it is beside the bare oscillator, s/s.
    pub fn bare(&self, frequency: f64) -> f64 {
        self.as_set(frequency)
    }

    /// The steering of the clock (s/s) that is `frequency` (s/s) beside oscillator time.
    fn as_set(&self, frequency: f64) -> f64 {
        frequency + self.compensation + frequency * self.compensation
    }

    /// The reverse of [`Self::as_set`].
    fn as_seen(&self, steering: f64) -> f64 {
        (steering - self.compensation) / (1.0 + self.compensation)
    }

    /// From now on oscillator time runs faster than the oscillator by `compensation` (s/s): what temperature does to it is
    /// taken out. The clock is set anew so that what is believed and a slew under way stay as they are.
    pub fn compensate(&mut self, clock: &mut dyn Clock, compensation: f64) -> Result<(), ClockError> {
        if !compensation.is_finite() || compensation.abs() > MAX_COMPENSATION {
            self.absurd = self.absurd.saturating_add(1);
            return Ok(());
        }
        let (before, until) = (self.compensation, self.slew_until);
        // Not what was made of it by the clock's resolution last time, unless a slew depends on it.
        let running = if until.is_some() { self.timeline.frequency() } else { self.belief.frequency };
        self.compensation = compensation;
        let result = self.apply(clock, running);
        match result {
            Ok(Some(_)) => self.slew_until = until,
            // The clock runs as it did, and so does its time scale.
            _ => self.compensation = before,
        }
        result.map(|_| ())
    }

    /// Correction pending at `raw`, s; positive: the clock is behind.
    pub fn pending(&self, raw: RawTime) -> f64 {
        let v = self.timeline.to_osc(raw);
        self.belief.theta_at(v) - Theta::from_nanos(raw.nanos().saturating_sub(v.nanos()))
    }

    /// The map from raw to local time, good until the clock is steered again.
    pub fn cooking(&self, raw: RawTime) -> Cooking {
        let running = 1.0 + self.timeline.frequency();
        Cooking {
            base: raw,
            offset: self.pending(raw),
            slope: (1.0 + self.belief.frequency) / running - 1.0,
            until: RawTime::from_nanos(i64::MAX),
        }
    }

    /// When [`Self::service`] wants to be called, as a reading of the steered clock.
    pub fn slew_until(&self) -> Option<RawTime> {
        self.slew_until
    }

    /// Sets the base frequency without a measurement (drift file, `dfreq`).
    pub fn set_frequency(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        frequency: f64,
    ) -> Result<(), ClockError> {
        if !frequency.is_finite() {
            self.absurd = self.absurd.saturating_add(1);
            return Ok(());
        }
        let v = self.timeline.to_osc(now.raw);
        self.belief = Belief { v, theta: self.belief.theta_at(v), frequency: self.limits.drift(frequency) };
        self.slew(now.raw, clock, 1.0)
    }

    /// Running mean of the time between updates, s.
    pub fn spacing(&self) -> f64 {
        self.mean_spacing
    }

    /// Takes over a new estimate and returns how far local time moved by it, s (positive: it was behind).
    /// Steering starts with [`Self::steer`] or [`Self::step`].
    pub fn believe(&mut self, now: Now, correction: &Correction) -> f64 {
        let before = self.pending(now.raw);
        let frequency = correction.frequency.unwrap_or(self.belief.frequency);
        if !frequency.is_finite() || !correction.theta_sd.is_finite() {
            self.absurd = self.absurd.saturating_add(1);
            return 0.0;
        }
        let frequency = self.limits.drift(frequency);
        self.belief = Belief { v: correction.v, theta: correction.theta, frequency };
        self.pending(now.raw) - before
    }

    /// Slews the pending correction over a time that suits the estimate (docs: DESIGN.md, "How fast to slew").
    pub fn steer(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        moved: f64,
        correction: &Correction,
    ) -> Result<(), ClockError> {
        if ![moved, correction.interval, correction.theta_sd].iter().all(|x| x.is_finite()) {
            self.absurd = self.absurd.saturating_add(1);
            return Ok(());
        }
        let since = self.last_update.map_or(correction.interval, |at| now.mono - at);
        let spacing = since.max(0.01);
        self.last_update = Some(now.mono);
        self.updates = self.updates.saturating_add(1);
        let weight = MEAN_WEIGHT.max(1.0 / f64::from(self.updates));
        // A correction far beyond the estimate's own doubt (a cold start, a step that may not be made) tells nothing
        // about what corrections usually are.
        let usual = moved.abs().min(UNUSUAL * correction.theta_sd);
        self.mean_square += weight * (usual * usual - self.mean_square);
        self.mean_spacing += weight * (spacing - self.mean_spacing);
        self.mean_variance += weight * (correction.theta_sd * correction.theta_sd - self.mean_variance);
        self.mean_growth += weight * (correction.growth - self.mean_growth);
        let hurried =
            self.updates <= SETTLING_UPDATES && self.pending(now.raw).abs() > LARGE.1 * correction.theta_sd;
        let duration = if hurried {
            correction.interval / 4.0
        } else {
            let surprise = (self.mean_square / self.mean_growth.max(1e-24)).clamp(1.0, SURPRISED.1);
            let sources = correction.sources.max(1) as f64;
            let ratio = self.limits.corr_time_ratio;
            let lag = ratio * LAG_SHARE / libm::sqrt(sources)
                * libm::pow(surprise, SURPRISED.0)
                * self.mean_variance
                * self.mean_spacing;
            // Each of the sources brings an update within the interval.
            let shortest = (correction.interval / sources).max(self.mean_spacing);
            let longest = shortest.max(ratio * LONGEST * correction.interval.max(self.mean_spacing));
            let duration = (lag / correction.growth.max(1e-24)).clamp(shortest, longest);
            let usual = f64::min(4.0 * libm::sqrt(self.mean_square), LARGE.0 * correction.theta_sd);
            let pending = self.pending(now.raw).abs();
            if pending > usual {
                let shortest = if pending < HURRY { correction.interval } else { 0.0 };
                (duration * usual / pending).max(shortest)
            } else {
                duration
            }
        };
        self.slew(now.raw, clock, duration)
    }

    /// Steps the clock by all that is pending. Returns by how much and when.
    pub fn step(&mut self, now: Now, clock: &mut dyn Clock) -> Result<Applied, ClockError> {
        let offset = self.pending(now.raw);
        let applied = clock.step(offset)?;
        self.timeline.step(applied.at, applied.offset);
        let at = applied.at + applied.offset;
        if self.slew(at, clock, 1.0).is_err() {
            self.refusal = None; // the step was done: what the frequency has against us is said next time
        }
        Ok(applied)
    }

    /// Steps the clock by `offset` (s) whatever is pending; a slew under way goes on to its end. Returns when and by how
    /// much.
    pub fn step_by(&mut self, clock: &mut dyn Clock, offset: f64) -> Result<Applied, ClockError> {
        let applied = clock.step(offset)?;
        self.timeline.step(applied.at, applied.offset);
        if let Some(until) = self.slew_until.as_mut() {
            *until += applied.offset;
        }
        Ok(applied)
    }

    /// Somebody else moved the clock by `offset` (s); it read `raw` afterwards.
    pub fn external_step(&mut self, raw: RawTime, offset: f64) {
        self.timeline.step(raw + -offset, offset);
        if let Some(until) = self.slew_until.as_mut() {
            *until += offset;
        }
    }

    /// Somebody else has set the clock to `frequency` (s/s). What was in force before is set again, and a slew under way
    /// goes on to its end; what the clock has gained unnoticed will be found by the next samples.
    pub fn overrule(&mut self, now: Now, clock: &mut dyn Clock, frequency: f64) -> Result<(), ClockError> {
        let (ours, until) = (self.timeline.frequency(), self.slew_until);
        self.timeline.set_frequency(now.raw, self.as_seen(frequency));
        let applied = self.apply(clock, ours)?;
        self.slew_until = until.filter(|_| applied.is_some());
        Ok(())
    }

    /// For `slept` seconds before the reading `raw` the clock did not run as it was set: a board's clock counted, as good as
    /// true time.
    pub fn slept(&mut self, raw: RawTime, slept: f64) {
        let steered = self.timeline.frequency();
        self.timeline.set_frequency(raw + -slept, self.belief.frequency);
        self.timeline.set_frequency(raw, steered);
    }

    /// True time itself was moved by `offset` (s): a leap second, a manual correction.
    pub fn shift_truth(&mut self, offset: f64) {
        self.belief.theta = self.belief.theta + offset;
    }

    /// Starts slewing what is pending now (after [`Self::shift_truth`] or [`Self::external_step`]).
    pub fn slew_pending(&mut self, now: Now, clock: &mut dyn Clock) -> Result<(), ClockError> {
        self.slew(now.raw, clock, 1.0)
    }

    /// Ends the slew when its time has come; what a late call overshot is slewed back.
    pub fn service(&mut self, now: Now, clock: &mut dyn Clock) -> Result<(), ClockError> {
        match self.slew_until {
            Some(until) if now.raw >= until => self.slew(now.raw, clock, 1.0),
            _ => Ok(()),
        }
    }

    /// Stops slewing: from now on the clock runs at the base frequency (at the end of the process).
    pub fn cancel(&mut self, clock: &mut dyn Clock) -> Result<(), ClockError> {
        self.slew_until = None;
        self.apply(clock, self.belief.frequency).map(|_| ())
    }

    /// Removes the pending correction within `duration` seconds or as fast as is allowed.
    fn slew(&mut self, raw: RawTime, clock: &mut dyn Clock, duration: f64) -> Result<(), ClockError> {
        let pending = self.pending(raw);
        let (frequency, limits) = (self.belief.frequency, self.limits);
        if pending.abs() < RESIDUE {
            self.slew_until = None;
            return self.apply(clock, frequency).map(|_| ());
        }
        // The clock gains `pending` over `duration` of its own time when it runs at
        // (1 + y)/(1 − pending/duration) times the oscillator (docs/discipline.md, "Control").
        let ceiling = if pending > 0.0 { limits.max_frequency } else { -limits.max_frequency };
        let room = (1.0 - (1.0 + frequency) / (1.0 + ceiling)).abs();
        let rate = limits.max_slew_rate.min(room).max(1e-9);
        let duration = duration.max(pending.abs() / rate).clamp(SLEW_LIMITS.0, SLEW_LIMITS.1);
        let share = (pending / duration).clamp(-rate, rate);
        let applied = self.apply(clock, (1.0 + frequency) / (1.0 - share) - 1.0)?;
        self.slew_until = applied.map(|at| at + duration);
        Ok(())
    }

    /// Returns when the frequency came into force; `None` when the clock refuses as it did before.
    fn apply(&mut self, clock: &mut dyn Clock, frequency: f64) -> Result<Option<RawTime>, ClockError> {
        match clock.set_frequency(self.as_set(frequency)) {
            Ok(applied) => {
                self.timeline.set_frequency(applied.at, self.as_seen(applied.frequency));
                self.refusal = None;
                Ok(Some(applied.at))
            }
            Err(error) => {
                self.slew_until = None;
                let known = self.refusal.replace(error) == Some(error);
                if known { Ok(None) } else { Err(error) }
            }
        }
    }
}

#[cfg(test)]
mod tests;
