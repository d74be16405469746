//! The behaviour of the estimator as a table: root mean square errors by jitter, wander and event.

use super::noise::Noise;
use super::*;
use crate::ids::SourceId;
use crate::rng::Rng;
use crate::time::NANOS;
use proptest::prelude::*;
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
        let base = 1_500_000_000 * NANOS;
        let mut v = OscTime::from_nanos(1000 * NANOS);
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

/// One source and the filter over it, as in the engine.
struct Alone {
    stats: SourceStats,
    joint: Joint,
}

impl Default for Alone {
    fn default() -> Self {
        Self { stats: SourceStats::new(StatsOptions::default()), joint: Joint::default() }
    }
}

impl Alone {
    fn push(&mut self, sample: &Sample) -> Estimate {
        self.stats.push(sample, self.joint.oscillator());
        let used = Used { id: crate::ids::SourceId(1), stats: &self.stats, votes: true };
        let combined = *self.joint.update([used].into_iter(), |_| false).expect("there is a sample");
        Estimate {
            v: combined.v,
            theta: combined.theta,
            offset_sd: combined.theta_sd,
            frequency: combined.frequency,
            frequency_sd: combined.frequency_sd,
            covariance: combined.covariance,
            wander: combined.wander,
            samples: self.stats.samples(),
            ..*self.stats.estimate().expect("there is a sample")
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
            let mut alone = Alone::default();
            let ours = scenario.run(seed, |s| alone.push(s));
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
    insta::assert_snapshot!(table);
}

/// A sample of the true line θ = `theta` (ns) + `frequency` · v at `seconds`, with 10 ms each way and more.
fn exact(theta: i64, frequency: f64, seconds: f64, late: (i64, i64)) -> Sample {
    let there = 10_000_000 + late.0;
    let back = 10_000_000 + late.1;
    let half = (there + back) as f64 / 2e9;
    let at = |t: f64| theta + crate::time::seconds_to_nanos(frequency * t);
    Sample {
        v: OscTime::from_seconds(seconds),
        forward: at(seconds - half) + there,
        backward: back - at(seconds + half),
        half,
        ..EMPTY
    }
}

fn stats(samples: &[Sample]) -> SourceStats {
    let mut stats = SourceStats::new(StatsOptions::default());
    for sample in samples {
        stats.push(sample, &Oscillator::default());
    }
    stats
}

#[test]
fn an_exact_line_is_found_from_three_samples_even_at_minus_five_percent() {
    for frequency in [-0.05, 0.1, -0.1, 0.0, 1e-6] {
        let theta = 1_500_000_000 * NANOS;
        let mut stats = SourceStats::new(StatsOptions::default());
        for i in 0..80 {
            let seconds = f64::from(i) * 2.0;
            stats.push(&exact(theta, frequency, seconds, (0, 0)), &Oscillator::default());
            let e = stats.estimate().expect("there is a sample");
            assert_eq!(e.has_frequency(), i >= 2);
            if i >= 2 {
                let truth = Theta::from_nanos(theta) + frequency * seconds;
                // Until the noise is learned to be none, the guess of it pulls a little.
                let limit = if i < 8 { 3e-7 + 1e-2 * frequency.abs() } else { 1e-8 };
                assert!((e.theta - truth).abs() < limit, "{frequency} {i}: {}", e.theta - truth);
                assert!((e.frequency - frequency).abs() < limit, "{frequency} {i}: {}", e.frequency);
            }
        }
        assert!(stats.samples() == MAX_SAMPLES && (stats.span() - 126.0).abs() < 1e-9);
    }
}

/// A clock that loses or gains measures a path too short or too long, and nobody may take that for the path's.
#[test]
fn a_wrong_oscillator_makes_no_path_longer() {
    for frequency in [-2e-3, -1073e-6, 0.0, 1073e-6, 2e-3] {
        let mut rng = Rng::from_number(3);
        let mut path = PathFilter::new(false, 1.0);
        let expected = Expected {
            noise: Noise::guess(2e-6),
            doubt: 0.5,
            delay: 0.02,
            delay_variance: 1e-12,
            asymmetry: 0.0,
        };
        path.expect(expected, 1e-9);
        let oscillator = Oscillator { believed: Some(frequency), ..Oscillator::default() };
        let mut window = Vec::new();
        for i in 0..30 {
            let mut wait = || (-2e3 * libm::log(1.0 - rng.uniform())) as i64;
            window.push(exact(0, frequency, f64::from(i) * 16.0, (wait(), wait())));
            let state = path.update(&window, &oscillator).expect("a belief").state;
            assert!(i > 0 || path.expected().is_some(), "{frequency} {i}: taken for another path");
            assert!(i < 8 || (state.x[2] - 0.02).abs() < 3e-6, "{frequency} {i}: {}", state.x[2]);
        }
    }
}

#[test]
fn before_the_third_sample_there_is_an_offset_and_no_frequency() {
    let mut stats = SourceStats::new(StatsOptions::default());
    assert_eq!((stats.estimate(), stats.samples(), stats.std_dev()), (None, 0, UNKNOWN_STD_DEV));
    assert!(stats.accepts_delay(100.0, 1.0));
    stats.push(&exact(NANOS, 0.0, 0.0, (0, 0)), &Oscillator::default());
    let e = *stats.estimate().expect("there is a sample");
    assert_eq!((e.theta, e.frequency, e.skew), (Theta::from_nanos(NANOS), 0.0, UNKNOWN_SKEW));
    assert_eq!((e.offset_sd, stats.min_delay()), (0.01, Some(0.02)));
}

#[test]
fn samples_of_one_instant_and_older_ones_do_no_harm() {
    let same = exact(0, 0.0, 100.0, (0, 0));
    let mut stats = stats(&[same; 5]);
    assert!(stats.estimate().is_some_and(|e| !e.has_frequency() && e.theta == Theta::default()));
    assert!(!stats.push(&exact(0, 0.0, 99.0, (0, 0)), &Oscillator::default()), "older than the last");
    assert_eq!(stats.iter().len(), 5);
}

#[test]
fn maxsamples_and_minsamples_bound_the_window() {
    let bent = |i: i32| exact(i64::from(i * i) * 1_000_000, 0.0, f64::from(i) * 64.0, (0, 0));
    for (min, max, kept) in
        [(6, 0, 6..=12), (3, 0, 3..=12), (20, 0, 20..=20), (6, 8, 6..=8), (6, 4, 4..=4), (6, 1, 1..=1)]
    {
        let mut stats =
            SourceStats::new(StatsOptions { min_samples: min, max_samples: max, ..StatsOptions::default() });
        (0..40).for_each(|i| assert!(stats.push(&bent(i), &Oscillator::default())));
        assert!(kept.contains(&stats.samples()), "{min} {max}: {}", stats.samples());
    }
}

#[test]
fn a_frequency_jump_is_followed_within_a_few_samples() {
    let mut rng = Rng::from_number(3);
    let mut alone = Alone::default();
    let mut late = || (Jitter::Exponential(1e-4).draw(&mut rng) * 1e9) as i64;
    let mut theta = 0;
    for i in 0..60 {
        theta += if i > 50 { 64 * 5_000 } else { 0 }; // 5 ppm
        alone.push(&exact(theta, 0.0, f64::from(i) * 64.0, (late(), late())));
    }
    let e = alone.joint.combined().expect("there are samples");
    assert!((e.frequency - 5e-6).abs() < 3e-7, "{}", e.frequency);
    assert!((e.theta.nanos() - theta).abs() < 60_000, "{}", e.theta.nanos() - theta);
}

#[test]
fn a_known_step_of_true_time_moves_the_line_and_nothing_else() {
    let mut stats = stats(&core::array::from_fn::<_, 20, _>(|i| exact(0, 1e-5, i as f64 * 16.0, (0, 0))));
    let before = *stats.estimate().expect("there are samples");
    stats.add_offset(-NANOS);
    let after = *stats.estimate().expect("there are samples");
    assert!((after.theta - before.theta + 1.0).abs() < 1e-9);
    assert!((after.frequency - before.frequency).abs() < 1e-9);
}

#[test]
fn test_c_compares_with_the_spread_of_the_offsets() {
    let samples: [Sample; 20] = core::array::from_fn(|i| {
        exact(0, 0.0, i as f64 * 16.0, (if i % 2 == 0 { 1_000_000 } else { 0 }, 500_000))
    });
    let mut stats = stats(&samples);
    let (sd, least) = (stats.std_dev(), stats.min_delay().expect("there are samples"));
    assert!(sd > 1e-4 && sd < 1e-3 && (least - 0.0205).abs() < 1e-9);
    assert!(stats.accepts_delay(least + 9.0 * sd, 10.0) && !stats.accepts_delay(least + 11.0 * sd, 10.0));
    stats.note_delay(0.5);
    assert_eq!(stats.delay_quantile(0.5), Some(0.5));
}

proptest! {
    #[test]
    fn no_sample_however_absurd_gives_a_number_that_is_none(
        samples in prop::collection::vec((any::<i64>(), any::<i64>(), any::<i64>(), any::<f64>(), 0u32..64), 1..30),
    ) {
        let mut stats = SourceStats::new(StatsOptions::default());
        let mut v = 0i64;
        for (step, forward, backward, half, shift) in samples {
            v = v.saturating_add((step >> shift).saturating_abs());
            let sample = Sample {
                v: OscTime::from_nanos(v),
                forward: forward >> shift,
                backward: backward >> shift,
                half,
                dispersion: half,
                ..EMPTY
            };
            stats.push(&sample, &Oscillator::default());
            if let Some(e) = stats.estimate() {
                let numbers = [e.offset_sd, e.frequency, e.frequency_sd, e.covariance, e.wander, e.skew, e.std_dev, e.delay];
                prop_assert!(numbers.iter().all(|x| x.is_finite()), "{:?}", e);
                prop_assert!(e.theta.seconds().is_finite() && e.predict_sd(e.v).is_finite());
            }
        }
    }

    #[test]
    fn the_estimate_moves_with_the_origins_of_time_and_offset(
        late in prop::collection::vec((0i64..3_000_000, 0i64..3_000_000), 3..40),
        theta in -(1i64 << 60)..(1i64 << 60),
        origin in -(1i64 << 60)..(1i64 << 60),
    ) {
        let here: Vec<_> = (0..).zip(&late).map(|(i, &late)| exact(0, 1e-5, f64::from(i) * 16.0, late)).collect();
        let there: Vec<_> = here.iter().map(|s| Sample {
            v: OscTime::from_nanos(s.v.nanos() + origin),
            forward: s.forward + theta,
            backward: s.backward - theta,
            ..*s
        }).collect();
        let (here, there) = (stats(&here), stats(&there));
        let (a, b) = (here.estimate().expect("samples"), there.estimate().expect("samples"));
        // Within rounding: the base of the window is a whole nanosecond.
        prop_assert!((b.theta.nanos() - a.theta.nanos() - theta).abs() <= 1);
        prop_assert_eq!(b.v.nanos() - a.v.nanos(), origin);
        prop_assert!((a.frequency - b.frequency).abs() < 1e-4 * a.frequency_sd + 1e-12);
        prop_assert!((a.offset_sd / b.offset_sd - 1.0).abs() < 1e-4 && a.samples == b.samples);
    }

    #[test]
    fn the_line_scales_with_time_and_offset(
        points in prop::collection::vec((0.1f64..100.0, -1.0f64..1.0, 0.01f64..1.0), 3..40),
        stretch in 0.1f64..10.0,
        size in 0.1f64..10.0,
    ) {
        let mut t = 0.0;
        let points: Vec<_> = points.iter().map(|&(dt, x, delay)| {
            t += dt;
            Point { t, forward: x + delay / 2.0, backward: delay / 2.0 - x, ..Point::default() }
        }).collect();
        let scaled: Vec<_> = points.iter().map(|p| {
            Point { t: p.t * stretch, forward: p.forward * size, backward: p.backward * size, ..Point::default() }
        }).collect();
        let (a, b) = (regress::fit(&points), regress::fit(&scaled));
        prop_assert!((a.offset * size - b.offset).abs() < 1e-9 * (1.0 + b.offset.abs()));
        prop_assert!((a.frequency * size / stretch - b.frequency).abs() < 1e-9 * (1.0 + b.frequency.abs()));
    }
}

#[test]
fn a_known_asymmetry_of_the_jitter_is_kept() {
    let options = StatsOptions { asymmetry: 0.3, ..StatsOptions::default() };
    let mut stats = SourceStats::new(options);
    for i in 0..20_i64 {
        let wait = (i * 7919 % 13) * 20_000;
        let sample = Sample {
            v: OscTime::from_nanos(i * 16_000_000_000),
            forward: 5_000_000 + wait,
            backward: 5_000_000 + (i * 104_729 % 11) * 20_000,
            half: 5e-3,
            dispersion: 1e-6,
            root_delay: 0.0,
            root_dispersion: 0.0,
            stratum: 1,
            leap: crate::wire::Leap::None,
        };
        stats.push(&sample, &Oscillator::default());
    }
    assert!((stats.asymmetry() - 0.3).abs() < 1e-6, "{}", stats.asymmetry());
}

/// What all sources together err by (s) after exchange `i`, of the next of them, whose ways took `there` and `back` (s); the
/// oscillator is perfect.
fn error_after(joint: &mut Joint, sources: &mut [SourceStats], i: i64, there: f64, back: f64) -> f64 {
    let sample = Sample {
        v: OscTime::from_nanos((1000 + 16 * i) * NANOS),
        forward: crate::time::seconds_to_nanos(there),
        backward: crate::time::seconds_to_nanos(back),
        half: (there + back) / 2.0,
        ..EMPTY
    };
    let next = i as usize % sources.len();
    sources[next].push(&sample, joint.oscillator());
    let used = sources.iter().enumerate().filter(|(_, stats)| stats.estimate().is_some());
    let used = used.map(|(id, stats)| Used { id: SourceId(id as u32), stats, votes: true });
    let combined = joint.update(used, |_| false).expect("there are samples");
    combined.predict(sample.v) - Theta::default()
}

/// Four equal paths without asymmetry: what the first dozens of samples make of it does not stay.
#[test]
fn the_common_asymmetry_is_judged_again() {
    /// Sample that is the first to be learned for good, and how wrong time is made then, s.
    const WRONG: (i64, f64) = (330, 100e-6);
    let mut rng = Rng::from_number(1);
    let mut joint = Joint::new(None);
    let mut sources: Vec<_> = (0..4).map(|_| SourceStats::new(StatsOptions::default())).collect();
    let (mut before, mut after) = (0.0, 0.0);
    for i in 0..3000i64 {
        let way = Jitter::Exponential(1e-3);
        let (there, back) = (0.01 + way.draw(&mut rng), 0.01 + way.draw(&mut rng));
        let error = error_after(&mut joint, &mut sources, i, there, back);
        if (WRONG.0 + 10..WRONG.0 + 60).contains(&i) {
            before += error / 50.0;
        }
        if i >= 2500 {
            after += error / 500.0;
        }
        if i == WRONG.0 {
            let state = &mut joint.anchor.as_mut().expect("there is one").state;
            state.x[0] += WRONG.1;
            (0..4).for_each(|path| state.x[state::asymmetry_of(path)] -= WRONG.1);
            joint.checkpoint.discard();
        }
    }
    assert!(before > 0.7 * WRONG.1 && after.abs() < 0.15 * WRONG.1, "{before} {after}");
}

/// One of three paths whose first packets wait for 8 ms on their way there, forty times as long as what comes later: it is not
/// taken for its asymmetry, for good.
#[test]
fn who_waited_long_at_first_is_not_asymmetric() {
    for (late, draw) in (1..=5u64).flat_map(|late| [0, 10, 20].map(|draw| (late, draw))) {
        let mut rng = Rng::from_number(late + draw);
        let mut joint = Joint::new(None);
        let mut sources: Vec<_> = (0..3).map(|_| SourceStats::new(StatsOptions::default())).collect();
        let mut worst = 0.0f64;
        for i in 0..450i64 {
            let way = Jitter::Exponential(2e-4);
            let (mut there, back) = (0.005 + way.draw(&mut rng), 0.005 + way.draw(&mut rng));
            if i % 3 == 0 && (i as u64) < 3 * late {
                there += 8e-3;
            }
            let error = error_after(&mut joint, &mut sources, i, there, back);
            if i >= 320 {
                worst = worst.max(error.abs());
            }
        }
        assert!(worst < 3e-5, "{late} {draw}: {worst}");
    }
}

/// Four paths whose packets are early as often as late, much more so on their way back: no queue, so that neither the first packet
/// nor the fastest says where the path ends, only all of them do.
#[test]
fn who_is_early_as_often_as_late_has_not_waited() {
    let mut squares = 0.0;
    for seed in 1..=12 {
        let mut rng = Rng::from_number(seed);
        let mut joint = Joint::new(None);
        let mut sources: Vec<_> = (0..4).map(|_| SourceStats::new(StatsOptions::default())).collect();
        for i in 0..160i64 {
            let there = 0.02 + 5e-4 * normal(&mut rng) + if i < 4 { 0.01 } else { 0.0 };
            let error = error_after(&mut joint, &mut sources, i, there, 0.02 + 3e-3 * normal(&mut rng));
            if i >= 60 {
                squares += error * error / 1200.0;
            }
        }
    }
    let rms = libm::sqrt(squares);
    // The plain mean of each path would have 0.2 ms; a law of queues, which the first dozens look like, has 0.8 ms.
    assert!(rms < 3e-4, "{rms}");
}

/// A path with a queue on its way back only: however its first waits happen to lie, they are waits and not scatter, of which half
/// would be taken for asymmetry.
#[test]
fn waits_on_one_way_are_not_taken_for_scatter() {
    for seed in (1..=40).chain([653]) {
        let mut rng = Rng::from_number(seed);
        let mut joint = Joint::new(None);
        let mut sources = [SourceStats::new(StatsOptions::default())];
        let mut error = 0.0;
        for i in 0..70i64 {
            let mut way = |mean| 0.01 + Jitter::Exponential(mean).draw(&mut rng);
            error = error_after(&mut joint, &mut sources, i, way(1e-5), way(1e-3));
        }
        assert!(error.abs() < 1e-4, "{seed}: {error}");
    }
}
