//! One path alone: its noise by evidence, its changes of route, and what it says of the oscillator.

mod guess;
mod law;
mod route;
pub mod unrest;

use super::MAX_SAMPLES;
use super::anchor::{Anchor, Jump, Jumps, Shocks};
use super::expected::Expected;
use super::noise::Noise;
use super::oscillator::{CLOCK_JUMPS, Oscillator, WANDER, WANDERS};
use super::quantile::median;
use super::regress;
use super::state::{Path, Point, State};
use crate::sample::Sample;
pub use guess::{FirstWait, HINTS, Hint, delay_variance, first_offset};
use guess::{before_jumps, scatter};
use law::Before;
use unrest::{Unrest, Waits};

/// Changes of route remembered.
pub const ROUTES: usize = 6;
/// Samples up to which the noise is learned fast.
const FEW: usize = 16;
/// Samples up to which the noise starts from the plain guess each time.
const FIRST: usize = 4;
/// Changes of the server's own clock remembered.
const STEPS: usize = 4;
/// So many packets in a row that no queue explains are a change of the server's clock. (A change of ours is noticed
/// earlier, by all sources together.)
const UNEXPLAINED: usize = 4;
/// What such a change does to the server's rate besides (one standard deviation), s/s.
const STEP_RATE: f64 = 1e-6;
/// Gain in evidence at which a frequency beyond a crystal's is believed.
const WIDE: f64 = 3.0;
/// … and if it was known before: few samples of one path easily look as if they knew better.
const DISPROVED: f64 = 10.0;
/// Samples of the first line, and the multiple of its deviations that is believed of it.
const FIRST_LINE: usize = 16;
const DOUBT: f64 = 4.0;
/// Samples from which on the line is trusted so far: the jitter of fewer is hardly known.
pub const TELLING: usize = 8;
/// Gain in evidence at which a change of route, or of the server's clock, is believed.
const BELIEVE: f64 = 12.0;
/// Whoever is said to be further off than this, s/s, is not put right by it.
const FASTEST: f64 = 0.5;
/// Finest mean wait that a handful of samples can show, s.
const FINEST: f64 = 1e-6;

/// Mean (s) and variance (s²) of the delay of a reference clock.
pub const NO_DELAY: (f64, f64) = (0.0, 1e-22);

/// The filter of one path over its window of samples.
#[derive(Clone, Debug)]
pub struct PathFilter {
    /// A reference clock's: no path at all, and noise to both sides.
    two_sided: bool,
    /// Known share of the jitter on the way there.
    share: Option<f64>,
    anchor: Option<Anchor<3>>,
    /// The anchor has absorbed samples: it is no longer a prior.
    advanced: bool,
    noise: Noise,
    /// Wander as this path alone sees it, s/s per √s: an oscillator that wanders unseen looks like noise, so both are
    /// learned together.
    wander: f64,
    /// First guess of the mean wait of one way, s.
    jitter: f64,
    /// What the round trip in the middle is beyond the shortest, s.
    excess: f64,
    first_wait: FirstWait,
    /// Shortest round trip of the window, s.
    least: f64,
    /// dθ/dV that round trips are put right by, s/s.
    rate: f64,
    /// The frequency is beyond a crystal's.
    wide: bool,
    /// What an earlier run has learned of the path, while it serves.
    expected: Option<Expected>,
    line: Option<FirstLine>,
    routes: Jumps<ROUTES>,
    steps: Jumps<STEPS>,
    unrest: Unrest,
    /// What the samples of the window have waited.
    waits: Waits,
    /// Log evidence for errors of reading over waits as the cause of its noise; and the log odds that the other paths give for that.
    blurred: f64,
    others_blurred: f64,
    /// Samples since the last reset.
    seen: usize,
    /// Times the filter lost its footing and began anew.
    resets: u32,
    points: [Point; MAX_SAMPLES],
}

impl Default for PathFilter {
    fn default() -> Self {
        Self::new(false, 1.0)
    }
}

impl PathFilter {
    /// Knows nothing yet. `two_sided`: the samples are a reference clock's; `asymmetry`: see [`super::StatsOptions`].
    pub fn new(two_sided: bool, asymmetry: f64) -> Self {
        Self {
            two_sided,
            share: (asymmetry.abs() <= 0.5).then_some(0.5 + asymmetry),
            anchor: None,
            advanced: false,
            noise: if two_sided { Noise::two_sided(1e-4) } else { Noise::default() },
            wander: WANDER,
            jitter: 1e-4,
            excess: 0.0,
            first_wait: FirstWait::default(),
            least: 0.0,
            rate: 0.0,
            wide: false,
            expected: None,
            line: None,
            routes: Jumps::default(),
            steps: Jumps::default(),
            unrest: Unrest::default(),
            waits: Waits::default(),
            blurred: 0.0,
            others_blurred: 0.0,
            seen: 0,
            resets: 0,
            points: [Point::default(); MAX_SAMPLES],
        }
    }
}

/// What the filter believes at its newest sample.
#[derive(Clone, Copy, Debug)]
pub struct Believed {
    /// Whole nanoseconds from which θ of the state counts.
    pub theta: i64,
    /// θ, y and the shortest delay.
    pub state: State<3>,
}

/// A line through the first samples: its offset at the first of them (s), its slope (s/s), and what is doubted of both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FirstLine {
    /// Samples behind it.
    pub samples: usize,
    /// Offset, s, against the first sample's.
    pub offset: f64,
    /// Deviation of `offset`, s.
    pub offset_sd: f64,
    /// dθ/dV, s/s.
    pub frequency: f64,
    /// Deviation of `frequency`, s/s.
    pub frequency_sd: f64,
}

/// Where the newest of `n` samples begin, those that may show a change of the server's clock.
fn first_of_newest(n: usize) -> usize {
    n.saturating_sub(UNEXPLAINED).max(usize::from(n > 1))
}

type AllShocks = Shocks<{ CLOCK_JUMPS + ROUTES + STEPS + 1 }>;

impl PathFilter {
    /// The noise learned.
    pub fn noise(&self) -> &Noise {
        &self.noise
    }

    /// Wander as this path alone sees it, s/s per √s.
    pub fn wander(&self) -> f64 {
        self.wander
    }

    /// First guess of the mean wait of one way, s.
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// What the round trip in the middle of the window is beyond the shortest, s.
    pub fn excess(&self) -> f64 {
        self.excess
    }

    /// What its very first packets may have waited besides.
    pub fn first_wait(&self) -> &FirstWait {
        &self.first_wait
    }

    /// Shortest round trip of the window, s.
    pub fn least(&self) -> f64 {
        self.least
    }

    /// Is the frequency beyond a crystal's?
    pub fn is_wide(&self) -> bool {
        self.wide
    }

    /// Expects this of the path from now on, and this wander (s/s per √s); to be said before the first sample.
    pub fn expect(&mut self, expected: Expected, wander: f64) {
        self.expected = Some(expected);
        self.wander = wander.clamp(WANDERS.0, WANDERS.1);
    }

    /// What an earlier run has learned of the path, while it serves: as long as the samples do not contradict it, and
    /// until they say enough themselves.
    pub fn expected(&self) -> Option<&Expected> {
        self.expected.as_ref()
    }

    /// The line through its first samples.
    pub fn line(&self) -> Option<&FirstLine> {
        self.line.as_ref()
    }

    /// The changes of route believed.
    pub fn routes(&self) -> &Jumps<ROUTES> {
        &self.routes
    }

    /// Log evidence for errors of reading over waits as the cause of its noise, as far as that moves the time.
    pub fn blurred(&self) -> f64 {
        self.blurred
    }

    /// Samples since the last reset.
    pub fn seen(&self) -> usize {
        self.seen
    }

    /// Times the filter lost its footing and began anew.
    pub fn resets(&self) -> u32 {
        self.resets
    }

    /// True time moved by `nanos` against oscillator time.
    pub fn add_offset(&mut self, nanos: i64) {
        if let Some(anchor) = self.anchor.as_mut() {
            anchor.theta = anchor.theta.saturating_add(nanos);
        }
    }

    /// The oldest sample leaves the window of `size`: the anchor takes it in, or forgets it when `forget`.
    pub fn drop_oldest(&mut self, oldest: &Sample, size: usize, forget: bool, oscillator: &Oscillator) {
        let Some(mut anchor) = self.anchor else { return };
        if forget {
            self.anchor = None;
            self.advanced = false;
            return;
        }
        let mut point = anchor.point(oldest.v, oldest.forward, oldest.backward, oldest.half, 0);
        point.unrest = self.unrest.factors(&self.waits.near(size - 1, 0));
        point.besides = self.first_wait.of(oldest.v);
        let shocks = self.shocks(oscillator);
        anchor.absorb(&point, oldest.v, &[self.path()], self.wander, shocks.as_slice());
        self.advanced = anchor.state.is_sound();
        self.anchor = self.advanced.then_some(anchor);
    }

    fn path(&self) -> Path {
        Path { noise: self.noise, reversion: 0.0 }
    }

    fn shocks(&self, oscillator: &Oscillator) -> AllShocks {
        let mut shocks = AllShocks::default();
        if let Some(anchor) = &self.anchor {
            shocks.add(oscillator.jumps.as_slice(), anchor.v, usize::MAX / 4);
            shocks.add(self.routes.as_slice(), anchor.v, 0);
            shocks.add(self.steps.as_slice(), anchor.v, 0);
        }
        shocks
    }

    /// The window has a new newest sample: learns from it and returns what is believed now; `None` when nothing
    /// finite came of it.
    pub fn update(&mut self, window: &[Sample], oscillator: &Oscillator) -> Option<Believed> {
        self.seen += 1;
        window.first()?;
        self.ask_others(oscillator);
        self.guess(window, oscillator);
        if !self.advanced {
            self.anchor = Some(self.prior(window, oscillator, self.wide || oscillator.wide));
        }
        let anchor = self.anchor.as_ref()?;
        for (out, s) in self.points.iter_mut().zip(window) {
            *out = anchor.point(s.v, s.forward, s.backward, s.half, 0);
        }
        let n = window.len();
        self.weigh(n);
        self.points[0].besides = self.first_wait.of(window[0].v);
        self.consider_wide(window, oscillator);
        self.doubt_expected(window, oscillator);
        self.seek_route(window, oscillator);
        self.learn_unrest(n, oscillator);
        let before = self.learn_noise(window, oscillator)?;
        let state = self.conclude(n, &before, oscillator)?;
        let anchor = self.anchor.as_ref()?;
        if state.is_sound() {
            return Some(Believed { theta: anchor.theta, state });
        }
        self.resets = self.resets.saturating_add(1);
        (self.anchor, self.advanced, self.noise) = (None, false, self.first_noise());
        (self.wander, self.expected) = (WANDER, None);
        (self.routes, self.steps) = (Jumps::default(), Jumps::default());
        (self.unrest, self.waits, self.blurred) = (Unrest::default(), Waits::default(), 0.0);
        None
    }

    /// Shortest round trip and mean wait. The minimum of a few round trips is too long by about their mean excess
    /// divided by their number.
    fn guess(&mut self, window: &[Sample], oscillator: &Oscillator) {
        if self.two_sided {
            (self.least, self.jitter) = (0.0, scatter(window));
            if self.seen <= FIRST {
                self.noise = self.first_noise();
            }
            return;
        }
        let n = window.len() as f64;
        let rate = self.anchor.map_or(oscillator.frequency(), |anchor| anchor.state.x[1]);
        self.rate = if rate.abs() < FASTEST { rate } else { 0.0 };
        let lengths = window.iter().map(|s| s.length(self.rate));
        let least = lengths.clone().fold(f64::INFINITY, f64::min);
        let mean = lengths.clone().map(|length| length - least).sum::<f64>() / n;
        // No mean: the very first packets often wait long.
        let excess = median(lengths.map(|length| length - least)).unwrap_or(0.0);
        (self.least, self.excess) = (least, excess);
        if self.seen == window.len() {
            self.first_wait = FirstWait::new(window, window[0].length(self.rate) - least - excess);
        }
        self.jitter = if window.len() > 1 {
            (0.6 * mean * n / (n - 1.0)).max(FINEST + 1e-3 * least.abs() / n)
        } else {
            (0.1 * least.abs()).max(1e-6)
        };
        let (seen, n) = (self.seen, window.len());
        let expected = self.expected.take();
        self.expected = expected.filter(|e| seen <= MAX_SAMPLES && e.fits(least, n));
        if seen <= FIRST || seen <= FEW && expected.is_some() && self.expected.is_none() {
            self.noise = self.expected.map_or_else(|| self.first_noise(), |e| e.noise);
        }
    }

    /// The belief before the first sample.
    ///
    /// Were it that of a newcomer, the first packets could teach anything, and if they happened to wait long, the packets
    /// that contradict them later would be taken for outliers, for good. So a line through the first samples, with
    /// several times its own doubt, is where the filter starts.
    fn prior(&mut self, window: &[Sample], oscillator: &Oscillator, wide: bool) -> Anchor<3> {
        let mut anchor = Anchor::at(&window[0], 3);
        let straight = before_jumps(window, oscillator);
        self.line = self.first_line(straight);
        let line = self.line.filter(|l| l.samples >= TELLING);
        let slope = line.map(|l| (l.frequency, l.frequency_sd));
        let (frequency, variance) = oscillator.prior(wide, slope);
        let hints = straight.iter().take(HINTS).map(|s| Hint {
            t: s.v - anchor.v,
            offset: s.offset_nanos().saturating_sub(anchor.theta) as f64 * 1e-9,
            delay: if self.two_sided { DOUBT * self.jitter } else { s.delay() },
            excess: s.length(self.rate) - self.least,
        });
        let (offset, offset_variance) = match line {
            Some(line) => (line.offset, line.offset_sd * line.offset_sd),
            None => first_offset(hints, frequency, variance),
        };
        anchor.state.set(0, offset, offset_variance);
        anchor.state.set(1, frequency, variance);
        let (delay, delay_variance) = match &self.expected {
            _ if self.two_sided => NO_DELAY,
            Some(expected) => expected.delay_prior(self.least, variance),
            None => (
                self.least + self.noise.beyond(self.excess),
                delay_variance(self.jitter, self.least, window.len(), variance),
            ),
        };
        anchor.state.set(2, delay, delay_variance);
        anchor
    }

    /// A line through the first samples of a window, those that waited least counting most; `None` for fewer than three.
    fn first_line(&self, window: &[Sample]) -> Option<FirstLine> {
        let few = &window[..window.len().min(FIRST_LINE)];
        let (first, last) = (few.first()?, few.last()?);
        let (n, span) = (few.len(), last.v - first.v);
        if n < 3 || span <= 0.0 {
            return None;
        }
        let mut points = [Point::default(); FIRST_LINE];
        let base = first.offset_nanos();
        for (point, sample) in points.iter_mut().zip(few) {
            *point = Point::new(sample, first.v, base);
        }
        let line = regress::fit(&points[..n]);
        let doubt = DOUBT * self.jitter;
        Some(FirstLine {
            samples: n,
            offset: line.offset,
            offset_sd: doubt + 1e-3 * self.least.abs(),
            frequency: line.frequency,
            frequency_sd: doubt * libm::sqrt(12.0 / n as f64) / span + DOUBT * self.wander * libm::sqrt(span),
        })
    }

    /// By how much a change of the oscillator makes this path's own samples likelier. Those are the `n` that it was given
    /// last.
    pub fn gain(&self, n: usize, jump: &Jump, oscillator: &Oscillator) -> f64 {
        let Some(anchor) = &self.anchor else { return 0.0 };
        let shocks = self.shocks(oscillator);
        let mut with = shocks;
        with.add(&[*jump], anchor.v, usize::MAX / 4);
        let run = |shocks: &AllShocks| self.pass(n, shocks).map_or(0.0, |r| r.1);
        run(&with) - run(&shocks)
    }

    fn pass(&self, n: usize, shocks: &AllShocks) -> Option<(State<3>, f64)> {
        let mut state = self.anchor?.state;
        let path = [self.path()];
        let points = &self.points[..n];
        let evidence = state.run(0.0, points, &path, self.wander, shocks.as_slice(), |_, _, _, _| ());
        Some((state, evidence))
    }

    /// Typical crystal, or anything? As long as the prior counts, the evidence decides.
    fn consider_wide(&mut self, window: &[Sample], oscillator: &Oscillator) {
        let n = window.len();
        if self.advanced || self.wide || oscillator.wide || !(3..=FEW).contains(&n) {
            return;
        }
        let shocks = self.shocks(oscillator);
        let (narrow, wide) = (self.anchor, self.prior(window, oscillator, true));
        let before = self.pass(n, &shocks).map_or(0.0, |r| r.1);
        self.anchor = Some(wide);
        let after = self.pass(n, &shocks).map_or(0.0, |r| r.1);
        let needed = if oscillator.known.is_some() { DISPROVED } else { WIDE };
        if after > before + needed {
            self.wide = true;
        } else {
            self.anchor = narrow;
        }
    }

    /// The belief at the newest sample. On the way it looks for a change of the server's clock: a run of packets, one
    /// way of each earlier than it could come. `before` is what was believed before those.
    fn conclude(&mut self, n: usize, before: &Before, oscillator: &Oscillator) -> Option<State<3>> {
        let anchor = self.anchor?;
        let (path, mut state) = ([self.path()], before.state);
        let first = first_of_newest(n);
        let (points, mut run, mut error, mut waits) = (&self.points[..n], 0, 0.0, [0.0; 2]);
        let (newest, shocks) = (&points[first..], self.shocks(oscillator));
        let rest = state.run(before.t, newest, &path, self.wander, shocks.as_slice(), |i, t, state, _| {
            let mut ahead = *state;
            ahead.advance(newest[i].t - t, self.wander, &path);
            waits = ahead.waits(&newest[i]);
            let (there, back) = ahead.lateness(&newest[i], &path[0].noise);
            run += usize::from((there < -3.0) != (back < -3.0));
            error += (newest[i].offset() - ahead.x[0]).abs() / UNEXPLAINED as f64;
        });
        self.waits.push(waits, &mut self.unrest);
        let plain = before.evidence + rest;
        if run < UNEXPLAINED || n < 2 * UNEXPLAINED {
            return Some(state);
        }
        let at = anchor.v + 0.5 * (points[first - 1].t + points[first].t);
        if at <= anchor.v || self.steps.near(at) {
            return Some(state);
        }
        let before = self.steps;
        self.steps.insert(Jump {
            at,
            theta: error * error,
            frequency: STEP_RATE * STEP_RATE,
            ..Jump::default()
        });
        match self.pass(n, &self.shocks(oscillator)) {
            Some((changed, with)) if with > plain + BELIEVE => Some(changed),
            _ => {
                self.steps = before;
                Some(state)
            }
        }
    }
}
