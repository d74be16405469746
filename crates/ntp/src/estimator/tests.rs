//! The behaviour of the estimator as a table: root mean square errors by jitter, wander and event.

use super::*;
use crate::rng::Rng;
use std::fmt::Write;

/// Queueing of one way.
#[derive(Clone, Copy)]
enum Jitter {
    Exponential(f64),
    /// Mean and standard deviation.
    Normal(f64, f64),
}

impl Jitter {
    fn draw(self, rng: &mut Rng) -> f64 {
        match self {
            Self::Exponential(mean) => -mean * libm::log(1.0 - rng.uniform()),
            Self::Normal(mean, sd) => (mean + sd * normal(rng)).max(0.0),
        }
    }
}

fn normal(rng: &mut Rng) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - rng.uniform()));
    radius * libm::cos(core::f64::consts::TAU * rng.uniform())
}

struct Scenario {
    name: &'static str,
    ways: (Jitter, Jitter),
    wander: f64,
    frequency: f64,
    /// Every this many samples the frequency jumps by this much.
    jump: Option<(usize, f64)>,
}

struct Score {
    offset: f64,
    ahead: f64,
    frequency: f64,
    /// Share of offset errors beyond two standard deviations.
    beyond: f64,
    window: f64,
}

const POLL: f64 = 64.0;
const SAMPLES: usize = 600;

impl Scenario {
    fn run(&self, seed: u64, mut estimate: impl FnMut(&Sample) -> Estimate) -> Score {
        let mut rng = Rng::from_number(seed);
        let (mut theta, mut frequency) = (0.3, self.frequency);
        let base = 1_500_000_000 * crate::time::NANOS;
        let mut v = OscTime::from_nanos(1000 * crate::time::NANOS);
        let mut sum = [0.0; 5];
        let mut number = 0.0;
        for i in 0..SAMPLES {
            let steps = 16;
            for _ in 0..steps {
                let dt = POLL / f64::from(steps);
                theta += frequency * dt;
                frequency += self.wander * libm::sqrt(dt) * normal(&mut rng);
            }
            v += POLL;
            if let Some((every, by)) = self.jump
                && i % every == every / 2
            {
                frequency += if i / every % 2 == 0 { by } else { -by };
            }
            let (there, back) = (0.01 + self.ways.0.draw(&mut rng), 0.01 + self.ways.1.draw(&mut rng));
            let half = (there + back) / 2.0;
            // Stamps at V1 = v − half and V4 = v + half.
            let sample = Sample {
                v,
                forward: base + crate::time::seconds_to_nanos(theta - frequency * half + there),
                backward: -base + crate::time::seconds_to_nanos(-(theta + frequency * half) + back),
                half,
                ..EMPTY
            };
            let e = estimate(&sample);
            if i < 40 {
                continue;
            }
            let truth = Theta::from_nanos(base) + theta;
            let error = e.predict(v) - truth;
            let later = v + POLL;
            let ahead = e.predict(later) - (truth + frequency * POLL);
            let sd = e.predict_sd(v);
            for (s, x) in sum.iter_mut().zip([
                error * error,
                ahead * ahead,
                (e.frequency - frequency) * (e.frequency - frequency),
                f64::from(u8::from(error.abs() > 2.0 * sd)),
                e.samples as f64,
            ]) {
                *s += x;
            }
            number += 1.0;
        }
        Score {
            offset: libm::sqrt(sum[0] / number),
            ahead: libm::sqrt(sum[1] / number),
            frequency: libm::sqrt(sum[2] / number),
            beyond: sum[3] / number,
            window: sum[4] / number,
        }
    }
}

/// What is to be beaten: least squares through the offsets, weighted by delay, cut by the runs test.
#[derive(Default)]
struct LeastSquares {
    ring: Vec<Sample>,
}

impl LeastSquares {
    fn push(&mut self, sample: &Sample) -> Estimate {
        self.ring.push(*sample);
        if self.ring.len() > MAX_SAMPLES {
            self.ring.remove(0);
        }
        loop {
            let base = sample.offset_nanos();
            let points: Vec<_> = self.ring.iter().map(|s| Point::new(s, sample.v, base)).collect();
            let line = regress::fit(&points);
            if points.len() > 6 && !Residuals::new(&points, &line).is_straight() {
                self.ring.remove(0);
                continue;
            }
            return Estimate {
                theta: Theta::from_nanos(base) + line.offset,
                frequency: line.frequency,
                samples: points.len(),
                ..Estimate::unknown(sample)
            };
        }
    }
}

const fn exponential(there: f64, back: f64) -> (Jitter, Jitter) {
    (Jitter::Exponential(there), Jitter::Exponential(back))
}

const LAN: (Jitter, Jitter) = exponential(1e-4, 1e-4);
const WAN: (Jitter, Jitter) = exponential(1e-3, 1e-3);
const UPLINK: (Jitter, Jitter) = exponential(2e-3, 0.5e-3);
const NORMAL: (Jitter, Jitter) = (Jitter::Normal(5e-3, 1e-3), Jitter::Normal(5e-3, 1e-3));

const SCENARIOS: [Scenario; 12] = [
    Scenario { name: "LAN, wander 1e-9", ways: LAN, wander: 1e-9, frequency: 1e-5, jump: None },
    Scenario { name: "LAN, wander 1e-8", ways: LAN, wander: 1e-8, frequency: 1e-5, jump: None },
    Scenario { name: "LAN, wander 1e-7", ways: LAN, wander: 1e-7, frequency: 1e-5, jump: None },
    Scenario { name: "LAN, no wander, -5 %", ways: LAN, wander: 0.0, frequency: -0.05, jump: None },
    Scenario {
        name: "LAN, jumps of 1 ppm",
        ways: LAN,
        wander: 1e-9,
        frequency: 1e-5,
        jump: Some((100, 1e-6)),
    },
    Scenario { name: "WAN, wander 1e-10", ways: WAN, wander: 1e-10, frequency: 1e-5, jump: None },
    Scenario { name: "WAN, wander 1e-9", ways: WAN, wander: 1e-9, frequency: 1e-5, jump: None },
    Scenario { name: "WAN, wander 1e-8", ways: WAN, wander: 1e-8, frequency: 1e-5, jump: None },
    Scenario {
        name: "WAN, jumps of 1 ppm",
        ways: WAN,
        wander: 1e-9,
        frequency: 1e-5,
        jump: Some((100, 1e-6)),
    },
    Scenario { name: "uplink 2 / 0.5 ms", ways: UPLINK, wander: 1e-9, frequency: 1e-5, jump: None },
    Scenario { name: "normal 1 ms", ways: NORMAL, wander: 1e-9, frequency: 1e-5, jump: None },
    Scenario {
        name: "10 us, wander 1e-9",
        ways: exponential(1e-5, 1e-5),
        wander: 1e-9,
        frequency: 1e-5,
        jump: None,
    },
];

#[test]
fn errors_by_jitter_and_wander() {
    let mut table = String::from(
        "rms error of               offset (us)   a poll ahead (us)  frequency (ppb)   > 2 sd  samples\n\
         scenario                 squares   ours   squares     ours   squares   ours      (%)\n",
    );
    for scenario in &SCENARIOS {
        let mut total = [0.0f64; 8];
        let seeds = 3;
        for seed in 1..=seeds {
            let mut squares = LeastSquares::default();
            let theirs = scenario.run(seed, |s| squares.push(s));
            let mut stats = SourceStats::new(StatsOptions::default());
            let ours = scenario.run(seed, |s| {
                stats.push(s);
                *stats.estimate().expect("there is a sample")
            });
            for (t, x) in total.iter_mut().zip([
                theirs.offset * 1e6,
                ours.offset * 1e6,
                theirs.ahead * 1e6,
                ours.ahead * 1e6,
                theirs.frequency * 1e9,
                ours.frequency * 1e9,
                ours.beyond * 100.0,
                ours.window,
            ]) {
                *t += x / seeds as f64;
            }
        }
        let [a, b, c, d, e, f, g, h] = total;
        writeln!(
            table,
            "{:<22} {a:>9.1} {b:>6.1} {c:>9.1} {d:>8.1} {e:>9.0} {f:>6.0} {g:>8.1} {h:>8.0}",
            scenario.name
        )
        .expect("a string takes everything");
    }
    println!("{table}");
}
