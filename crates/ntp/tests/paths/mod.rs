//! Samples of several paths over one wandering oscillator: what an estimator is fed, without an engine around it.

use ntp::estimator::{Joint, SourceStats, StatsOptions, Used};
use ntp::ids::SourceId;
use ntp::rng::Rng;
use ntp::sample::Sample;
use ntp::time::{NANOS, OscTime, seconds_to_nanos};
use ntp::wire::Leap;

/// A server and the way to it.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// Shortest time there and back, s.
    pub least: (f64, f64),
    /// Mean queueing there and back, s.
    pub jitter: (f64, f64),
    /// Its clock minus true time, s.
    pub offset: f64,
}

/// An oscillator, and servers that measure it in turn.
pub struct World {
    rng: Rng,
    v: OscTime,
    /// True time minus oscillator time beyond `BASE`, s, and its slope, s/s.
    theta: f64,
    pub frequency: f64,
    /// Random walk of the frequency, s/s per √s.
    wander: f64,
    pub servers: Vec<Server>,
}

/// True time minus oscillator time at the start, ns.
const BASE: i64 = 1_700_000_000 * NANOS;

impl World {
    /// `servers` of them, 4 to 40 ms away, their paths not quite symmetric.
    pub fn new(servers: usize, wander: f64, seed: u64) -> Self {
        let mut rng = Rng::from_number(seed);
        let server = |_| {
            let least = 0.002 + 0.018 * rng.uniform();
            let jitter = 2e-4 + 8e-4 * rng.uniform();
            Server {
                least: (least, least * (0.95 + 0.1 * rng.uniform())),
                jitter: (jitter, jitter),
                offset: 0.0,
            }
        };
        let servers = (0..servers).map(server).collect();
        Self { rng, v: OscTime::from_nanos(NANOS), theta: 0.3, frequency: 1e-5, wander, servers }
    }

    /// What the server `index` says after `interval` seconds.
    pub fn sample(&mut self, index: usize, interval: f64) -> Sample {
        self.v += interval;
        self.theta += self.frequency * interval;
        // The sum of four uniform numbers, of variance 1/3, is close enough to a normal one.
        let normal: f64 = (0..4).map(|_| self.rng.uniform() - 0.5).sum::<f64>() * 3.0f64.sqrt();
        self.frequency += self.wander * interval.sqrt() * normal;
        let Server { least, jitter, offset } = self.servers[index];
        let mut wait = |mean: f64| -mean * (1.0 - self.rng.uniform()).ln();
        let (there, back) = (least.0 + wait(jitter.0), least.1 + wait(jitter.1));
        let half = (there + back) / 2.0;
        Sample {
            v: self.v,
            forward: BASE + seconds_to_nanos(self.theta + offset - self.frequency * half + there),
            backward: -BASE + seconds_to_nanos(back - self.theta - offset - self.frequency * half),
            half,
            dispersion: 1e-6,
            root_delay: 1e-3,
            root_dispersion: 1e-4,
            stratum: 2,
            leap: Leap::None,
        }
    }

    /// True time minus oscillator time now, s, beyond the value at the start.
    pub fn theta(&self) -> f64 {
        self.theta
    }
}

/// The estimators of all sources, and the one over them.
pub struct Estimators {
    pub sources: Vec<SourceStats>,
    pub joint: Joint,
}

impl Estimators {
    pub fn new(sources: usize) -> Self {
        let sources = (0..sources).map(|_| SourceStats::new(StatsOptions::default())).collect();
        Self { sources, joint: Joint::default() }
    }

    /// Learns a sample of the source `index`. `wrong`: a source that is found to be wrong now. Returns the error of the
    /// estimate against `theta` (s), as [`World::theta`] counts it.
    pub fn learn(&mut self, index: usize, sample: &Sample, wrong: Option<usize>, theta: f64) -> f64 {
        self.sources[index].push(sample, self.joint.oscillator());
        let id = |index: usize| SourceId(index as u32);
        let heard = self.sources.iter().enumerate().filter(|&(i, s)| wrong != Some(i) && s.last().is_some());
        let used = heard.map(|(i, stats)| Used { id: id(i), stats, votes: true });
        let combined = self.joint.update(used, |source| wrong.map(id) == Some(source));
        combined.map_or(f64::NAN, |c| c.predict(sample.v).nanos().saturating_sub(BASE) as f64 * 1e-9 - theta)
    }
}
