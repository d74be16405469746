//! Sudden changes of the oscillator: noticed because packets came earlier than they could, and taken back when they
//! no longer explain anything.

use super::Used;
use super::anchor::{Jump, Jumps};
use super::joint::{Belief, Joint, Snapshot};
use super::oscillator::WANDERS;
use super::runs::ITSELF;
use super::state::{Path, Point};
use crate::time::OscTime;

/// States kept while the window is run: those from which a change is sought.
pub const SNAPSHOTS: usize = BACK.len();
/// Newest samples that are looked at.
const NEWEST: usize = 33;
/// How many samples back a change is sought.
const BACK: [usize; 11] = [3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32];
/// Kinds of change: deviation of θ (s) and of the frequency (s/s). A deviation of θ is at least as large as what is to be
/// explained.
const KINDS: [(f64, f64); 4] = [(0.0, 3e-7), (0.0, 2e-6), (0.01, 1e-5), (0.0, 5e-5)];
/// Gain in evidence at which a change is believed, what a change of θ needs besides, and how much better than a mere
/// larger wander it has to be.
const BELIEVE: f64 = 9.0;
const TIME_TOO: f64 = 4.0;
const BETTER: f64 = 2.0;
/// … and than one without any change, for each change believed before: many changes explain much.
const EACH: f64 = 5.0;
/// Gain that it must have for the paths alone, without the one that sees it best.
const OTHERS: f64 = 0.5;
/// By how much the wander may be larger instead.
const ROUGHER: [f64; 4] = [2.0, 4.0, 16.0, 64.0];
/// Deviation of the largest change of the frequency, s/s: what an ordinary crystal may be off by at all.
pub(super) const LARGEST: f64 = 200e-6;
/// Gain below which a change is dropped again.
const DROP: f64 = 2.0;
/// Deviations by which one way, and only one, must be too early; for a first look, and to be sure.
const GLANCE: f64 = -2.0;
const EARLY: f64 = -3.0;

impl Joint {
    /// Looks for a new change, drops unlikely ones, and sizes the newest. When all stayed as it was, the evidence of the run
    /// that was made for it is returned, its belief among `runs`.
    pub(super) fn note_changes<'a>(&mut self, used: impl Iterator<Item = Used<'a>> + Clone) -> Option<f64> {
        let jumps = self.oscillator.jumps;
        let (plain, jump) = if self.count >= 6 { self.seek() } else { (None, None) };
        let considered = jump.filter(|jump| self.is_common(jump, used));
        if let Some(jump) = considered {
            self.consider(jump);
        }
        self.drop_unlikely();
        self.size_newest();
        plain.filter(|_| considered.is_none() && self.oscillator.jumps == jumps)
    }

    /// A change of the oscillator is seen by most paths alone; a conflict between the sources is not, and neither is a server
    /// that steps: what one path sees, and sees best, has to be seen by the others besides.
    fn is_common<'a>(&self, jump: &Jump, used: impl Iterator<Item = Used<'a>> + Clone) -> bool {
        let gains = used.map(|u| {
            let window = u.stats.window();
            u.stats.path().gain(window.len(), jump, &self.oscillator)
        });
        let (mut number, mut seen, mut sum, mut most) = (0, 0, 0.0, f64::NEG_INFINITY);
        for gain in gains {
            number += 1;
            seen += usize::from(gain > 0.0);
            sum += gain.max(0.0);
            most = gain.max(most);
        }
        number < 2 || 2 * seen > number && sum - most > OTHERS
    }

    /// A change, or an oscillator that wanders more than was thought? What explains the window better is believed.
    fn consider(&mut self, jump: Jump) {
        let (wander, before) = (self.oscillator.wander, self.oscillator.jumps);
        self.oscillator.jumps.insert(jump);
        let with = self.evidence(wander, &self.shocks());
        // An oscillator that is rough all the time looks as if it jumped again and again.
        let others = before.as_slice().len() as f64;
        let rivals =
            [(before, &ROUGHER[..], BETTER), (Jumps::default(), &ROUGHER[1..], BETTER + EACH * others)];
        for (jumps, factors, lead) in rivals {
            self.oscillator.jumps = jumps;
            let better = factors
                .iter()
                .map(|f| (wander * f).min(WANDERS.1))
                .map(|wander| (self.evidence(wander, &self.shocks()), wander))
                .max_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((_, wander)) = better.filter(|b| b.0 > with - lead) {
                self.next_wander = wander;
                self.checkpoint.discard();
                self.checkpoint();
                return;
            }
        }
        self.oscillator.jumps = before;
        self.oscillator.jumps.insert(jump);
        self.jumped = true;
        self.checkpoint();
    }

    /// The evidence as it is, and the change that explains the newest samples best, if one is needed at all.
    fn seek(&mut self) -> (Option<f64>, Option<Jump>) {
        let Some(anchor) = &self.anchor else { return (None, None) };
        let origin = anchor.v;
        let (paths, shocks, wander) = (self.paths(), self.shocks(), self.oscillator.wander);
        let (count, first) = (self.count, self.count.saturating_sub(NEWEST));
        let mut suspicious = false;
        let mut snapshots = core::mem::take(&mut self.snapshots);
        let run = self.rerun(ITSELF, &shocks, |i, t, state, evidence| {
            if i >= first {
                if let Some(place) = BACK.iter().position(|back| i + back == count) {
                    snapshots[place] = Snapshot { t, evidence, belief: *state };
                }
                let (mut ahead, point) = (*state, &self.points[i]);
                ahead.advance(point.t - t, wander, &paths);
                let (there, back) = ahead.lateness(point, &paths[point.path].noise);
                suspicious |= (there < GLANCE) != (back < GLANCE);
            }
        });
        self.snapshots = snapshots;
        let Some((belief, plain)) = run else { return (None, None) };
        self.runs[ITSELF] = belief;
        if !suspicious {
            return (Some(plain), None);
        }
        let evidence = plain - self.past.plausibility(wander);
        let (points, snapshots) = (&self.points[..self.count], &self.snapshots);
        let members = self.members.iter().flatten().count();
        let mut best: Option<(f64, Jump)> = None;
        for (place, back) in BACK.into_iter().enumerate() {
            if back + 3 > points.len() || members > 1 && back < 2 * members {
                continue;
            }
            let k = points.len() - back;
            let before = &snapshots[place];
            let at = origin + 0.5 * (points[k - 1].t + points[k].t);
            if self.oscillator.jumps.near(at) || !is_early(&points[k..], before, &paths, wander) {
                continue;
            }
            let newest = points[points.len() - 1];
            let off =
                (newest.offset() - before.belief.x[0] - before.belief.x[1] * (newest.t - before.t)).abs();
            for (theta, frequency) in KINDS {
                let theta = if theta > 0.0 { f64::max(theta, off) } else { 0.0 };
                let jump =
                    Jump { at, theta: theta * theta, frequency: frequency * frequency, ..Jump::default() };
                let mut with = shocks;
                with.add(&[jump], origin, usize::MAX / 4);
                let mut state = before.belief;
                let rest =
                    state.run(before.t, &points[k..], &paths, wander, with.as_slice(), |_, _, _, _| ());
                let gain = before.evidence + rest - evidence - if theta > 0.0 { TIME_TOO } else { 0.0 };
                if gain > best.map_or(BELIEVE, |b| b.0) {
                    best = Some((gain, jump));
                }
            }
        }
        (Some(plain), best.map(|b| b.1))
    }

    /// From when on changes may be judged anew: those before a checkpoint wait for the next.
    fn changeable(&self) -> Option<OscTime> {
        let start = self.anchor.as_ref()?.v;
        Some(self.checkpoint.since().map_or(start, |since| since.max(start)))
    }

    /// The evidence of the window as it is.
    fn again(&self) -> f64 {
        let run = self.rerun(ITSELF, &self.shocks(), |_, _, _, _| ());
        run.map_or(f64::NEG_INFINITY, |r| r.1)
    }

    /// Self-healing: changes that the samples no longer support are forgotten.
    fn drop_unlikely(&mut self) {
        let Some(start) = self.changeable() else { return };
        let mut index = 0;
        while index < self.oscillator.jumps.as_slice().len() {
            let jump = self.oscillator.jumps.as_slice()[index];
            // A change known from elsewhere (suspend) is no hypothesis.
            if jump.at > start && !jump.known {
                let with = self.again();
                let kept: Jumps<_> = self.oscillator.jumps;
                self.oscillator.jumps.remove(index);
                if with - self.again() < DROP {
                    continue;
                }
                self.oscillator.jumps = kept;
            }
            index += 1;
        }
    }

    /// Makes the newest change larger if that is likelier.
    fn size_newest(&mut self) {
        let Some(start) = self.changeable() else { return };
        let Some(last) = self.oscillator.jumps.as_slice().iter().rposition(|jump| jump.at > start) else {
            return;
        };
        let kept = self.oscillator.jumps;
        let frequency = kept.as_slice()[last].frequency * 9.0;
        if frequency > LARGEST * LARGEST {
            return;
        }
        let before = self.again();
        self.oscillator.jumps.as_mut_slice()[last].frequency = frequency;
        if self.again() <= before + 0.5 {
            self.oscillator.jumps = kept;
        }
    }
}

/// Does one of these packets come earlier than it could, one way only, if nothing changed since `before`? Queueing
/// cannot explain that, a change of the oscillator can.
fn is_early(points: &[Point], before: &Snapshot, paths: &[Path], wander: f64) -> bool {
    let mut state: Belief = before.belief;
    let mut t = before.t;
    points.iter().any(|point| {
        state.advance(point.t - t, wander, paths);
        t = point.t;
        let (there, back) = state.lateness(point, &paths[point.path].noise);
        (there < EARLY) != (back < EARLY)
    })
}
