//! Sudden changes of the oscillator: noticed because packets came earlier than they could, and taken back when they
//! no longer explain anything.

use super::anchor::{Jump, Jumps};
use super::joint::{Belief, Joint, Snapshot};
use super::oscillator::WANDERS;
use super::state::{Path, Point};

/// States kept while the window is run: those before its newest samples.
pub const SNAPSHOTS: usize = 33;
/// How many samples back a change is sought.
const BACK: [usize; 11] = [3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32];
/// Kinds of change: deviation of θ (s) and of the frequency (s/s). A deviation of θ is at least as large as what is to be
/// explained.
const KINDS: [(f64, f64); 4] = [(0.0, 3e-7), (0.0, 2e-6), (0.01, 1e-5), (0.0, 5e-5)];
/// Gain in evidence at which a change is believed, what a change of θ needs besides, and how much better than a mere
/// larger wander it has to be.
const BELIEVE: f64 = 6.0;
const TIME_TOO: f64 = 4.0;
const BETTER: f64 = 2.0;
/// By how much the wander may be larger instead.
const ROUGHER: [f64; 4] = [2.0, 4.0, 16.0, 64.0];
/// Gain below which a change is dropped again.
const DROP: f64 = 2.0;
/// Deviations by which one way, and only one, must be too early; for a first look, and to be sure.
const GLANCE: f64 = -2.0;
const EARLY: f64 = -3.0;

impl Joint {
    /// Looks for a new change, drops unlikely ones, and sizes the newest.
    pub(super) fn note_changes(&mut self) {
        if self.count >= 6
            && let Some(jump) = self.seek()
        {
            self.consider(jump);
        }
        self.drop_unlikely();
        self.size_newest();
    }

    /// A change, or an oscillator that wanders more than was thought? What explains the window better is believed.
    fn consider(&mut self, jump: Jump) {
        let (wander, before) = (self.oscillator.wander, self.oscillator.jumps);
        let evidence = |joint: &Self, wander: f64| {
            joint.pass(wander, &joint.shocks()).map_or(f64::NEG_INFINITY, |r| r.1)
        };
        self.oscillator.jumps.insert(jump);
        let with = evidence(self, wander);
        // An oscillator that is rough all the time looks as if it jumped again and again.
        for (jumps, factors) in [(before, &ROUGHER[..]), (Jumps::default(), &ROUGHER[1..])] {
            self.oscillator.jumps = jumps;
            let better = factors
                .iter()
                .map(|f| (wander * f).min(WANDERS.1))
                .map(|wander| (evidence(self, wander), wander))
                .max_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((_, wander)) = better.filter(|b| b.0 > with - BETTER) {
                self.oscillator.wander = wander;
                return;
            }
        }
        self.oscillator.jumps = before;
        self.oscillator.jumps.insert(jump);
        self.jumped = true;
    }

    /// The change that explains the newest samples best, if one is needed at all.
    fn seek(&mut self) -> Option<Jump> {
        let anchor = self.anchor.as_ref()?;
        let origin = anchor.v;
        let mut state = anchor.state;
        let (paths, shocks, wander) = (self.paths(), self.shocks(), self.oscillator.wander);
        let (points, snapshots) = (&self.points[..self.count], &mut self.snapshots);
        let first = points.len().saturating_sub(SNAPSHOTS);
        let mut suspicious = false;
        let evidence = state.run(0.0, points, &paths, wander, shocks.as_slice(), |i, t, state, evidence| {
            if i >= first {
                snapshots[i - first] = Snapshot { t, evidence, belief: *state };
                let mut ahead = *state;
                ahead.advance(points[i].t - t, wander, &paths);
                let (there, back) = ahead.lateness(&points[i], &paths[points[i].path].noise);
                suspicious |= (there < GLANCE) != (back < GLANCE);
            }
        });
        if !suspicious {
            return None;
        }
        let members = self.members.iter().flatten().count();
        let mut best: Option<(f64, Jump)> = None;
        for back in BACK {
            if back + 3 > points.len() || members > 1 && back < 2 * members {
                continue;
            }
            let k = points.len() - back;
            let before = &snapshots[k - first];
            let at = origin + 0.5 * (points[k - 1].t + points[k].t);
            if self.oscillator.jumps.near(at) || !is_early(&points[k..], before, &paths, wander) {
                continue;
            }
            let newest = points[points.len() - 1];
            let off =
                (newest.offset() - before.belief.x[0] - before.belief.x[1] * (newest.t - before.t)).abs();
            for (theta, frequency) in KINDS {
                let theta = if theta > 0.0 { f64::max(theta, off) } else { 0.0 };
                let jump = Jump { at, theta: theta * theta, frequency: frequency * frequency, delay: 0.0 };
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
        best.map(|b| b.1)
    }

    /// Self-healing: changes that the samples no longer support are forgotten.
    fn drop_unlikely(&mut self) {
        let Some(start) = self.anchor.as_ref().map(|a| a.v) else { return };
        let mut index = 0;
        while index < self.oscillator.jumps.as_slice().len() {
            let jump = self.oscillator.jumps.as_slice()[index];
            // A change known from elsewhere (suspend) is no hypothesis.
            if jump.at > start && jump.theta < 0.04 {
                let wander = self.oscillator.wander;
                let with = self.pass(wander, &self.shocks()).map_or(0.0, |r| r.1);
                let kept: Jumps<_> = self.oscillator.jumps;
                self.oscillator.jumps.remove(index);
                let without = self.pass(wander, &self.shocks()).map_or(0.0, |r| r.1);
                if with - without < DROP {
                    continue;
                }
                self.oscillator.jumps = kept;
            }
            index += 1;
        }
    }

    /// Makes the newest change larger if that is likelier.
    fn size_newest(&mut self) {
        let Some(start) = self.anchor.as_ref().map(|a| a.v) else { return };
        let Some(last) = self.oscillator.jumps.as_slice().iter().rposition(|jump| jump.at > start) else {
            return;
        };
        let wander = self.oscillator.wander;
        let before = self.pass(wander, &self.shocks()).map_or(0.0, |r| r.1);
        let kept = self.oscillator.jumps;
        self.oscillator.jumps.as_mut_slice()[last].frequency *= 9.0;
        let after = self.pass(wander, &self.shocks()).map_or(f64::NEG_INFINITY, |r| r.1);
        if after <= before + 0.5 {
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
