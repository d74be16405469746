//! What law a path's noise follows, as far as its samples tell.

use super::guess::spread;
use super::{AllShocks, FEW, PathFilter, TELLING, first_of_newest};
use crate::estimator::noise::{Noise, OTHERS};
use crate::estimator::oscillator::{Oscillator, WANDER, WANDERS};
use crate::estimator::state::{Path, State};
use crate::sample::Sample;

type Scale = fn(&mut Noise, &mut f64, f64);

/// The directions in which noise and wander are searched.
const SCALES: [Scale; 10] = [
    |n, _, f| n.forward *= f,
    |n, _, f| (n.forward, n.backward) = (n.forward * f, n.backward * f),
    |_, w, f| *w *= f * f * f,
    |n, _, f| n.backward *= f,
    |n, _, f| n.reading = n.reading.map(|one| one * f * f),
    |_, w, f| *w *= f * f * f,
    |n, _, f| n.blur(f * f),
    |n, _, f| n.reading[0] *= f,
    |n, _, f| n.reading[1] *= f,
    exchange,
];
/// … for a reference clock, whose readings are all the noise there is.
const TWO_SIDED: [Scale; 4] = [
    |n, _, f| n.reading[0] *= f * f,
    |_, w, f| *w *= f * f * f,
    |n, _, f| n.reading[0] *= f,
    |n, w, f| (n.reading[0], *w) = (n.reading[0] / f, *w * f * f * f * f),
];

/// A rough oscillator behind a quiet path, or the reverse: each looks like the other, and neither change alone helps.
fn exchange(noise: &mut Noise, wander: &mut f64, f: f64) {
    (noise.forward, noise.backward) = (noise.forward / f, noise.backward / f);
    *wander *= f * f * f * f;
}

/// Share of the others' log evidence for a kind of law that counts for a path, and the most that one path's is and that of all counts.
///
/// What makes packets early as often as late is mostly near us, so that all paths have it; a single path needs some thirty samples to
/// tell, and goes wrong meanwhile.
const OF_OTHERS: f64 = 0.5;
const SURE: f64 = 5.0;
const SURE_TOGETHER: f64 = 6.0;

/// Deviation of ln wander beforehand.
const WANDER_SD: f64 = 2.0;

/// The belief before the newest samples, and the log evidence up to there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    /// Of the sample before them, s after the anchor.
    pub t: f64,
    pub state: State<3>,
    pub evidence: f64,
}

/// A law tried.
#[derive(Clone, Copy, Debug)]
struct Law {
    /// Log evidence of the window, and how plausible the law is beforehand.
    evidence: f64,
    noise: Noise,
    wander: f64,
    before: Before,
}

impl PathFilter {
    /// Noise before anything is known but `jitter`.
    pub(super) fn first_noise(&self) -> Noise {
        if self.two_sided { Noise::two_sided(self.jitter) } else { self.shared(Noise::guess(self.jitter)) }
    }

    /// The same noise with what the operator knows of its asymmetry.
    fn shared(&self, noise: Noise) -> Noise {
        let Some(share) = self.share.filter(|_| !self.two_sided) else { return noise };
        let both = noise.forward + noise.backward;
        Noise { forward: both * share, backward: both * (1.0 - share), ..noise }.limited()
    }

    /// What the other paths say of the kind of its noise, as long as it has learned nothing for good.
    pub(super) fn ask_others(&mut self, oscillator: &Oscillator) {
        let others = OF_OTHERS * (oscillator.blurred - self.blurred);
        self.others_blurred = if self.advanced { 0.0 } else { others.clamp(-SURE_TOGETHER, SURE_TOGETHER) };
    }

    /// Logarithm of how plausible such noise is beforehand.
    pub(super) fn plausibility(&self, noise: &Noise) -> f64 {
        self.expected.map_or_else(
            || noise.plausibility(self.jitter, self.others_blurred),
            |expected| expected.plausibility(noise),
        )
    }

    /// How good a law is, and what is believed with it. The prior of the delay depends on the law, as long as it is one.
    fn judge(&self, n: usize, noise: Noise, wander: f64, shocks: &AllShocks) -> Option<Law> {
        let mut state = self.anchor?.state;
        if !self.advanced && self.expected.is_none() {
            state.x[2] += noise.beyond(self.excess) - self.noise.beyond(self.excess);
        }
        let mut before = Before { t: 0.0, state, evidence: 0.0 };
        let path = [Path { noise, reversion: 0.0 }];
        let first = first_of_newest(n);
        let sum =
            state.run(0.0, &self.points[..n], &path, wander, shocks.as_slice(), |i, t, state, evidence| {
                if i == first {
                    before = Before { t, state: *state, evidence };
                }
            });
        let x = libm::log(wander / WANDER) / WANDER_SD;
        Some(Law { evidence: sum + self.plausibility(&noise) - 0.5 * x * x, noise, wander, before })
    }

    /// Adapts the noise: all of it, fast, while there are few samples, later a little with each sample.
    /// Returns the belief before the newest samples.
    pub(super) fn learn_noise(&mut self, window: &[Sample], oscillator: &Oscillator) -> Option<Before> {
        let (n, shocks) = (window.len(), self.shocks(oscillator));
        let mut best = self.judge(n, self.noise, self.wander, &shocks)?;
        if !self.advanced && !self.two_sided && self.seen >= TELLING {
            self.blurred = self.try_kinds(window, &shocks, &mut best);
        }
        let mut search = |scale: Scale, step: f64| {
            for factor in [libm::exp(step), libm::exp(-step)] {
                let (mut noise, mut wander) = (best.noise, best.wander);
                scale(&mut noise, &mut wander, factor);
                let (noise, wander) = (self.shared(noise.limited()), wander.clamp(WANDERS.0, WANDERS.1));
                if let Some(law) =
                    self.judge(n, noise, wander, &shocks).filter(|l| l.evidence > best.evidence)
                {
                    best = law;
                    return;
                }
            }
        };
        if self.seen < FEW {
            let scales: &[Scale] = if self.two_sided { &TWO_SIDED } else { &SCALES };
            for round in 1..=3 {
                for scale in scales {
                    search(*scale, 0.5 / f64::from(round));
                }
            }
        } else if self.two_sided {
            search(TWO_SIDED[self.seen % TWO_SIDED.len()], 0.15);
        } else {
            let turn = self.seen % 3;
            search(SCALES[turn], 0.15);
            // The last of them takes turns itself.
            search(SCALES[if turn < 2 { turn + 3 } else { 5 + self.seen / 3 % 4 }], 0.15);
        }
        if let (Some(anchor), false, None) = (self.anchor.as_mut(), self.advanced, &self.expected) {
            anchor.state.x[2] += best.noise.beyond(self.excess) - self.noise.beyond(self.excess);
        }
        (self.noise, self.wander) = (best.noise, best.wander);
        Some(best.before)
    }

    /// Tries the laws that small steps do not lead to, since they are of another kind than the `best` so far. Returns the log
    /// evidence for readings over waits.
    fn try_kinds(&self, window: &[Sample], shocks: &AllShocks, best: &mut Law) -> f64 {
        let sizes = (spread(window, |s| s.forward), spread(window, |s| s.backward));
        let (Some(there), Some(back)) = sizes else { return self.blurred };
        let mut kinds = [f64::NEG_INFINITY; 2];
        for which in 0..OTHERS {
            let noise = self.shared(Noise::other(which, [there, back]));
            // Where both ways are alike, the kind moves nothing, and waits in a row look like readings.
            if noise.is_blurred() && noise.is_alike() {
                continue;
            }
            let Some(law) = self.judge(window.len(), noise, best.wander, shocks) else { continue };
            let kind = &mut kinds[usize::from(noise.is_blurred())];
            *kind = kind.max(law.evidence - self.plausibility(&noise));
            if law.evidence > best.evidence {
                *best = law;
            }
        }
        if kinds[1].is_finite() { (kinds[1] - kinds[0]).clamp(-SURE, SURE) } else { 0.0 }
    }
}
