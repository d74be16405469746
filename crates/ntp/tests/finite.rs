//! Finite by construction: whatever samples say, what the estimator reports are numbers, and it counts when they were
//! too absurd to go on from.

use ntp::estimator::{Joint, SourceStats, StatsOptions, Used};
use ntp::ids::SourceId;
use ntp::rng::Rng;
use ntp::sample::Sample;
use ntp::time::{NANOS, OscTime};
use ntp::wire::Leap;

const SOURCES: usize = 4;

/// A filter over sources, fed with anything.
struct Fed {
    sources: Vec<SourceStats>,
    joint: Joint,
    taken: usize,
}

impl Fed {
    fn new(known: Option<(f64, f64)>) -> Self {
        let sources = (0..SOURCES).map(|_| SourceStats::new(StatsOptions::default())).collect();
        Self { sources, joint: Joint::new(known), taken: 0 }
    }

    fn give(&mut self, index: usize, sample: &Sample) {
        self.taken += usize::from(self.sources[index].push(sample, self.joint.oscillator()));
        let used = self.sources.iter().enumerate().filter(|(_, s)| s.last().is_some());
        let used = used.map(|(i, stats)| Used { id: SourceId(i as u32), stats, votes: i != 1 });
        self.joint.update(used, |_| false);
        self.check(sample);
    }

    /// Times that anything lost its footing.
    fn resets(&self) -> u32 {
        self.joint.resets() + self.sources.iter().map(|s| s.path().resets()).sum::<u32>()
    }

    fn check(&self, sample: &Sample) {
        let all_finite = |what: &str, numbers: &[f64]| {
            assert!(numbers.iter().all(|x| x.is_finite()), "{what}: {numbers:?} after {sample:?}");
        };
        for stats in &self.sources {
            let noise = stats.path().noise();
            all_finite(
                "noise",
                &[noise.forward, noise.backward, noise.reading[0], noise.reading[1], stats.path().wander()],
            );
            all_finite(
                "path",
                &[stats.path().jitter(), stats.path().least(), stats.asymmetry(), stats.std_dev()],
            );
            if let Some(e) = stats.estimate() {
                all_finite("estimate", &[e.offset_sd, e.frequency, e.frequency_sd, e.covariance, e.wander]);
                all_finite("estimate", &[e.skew, e.std_dev, e.noise, e.delay, e.theta.seconds()]);
                all_finite(
                    "estimate ahead",
                    &[e.growth(1e5), e.predict_sd(e.v + 1e5), e.predict(e.v + 1e5).seconds()],
                );
            }
        }
        all_finite("oscillator", &[self.joint.oscillator().wander]);
        if let Some(c) = self.joint.combined() {
            all_finite(
                "combined",
                &[c.theta_sd, c.frequency, c.frequency_sd, c.skew, c.wander, c.covariance],
            );
            all_finite(
                "combined",
                &[c.theta.seconds(), c.growth(1e5), c.sd_after(1e5), c.predict(c.v + 1e5).seconds()],
            );
        }
        for i in 0..SOURCES {
            if let Some((mean, sd, weight)) = self.joint.asymmetry(SourceId(i as u32)) {
                all_finite("asymmetry", &[mean, sd, weight]);
            }
        }
    }
}

/// An honest sample at `seconds`: 10 ms each way, waiting for `late` (ns).
fn honest(seconds: f64, late: (i64, i64)) -> Sample {
    Sample {
        v: OscTime::from_seconds(seconds),
        forward: 10_000_000 + late.0,
        backward: 10_000_000 + late.1,
        half: 0.01,
        dispersion: 1e-6,
        root_delay: 0.0,
        root_dispersion: 0.0,
        stratum: 1,
        leap: Leap::None,
    }
}

/// `count` honest samples of every source from `seconds` on, 16 s apart; the time of the next.
fn honest_time(fed: &mut Fed, rng: &mut Rng, seconds: f64, count: usize) -> f64 {
    let mut t = seconds;
    for i in 0..count * SOURCES {
        t += 4.0;
        fed.give(i % SOURCES, &honest(t, (rng.below(500_000) as i64, rng.below(500_000) as i64)));
    }
    t
}

/// Numbers that a stamp may have, as extreme as they get.
const STAMPS: [i64; 9] =
    [0, 1, -1, 20_000_000, -20_000_000, 1_000_000_000 * NANOS, -1_000_000_000 * NANOS, i64::MAX, i64::MIN];

#[test]
fn extreme_stamps_give_numbers() {
    let pairs = STAMPS.iter().flat_map(|&forward| STAMPS.map(|backward| (forward, backward)));
    for (number, (forward, backward)) in pairs.enumerate() {
        let known = [None, Some((1e-5, 1e-7)), Some((0.0, 0.0))][number % 3];
        let before = 5 * (number % 2);
        let (mut rng, mut fed) = (Rng::from_number(1), Fed::new(known));
        let mut t = honest_time(&mut fed, &mut rng, 0.0, before);
        for i in 0..3 * SOURCES {
            t += [0.0, 1e-9, 1.0][i % 3];
            fed.give(i % SOURCES, &Sample { forward, backward, ..honest(t, (0, 0)) });
        }
        honest_time(&mut fed, &mut rng, t, 4);
        assert_eq!(fed.taken, (before + 3 + 4) * SOURCES);
    }
}

#[test]
fn equal_stamps_no_delay_and_negative_delays_give_numbers() {
    for (forward, backward, half) in [(0, 0, 0.0), (5, -5, 0.0), (-7, -7, -1e-9), (-10_000_000, 1, 0.0)] {
        let mut fed = Fed::new(None);
        for i in 0..400 {
            // Pairs of sources measure at the same instant, and each instant comes twice.
            let sample = Sample { forward, backward, half, ..honest((i / 8) as f64 * 16.0, (0, 0)) };
            fed.give(i % SOURCES, &sample);
        }
        assert!(fed.taken == 400 && fed.joint.combined().is_some());
    }
}

#[test]
fn samples_thirty_years_apart_give_numbers() {
    let mut rng = Rng::from_number(2);
    let mut fed = Fed::new(None);
    let mut t = 0.0;
    for gap in [1e9, 1e3, 2e9, 1e-9, 3e9] {
        t = honest_time(&mut fed, &mut rng, t, 3) + gap;
    }
    honest_time(&mut fed, &mut rng, t, 200);
    let sd = fed.joint.combined().expect("there are samples").theta_sd;
    assert!(sd < 1e-2, "and it finds back: {sd}");
}

#[test]
fn what_is_no_number_is_refused() {
    for absurd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300] {
        let (mut rng, mut fed) = (Rng::from_number(3), Fed::new(None));
        let t = honest_time(&mut fed, &mut rng, 0.0, 10);
        let taken = fed.taken;
        for i in 0..4 * SOURCES {
            let mut sample = honest(t, (0, 0));
            match i % 4 {
                0 => sample.half = absurd,
                1 => sample.dispersion = absurd,
                2 => sample.root_delay = absurd,
                _ => sample.root_dispersion = absurd,
            }
            fed.give(i / 4, &sample);
        }
        assert_eq!((fed.taken, fed.resets()), (taken, 0), "{absurd}");
        honest_time(&mut fed, &mut rng, t, 20);
        let combined = fed.joint.combined().expect("there are samples");
        assert!(combined.theta_sd < 1e-3 && combined.theta.seconds().abs() < 1e-3, "{absurd}: {combined:?}");
    }
}

#[test]
fn absurd_knowledge_beforehand_gives_numbers_and_is_counted() {
    for known in [(f64::NAN, 1e-6), (0.0, f64::NAN), (f64::INFINITY, 1.0), (1e300, 1e-300), (0.0, 1e200)] {
        let mut rng = Rng::from_number(4);
        let mut fed = Fed::new(Some(known));
        honest_time(&mut fed, &mut rng, 0.0, 20);
        if !known.0.is_finite() || known.1.is_nan() {
            assert!(fed.resets() > 0, "{known:?}");
        }
        fed.joint.set_known(None);
        honest_time(&mut fed, &mut rng, 1000.0, 40);
    }
}

#[test]
fn random_extremes_give_numbers() {
    for seed in 0..25 {
        let mut rng = Rng::from_number(seed);
        let mut fed = Fed::new(None);
        let mut v = 0i64;
        for _ in 0..120 {
            v = v.saturating_add((rng.bits() >> (1 + rng.below(62))) as i64);
            let mut stamp = || match rng.below(3) {
                0 => STAMPS[rng.below(STAMPS.len())],
                1 => rng.bits() as i64 >> rng.below(64),
                _ => 10_000_000 + rng.below(1_000_000) as i64,
            };
            let (forward, backward) = (stamp(), stamp());
            let half = [0.0, 0.01, 1e8, -1e8][rng.below(4)];
            let sample = Sample { v: OscTime::from_nanos(v), forward, backward, half, ..honest(0.0, (0, 0)) };
            fed.give(rng.below(SOURCES), &sample);
        }
        assert!(fed.taken > 60, "most come in order of time, and are taken");
    }
}
