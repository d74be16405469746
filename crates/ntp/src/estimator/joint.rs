//! All sources together: one oscillator, many paths.
//!
//! [`Joint`] runs one filter over the samples of all sources that are believed, so that every packet of every source
//! tells about the same offset and frequency, and the asymmetries of the paths are weighed against each other. The
//! window is run anew with each sample: noise and wander learned since, and sudden changes noticed since, act on all
//! of it. docs/discipline.md derives it.

use super::anchor::{Anchor, Jump, Jumps, Shocks};
use super::member::Member;
use super::oscillator::{CLOCK_JUMPS, Oscillator, WANDER, WANDERS};
use super::path::{HINTS, Hint, ROUTES, TELLING, first_offset};
use super::runs::{Checkpoint, FACTORS};
use super::shocks::SNAPSHOTS;
use super::state::{Path, Point, State, asymmetry_of, delay_of};
use super::{Combined, SourceStats, Theta};
use crate::ids::SourceId;
use crate::time::OscTime;
use libm::sqrt;

/// Sources in one filter; the others only vote.
pub const MAX_MEMBERS: usize = 10;
/// Dimensions of the filter.
pub const DIMENSIONS: usize = 2 + 2 * MAX_MEMBERS;
/// Samples in the window, of all members together and of each.
const MAX_WINDOW: usize = 400;
const WINDOW_EACH: usize = 80;
/// Samples after which a path's asymmetry is judged for good.
const ESTABLISHED: usize = 24;
/// Doubt added to the frequency of a line that may be of another time, s/s.
const STALE: f64 = 3e-7;
/// Gain in evidence at which the frequency of an earlier run is no longer believed.
const DOUBT: f64 = 2.0;
/// A reference clock's first offset is taken for wrong by so many times its scatter.
const DOUBT_FIRST: f64 = 4.0;
/// Samples of a source up to which its first guesses are still taken anew.
const FEW: usize = 16;
/// Deviation of ln wander beforehand.
pub(super) const WANDER_SD: f64 = 2.0;
/// Degrees of freedom of Student's t for asymmetries: some paths are much longer one way.
pub const TAILS: f64 = 4.0;

pub(super) type Belief = State<DIMENSIONS>;
pub(super) type AllShocks = Shocks<{ CLOCK_JUMPS + MAX_MEMBERS * ROUTES + 1 }>;

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub v: OscTime,
    pub forward: i64,
    pub backward: i64,
    pub half: f64,
    pub member: usize,
}

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
    fresh: bool,
    pub(super) points: Box<[Point]>,
    pub(super) checkpoint: Checkpoint,
    /// The beliefs of the last update, one for each wander.
    pub(super) runs: Box<[Belief]>,
    /// The wander that the next checkpoint is made with.
    pub(super) next_wander: f64,
    pub(super) snapshots: Box<[Snapshot]>,
    /// What is believed now, asymmetries weighed.
    gauged: Option<Anchor<DIMENSIONS>>,
    combined: Option<Combined>,
    /// A sudden change of the oscillator was noticed by the last update.
    pub(super) jumped: bool,
    resets: u32,
}

const NOTHING: Entry = Entry { v: OscTime::from_nanos(0), forward: 0, backward: 0, half: 0.0, member: 0 };

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

    /// Asymmetry of a source's path (s, positive: the way there is longer), its deviation, and the weight of its vote
    /// (1.25: like the others; towards 0: an outlier).
    pub fn asymmetry(&self, id: SourceId) -> Option<(f64, f64, f64)> {
        let slot = self.slot(id)?;
        let state = &self.gauged.as_ref()?.state;
        let i = asymmetry_of(slot);
        let member = self.members[slot]?;
        (i < state.dimensions()).then(|| (state.x[i], sqrt(state.p[i][i].max(0.0)), member.weight))
    }

    /// Shortest round trip and asymmetry of a source's path as all sources together see them, s.
    pub fn path(&self, id: SourceId) -> Option<(f64, f64)> {
        let slot = self.slot(id)?;
        let state = &self.gauged.as_ref()?.state;
        let n = state.dimensions();
        let beta = if asymmetry_of(slot) < n { state.x[asymmetry_of(slot)] } else { 0.0 };
        (delay_of(slot) < n).then(|| (state.x[delay_of(slot)], beta))
    }

    /// Variance with which the vote of a source on the offset counts for the asymmetry of its path, s², before its noise;
    /// `None` if it has no say.
    pub fn vote(&self, id: SourceId) -> Option<f64> {
        let member = self.members[self.slot(id)?].filter(|m| m.used && m.votes)?;
        Some(if self.many() { member.spread() / member.weight.max(0.05) } else { 0.0 })
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
        for member in self.members.iter_mut().flatten() {
            (member.folded, member.weight) = (false, 1.0);
            member.newest = OscTime::from_nanos(i64::MIN);
        }
    }

    fn slot(&self, id: SourceId) -> Option<usize> {
        self.members.iter().position(|m| m.is_some_and(|m| m.id == id))
    }

    fn many(&self) -> bool {
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
        self.enlist(used.clone(), expelled);
        let fresh_few = self.fresh && used.clone().any(|u| u.stats.path().seen() <= FEW);
        self.collect(used.clone());
        if self.count == 0 {
            self.combined = None;
            return None;
        }
        if self.anchor.is_none() || self.fresh && (fresh_few || self.checkpoint.since().is_none()) {
            self.set_prior();
            self.doubt_known();
        }
        self.slide();
        self.prepare();
        self.checkpoint();
        let plain = self.note_changes(used.clone());
        let belief = self.average(plain)?;
        self.limit_wander(used);
        let gauged = if self.many() { self.gauge(&belief) } else { belief };
        if !belief.is_sound() || !gauged.is_sound() {
            self.resets = self.resets.saturating_add(1);
            self.oscillator.jumps = Default::default();
            self.next_wander = WANDER;
            self.restart();
            self.combined = None;
            return None;
        }
        self.conclude(&belief, &gauged);
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

    /// Who is in the filter now.
    fn enlist<'a>(
        &mut self,
        used: impl Iterator<Item = Used<'a>> + Clone,
        expelled: impl Fn(SourceId) -> bool,
    ) {
        let mut restart = false;
        for slot in 0..MAX_MEMBERS {
            let Some(member) = self.members[slot].as_mut() else { continue };
            member.used = used.clone().any(|u| u.id == member.id);
            if !member.used && expelled(member.id) {
                self.members[slot] = None;
                restart = true;
            } else if !member.used && !self.window[..self.count].iter().any(|e| e.member == slot) {
                // Gone long ago: what it said is in the belief about the oscillator.
                self.members[slot] = None;
            }
        }
        if restart {
            self.restart();
        }
        for u in used.clone() {
            let slot = match self.slot(u.id) {
                Some(slot) => slot,
                None => {
                    let Some(free) = self.members.iter().position(Option::is_none) else { continue };
                    self.admit(free, &u);
                    free
                }
            };
            if let Some(member) = self.members[slot].as_mut() {
                member.votes = u.votes;
                member.refresh(u.stats);
            }
        }
        if !self.oscillator.wide && used.clone().any(|u| u.stats.path().is_wide()) {
            self.oscillator.wide = true;
            if self.fresh {
                self.anchor = None;
            }
        }
        let many = self.many();
        for member in self.members.iter_mut().flatten() {
            member.path.reversion =
                if many && member.folded { member.spread() / member.weight.max(0.05) } else { 0.0 };
        }
    }

    fn admit(&mut self, slot: usize, u: &Used<'_>) {
        let was_many = self.many();
        let newest = match &self.anchor {
            // What came before the anchor cannot be learned any more.
            Some(anchor) if !self.fresh => anchor.v,
            _ => OscTime::from_nanos(i64::MIN),
        };
        let mut member = Member {
            id: u.id,
            used: true,
            votes: u.votes,
            folded: false,
            weight: 1.0,
            newest,
            seen: 0,
            kept: 0,
            jitter: 1e-4,
            least: 0.0,
            root: 0.0,
            path: Path::default(),
            routes: Jumps::default(),
            expected: None,
            usual: 0.0,
            line: None,
        };
        member.refresh(u.stats);
        self.members[slot] = Some(member);
        if self.fresh || !was_many {
            // The first other source makes asymmetries of all: begin with them all.
            self.restart();
            return;
        }
        let n = self.dimensions();
        if let Some(anchor) = self.anchor.as_mut() {
            self.checkpoint.discard();
            if n > anchor.state.dimensions() {
                anchor.state.resize(n);
            }
            member.set_path(&mut anchor.state, slot);
        }
    }

    fn dimensions(&self) -> usize {
        let slots = self.members.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        if slots == 1 && !self.many() { 3 } else { 2 + 2 * slots }
    }

    /// Takes what the members have measured since into the window.
    fn collect<'a>(&mut self, used: impl Iterator<Item = Used<'a>>) {
        for u in used {
            let Some(slot) = self.slot(u.id) else { continue };
            let Some(member) = self.members[slot] else { continue };
            for sample in u.stats.window() {
                if sample.v <= member.newest {
                    continue;
                }
                let entry = Entry {
                    v: sample.v,
                    forward: sample.forward,
                    backward: sample.backward,
                    half: sample.half,
                    member: slot,
                };
                self.insert(entry);
            }
            if let (Some(last), Some(member)) = (u.stats.last(), self.members[slot].as_mut()) {
                member.newest = member.newest.max(last.v);
            }
        }
    }

    fn insert(&mut self, entry: Entry) {
        if self.count == self.window.len() {
            self.slide();
        }
        if self.count == self.window.len() {
            // Without an anchor there is nothing to absorb: the oldest is lost.
            self.checkpoint.discard();
            self.window.copy_within(1.., 0);
            self.count -= 1;
        }
        let mut index = self.count;
        while index > 0 && self.window[index - 1].v > entry.v {
            index -= 1;
        }
        if index < self.count {
            self.checkpoint.discard();
        }
        self.window.copy_within(index..self.count, index + 1);
        self.window[index] = entry;
        self.count += 1;
    }

    /// The belief before the first sample.
    fn set_prior(&mut self) {
        self.checkpoint.discard();
        let first = self.window[0];
        let n = self.dimensions();
        let mut anchor =
            Anchor { v: first.v, theta: first.forward / 2 - first.backward / 2, state: State::new(n) };
        let lines = self.members.iter().flatten().filter_map(|m| m.line).filter(|l| l.samples >= TELLING);
        let surest = lines.min_by(|a, b| a.frequency_sd.total_cmp(&b.frequency_sd));
        // The windows of the paths need not begin with this one: the frequency may have wandered in between.
        let line = surest.map(|line| (line.frequency, line.frequency_sd + STALE));
        let (frequency, variance) = self.oscillator.prior(self.oscillator.wide, line);
        let bend = self.oscillator.jumps.first_bend(first.v);
        let straight = self.window[..self.count].iter().take_while(|e| bend.is_none_or(|at| e.v < at));
        let hints = straight.take(HINTS).map(|e| {
            let point = anchor.point(e.v, e.forward, e.backward, e.half, e.member);
            let least = self.members[e.member].map_or(0.0, |m| m.least);
            let member = self.members[e.member].filter(|m| m.path.noise.two_sided);
            let delay = member.map_or(point.delay(), |m| DOUBT_FIRST * m.jitter);
            Hint { t: point.t, offset: point.offset(), delay, excess: point.delay() - least }
        });
        let (offset, offset_variance) = first_offset(hints, frequency, variance);
        anchor.state.set(0, offset, offset_variance);
        anchor.state.set(1, frequency, variance);
        for (slot, member) in self.members.iter_mut().enumerate() {
            if let Some(member) = member {
                member.set_path(&mut anchor.state, slot);
                member.folded = false;
                member.path.reversion = 0.0;
            }
        }
        if n == 3 {
            anchor.state.set(3, 0.0, 0.0);
        }
        self.anchor = Some(anchor);
        self.fresh = true;
    }

    /// Is the frequency what an earlier run has said, or any crystal's? All samples together decide.
    fn doubt_known(&mut self) {
        let Some(known) = self.oscillator.known.filter(|_| !self.oscillator.wide && self.count >= 3) else {
            return;
        };
        let evidence = |joint: &mut Self| {
            joint.prepare();
            joint.evidence(joint.oscillator.wander, &joint.shocks())
        };
        let before = evidence(self);
        self.oscillator.known = None;
        self.set_prior();
        if evidence(self) <= before + DOUBT {
            self.oscillator.known = Some(known);
            self.set_prior();
        }
    }

    /// The anchor absorbs what no longer fits into the window.
    fn slide(&mut self) {
        let members = self.members.iter().flatten().count();
        let most = (WINDOW_EACH * members).min(MAX_WINDOW);
        while self.count > most {
            if self.anchor.is_none() {
                self.set_prior();
            }
            self.fold_votes();
            self.checkpoint.slide();
            let entry = self.window[0];
            self.window.copy_within(1..self.count, 0);
            self.count -= 1;
            let (paths, shocks, wander) = (self.paths(), self.shocks(), self.oscillator.wander);
            if let Some(anchor) = self.anchor.as_mut() {
                let point = anchor.point(entry.v, entry.forward, entry.backward, entry.half, entry.member);
                if self.members[entry.member].is_some() {
                    anchor.absorb(&point, entry.v, &paths, wander, shocks.as_slice());
                }
            }
            self.fresh = false;
            // From now on the samples know better.
            self.oscillator.known = None;
        }
    }

    /// Judges the asymmetries of all established paths for good; from now on they only forget slowly.
    fn fold_votes(&mut self) {
        let many = self.many();
        let Some(anchor) = self.anchor.as_mut() else { return };
        for (slot, member) in self.members.iter_mut().enumerate() {
            let Some(member) = member else { continue };
            if !many || member.folded || !member.used || !member.votes || member.seen < ESTABLISHED {
                continue;
            }
            self.checkpoint.discard();
            member.vote(&mut anchor.state, slot, member.spread() / member.weight);
            member.folded = true;
            member.path.reversion = member.spread() / member.weight.max(0.05);
        }
    }

    pub(super) fn paths(&self) -> [Path; MAX_MEMBERS] {
        core::array::from_fn(|slot| self.members[slot].map_or_else(Path::default, |m| m.path))
    }

    pub(super) fn shocks(&self) -> AllShocks {
        let mut shocks = AllShocks::default();
        if let Some(anchor) = &self.anchor {
            shocks.add(self.oscillator.jumps.as_slice(), anchor.v, usize::MAX / 4);
            for (slot, member) in self.members.iter().enumerate() {
                shocks.add(member.as_ref().map_or(&[], |m| m.routes.as_slice()), anchor.v, slot);
            }
        }
        shocks
    }

    /// The window as the anchor sees it.
    fn prepare(&mut self) {
        let Some(anchor) = &self.anchor else { return };
        for (point, e) in self.points.iter_mut().zip(&self.window[..self.count]) {
            *point = anchor.point(e.v, e.forward, e.backward, e.half, e.member);
        }
    }

    /// Weighs the asymmetries and says what follows.
    fn conclude(&mut self, belief: &Belief, gauged: &Belief) {
        let Some(anchor) = &self.anchor else { return };
        let many = self.many();
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
            theta_sd: sqrt(surest.0.max(0.0)),
            frequency: gauged.x[1],
            frequency_sd,
            skew: 2.0 * frequency_sd,
            wander: self.oscillator.wander,
            covariance: surest.1,
        });
        self.gauged = Some(Anchor { v, theta, state: *gauged });
    }

    /// Conditions a copy of the belief on the heavy-tailed prior that every asymmetry not yet judged is near zero.
    fn gauge(&mut self, belief: &Belief) -> Belief {
        let mut out = *belief;
        for round in 0..6 {
            out = *belief;
            for (slot, member) in self.members.iter().enumerate() {
                let Some(member) = member else { continue };
                if member.seen < 3 || !member.votes || !member.used || member.folded {
                    continue;
                }
                let weight = if round == 0 { 1.0 } else { member.weight };
                member.vote(&mut out, slot, member.spread() / weight);
            }
            for (slot, member) in self.members.iter_mut().enumerate() {
                let Some(member) = member else { continue };
                let beta = out.x[asymmetry_of(slot)] - member.usual;
                member.weight = (TAILS + 1.0) / (TAILS + beta * beta / member.spread().max(1e-30));
            }
        }
        out
    }
}
