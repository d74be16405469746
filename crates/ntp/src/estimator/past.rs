//! What earlier windows said of the wander.
//!
//! A window of some dozens of samples says little about how an oscillator wanders: behind noisy paths its evidence is nearly
//! flat over a decade. So the evidence of each window that is over is kept, fading, and stands beside that of the window now
//! (docs/discipline.md, "Wander by evidence").

use super::oscillator::WANDERS;
use super::runs::plausibility;
use core::f64::consts::LN_2;
use libm::log;

/// Wanders for which evidence is kept: powers of two times the smallest.
const KEPT: usize = 17;
/// Share of what is kept that remains after another window.
const FADE: f64 = 0.8;
/// However much evidence there is, a window that says otherwise by more than this wins.
const MOST: f64 = 6.0;
/// Windows with fewer samples say nothing.
const FEWEST: usize = 40;

/// Log evidence of the windows that are over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    evidence: [f64; KEPT],
    /// The last window that was full, not yet kept: what is measured now overlaps with it.
    last: [f64; KEPT],
    /// Samples since.
    since: usize,
}

impl Default for Past {
    fn default() -> Self {
        Self { evidence: [0.0; KEPT], last: [0.0; KEPT], since: 0 }
    }
}

/// ln of the wander of place `i`.
fn place(i: usize) -> f64 {
    log(WANDERS.0) + i as f64 * LN_2
}

impl Past {
    /// Logarithm of how plausible a wander (s/s per √s) is, beside what the window now says.
    pub fn plausibility(&self, wander: f64) -> f64 {
        let position = ((log(wander) - place(0)) / LN_2).clamp(0.0, (KEPT - 1) as f64);
        let below = (position as usize).min(KEPT - 2);
        let share = position - below as f64;
        plausibility(wander) + (1.0 - share) * self.evidence[below] + share * self.evidence[below + 1]
    }

    /// Another sample was learned; the window of `count` samples now has this log evidence for these wanders, ascending,
    /// nothing of [`Self::plausibility`] in it.
    pub fn note(&mut self, count: usize, wanders: &[f64], evidence: &[f64]) {
        self.since += 1;
        if count < FEWEST || self.since < count || !evidence.iter().all(|e| e.is_finite()) {
            return;
        }
        self.since = 0;
        for (kept, last) in self.evidence.iter_mut().zip(self.last) {
            *kept = FADE * *kept + last;
        }
        below_the_best(&mut self.evidence, MOST);
        self.last = core::array::from_fn(|i| between(place(i), wanders, evidence));
        below_the_best(&mut self.last, f64::INFINITY);
    }
}

/// Only differences mean anything: the greatest becomes 0, none is below `-most`.
fn below_the_best(evidence: &mut [f64; KEPT], most: f64) {
    let best = evidence.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for e in evidence {
        *e = (*e - best).max(-most);
    }
}

/// Interpolates between wanders, in their logarithms; `x` is one too. Constant beyond the ends, where nothing was tried.
fn between(x: f64, wanders: &[f64], evidence: &[f64]) -> f64 {
    let Some(above) = wanders.iter().position(|w| log(*w) > x) else { return evidence[evidence.len() - 1] };
    if above == 0 {
        return evidence[0];
    }
    let (a, b) = (log(wanders[above - 1]), log(wanders[above]));
    let share = (x - a) / (b - a);
    (1.0 - share) * evidence[above - 1] + share * evidence[above]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Factors as the filter tries them, around `wander`.
    fn tried(wander: f64) -> [f64; 5] {
        [0.25, 0.5, 1.0, 2.0, 4.0].map(|f| f * wander)
    }

    /// Windows of `count` samples whose evidence is a parabola of curvature 1 around `truth`.
    fn windows(past: &mut Past, number: usize, count: usize, truth: f64) {
        let wanders = tried(3e-9);
        let evidence = wanders.map(|w| -0.5 * log(w / truth) * log(w / truth));
        for _ in 0..number * count {
            past.note(count, &wanders, &evidence);
        }
    }

    fn best(past: &Past) -> f64 {
        let of = |i: &usize| past.plausibility(libm::exp(place(*i)));
        libm::exp(place((0..KEPT).max_by(|a, b| of(a).total_cmp(&of(b))).unwrap()))
    }

    #[test]
    fn a_window_counts_when_the_next_is_full() {
        let mut past = Past::default();
        windows(&mut past, 1, 80, 6e-9);
        assert_eq!(past.plausibility(1e-8), plausibility(1e-8), "the window now overlaps with it");
        windows(&mut past, 1, 80, 6e-9);
        assert!(past.plausibility(6e-9) - plausibility(6e-9) > past.plausibility(1e-9) - plausibility(1e-9));
    }

    #[test]
    fn many_windows_say_more_than_what_is_thought_beforehand() {
        let mut past = Past::default();
        windows(&mut past, 20, 80, 1e-8);
        assert!((0.6e-8..2e-8).contains(&best(&past)), "{}", best(&past));
        // The oscillator has changed; some windows later so has what is known.
        windows(&mut past, 20, 80, 1e-9);
        assert!((0.5e-9..2e-9).contains(&best(&past)), "{}", best(&past));
    }

    #[test]
    fn however_long_the_past_it_does_not_outweigh_a_window_that_is_sure() {
        let mut past = Past::default();
        windows(&mut past, 1000, 80, 1e-8);
        for exponent in -110..-55 {
            let wander = libm::pow(10.0, f64::from(exponent) * 0.1);
            let of_the_past = past.plausibility(wander) - plausibility(wander);
            assert!((-MOST - 1e-9..=1e-9).contains(&of_the_past), "{wander}: {of_the_past}");
        }
    }

    #[test]
    fn few_samples_and_nonsense_are_not_kept() {
        let mut past = Past::default();
        windows(&mut past, 50, FEWEST - 1, 1e-8);
        for _ in 0..1000 {
            past.note(80, &tried(1e-9), &[0.0, 1.0, f64::NAN, 0.0, 0.0]);
        }
        assert_eq!(past.evidence, Past::default().evidence);
    }
}
