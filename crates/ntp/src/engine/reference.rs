//! What is believed of our own clock: whom it follows and how wrong it may be.

use super::Engine;
use crate::config::SourceKind;
use crate::estimator::Combined;
use crate::ids::{RefId, SourceId};
use crate::time::{LocalTime, MonoTime, Now};
use crate::wire::Leap;
use core::net::IpAddr;

/// Skew while nothing is known, s/s: what reports and drift file call a million ppm.
pub(super) const UNKNOWN_SKEW: f64 = 1.0;
/// A source's interval from the noise of its estimate: this many standard deviations.
pub(super) const SIGMAS: f64 = 2.0;
/// The dispersion we serve from what our oscillator may have done since a measurement: so many standard deviations,
/// because what we say of our error has to hold at every instant.
const GROWTH_SIGMAS: f64 = 4.0;
/// Updates after which those deviations are half as much to be trusted again as they will be: how rough an oscillator is
/// takes some samples to learn.
const LEARNING_UPDATES: f64 = 16.0;
/// What clients are told is good for so long without another look, s.
pub(super) const DISPERSION_HORIZON: f64 = 32.0;

/// What our clock follows and how well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reference {
    pub synchronised: bool,
    pub source: Option<SourceId>,
    pub address: Option<IpAddr>,
    pub refid: RefId,
    pub stratum: u8,
    pub leap: Leap,
    /// When the clock was last corrected.
    pub time: LocalTime,
    pub mono: Option<MonoTime>,
    pub root_delay: f64,
    pub root_dispersion: f64,
    pub skew: f64,
    /// The estimate behind the last update: how its error grows with time.
    pub combined_estimate: Option<Combined>,
    /// By how much the frequency in use may be wrong, s/s, whatever the noise.
    pub hard_rate: f64,
    /// How old that estimate was at the last update, s: the newest sample need not have been one that is believed.
    pub lag: f64,
    /// Frequency of the last estimate against the one in use, s/s, positive: the oscillator is slower still.
    pub residual: f64,
    pub offset_sd: f64,
    pub last_offset: f64,
    pub mean_square: f64,
    pub update_interval: f64,
    pub updates: u64,
    pub combined: usize,
    /// The reference time as clients see it, moved back by up to a second.
    pub served_time: LocalTime,
    /// Root distance was once below `local activate`.
    pub activated: bool,
}

impl Default for Reference {
    fn default() -> Self {
        Self {
            synchronised: false,
            source: None,
            address: None,
            refid: RefId::NONE,
            stratum: 0,
            leap: Leap::Unsynchronised,
            time: LocalTime::from_nanos(0),
            mono: None,
            root_delay: 1.0,
            root_dispersion: 1.0,
            skew: UNKNOWN_SKEW,
            combined_estimate: None,
            hard_rate: 0.0,
            lag: 0.0,
            residual: 0.0,
            offset_sd: 0.0,
            last_offset: 0.0,
            mean_square: 0.0,
            update_interval: 0.0,
            updates: 0,
            combined: 0,
            served_time: LocalTime::from_nanos(0),
            activated: false,
        }
    }
}

impl Reference {
    /// The clock was moved by `moved` (s), whoever said so.
    pub fn note_update(&mut self, now: Now, moved: f64) {
        self.updates += 1;
        let weight = if self.updates <= 1 { 1.0 } else { (1.0 / self.updates as f64).max(0.1) };
        self.last_offset = moved;
        self.mean_square += weight * (moved * moved - self.mean_square);
        self.update_interval = self.mono.map_or(0.0, |at| now.mono - at);
    }

    /// Root mean square of the last offsets, s.
    pub fn rms_offset(&self) -> f64 {
        libm::sqrt(self.mean_square)
    }
}

impl Engine {
    pub(super) fn set_reference(
        &mut self,
        now: Now,
        best: usize,
        combined: &Combined,
        (residual, moved): (f64, f64),
    ) {
        let source = &self.sources[best];
        let Some(sample) = source.stats.last() else { return };
        let copy = source.config.copy && source.config.kind != SourceKind::Peer;
        // Samples of a dump come without the packet whose reference would be copied.
        let copied = source.seen.last.as_ref().filter(|_| copy).map(|last| last.packet.refid);
        let stratum = sample.stratum.max(source.config.min_stratum as u8);
        let v = self.discipline.timeline().to_osc(now.raw);
        let age = (v - sample.v).max(0.0);
        let least = source.stats.path().least().max(0.0);
        let claimed = sample.root_dispersion + sample.dispersion + (sample.root_delay + least) / 2.0;
        let (bound, hard_rate) = self.hard_bounds(best, combined);
        // `maxupdateskew`, `maxdrift`: what is served may run at another rate than is estimated.
        let ignored = (combined.frequency - self.discipline.belief().frequency).abs();
        let excess = (bound - claimed - SIGMAS * combined.theta_sd).max(0.0);
        self.reference.note_update(now, moved);
        let time = self.discipline.cooking(now.raw).apply(now.raw);
        self.reference = Reference {
            synchronised: true,
            mono: Some(now.mono),
            source: Some(source.id),
            address: source.remote.map(|r| r.ip()),
            refid: copied.unwrap_or_else(|| source.refid()),
            stratum: if copy { stratum } else { stratum.saturating_add(1) },
            leap: self.selection.leap,
            time,
            root_delay: sample.root_delay + least,
            root_dispersion: sample.root_dispersion
                + sample.dispersion
                + age * self.clock_config.max_clock_error
                + self.doubt_since(combined.v)
                + excess,
            skew: combined.skew,
            combined_estimate: Some(*combined),
            hard_rate: hard_rate + ignored,
            lag: (v - combined.v).max(0.0),
            residual,
            offset_sd: combined.theta_sd,
            combined: self.selection.members.len(),
            served_time: crate::server::state::blur_reference(time, &mut self.rng),
            ..self.reference
        };
    }

    /// Bound on our clock's error, s: root dispersion grown since the last update, and half the root delay.
    pub(crate) fn root_distance(&self, now: Now) -> f64 {
        self.root_dispersion(now) + self.reference.root_delay / 2.0
    }

    /// Root dispersion at `now`, s.
    pub(crate) fn root_dispersion(&self, now: Now) -> f64 {
        match self.reference_age(now) {
            Some(age) => self.dispersion_at(age),
            None => 1.0,
        }
    }

    /// Time since the last update, s, by the monotonic clock: the other one may have been stepped since. `None` when
    /// not synchronised.
    fn reference_age(&self, now: Now) -> Option<f64> {
        self.reference.mono.filter(|_| self.reference.synchronised).map(|at| (now.mono - at).max(0.0))
    }

    /// Root dispersion `age` seconds after the last update, s: what the source says, what our clock may drift at
    /// least, and what the estimate itself says of its error, its wander included, or what it may be wrong by
    /// besides.
    fn dispersion_at(&self, age: f64) -> f64 {
        let since = age + self.reference.lag;
        let growth = |c: &Combined| c.growth(since) + self.temperatures.doubt() * since;
        let noise = self
            .reference
            .combined_estimate
            .map(|c| self.without_thermometer(c))
            .map_or(0.0, |c| SIGMAS * c.theta_sd + self.growth_sigmas() * growth(&c));
        let hard = since * self.reference.hard_rate;
        self.reference.root_dispersion + age * self.clock_config.max_clock_error + hard + noise
    }

    /// So many standard deviations count for what the oscillator may have done.
    pub(super) fn growth_sigmas(&self) -> f64 {
        GROWTH_SIGMAS * (1.0 + LEARNING_UPDATES / self.reference.updates.max(1) as f64)
    }

    /// Standard deviation of the time served at `now`, s, as the estimate sees it: without the asymmetry of paths, which
    /// nobody can measure. `None` when not synchronised.
    pub fn belief_sd(&self, now: Now) -> Option<f64> {
        let age = self.reference_age(now)?;
        let since = age + self.reference.lag;
        let estimate = self.reference.combined_estimate.map(|c| self.without_thermometer(c))?;
        Some(libm::hypot(estimate.sd_after(since), self.temperatures.doubt() * since))
    }

    /// Growth of our root dispersion from now on, s/s: steep enough for the next [`DISPERSION_HORIZON`].
    pub(crate) fn dispersion_rate(&self, now: Now) -> f64 {
        let age = self.reference_age(now).unwrap_or(0.0);
        (self.dispersion_at(age + DISPERSION_HORIZON) - self.dispersion_at(age)) / DISPERSION_HORIZON
    }

    /// Bound on our oscillator's frequency error for short times, s/s.
    pub(super) fn clock_error_bound(&self) -> f64 {
        self.clock_config.max_clock_error + self.reference.skew.min(100e-6)
    }
}
