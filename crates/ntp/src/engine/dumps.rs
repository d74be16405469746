//! Measurement dumps: what a source's samples are in text, and back.
//!
//! The text speaks of local time and of offsets against it; samples speak of oscillator time. At the moment of the
//! dump the belief translates, less what is still to be slewed: an offset is the sample's distance from the clock as
//! it is left. A restart begins with the saved frequency, and what the clock reads is its first belief.

use super::{Actions, Engine};
use crate::clock::Clock;
use crate::dump::{self, Dump, DumpReject, DumpSample};
use crate::estimator::Theta;
use crate::sample::Sample;
use crate::source::Source;
use crate::time::{LocalTime, Now, OscTime, seconds_to_nanos};
use crate::wire::Leap;

impl Engine {
    /// File names and texts of all sources that have samples.
    pub fn dumps(&self) -> Vec<(String, String)> {
        // Whoever reads this finds the clock without the correction that is still to be slewed.
        let pending = self.pending(self.last);
        let belief = self.discipline.belief();
        self.sources
            .iter()
            .filter_map(|source| {
                let (file, last) = (dump_name(source)?, source.stats.last()?);
                let samples = source.stats.iter().map(|sample| {
                    let believed = belief.theta_at(sample.v) + -pending;
                    let offset = believed - Theta::from_nanos(sample.offset_nanos());
                    DumpSample {
                        time: believed.local(sample.v),
                        offset,
                        original_offset: offset,
                        delay: sample.delay(),
                        dispersion: sample.dispersion,
                        root_delay: sample.root_delay,
                        root_dispersion: sample.root_dispersion,
                    }
                });
                let mut dump = Dump {
                    name: match source.refclock {
                        Some(_) => dump::REFCLOCK_NAME.to_owned(),
                        None => source.config.name.clone(),
                    },
                    authenticated: source.config.is_authenticated(),
                    reach: source.reach.bits,
                    reach_size: source.reach.size,
                    stratum: last.stratum,
                    leap: if last.leap == Leap::Unsynchronised { Leap::None } else { last.leap },
                    asymmetry_run: 0,
                    samples: samples.collect(),
                };
                // Two samples within a nanosecond would be refused by every reader.
                dump.samples.dedup_by_key(|s| s.time);
                Some((file, dump.format()))
            })
            .collect()
    }

    /// Gives a dump back to the source whose address is in its file name.
    /// Errors: the text is no dump, or no source has this address and name.
    pub fn load_dump(&mut self, now: Now, file_name: &str, text: &str) -> Result<(), DumpReject> {
        let local_now = self.discipline.cooking(now.raw).apply(now.raw);
        let dump = Dump::parse(text, local_now)?;
        let belief = *self.discipline.belief();
        let index = self
            .sources
            .iter()
            .position(|s| dump_name(s).is_some_and(|name| name == file_name))
            .ok_or(DumpReject::OtherName)?;
        self.recall_path(now, index);
        let source = &mut self.sources[index];
        dump.belongs_to(&source.config.name, source.config.is_authenticated())?;
        if source.stats.last().is_some() {
            return Ok(()); // fresh samples are already there: better than old ones before them
        }
        let now_v = self.discipline.timeline().to_osc(now.raw);
        for saved in &dump.samples {
            let v = oscillator_time(local_now, now_v, belief.frequency, saved.time);
            let theta = belief.theta_at(v) + -saved.offset;
            let half = seconds_to_nanos(saved.delay / 2.0);
            let sample = Sample {
                v,
                forward: theta.nanos().saturating_add(half),
                backward: half.saturating_sub(theta.nanos()),
                half: saved.delay.abs() / 2.0,
                dispersion: saved.dispersion,
                root_delay: saved.root_delay,
                root_dispersion: saved.root_dispersion,
                stratum: dump.stratum,
                leap: dump.leap,
            };
            source.stats.push(&sample, self.joint.oscillator());
        }
        source.reach = crate::source::reach::Reach { bits: dump.reach, size: dump.reach_size };
        source.last_leap = Some(dump.leap);
        Ok(())
    }
}

impl Engine {
    /// All dumps are back with their sources: select among them without waiting for fresh samples. `vouched`: the
    /// clock has kept the time since, says the operator (chronyd's `-r`), so it is corrected and served by them.
    pub fn dumps_loaded(&mut self, now: Now, vouched: bool, clock: &mut dyn Clock, out: &mut Actions) {
        self.update_selection(now, clock, None, out);
        if vouched && let Some(best) = self.selection.best() {
            let id = self.sources[best].id;
            self.update_selection(now, clock, Some(id), out);
        }
        self.finish(now);
    }
}

/// The file of a source's dump; `None` while it has no address.
fn dump_name(source: &Source) -> Option<String> {
    match &source.refclock {
        Some(clock) => Some(dump::refclock_file_name(clock.refid)),
        None => source.remote.map(|remote| dump::file_name(remote.ip())),
    }
}

/// Oscillator time of an earlier local time, when local time runs at (1 + `frequency`) of the oscillator.
fn oscillator_time(local_now: LocalTime, now_v: OscTime, frequency: f64, then: LocalTime) -> OscTime {
    let elapsed = local_now.nanos_since(then);
    let slower = seconds_to_nanos(elapsed as f64 * 1e-9 * frequency / (1.0 + frequency));
    OscTime::from_nanos(now_v.nanos().saturating_sub(elapsed).saturating_add(slower))
}
