//! Thermometers: does one of them know what the oscillator does next, and by how much?
//!
//! A crystal's frequency follows its temperature, y = y₀ + k·(T − T₀), besides what it does by itself. Where k is known, the
//! part k·ΔT of every change of the frequency can be taken out of oscillator time before any filter sees it
//! ([`crate::discipline::Discipline::compensate`]): V then runs at the rate that the oscillator would have at a constant
//! temperature, what is left wanders less, and in a holdover the correction goes on.
//!
//! k is learned, and whether it helps is judged, beside the joint filter. Each thermometer, as it is and behind a
//! few first-order lags, is one hypothesis; one more says that no temperature matters. With each sample all of them
//! say how likely it was before they learn from it. The sum of these logarithms, fading over two days, is the evidence
//! with which a thermometer is taken up and dropped again. Only *changes* of temperature count, so that neither
//! taking one up nor dropping it moves the frequency. docs/discipline.md says what it gains.

mod trial;

use super::noise::Noise;
use super::{Combined, Theta};
use crate::time::OscTime;
use libm::{exp, fabs, sqrt};
use trial::{Hypothesis, Ways};

/// Thermometers looked at.
pub const SENSORS: usize = 4;
/// First-order lags, s: a crystal follows the chip beside it within minutes.
const LAGS: [f64; 3] = [0.0, 200.0, 1000.0];
const FEATURES: usize = SENSORS * LAGS.len();
/// Deviation of the coefficient beforehand, s/s/K.
const COEFFICIENT: f64 = 0.2e-6;
/// Doubt added to one of an earlier run, s/s/K.
const OLD_DOUBT: f64 = 0.01e-6;
/// Evidence fades with this time constant, s.
const MEMORY: f64 = 2.0 * 86_400.0;
/// Gains stay within: what is worse may become better, and what was good may fail.
const GAINS: (f64, f64) = (-8.0, 30.0);
/// Gain and significance at which a thermometer is taken up, the gain and significance below which it is
/// dropped, and by how much another has to be better.
const TAKE: f64 = 8.0;
const SURE: f64 = 4.0;
const DROP: f64 = 1.0;
const DOUBTFUL: f64 = 1.5;
const BETTER: f64 = 5.0;
/// Readings are of this world, °C.
const PLAUSIBLE: (f64, f64) = (-60.0, 150.0);
/// A change between two readings is not believed when it is larger than this (K) and so many usual ones.
const LEAP: (f64, f64) = (3.0, 8.0);
/// Weight of the newest change in the usual one.
const USUAL: f64 = 0.02;
/// A thermometer silent for so long tells nothing of what happened meanwhile, s.
const SILENT: f64 = 120.0;
/// All that temperature may do to the frequency, s/s.
const MOST: f64 = 30e-6;
/// Changes kept until the samples from before them have come.
const PENDING: usize = 8;
/// How far the trials may be ahead of a sample, s.
const AHEAD: f64 = 8.0;
/// Deviations at which a hypothesis has lost the oscillator.
const LOST: f64 = 6.0;

/// A sample with what is known of its path.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Its instant.
    pub v: OscTime,
    /// T2 − V1 and V4 − T3, ns.
    pub ways: (i64, i64),
    /// (V4 − V1)/2, s.
    pub half: f64,
    /// Shortest round trip, s.
    pub delay: f64,
    /// By how much the shortest way there is longer than half of it, s.
    pub asymmetry: f64,
    /// Noise of the path.
    pub noise: Noise,
}

/// What an earlier run has learned of a thermometer.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownTemperature {
    /// The thermometer's name.
    pub sensor: String,
    /// Lag behind which it is looked at, s.
    pub lag: f64,
    /// Change of dθ/dV, s/s/K; positive: warmth makes the oscillator slow.
    pub coefficient: f64,
    /// Standard deviation of `coefficient`, s/s/K.
    pub sd: f64,
    /// What it read, °C.
    pub celsius: f64,
}

impl KnownTemperature {
    /// Is it within reason?
    pub fn is_sane(&self) -> bool {
        (0.0..1e6).contains(&self.lag)
            && fabs(self.coefficient) < 1e-5
            && self.sd > 0.0
            && self.sd < 1e-5
            && (PLAUSIBLE.0..=PLAUSIBLE.1).contains(&self.celsius)
    }
}

/// What is thought of the thermometers.
#[derive(Clone, Debug, PartialEq)]
pub struct TemperatureReport {
    /// The best thermometer's name.
    pub sensor: String,
    /// It is in use.
    pub used: bool,
    /// What it reads, behind its lag, °C.
    pub celsius: f64,
    /// Lag behind which it is looked at, s.
    pub lag: f64,
    /// Change of dθ/dV, s/s/K; positive: warmth makes the oscillator slow.
    pub coefficient: f64,
    /// Standard deviation of `coefficient`, s/s/K.
    pub sd: f64,
    /// Log evidence for it against none.
    pub gain: f64,
    /// Random walk of the frequency that is left with it and without any, s/s per √s.
    pub wander: (f64, f64),
    /// What the frequency is corrected by now, s/s.
    pub compensation: f64,
}

/// What happened at one reading.
#[derive(Clone, Copy, Debug)]
struct Step {
    v: OscTime,
    /// How much warmer each feature has become, K.
    degrees: [f64; FEATURES],
    /// How much faster oscillator time runs from here on, s/s.
    compensation: f64,
}

/// All thermometers.
#[derive(Clone, Debug, Default)]
pub struct Temperatures {
    names: Vec<String>,
    /// Readings behind their lags, °C; NaN before the first.
    lagged: [[f64; LAGS.len()]; SENSORS],
    heard: [Option<OscTime>; SENSORS],
    /// Mean square of the changes between two readings, K².
    usual: [[f64; LAGS.len()]; SENSORS],
    changes: [u32; SENSORS],
    /// First none, then each sensor behind each lag.
    hypotheses: Box<[Hypothesis]>,
    /// Instant and θ (ns) that the trials are relative to; `None` before they have begun.
    at: Option<OscTime>,
    base: i64,
    newest: Option<OscTime>,
    degrees: [f64; FEATURES],
    pending: Vec<Step>,
    used: Option<usize>,
    /// What oscillator time should be corrected by, and what it is: the kernel's steps are coarse, s/s.
    wanted: f64,
    compensation: f64,
    /// Change of the feature in use since the last sample, K.
    since: f64,
    /// What its reading was at the end of the run that knew it, °C.
    then: Option<f64>,
}

impl Temperatures {
    /// These are the thermometers, at most [`SENSORS`]; readings come in the same order.
    pub fn set_sensors(&mut self, names: &[String]) {
        self.names = names.iter().take(SENSORS).cloned().collect();
        if self.names.is_empty() {
            return;
        }
        self.lagged = [[f64::NAN; LAGS.len()]; SENSORS];
        self.pending = Vec::with_capacity(PENDING);
        let with = Hypothesis::new((0.0, COEFFICIENT * COEFFICIENT));
        let mut all = vec![with; 1 + self.names.len() * LAGS.len()];
        all[0] = Hypothesis::new((0.0, 0.0));
        self.hypotheses = all.into();
    }

    /// Takes up what an earlier run has learned, if its thermometer is still there.
    pub fn expect(&mut self, known: &KnownTemperature) {
        let sensor = self.names.iter().position(|name| *name == known.sensor);
        let lag = LAGS.iter().position(|lag| fabs(lag - known.lag) < 0.5);
        if let (Some(sensor), Some(lag)) = (sensor, lag) {
            let feature = sensor * LAGS.len() + lag;
            let variance = 4.0 * known.sd * known.sd + OLD_DOUBT * OLD_DOUBT;
            let mut hypothesis = Hypothesis::new((known.coefficient, variance));
            hypothesis.gain = TAKE;
            self.hypotheses[1 + feature] = hypothesis;
            (self.used, self.then) = (Some(feature), Some(known.celsius));
        }
    }

    /// Was anything learned yet?
    pub fn judged(&self) -> bool {
        self.newest.is_some()
    }

    /// Are there thermometers?
    pub fn any(&self) -> bool {
        !self.names.is_empty()
    }

    /// The thermometers at the instant `v` (°C; NaN: does not tell). Returns what oscillator time should be corrected by from now
    /// on, s/s; [`Self::corrected`] has to follow.
    pub fn read(&mut self, v: OscTime, celsius: &[f64]) -> f64 {
        let mut wanted = self.wanted;
        for sensor in 0..self.names.len() {
            let reading = celsius.get(sensor).copied().unwrap_or(f64::NAN);
            if (PLAUSIBLE.0..=PLAUSIBLE.1).contains(&reading) {
                wanted += self.read_one(v, sensor, reading);
            }
        }
        if fabs(wanted) <= MOST {
            self.wanted = wanted;
        }
        self.wanted
    }

    /// One of them; returns the change of the correction, s/s.
    fn read_one(&mut self, v: OscTime, sensor: usize, reading: f64) -> f64 {
        let before = self.heard[sensor].replace(v).map_or(f64::INFINITY, |at| (v - at).max(0.0));
        let (first, afresh) = (self.changes[sensor] == 0, before > SILENT);
        if first || afresh {
            self.lagged[sensor] = [reading; LAGS.len()];
        }
        self.changes[sensor] = self.changes[sensor].saturating_add(1);
        let mut change = 0.0;
        for (lag, constant) in LAGS.into_iter().enumerate() {
            let feature = sensor * LAGS.len() + lag;
            let share = if constant > 0.0 { 1.0 - exp(-before / constant) } else { 1.0 };
            let degrees = share * (reading - self.lagged[sensor][lag]);
            self.lagged[sensor][lag] += degrees;
            self.degrees[feature] += degrees;
            let usual = self.usual[sensor][lag];
            let believed = fabs(degrees) <= LEAP.0.max(LEAP.1 * sqrt(usual));
            self.usual[sensor][lag] = usual + USUAL * (degrees * degrees - usual);
            if self.used == Some(feature) {
                let (k, _) = self.hypotheses[1 + feature].coefficient();
                if let Some(then) = self.then.take_if(|_| first) {
                    change = k * (reading - then);
                } else if believed {
                    change = k * degrees;
                }
                self.since += fabs(degrees);
            }
        }
        change
    }

    /// From `v` on oscillator time is corrected by `compensation`, s/s.
    pub fn corrected(&mut self, v: OscTime, compensation: f64) {
        let change = compensation - self.compensation;
        self.compensation = compensation;
        let degrees = core::mem::take(&mut self.degrees);
        if self.at.is_none() {
            return;
        }
        if self.pending.len() == PENDING {
            self.catch_up(self.pending[0].v);
        }
        self.pending.push(Step { v, degrees, compensation: change });
    }

    /// What oscillator time is corrected by, s/s.
    pub fn compensation(&self) -> f64 {
        self.compensation
    }

    /// Lets the trials come to `v`, through the changes until then.
    fn catch_up(&mut self, v: OscTime) {
        while self.pending.first().is_some_and(|step| step.v <= v) {
            let step = self.pending.remove(0);
            self.advance(step.v);
            for (i, hypothesis) in self.hypotheses.iter_mut().enumerate() {
                let degrees = if i == 0 { 0.0 } else { step.degrees[i - 1] };
                hypothesis.warm(degrees, step.compensation);
            }
        }
        self.advance(v);
    }

    fn advance(&mut self, v: OscTime) {
        let Some(at) = self.at.filter(|at| *at < v) else { return };
        self.at = Some(v);
        for hypothesis in &mut self.hypotheses {
            hypothesis.advance(v - at);
        }
    }

    /// Learns from a sample that the sources together have learned from, too.
    pub fn learn(&mut self, measured: &Measured, agreed: &Combined) {
        if !self.any() || self.newest.is_some_and(|newest| newest == measured.v) {
            return;
        }
        self.newest = Some(measured.v);
        self.since = 0.0;
        if self.at.is_none() {
            return self.begin(agreed);
        }
        let before = self.at;
        self.catch_up(measured.v);
        let (Some(at), Some(before)) = (self.at, before) else { return };
        let ahead = at - measured.v;
        if ahead > AHEAD {
            return;
        }
        self.rebase(agreed, at);
        let seconds = |nanos: i64| nanos as f64 * 1e-9;
        let noise = measured.noise;
        let ways = Ways {
            forward: seconds(measured.ways.0.saturating_sub(self.base))
                - measured.delay / 2.0
                - measured.asymmetry,
            backward: seconds(measured.ways.1.saturating_add(self.base)) - measured.delay / 2.0
                + measured.asymmetry,
            half: measured.half,
            ahead,
            noise,
        };
        let keep = exp(-(at - before).max(0.0) / MEMORY);
        let without = self.hypotheses[0].learn(&ways);
        for hypothesis in &mut self.hypotheses[1..] {
            let with = hypothesis.learn(&ways);
            hypothesis.gain = (keep * hypothesis.gain + with - without).clamp(GAINS.0, GAINS.1);
        }
        self.find_lost(agreed, at);
        self.choose();
    }

    /// Begins where the sources agree.
    fn begin(&mut self, agreed: &Combined) {
        self.at = Some(agreed.v);
        self.base = agreed.theta.nanos();
        self.pending.clear();
        for hypothesis in &mut self.hypotheses {
            hypothesis.anchor(agreed, agreed.v, self.base);
        }
    }

    /// Takes θ as it is agreed on now for the base, so that differences stay small.
    fn rebase(&mut self, agreed: &Combined, at: OscTime) {
        let base = agreed.predict(at).nanos();
        let moved = base.saturating_sub(self.base) as f64 * 1e-9;
        self.base = base;
        for hypothesis in &mut self.hypotheses {
            hypothesis.rebase(moved);
        }
    }

    /// Who lost the oscillator (it jumped, a source left) begins anew where the sources agree, with its coefficient.
    fn find_lost(&mut self, agreed: &Combined, at: OscTime) {
        let expected = agreed.predict(at) - Theta::from_nanos(self.base);
        for hypothesis in &mut self.hypotheses {
            let (theta, variance) = hypothesis.theta();
            let doubt = LOST * sqrt(variance + agreed.theta_sd * agreed.theta_sd);
            if fabs(theta - expected) > doubt {
                hypothesis.anchor(agreed, at, self.base);
            }
        }
        if !self.hypotheses.iter().all(Hypothesis::is_sound) {
            let names = core::mem::take(&mut self.names);
            self.set_sensors(&names);
            (self.at, self.used, self.changes) = (None, None, [0; SENSORS]);
        }
    }

    /// Takes up the best thermometer or drops it.
    fn choose(&mut self) {
        let gain = |feature: usize| self.hypotheses[1 + feature].gain;
        let sure = |feature: usize| self.hypotheses[1 + feature].significance();
        let Some(best) = self.best() else { return };
        self.used = match self.used {
            Some(used) if gain(used) < DROP || sure(used) < DOUBTFUL => None,
            Some(used) if gain(best) > gain(used) + BETTER => Some(best),
            None if gain(best) > TAKE && sure(best) > SURE => Some(best),
            same => same,
        };
    }

    fn best(&self) -> Option<usize> {
        let gains = self.hypotheses.iter().skip(1).enumerate().map(|(i, hypothesis)| (i, hypothesis.gain));
        // Of equal ones the first, with the shortest lag.
        gains.rev().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(feature, _)| feature)
    }

    /// θ and y became uncertain by these deviations (s, s/s): somebody saw why.
    pub fn disturb(&mut self, theta: f64, frequency: f64) {
        for hypothesis in &mut self.hypotheses {
            hypothesis.disturb(theta, frequency);
        }
    }

    /// True time moved by `nanos` against oscillator time.
    pub fn add_offset(&mut self, nanos: i64) {
        self.base = self.base.saturating_add(nanos);
    }

    /// Doubt about the frequency since the last sample because the coefficient is not known better, s/s (one standard
    /// deviation).
    pub fn doubt(&self) -> f64 {
        self.used.map_or(0.0, |used| {
            let (_, variance) = self.hypotheses[1 + used].coefficient();
            self.since * sqrt(variance)
        })
    }

    /// Random walk of the frequency to expect at `v` (s/s per √s) when the thermometer in use has fallen silent; `None`: it
    /// has not.
    pub fn silent_wander(&self, v: OscTime) -> Option<f64> {
        let heard = self.heard[self.used? / LAGS.len()]?;
        (v - heard > SILENT).then(|| self.hypotheses[0].wander())
    }

    /// What the thermometer in use reads, behind its lag, °C, and its coefficient, the change of dθ/dV, s/s/K.
    pub fn in_use(&self) -> Option<(f64, f64)> {
        let feature = self.used?;
        let (coefficient, _) = self.hypotheses[1 + feature].coefficient();
        Some((self.lagged[feature / LAGS.len()][feature % LAGS.len()], coefficient))
    }

    /// What is thought of the best of them, once there was something to think about.
    pub fn report(&self) -> Option<TemperatureReport> {
        let feature = self.used.or_else(|| self.best())?;
        let (sensor, lag) = (feature / LAGS.len(), feature % LAGS.len());
        let hypothesis = &self.hypotheses[1 + feature];
        let (coefficient, variance) = hypothesis.coefficient();
        Some(TemperatureReport {
            sensor: self.names.get(sensor)?.clone(),
            used: self.used.is_some(),
            celsius: self.lagged[sensor][lag],
            lag: LAGS[lag],
            coefficient,
            sd: sqrt(variance),
            gain: hypothesis.gain,
            wander: (hypothesis.wander(), self.hypotheses[0].wander()),
            compensation: self.compensation,
        })
    }

    /// What the next run should know: of the thermometer in use.
    pub fn known(&self) -> Option<KnownTemperature> {
        let report = self.report().filter(|report| report.used && report.celsius.is_finite())?;
        let TemperatureReport { sensor, lag, coefficient, sd, celsius, .. } = report;
        Some(KnownTemperature { sensor, lag, coefficient, sd, celsius })
    }
}

#[cfg(test)]
mod tests;
