//! Entries of the log files, from the engine's state.

use super::responses::Response;
use super::{Engine, Stamp, StampSource};
use crate::estimator::Theta;
use crate::logfile::{Measurement, Record, Selection, Statistics, Tracking};
use crate::time::Now;

const fn stamp_letter(stamp: &Stamp) -> char {
    match stamp.source {
        StampSource::Daemon => 'D',
        StampSource::Kernel => 'K',
        StampSource::Hardware => 'H',
    }
}

impl Engine {
    fn address_text(&self, index: usize) -> Option<String> {
        let source = self.sources.get(index)?;
        match &source.refclock {
            Some(_) => Some(source.label()),
            None => Some(source.remote?.ip().to_string()),
        }
    }

    pub(super) fn measurement_record(&self, now: Now, index: usize, response: &Response) -> Option<Record> {
        let Response { packet, measured, passed, .. } = response;
        let source = self.sources.get(index)?;
        let sample = &measured.sample;
        let belief = self.discipline.belief();
        let bit = |n: u16| passed.0 >> n & 1 == 1;
        Some(Record::Measurement(Measurement {
            time: self.discipline.cooking(now.raw).apply(now.raw),
            source: self.address_text(index)?,
            leap: packet.leap,
            stratum: packet.stratum,
            tests_123: [bit(9), bit(8), bit(7)],
            tests_567: [bit(6), bit(5), bit(4)],
            tests_abcd: [bit(3), bit(2), bit(1), bit(0)],
            local_poll: source.poll.exponent,
            remote_poll: i32::from(packet.poll),
            poll_score: source.poll.score(),
            offset: Theta::from_nanos(sample.offset_nanos()) - belief.theta_at(sample.v),
            delay: sample.delay(),
            dispersion: sample.dispersion,
            root_delay: sample.root_delay,
            root_dispersion: sample.root_dispersion,
            refid: packet.refid,
            mode: packet.mode,
            interleaved: response.interleaved,
            tx_source: stamp_letter(&response.tx),
            rx_source: stamp_letter(&response.rx),
        }))
    }

    /// `before` is the frequency and skew the source claimed before its newest sample.
    pub(super) fn statistics_record(&self, index: usize, before: Option<(f64, f64)>) -> Option<Record> {
        let source = self.sources.get(index)?;
        let (estimate, sample) = (source.stats.estimate()?, source.stats.last()?);
        let belief = self.discipline.belief();
        let stress =
            before.map_or(0.0, |(frequency, skew)| (estimate.frequency - frequency).abs() / skew.max(1e-12));
        Some(Record::Statistics(Statistics {
            time: belief.theta_at(sample.v).local(sample.v),
            source: self.address_text(index)?,
            std_dev: estimate.std_dev,
            offset: belief.theta_at(estimate.v) - estimate.theta,
            offset_sd: estimate.offset_sd,
            frequency: belief.frequency - estimate.frequency,
            skew: estimate.skew,
            stress,
            samples: source.stats.samples() as u32,
            best_start: source.stats.dropped() as u32,
            runs: source.stats.runs() as u32,
            asymmetry: source.stats.asymmetry(),
        }))
    }

    pub(super) fn selection_record(&self, now: Now, index: usize) -> Option<Record> {
        let source = self.sources.get(index)?;
        let (verdict, candidate) = (self.selection.verdicts.get(index)?, self.candidates.get(index)?);
        let v = self.discipline.timeline().to_osc(now.raw);
        let known = source.stats.last().is_some();
        let distance = if known { candidate.root_distance } else { 0.0 };
        Some(Record::Selection(Selection {
            time: self.discipline.cooking(now.raw).apply(now.raw),
            source: self.address_text(index)?,
            state: verdict.status.letter(),
            noselect: verdict.flags.noselect,
            prefer: verdict.flags.prefer,
            trust: verdict.flags.trust,
            require: verdict.flags.require,
            reach: source.reach.bits,
            score: verdict.state.score,
            last_sample: source.stats.last().map_or(0.0, |s| v - s.v),
            low: -candidate.offset - distance,
            high: -candidate.offset + distance,
        }))
    }

    /// Whom the clock follows, as tracking.log has it.
    fn followed_text(&self) -> String {
        let source = self.reference.source.and_then(|id| self.index_of(id)).map(|index| &self.sources[index]);
        match (source.filter(|s| s.refclock.is_some()), self.reference.address) {
            (Some(clock), _) => clock.label(),
            (None, Some(address)) => address.to_string(),
            (None, None) => "0.0.0.0".to_owned(),
        }
    }

    pub(super) fn tracking_record(&self, now: Now) -> Record {
        let reference = &self.reference;
        Record::Tracking(Tracking {
            time: reference.time,
            source: self.followed_text(),
            stratum: reference.stratum,
            // Zero has no sign in a log.
            frequency: 0.0 - self.frequency(),
            skew: reference.skew,
            offset: 0.0 - reference.last_offset,
            leap: reference.leap,
            combined: reference.combined as u32,
            offset_sd: reference.offset_sd,
            remaining: -(0.0 - self.before_update.0), // zero has a sign here
            root_delay: reference.root_delay,
            root_dispersion: self.root_dispersion(now),
            max_error: self.before_update.1,
        })
    }
}
