//! All sources together: one oscillator, many paths.
//!
//! [`Joint`] runs one filter over the samples of all sources that are believed, so that every packet of every source
//! tells about the same offset and frequency, and the asymmetries of the paths are weighed against each other. The
//! window is run anew with each sample: noise and wander learned since, and sudden changes noticed since, act on all
//! of it. docs/discipline.md derives it.

use super::anchor::{Anchor, Jump, Shocks};
use super::asymmetry::Judgement;
use super::member::Member;
use super::oscillator::{CLOCK_JUMPS, Oscillator, WANDER, WANDERS};
use super::past::Past;
use super::path::ROUTES;
use super::runs::{Checkpoint, FACTORS};
use super::shocks::SNAPSHOTS;
use super::state::{Point, State, asymmetry_of};
use super::window::{Entry, MAX_WINDOW, NOTHING};
use super::{Combined, SourceStats, Theta};
use crate::ids::SourceId;
use crate::time::OscTime;
use libm::sqrt;

/// Share by which the variance of θ is larger than the filter says, of a lone path: its noise is known from some dozens of samples,
/// and its law is not quite the filter's. With more paths these errors are several.
const MISFIT: f64 = 0.15;
/// Sources in one filter; the others only vote.
pub const MAX_MEMBERS: usize = 10;
/// Dimensions of the filter.
pub const DIMENSIONS: usize = 2 + 2 * MAX_MEMBERS;
/// Samples of a source up to which its first guesses are still taken anew.
const FEW: usize = 16;
/// Deviation of ln wander beforehand.
pub(super) const WANDER_SD: f64 = 2.0;

pub(super) type Belief = State<DIMENSIONS>;
pub(super) type AllShocks = Shocks<{ CLOCK_JUMPS + MAX_MEMBERS * ROUTES + 1 }>;

/// The belief after one sample of the window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    /// When, s after the anchor.
    pub t: f64,
    /// Log evidence of the samples up to there.
    pub evidence: f64,
    pub belief: Belief,
}

/// A source for the filter.
#[derive(Clone, Copy, Debug)]
pub struct Used<'a> {
    /// Which.
    pub id: SourceId,
    /// Its samples and noise.
    pub stats: &'a SourceStats,
    /// Its offset has a say (chrony's `+`); otherwise only its rate has (`-`).
    pub votes: bool,
}

/// The filter over all sources.
#[derive(Clone, Debug)]
pub struct Joint {
    pub(super) oscillator: Oscillator,
    pub(super) members: [Option<Member>; MAX_MEMBERS],
    pub(super) window: Box<[Entry]>,
    pub(super) count: usize,
    pub(super) anchor: Option<Anchor<DIMENSIONS>>,
    /// The anchor has not absorbed anything: it is a prior.
    pub(super) fresh: bool,
    pub(super) points: Box<[Point]>,
    pub(super) checkpoint: Checkpoint,
    /// The beliefs of the last update, one for each wander.
    pub(super) runs: Box<[Belief]>,
    /// The wander that the next checkpoint is made with.
    pub(super) next_wander: f64,
    /// What earlier windows said of the wander.
    pub(super) past: Past,
    /// When the asymmetries are judged again.
    pub(super) judgement: Judgement,
    pub(super) snapshots: Box<[Snapshot]>,
    /// What is believed now, asymmetries weighed.
    pub(super) gauged: Option<Anchor<DIMENSIONS>>,
    pub(super) combined: Option<Combined>,
    /// A sudden change of the oscillator was noticed by the last update.
    pub(super) jumped: bool,
    pub(super) resets: u32,
}

impl Default for Joint {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Joint {
    /// Knows nothing but perhaps the frequency: dθ/dV and its deviation, s/s.
    pub fn new(known: Option<(f64, f64)>) -> Self {
        Self {
            oscillator: Oscillator { known, ..Oscillator::default() },
            members: [None; MAX_MEMBERS],
            window: Box::default(),
            count: 0,
            anchor: None,
            fresh: true,
            points: Box::default(),
            checkpoint: Checkpoint::default(),
            runs: Box::default(),
            next_wander: WANDER,
            past: Past::default(),
            judgement: Judgement::default(),
            snapshots: Box::default(),
            gauged: None,
            combined: None,
            jumped: false,
            resets: 0,
        }
    }

    /// What all paths share.
    pub fn oscillator(&self) -> &Oscillator {
        &self.oscillator
    }

    /// What was known of the frequency before the first sample: dθ/dV and its deviation, s/s.
    pub fn set_known(&mut self, known: Option<(f64, f64)>) {
        self.oscillator.known = known;
    }

    /// How much the frequency is known to wander, s/s per √s.
    pub fn set_wander(&mut self, wander: f64) {
        self.oscillator.wander = wander.clamp(WANDERS.0, WANDERS.1);
        self.next_wander = self.oscillator.wander;
    }

    /// Was a sudden change of the oscillator noticed by the last update?
    pub fn jumped(&self) -> bool {
        self.jumped
    }

    /// Times the filter lost its footing and began anew.
    pub fn resets(&self) -> u32 {
        self.resets
    }

    /// What the last update found.
    pub fn combined(&self) -> Option<&Combined> {
        self.combined.as_ref()
    }

    /// θ and the frequency have become uncertain at `at` by these deviations (s, s/s): no guess, somebody saw why.
    pub fn expect_jump(&mut self, at: OscTime, theta: f64, frequency: f64) {
        let (theta, frequency) = (theta * theta, frequency * frequency);
        self.oscillator.jumps.insert(Jump { at, theta, frequency, known: true, ..Jump::default() });
    }

    /// True time moved by `nanos` against oscillator time.
    pub fn add_offset(&mut self, nanos: i64) {
        for entry in &mut self.window[..self.count] {
            entry.forward = entry.forward.saturating_add(nanos);
            entry.backward = entry.backward.saturating_sub(nanos);
        }
        self.checkpoint.discard();
        for anchor in [&mut self.anchor, &mut self.gauged].into_iter().flatten() {
            anchor.theta = anchor.theta.saturating_add(nanos);
        }
        if let Some(combined) = self.combined.as_mut() {
            combined.theta = combined.theta + nanos as f64 * 1e-9;
        }
    }

    /// Forgets a source and all that came from it.
    pub fn forget(&mut self, id: SourceId) {
        if let Some(slot) = self.slot(id) {
            self.members[slot] = None;
            self.restart();
        }
    }

    /// Begins anew; the oscillator is remembered.
    pub fn restart(&mut self) {
        self.checkpoint.discard();
        self.anchor = None;
        self.count = 0;
        self.fresh = true;
        self.judgement = Judgement::default();
        for member in self.members.iter_mut().flatten() {
            (member.folded, member.weight) = (false, 1.0);
            member.newest = OscTime::from_nanos(i64::MIN);
        }
    }

    pub(super) fn slot(&self, id: SourceId) -> Option<usize> {
        self.members.iter().position(|m| m.is_some_and(|m| m.id == id))
    }

    pub(super) fn many(&self) -> bool {
        self.members.iter().flatten().count() > 1
    }

    /// Learns from what `used` sources have measured since. `expelled` says whether a source that is not used any more
    /// was found wrong, so that its past has to be forgotten too.
    ///
    /// Returns what all of them say together at the newest sample; `None` without samples.
    pub fn update<'a>(
        &mut self,
        used: impl Iterator<Item = Used<'a>> + Clone,
        expelled: impl Fn(SourceId) -> bool,
    ) -> Option<&Combined> {
        self.jumped = false;
        self.allocate();
        self.oscillator.blurred = used.clone().map(|u| u.stats.path().blurred()).sum();
        self.enlist(used.clone(), expelled);
        let fresh_few = self.fresh && used.clone().any(|u| u.stats.path().seen() <= FEW);
        self.collect(used.clone());
        if self.count == 0 {
            self.combined = None;
            return None;
        }
        let changed = self.members.iter().flatten().any(Member::is_another_kind);
        if self.anchor.is_none() || self.fresh && (fresh_few || changed || self.checkpoint.since().is_none())
        {
            self.set_prior();
            self.doubt_known();
        }
        self.slide();
        self.prepare();
        self.checkpoint();
        let plain = self.note_changes(used.clone());
        let belief = self.average(plain)?;
        let belief = self.judge_again(belief);
        self.limit_wander(used);
        let gauged = if self.many() { self.gauge(&belief) } else { belief };
        if !belief.is_sound() || !gauged.is_sound() {
            self.resets = self.resets.saturating_add(1);
            self.oscillator.jumps = Default::default();
            (self.next_wander, self.past) = (WANDER, Past::default());
            self.restart();
            self.combined = None;
            return None;
        }
        self.conclude(&belief, &gauged);
        self.put_right(&belief);
        self.combined.as_ref()
    }

    /// Takes the memory of the window and its runs, once: a daemon that has heard of nobody does not need it.
    fn allocate(&mut self) {
        if !self.window.is_empty() {
            return;
        }
        let nothing = State::new(3);
        self.window = vec![NOTHING; MAX_WINDOW + 1].into();
        self.points = vec![Point::default(); MAX_WINDOW + 1].into();
        self.runs = vec![nothing; FACTORS.len()].into();
        self.snapshots = vec![Snapshot { t: 0.0, evidence: 0.0, belief: nothing }; SNAPSHOTS].into();
        self.checkpoint.allocate();
    }

    /// Sources that contradict each other look like a rough oscillator to the filter over all. What wanders is seen by
    /// every path alone, so the paths' own wanders bound what is believed.
    fn limit_wander<'a>(&mut self, used: impl Iterator<Item = Used<'a>> + Clone) {
        /// How much more than the paths see, each alone behind its own noise.
        const MORE: f64 = 8.0;
        let wanders = used.map(|u| u.stats.path().wander());
        if wanders.clone().count() >= 3
            && let Some(seen) = super::quantile::median(wanders)
        {
            self.next_wander = self.next_wander.min(MORE * seen);
        }
    }

    /// Weighs the asymmetries and says what follows.
    fn conclude(&mut self, belief: &Belief, gauged: &Belief) {
        let Some(anchor) = &self.anchor else { return };
        let many = self.many();
        let members = self.members.iter().flatten().filter(|m| m.used).count().max(1) as f64;
        let mut surest = (f64::INFINITY, 0.0);
        for (slot, member) in self.members.iter().enumerate() {
            if member.is_none_or(|m| !m.used) {
                continue;
            }
            let beta = asymmetry_of(slot);
            let (variance, covariance) = if many && beta < belief.dimensions() {
                let p = &belief.p;
                (p[0][0] + 2.0 * p[0][beta] + p[beta][beta], p[0][1] + p[1][beta])
            } else {
                (belief.p[0][0], belief.p[0][1])
            };
            if variance < surest.0 {
                surest = (variance, covariance);
            }
        }
        let (theta, v) = (anchor.theta, self.window[self.count - 1].v);
        let frequency_sd = sqrt(gauged.p[1][1].max(0.0));
        self.combined = Some(Combined {
            v,
            theta: Theta::from_nanos(theta) + gauged.x[0],
            theta_sd: sqrt(surest.0.max(0.0) * (1.0 + MISFIT / members)),
            frequency: gauged.x[1],
            frequency_sd,
            skew: 2.0 * frequency_sd,
            wander: self.oscillator.wander,
            covariance: surest.1,
        });
        self.oscillator.believed = Some(gauged.x[1]);
        self.gauged = Some(Anchor { v, theta, state: *gauged });
    }
}
