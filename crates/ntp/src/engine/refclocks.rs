//! Reference clocks among the sources: their readings become samples like any other source's.

use super::{Action, Actions, Engine, Severity};
use crate::clock::Clock;
use crate::config::{Config, RefclockConfig};
use crate::ids::SourceId;
use crate::logfile::{self, Record};
use crate::refclock::{LOCAL_DISPERSION, Point, Reading, Refclock, Truth, pulse, refid_text};
use crate::sample::Sample;
use crate::source::Source;
use crate::time::{LocalTime, MonoTime, NANOS, Now, OscTime};
use crate::wire::Leap;

impl Engine {
    /// The clocks of the configuration; the driver of each is opened by whoever runs the engine.
    pub(super) fn add_refclocks(&mut self, now: Now, config: &Config, out: &mut Actions) {
        let first = self.sources.len();
        for (index, clock) in config.refclocks.iter().enumerate() {
            let clock = Refclock::new(clock, index, now.mono);
            self.next_source = self.next_source.wrapping_add(1);
            let settings = clock.source_config();
            let mut options = self.stats_options(&settings);
            options.refclock = true;
            let mut source = Source::new(SourceId(self.next_source), settings, options);
            source.refclock = Some(Box::new(clock));
            self.sources.push(source);
        }
        for index in first..self.sources.len() {
            let Some(clock) = self.sources[index].refclock.as_deref() else { continue };
            let (own, Some(wanted)) = (clock.refid, clock.config.lock) else { continue };
            let named = |s: &&Source| s.refclock.as_ref().is_some_and(|c| c.refid == wanted);
            let lock = self.sources.iter().find(named).map(|s| s.id).filter(|_| wanted != own);
            if lock.is_none() {
                out.log(Severity::Error, format!("Invalid lock refid {}", refid_text(wanted)));
            }
            if let Some(clock) = self.sources[index].refclock.as_deref_mut() {
                clock.lock = lock;
            }
        }
    }

    /// All reference clocks, for whoever opens their drivers.
    pub fn refclocks(&self) -> impl Iterator<Item = (SourceId, &RefclockConfig)> {
        self.sources.iter().filter_map(|s| s.refclock.as_ref().map(|clock| (s.id, &clock.config)))
    }

    /// When the next one is to be looked at.
    pub(super) fn next_refclock(&self) -> Option<MonoTime> {
        self.sources.iter().filter_map(|s| s.refclock.as_ref()).map(|clock| clock.due).min()
    }

    /// Asks drivers whose time has come, and makes samples of what was read.
    pub(super) fn attend_refclocks(&mut self, now: Now, clock: &mut dyn Clock, out: &mut Actions) {
        for index in 0..self.sources.len() {
            let source = &mut self.sources[index];
            let Some(refclock) = source.refclock.as_deref_mut().filter(|c| c.due <= now.mono) else {
                continue;
            };
            if refclock.polls >= refclock.looks() {
                refclock.polls = 0;
                self.make_sample(now, clock, index, out);
            }
            let source = &mut self.sources[index];
            let Some(refclock) = source.refclock.as_deref_mut() else { continue };
            refclock.polls += 1;
            let next = refclock.due + refclock.interval();
            refclock.due = if next <= now.mono { now.mono + refclock.interval() } else { next };
            if refclock.is_polled() {
                out.push(Action::ReadRefclock(source.id));
            }
        }
    }

    /// A driver has read its clock.
    pub(super) fn on_reading(&mut self, now: Now, id: SourceId, reading: &Reading, out: &mut Actions) {
        if !self.is_current(now, reading.at) || reading.leap == Leap::Unsynchronised {
            return;
        }
        let Some(index) = self.index_of(id) else { return };
        let v = self.discipline.timeline().to_osc(reading.at);
        let Some(theta) = self.theta_of(now, index, v, reading) else { return };
        let belief = *self.discipline.belief();
        let source = &mut self.sources[index];
        let Some(clock) = source.refclock.as_deref_mut() else { return };
        let error = reading.error.max(clock.config.precision).max(self.precision);
        let limit = clock.config.max_dispersion;
        if limit > 0.0 && error > limit {
            return;
        }
        let corrected = theta.saturating_add(crate::time::seconds_to_nanos(source.config.offset));
        let point = Point { v, theta: corrected, error };
        clock.filter.push(point);
        clock.last = Some(point);
        clock.leap = reading.leap;
        if self.log.refclocks {
            let cooked = crate::estimator::Theta::from_nanos(corrected) - belief.theta_at(v);
            let pulse = clock.is_pulse(reading.truth);
            let raw = crate::estimator::Theta::from_nanos(theta) - belief.theta_at(v);
            out.push(Action::Record(Record::Refclock(logfile::Refclock {
                time: belief.theta_at(v).local(v),
                refid: clock.refid,
                raw: Some(((clock.polls - 1).max(0), pulse, raw)),
                leap: reading.leap,
                cooked,
                dispersion: error,
            })));
        }
    }

    /// True time minus oscillator time (ns) at a reading, before corrections; `None`: a pulse of which nobody knows
    /// the second.
    fn theta_of(&self, now: Now, index: usize, v: OscTime, reading: &Reading) -> Option<i64> {
        let source = &self.sources[index];
        let clock = source.refclock.as_deref()?;
        let period = clock.period();
        let correction = crate::time::seconds_to_nanos(source.config.offset);
        let after = match reading.truth {
            Truth::Time(nanos) if !clock.config.pps => {
                let utc = if clock.config.tai { self.utc_of_tai(nanos)? } else { nanos };
                return Some(utc.saturating_sub(v.nanos()));
            }
            Truth::Time(nanos) => nanos.rem_euclid(NANOS) as f64 * 1e-9,
            Truth::Pulse(after) => after,
        };
        let expected = self.expected_theta(now, clock, v)?.saturating_sub(correction);
        pulse::complete(v, after % period, period, clock.config.width, expected)
    }

    /// What θ (ns) is expected at a pulse: what the clock that it is locked to says, or what we believe, if that is
    /// good enough to tell one pulse from the next.
    fn expected_theta(&self, now: Now, clock: &Refclock, v: OscTime) -> Option<i64> {
        let belief = self.discipline.belief();
        let period = clock.period();
        let age = f64::from(clock.config.max_lock_age.unwrap_or(2)) * period;
        let carried = |last: &Point| {
            let ahead = v - last.v;
            (ahead.abs() <= age)
                .then(|| (crate::estimator::Theta::from_nanos(last.theta) + belief.frequency * ahead).nanos())
        };
        if clock.config.local && clock.lock.is_none() {
            // Its own pulses go on; where they began does not matter.
            let own = clock.last.as_ref().and_then(carried);
            return Some(own.unwrap_or_else(|| belief.theta_at(v).nanos()));
        }
        if clock.config.lock.is_some() {
            let lock = self.sources.get(self.index_of(clock.lock?)?)?.refclock.as_deref()?;
            return lock.last.as_ref().and_then(carried);
        }
        let distance = self.root_distance(now) + self.discipline.pending(now.raw).abs();
        let known = self.reference.synchronised && distance < period / 2.0 || self.local_active(now);
        known.then(|| belief.theta_at(v).nanos())
    }

    /// UTC (ns) when TAI is `tai` (ns), if the leap seconds are known.
    fn utc_of_tai(&self, tai: i64) -> Option<i64> {
        let table = self.leap.table()?;
        let offset_at = |nanos: i64| table.tai_offset(LocalTime::from_nanos(nanos)).map(i64::from);
        // The offset at a time that is half a minute off is the right one, except half a minute around a leap second.
        let near = tai.saturating_sub(offset_at(tai)?.saturating_mul(NANOS));
        Some(tai.saturating_sub(offset_at(near)?.saturating_mul(NANOS)))
    }

    /// A poll interval is over.
    fn make_sample(&mut self, now: Now, clock: &mut dyn Clock, index: usize, out: &mut Actions) {
        let belief = *self.discipline.belief();
        let source = &mut self.sources[index];
        let Some(refclock) = source.refclock.as_deref_mut() else { return };
        let (config, leap) = (&refclock.config, refclock.leap);
        let sample = refclock.filter.take(&belief).map(|filtered| Sample {
            v: filtered.v,
            forward: filtered.theta,
            backward: filtered.theta.saturating_neg(),
            half: 0.0,
            dispersion: filtered.dispersion,
            root_delay: config.delay.clamp(0.0, 1e3),
            root_dispersion: if config.local { LOCAL_DISPERSION } else { 0.0 },
            stratum: config.stratum.clamp(0, 15) as u8,
            leap,
        });
        let heard = source.reach.reachable();
        source.reach.shift();
        let Some(sample) = sample else {
            if !source.reach.reachable() {
                source.unreach_count = source.unreach_count.saturating_add(1);
                if heard || source.select.selected {
                    self.update_selection(now, clock, None, out);
                }
            }
            return;
        };
        source.reach.hit();
        source.unreach_count = 0;
        source.last_leap = Some(leap);
        if self.log.refclocks {
            out.push(Action::Record(Record::Refclock(logfile::Refclock {
                time: belief.theta_at(sample.v).local(sample.v),
                refid: refclock.refid,
                raw: None,
                leap,
                cooked: crate::estimator::Theta::from_nanos(sample.forward) - belief.theta_at(sample.v),
                dispersion: sample.dispersion,
            })));
        }
        if self.note_leap(index, &sample) || self.near_leap(now) {
            return;
        }
        let source = &mut self.sources[index];
        let (id, before) = (source.id, source.stats.estimate().map(|e| (e.frequency, e.skew)));
        source.stats.push(&sample, self.joint.oscillator());
        if self.log.statistics
            && let Some(record) = self.statistics_record(index, before)
        {
            out.push(Action::Record(record));
        }
        self.update_selection(now, clock, Some(id), out);
        self.watch_leap(self.after_step(now), clock, out);
    }
}
