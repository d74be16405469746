//! What the estimator thinks of each source: the numbers behind `sources --why`.
//!
//! The verdicts are those of the last selection; what decided them is worked out here again from the candidates it saw.

use super::{Engine, Status};
use crate::estimator::{Estimate, MIN_FIT, Theta};
use crate::ids::SourceId;
use crate::sample::Sample;
use crate::select::{Candidate, Outcome};
use crate::source::Source;
use crate::source::poll::Line;
use crate::time::Now;
use crate::why::{Interval, PathView, Reason, RouteChange, Why};
use libm::sqrt;

/// Deviations of the belief within which a packet does not exclude it, as in the selection.
const SURE: f64 = 4.0;
/// Packets of which each has to exclude it.
const EACH: usize = 3;

impl Engine {
    /// How many sources there are to tell of.
    pub fn source_count(&self) -> usize {
        self.sources.len()
    }

    /// What is thought of a source, and why.
    pub fn why(&self, now: Now, index: usize) -> Option<Why> {
        let source = self.sources.get(index)?;
        let status = self.status(index);
        Some(Why {
            name: source.config.name.clone(),
            address: source.remote.map(|remote| remote.ip()),
            status,
            reason: self.reason(now, index, source, status),
            path: self.path_view(now, source),
        })
    }

    fn reason(&self, now: Now, index: usize, source: &Source, status: Status) -> Reason {
        let limits = &self.selection_config;
        let candidate = self.candidates.get(index);
        let silent = || {
            let v = self.discipline.timeline().to_osc(now.raw);
            let seconds = source.stats.last().map_or(0.0, |sample| v - sample.v);
            Reason::Silent { seconds }
        };
        match (status, candidate) {
            (Status::MissingSamples | Status::Unsynchronised, _) => self.missing(source, status),
            (_, None) => Reason::OthersComing,
            (Status::NoSelect, _) if source.config.noselect => Reason::NoSelect,
            (Status::NoSelect, _) => Reason::Authentication,
            (Status::BadStratum, Some(c)) => {
                Reason::Stratum { is: c.stratum, lowest: limits.min_stratum, highest: limits.max_stratum }
            }
            (Status::BadDistance, Some(c)) => {
                Reason::RootDistance { is: c.root_distance, most: limits.max_distance }
            }
            (Status::Jittery, Some(c)) => Reason::Jitter { is: c.std_dev, most: limits.max_jitter },
            (Status::WaitsOthers, _) => Reason::OthersComing,
            (Status::Stale, _) => silent(),
            (Status::Orphan, _) => Reason::Orphan,
            (Status::Untrusted, Some(c)) => Reason::Untrusted(self.interval(c)),
            (Status::Falseticker, Some(c)) => self.contradiction(index, source, c),
            (Status::WaitsSources, _) => self.waits_sources(),
            (Status::NotPreferred, _) => Reason::NotPreferred,
            (Status::WaitsUpdate, _) => Reason::WaitsUpdate,
            (Status::Distant, Some(c)) => self.distance(index, c),
            (Status::Combined | Status::Selected, _) => Reason::Good,
        }
    }

    /// Why a source has no samples to judge.
    fn missing(&self, source: &Source, status: Status) -> Reason {
        if source.remote.is_none() && source.refclock.is_none() {
            return Reason::NoAddress;
        }
        if !source.poll.active() && matches!(source.poll.line, Line::Offline) {
            return Reason::Offline;
        }
        if status == Status::Unsynchronised {
            return Reason::ServerUnsynchronised;
        }
        match source.stats.samples() {
            0 => Reason::Unheard { requests: source.seen.tx },
            have => Reason::FewSamples { have, need: MIN_FIT },
        }
    }

    /// Those who were found good, and have a vote.
    fn good(&self) -> impl Iterator<Item = (usize, &Candidate)> + Clone {
        let verdicts = &self.selection.verdicts;
        let good = |status| {
            matches!(
                status,
                Status::WaitsSources
                    | Status::NotPreferred
                    | Status::WaitsUpdate
                    | Status::Distant
                    | Status::Combined
                    | Status::Selected
            )
        };
        let trusted = verdicts.iter().any(|v| good(v.status) && v.flags.trust);
        let candidates = self.candidates.iter().enumerate();
        candidates.filter(move |(i, _)| {
            verdicts.get(*i).is_some_and(|v| good(v.status) && (v.flags.trust || !trusted))
        })
    }

    /// What a source claims beside what the good ones agree on.
    fn interval(&self, candidate: &Candidate) -> Interval {
        let lows = self.good().map(|(_, c)| c.offset - c.root_distance);
        let highs = self.good().map(|(_, c)| c.offset + c.root_distance);
        let (mut low, mut high) =
            (lows.fold(f64::NEG_INFINITY, f64::max), highs.fold(f64::INFINITY, f64::min));
        if low > high {
            // They share a time only by pairs: what lies between their offsets.
            low = self.good().map(|(_, c)| c.offset).fold(f64::INFINITY, f64::min);
            high = self.good().map(|(_, c)| c.offset).fold(f64::NEG_INFINITY, f64::max);
        }
        Interval { offset: candidate.offset, distance: candidate.root_distance, low, high }
    }

    /// Why a source is a falseticker.
    fn contradiction(&self, index: usize, source: &Source, candidate: &Candidate) -> Reason {
        if let Outcome::NoMajority { agree, voters, .. } = self.selection.outcome {
            return Reason::NoMajority { agree, voters };
        }
        let interval = self.interval(candidate);
        let apart = (candidate.offset - interval.high).max(interval.low - candidate.offset);
        if apart > candidate.root_distance {
            return Reason::Outside(interval);
        }
        if let Some((faster, deviations)) = self.rate(candidate)
            && deviations > 5.0
        {
            return Reason::Rate { faster, deviations };
        }
        if candidate.impossible {
            return Reason::Impossible { by: self.excluded_by(source) };
        }
        match self.selection.verdicts.get(index).map_or(0, |v| v.state.owes) {
            0 => Reason::Outside(interval),
            samples => Reason::Probation { samples },
        }
    }

    /// By how much its clock runs faster than the others' median (s/s), and how many deviations that is.
    fn rate(&self, candidate: &Candidate) -> Option<(f64, f64)> {
        let sd = |c: &Candidate| (c.skew / 2.0).max(1e-12);
        let others = self.good().filter(|(_, c)| c.id != candidate.id);
        let total: f64 = others.clone().map(|(_, c)| 1.0 / sd(c)).sum();
        let weight = |c: &Candidate| (1.0 / sd(c)).min(0.4 * total);
        let capped: f64 = others.clone().map(|(_, c)| weight(c)).sum();
        let below = |f: f64| -> f64 {
            others.clone().filter(|(_, c)| c.frequency <= f).map(|(_, c)| weight(c)).sum()
        };
        let middle = others
            .clone()
            .filter(|(_, c)| 2.0 * below(c.frequency) >= capped)
            .min_by(|a, b| a.1.frequency.total_cmp(&b.1.frequency))?;
        let faster = candidate.frequency - middle.1.frequency;
        let (own, centre) = (sd(candidate), sd(middle.1));
        Some((faster, faster.abs() / sqrt(own * own + centre * centre)))
    }

    /// By how much each of its last packets excludes what is agreed on, s.
    fn excluded_by(&self, source: &Source) -> f64 {
        let (Some(agreed), window) = (self.joint.combined(), source.stats.window()) else { return 0.0 };
        let excess = |sample: &Sample| {
            let theta = agreed.predict(sample.v);
            let doubt = SURE * agreed.theta_sd + sample.root_delay / 2.0 + sample.root_dispersion;
            let early = theta - Theta::from_nanos(sample.forward);
            let late = Theta::from_nanos(sample.backward.saturating_neg()) - theta;
            (early.max(late) - doubt).max(0.0)
        };
        let last = window.iter().rev().take(EACH).map(excess).fold(f64::INFINITY, f64::min);
        if last.is_finite() { last } else { 0.0 }
    }

    fn waits_sources(&self) -> Reason {
        if self.selection.outcome == Outcome::NoRequired {
            return Reason::NoRequired;
        }
        let have = self.selection.verdicts.iter().filter(|v| v.status == Status::WaitsSources).count();
        Reason::TooFewSources { have, need: usize::try_from(self.selection_config.min_sources).unwrap_or(0) }
    }

    fn distance(&self, index: usize, candidate: &Candidate) -> Reason {
        let leader = self.selection.members.first().and_then(|&best| self.candidates.get(best));
        let most = leader.map_or(f64::INFINITY, |c| self.selection_config.combine_limit * c.root_distance);
        if candidate.root_distance > most {
            return Reason::TooDistant { is: candidate.root_distance, most };
        }
        let state = self.selection.verdicts.get(index).map(|v| v.state).unwrap_or_default();
        if let (true, Some((faster, deviations))) = (state.suspect, self.rate(candidate)) {
            return Reason::Rate { faster, deviations };
        }
        Reason::LatelyDistant { updates: state.distant.max(1) }
    }

    /// What its samples say of its path.
    fn path_view(&self, now: Now, source: &Source) -> Option<PathView> {
        let (estimate, newest) = (source.stats.estimate()?, source.stats.last()?);
        let (window, noise) = (source.stats.window(), *source.stats.path().noise());
        let v = self.discipline.timeline().to_osc(now.raw);
        let offset = Estimate::predict(estimate, v) - self.discipline.belief().theta_at(v);
        // β is half of the difference of the ways.
        let longer_there = self.joint.asymmetry(source.id).map(|(beta, sd, _)| (2.0 * beta, 2.0 * sd));
        Some(PathView {
            round_trip: estimate.delay,
            wait_there: noise.forward,
            wait_back: noise.backward,
            reading: noise.reading[0].max(noise.reading[1]),
            longer_there,
            samples: window.len(),
            span: window.first().map_or(0.0, |oldest| newest.v - oldest.v),
            age: (v - newest.v).max(0.0),
            reachable: source.reach.reachable(),
            route: route_change(source).map(|(at, longer)| RouteChange { ago: (v - at).max(0.0), longer }),
            offset: (offset, estimate.predict_sd(v)),
            share: self.share(source.id),
        })
    }

    /// The part of a source in the common offset: the vote of each counts by how sure its time is, noise and asymmetry
    /// of its path together. `None` for those that have no say.
    fn share(&self, id: SourceId) -> Option<f64> {
        let vote = |source: &Source| -> Option<f64> {
            let asymmetry = self.joint.vote(source.id)?;
            let sd = source.stats.estimate()?.offset_sd;
            Some(1.0 / (asymmetry + sd * sd).max(1e-24))
        };
        let own = vote(&self.sources[self.index_of(id)?])?;
        let all: f64 = self.sources.iter().filter_map(vote).sum();
        Some(own / all).filter(|share| share.is_finite())
    }
}

/// The newest change of route: when, and by how much the shortest round trip grew if both sides of it are in the window.
fn route_change(source: &Source) -> Option<(crate::time::OscTime, Option<f64>)> {
    let at = source.stats.path().routes().as_slice().last()?.at;
    let least = |after: bool| {
        let samples = source.stats.window().iter().filter(|sample| (sample.v > at) == after);
        samples.map(Sample::delay).fold(f64::INFINITY, f64::min)
    };
    let longer = least(true) - least(false);
    Some((at, Some(longer).filter(|longer| longer.is_finite())))
}
