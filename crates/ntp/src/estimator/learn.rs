//! What noise the samples of one source have, and whether the frequency has jumped: by evidence.
//!
//! Each new sample runs the filter over the whole window a few times, with the noise a little changed, and keeps
//! what makes the window likelier. Nothing that was believed once is kept for ever.

use super::MAX_SAMPLES;
use super::filter::{Jump, Noise, State};
use super::regress::{self, FLOOR, Point};
use libm::{exp, log, sqrt};

/// Wander before anything is known, s/s per √s: an ordinary crystal in an ordinary room.
const WANDER: f64 = 2e-9;

/// Samples up to which the noise is learned fast.
const FEW: usize = 16;

type Scale = fn(&mut Noise, f64);

/// The directions in which noise is searched.
const SCALES: [Scale; 5] = [
    |n, f| (n.forward, n.backward) = (n.forward * f, n.backward * f),
    |n, f| n.forward *= f,
    |n, f| n.backward *= f,
    |n, f| n.reading *= f * f,
    |n, f| n.wander *= f * f * f,
];

impl Noise {
    /// Noise before anything is known.
    pub fn guess(jitter: f64) -> Self {
        Self { forward: jitter, backward: jitter, reading: 0.1 * jitter, wander: WANDER }
    }

    fn limited(self) -> Self {
        Self {
            forward: self.forward.clamp(FLOOR, 1e3),
            backward: self.backward.clamp(FLOOR, 1e3),
            reading: self.reading.clamp(FLOOR, 1e3),
            wander: self.wander.clamp(4e-11, 2e-6),
        }
    }

    /// Logarithm of how plausible such noise is beforehand: most paths queue alike both ways.
    fn plausibility(&self, jitter: f64) -> f64 {
        let mean = sqrt(self.forward * self.backward);
        let normal = |x: f64, sd: f64| -0.5 * (x / sd) * (x / sd);
        let ratio = log(self.forward / self.backward);
        log(0.8 / 0.15 * exp(normal(ratio, 0.15)) + 0.2 / 1.5 * exp(normal(ratio, 1.5)) + 1e-300)
            + normal(log(self.reading / (0.1 * mean)), 1.5)
            + normal(log(mean / jitter), 1.5)
            + normal(log(self.wander / WANDER), 2.0)
    }
}

/// The samples of one source in order of time, and what is believed about them.
pub struct Window<'a> {
    points: &'a [Point],
    start: State,
    jitter: f64,
    /// The noise.
    pub noise: Noise,
    /// The newest jump of the frequency.
    pub jump: Option<Jump>,
}

impl<'a> Window<'a> {
    /// Of at least three points that span some time.
    pub fn new(points: &'a [Point], noise: Option<Noise>, jump: Option<Jump>) -> Self {
        let jitter = regress::jitter(points);
        let noise = noise.unwrap_or(Noise::guess(jitter));
        Self { points, start: prior(points, jitter), jitter, noise, jump }
    }

    fn evidence(&self, noise: &Noise) -> f64 {
        self.start.clone().run(self.points, 0, noise, self.jump) + noise.plausibility(self.jitter)
    }

    /// Adapts the noise: all of it, fast, while there are few samples, later a little with each `turn`.
    pub fn learn(&mut self, turn: usize) {
        let mut best = self.evidence(&self.noise);
        if self.points.len() > FEW {
            for scale in [SCALES[turn % 5], SCALES[(turn + 3) % 5]] {
                self.search(scale, 0.15, &mut best);
            }
            return;
        }
        for round in 1..=3 {
            for scale in SCALES {
                self.search(scale, 0.5 / f64::from(round), &mut best);
            }
        }
    }

    /// Tries a larger and a smaller noise.
    fn search(&mut self, scale: Scale, step: f64, best: &mut f64) {
        for factor in [exp(step), exp(-step)] {
            let mut noise = self.noise;
            scale(&mut noise, factor);
            let noise = noise.limited();
            let evidence = self.evidence(&noise);
            if evidence > *best {
                (*best, self.noise) = (evidence, noise);
                return;
            }
        }
    }

    /// Looks for a jump of the frequency among the newest samples, and drops one that is no longer likely.
    ///
    /// Returns the index from which samples still matter: a second jump makes what was before the first useless.
    pub fn seek_jump(&mut self) -> usize {
        /// Gains in evidence at which a jump is believed and at which it is dropped again.
        const BELIEVE: f64 = 6.0;
        const DROP: f64 = 2.0;
        let n = self.points.len();
        if let Some(jump) = self.jump {
            let with = self.evidence(&self.noise);
            self.jump = None;
            if jump.at < n && with - self.evidence(&self.noise) > DROP {
                self.jump = Some(jump);
            }
        }
        let mut before = [State::default(); MAX_SAMPLES];
        let mut sums = [0.0; MAX_SAMPLES];
        let plain = self.pass(&mut before, &mut sums);
        let newest = n.saturating_sub(32)..n;
        if !newest.into_iter().any(|i| before[i].is_impossible(&self.points[i], &self.noise)) {
            return 0;
        }
        let mut best: Option<(f64, Jump)> = None;
        for back in [3, 4, 5, 6, 8, 11, 16, 23, 32] {
            let Some(at) = n.checked_sub(back).filter(|&at| at >= 3) else { break };
            for sd in [3e-7, 2e-6, 5e-5] {
                let jump = Jump { at, sd };
                let gain =
                    before[at].clone().run(self.points, at, &self.noise, Some(jump)) - (plain - sums[at]);
                if gain > best.map_or(BELIEVE, |b| b.0) {
                    best = Some((gain, jump));
                }
            }
        }
        let Some((_, jump)) = best else { return 0 };
        let old = self.jump.replace(jump);
        old.map_or(0, |old| if old.at < jump.at { old.at } else { 0 })
    }

    /// Runs once with the noise as it is; notes the state before each sample and the evidence up to it.
    fn pass(&self, before: &mut [State; MAX_SAMPLES], sums: &mut [f64; MAX_SAMPLES]) -> f64 {
        let mut state = self.start;
        let mut sum = 0.0;
        for i in 0..self.points.len() {
            sums[i] = sum;
            // One sample at a time, so that the evidence is known in between.
            if i > 0 {
                state.advance(self.points[i].t - self.points[i - 1].t, &self.noise);
            }
            before[i] = state;
            sum += state.run(&self.points[..=i], i, &self.noise, self.jump);
        }
        sum
    }

    /// The state at the newest sample.
    pub fn finish(&self) -> State {
        let mut state = self.start;
        state.run(self.points, 0, &self.noise, self.jump);
        state
    }
}

/// The state before the first sample: what the first few of them allow.
fn prior(points: &[Point], jitter: f64) -> State {
    let few = &points[..points.len().min(4)];
    let least = regress::min_delay(points);
    let worst = few.iter().map(|p| p.delay() - least).fold(0.0, f64::max);
    let span = (few[few.len() - 1].t - few[0].t).max(1e-3);
    let line = regress::fit(few);
    let offset_sd = (few[0].delay() - least) / 2.0 + 3.0 * jitter;
    let frequency_sd = 4.0 * (worst / 2.0 + jitter) / span + 1e-8;
    let delay_sd = 4.0 * jitter + 0.01 * least.abs();
    let mut state = State { x: [few[0].offset(), line.frequency, least], ..State::default() };
    for (i, sd) in [offset_sd, frequency_sd, delay_sd].into_iter().enumerate() {
        state.p[i][i] = sd * sd;
    }
    state
}
