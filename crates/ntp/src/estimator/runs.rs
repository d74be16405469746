//! Runs of the filter over the window, with several wanders at once.
//!
//! What is learned from one sample to the next changes the far end of the window little. So the beliefs some samples
//! before the newest are kept for a few updates ([`Checkpoint`]), and most runs begin there.

use super::anchor::Anchor;
use super::joint::{AllShocks, Belief, DIMENSIONS, Joint, WANDER_SD};
use super::oscillator::{WANDER, WANDERS};
use super::state::State;
use crate::time::OscTime;
use libm::{exp, log};

/// Factors by which the wander is varied.
pub const FACTORS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];
/// Index of the wander itself among them.
pub const ITSELF: usize = 2;
/// Samples run from a checkpoint at first, and updates for which it serves.
const KEEP: usize = 40;
const UPDATES: u32 = 8;
/// Times a checkpoint moves on with the window before all of it is run again, with what has been learned since.
const MOVES: u32 = 3;
/// Change of ln wander for which a checkpoint is given up early.
const MOVED: f64 = 0.25;

/// Beliefs before the newest samples of the window, one for each wander.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    beliefs: Box<[Anchor<DIMENSIONS>]>,
    evidence: [f64; FACTORS.len()],
    /// Samples of the window that they have learned.
    index: usize,
    /// Updates for which they serve yet.
    left: u32,
    /// Times they moved on with the window since all of it was run.
    moves: u32,
    /// The shocks among those samples: how many, and the sum of their variances.
    shocks: (usize, f64),
}

impl Checkpoint {
    /// Takes the memory of the beliefs.
    pub fn allocate(&mut self) {
        let nothing = Anchor { v: OscTime::from_nanos(0), theta: 0, state: State::new(3) };
        self.beliefs = vec![nothing; FACTORS.len()].into();
    }

    /// The window, its anchor or what paths are like changed: begin anew.
    pub fn discard(&mut self) {
        self.left = 0;
    }

    /// The oldest sample left the window.
    pub fn slide(&mut self) {
        match self.index.checked_sub(1) {
            Some(index) => self.index = index,
            None => self.left = 0,
        }
    }

    /// When the samples begin that are run again; `None`: all are.
    pub fn since(&self) -> Option<OscTime> {
        (self.left > 0).then(|| self.beliefs[ITSELF].v)
    }
}

fn signature(shocks: &AllShocks, before: f64) -> (usize, f64) {
    let early = shocks.as_slice().iter().take_while(|shock| shock.t < before);
    early.fold((0, 0.0), |(n, sum), s| (n + 1, sum + s.theta + s.frequency * 1e6 + s.delay))
}

impl Joint {
    /// Before the runs of an update: takes the wander learned since over and makes a new checkpoint when it is time.
    pub(super) fn checkpoint(&mut self) {
        let Some(anchor) = &self.anchor else { return };
        let shocks = self.shocks();
        let checkpoint = &mut self.checkpoint;
        let t = checkpoint.beliefs[ITSELF].v - anchor.v;
        let moved = log(self.next_wander / self.oscillator.wander).abs();
        let mut good = checkpoint.left > 0 && moved < MOVED && checkpoint.shocks == signature(&shocks, t);
        checkpoint.left = checkpoint.left.saturating_sub(1);
        if good && checkpoint.left > 0 {
            return;
        }
        good &= checkpoint.moves < MOVES;
        let start = if good { checkpoint.index } else { 0 };
        checkpoint.left = 0;
        if !good {
            self.oscillator.wander = self.next_wander;
        }
        let Some(index) = self.count.checked_sub(KEEP).filter(|&index| index >= KEEP.max(start)) else {
            return;
        };
        let (anchor, paths) = (*anchor, self.paths());
        if !good {
            for i in 0..FACTORS.len() {
                (self.checkpoint.beliefs[i], self.checkpoint.evidence[i]) = (anchor, 0.0);
            }
        }
        self.checkpoint.moves = if good { self.checkpoint.moves + 1 } else { 0 };
        let v = self.window[index - 1].v;
        for i in 0..FACTORS.len() {
            let wander = self.wander(i);
            let kept = &mut self.checkpoint.beliefs[i];
            kept.rebase(anchor.theta);
            let (points, since) = (&self.points[start..index], kept.v - anchor.v);
            let evidence = kept.state.run(since, points, &paths, wander, shocks.as_slice(), |_, _, _, _| ());
            kept.v = v;
            self.checkpoint.evidence[i] += evidence;
        }
        self.checkpoint.index = index;
        self.checkpoint.left = UPDATES;
        self.checkpoint.shocks = signature(&shocks, v - anchor.v);
    }

    /// The wander that the run `i` of [`FACTORS`] is made with.
    pub(super) fn wander(&self, i: usize) -> f64 {
        (self.oscillator.wander * FACTORS[i]).clamp(WANDERS.0, WANDERS.1)
    }

    /// Runs the window with the wander `i` and these shocks, which may differ from those of the checkpoint only after
    /// it; the belief and the log evidence, prior included. `seen` is told of the samples run.
    pub(super) fn rerun(
        &self,
        i: usize,
        shocks: &AllShocks,
        mut seen: impl FnMut(usize, f64, &Belief, f64),
    ) -> Option<(Belief, f64)> {
        let (anchor, wander, checkpoint) = (self.anchor.as_ref()?, self.wander(i), &self.checkpoint);
        let (mut state, mut start, mut since, mut before) = (anchor.state, 0, 0.0, 0.0);
        if checkpoint.left > 0 {
            let mut kept = checkpoint.beliefs[i];
            kept.rebase(anchor.theta);
            state = kept.state;
            (start, since, before) = (checkpoint.index, kept.v - anchor.v, checkpoint.evidence[i]);
        }
        let points = &self.points[start..self.count];
        let evidence =
            state.run(since, points, &self.paths(), wander, shocks.as_slice(), |i, t, state, evidence| {
                seen(start + i, t, state, before + evidence);
            });
        Some((state, before + evidence + self.past.plausibility(wander)))
    }

    /// Runs the whole window with this wander and these shocks; the log evidence, prior included.
    pub(super) fn evidence(&self, wander: f64, shocks: &AllShocks) -> f64 {
        let Some(anchor) = &self.anchor else { return f64::NEG_INFINITY };
        let mut state = anchor.state;
        let points = &self.points[..self.count];
        let evidence = state.run(0.0, points, &self.paths(), wander, shocks.as_slice(), |_, _, _, _| ());
        evidence + self.past.plausibility(wander)
    }

    /// The belief averaged over wanders by their evidence; `itself`: that of the run with the wander as it is, if it was made
    /// already. The wander to go on with is kept for the next checkpoint.
    pub(super) fn average(&mut self, itself: Option<f64>) -> Option<Belief> {
        let shocks = self.shocks();
        let mut shares = [0.0; FACTORS.len()];
        for (i, share) in shares.iter_mut().enumerate() {
            if let (ITSELF, Some(evidence)) = (i, itself) {
                *share = evidence;
                continue;
            }
            let (belief, evidence) = self.rerun(i, &shocks, |_, _, _, _| ())?;
            (self.runs[i], *share) = (belief, evidence);
        }
        let wanders: [f64; FACTORS.len()] = core::array::from_fn(|i| self.wander(i));
        let alone: [f64; FACTORS.len()] =
            core::array::from_fn(|i| shares[i] - self.past.plausibility(wanders[i]));
        self.past.note(self.count, &wanders, &alone);
        let best = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = shares.iter().map(|evidence| exp(evidence - best)).sum();
        let shares = shares.map(|evidence| exp(evidence - best) / total);
        let n = self.runs[0].dimensions();
        let mut mean = self.runs[0];
        for i in 0..n {
            mean.x[i] = self.runs.iter().zip(shares).map(|(r, share)| r.x[i] * share).sum::<f64>();
        }
        for i in 0..n {
            for j in 0..=i {
                let about = |r: &Belief| r.p[i][j] + (r.x[i] - mean.x[i]) * (r.x[j] - mean.x[j]);
                let element = self.runs.iter().zip(shares).map(|(r, share)| about(r) * share).sum::<f64>();
                (mean.p[i][j], mean.p[j][i]) = (element, element);
            }
        }
        // The mean of w²: that of ln w is too low, because a wander far below what can be seen is as plausible as one a
        // little below.
        let shift = 0.5 * log(FACTORS.iter().zip(shares).map(|(f, share)| f * f * share).sum::<f64>());
        self.next_wander = (self.oscillator.wander * exp(RATE * shift)).clamp(WANDERS.0, WANDERS.1);
        Some(mean)
    }
}

/// Share of the shift of ln wander that is made at once.
const RATE: f64 = 0.5;

/// Logarithm of how plausible a wander is beforehand.
pub fn plausibility(wander: f64) -> f64 {
    let x = log(wander / WANDER) / WANDER_SD;
    -0.5 * x * x
}
