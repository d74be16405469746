use super::*;
use crate::rng::Rng;
use libm::{log, sin};

const DAY: f64 = 86_400.0;
/// Seconds between two samples and between two readings.
const POLL: f64 = 64.0;
const READING: f64 = 16.0;
/// Mean wait each way, s.
const WAIT: f64 = 1e-3;

/// One path, and an oscillator whose frequency follows a temperature by `coefficient` (dθ/dV, s/s/K).
struct Bench {
    temperatures: Temperatures,
    rng: Rng,
    coefficient: f64,
    seconds: f64,
    theta: f64,
    walked: f64,
    elsewhere: f64,
    compensation: f64,
}

/// What the thermometer says of the room.
type Reads = fn(&mut Bench, f64) -> f64;

impl Bench {
    fn new(coefficient: f64, seed: u64) -> Self {
        let mut temperatures = Temperatures::default();
        temperatures.set_sensors(&["board".to_owned()]);
        let rng = Rng::from_number(seed);
        let (theta, walked, elsewhere, compensation) = (0.0, 0.0, 0.0, 0.0);
        Self { temperatures, rng, coefficient, seconds: 0.0, theta, walked, elsewhere, compensation }
    }

    fn room(&self) -> f64 {
        let wave = |kelvin: f64, period: f64| kelvin * sin(core::f64::consts::TAU * self.seconds / period);
        40.0 + wave(4.0, DAY) + wave(1.0, 7200.0)
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.rng.uniform()).sum::<f64>() - 6.0
    }

    /// dθ/dV beside the corrected time scale.
    fn frequency(&self) -> f64 {
        self.coefficient * (self.room() - 40.0) + self.walked - self.compensation
    }

    fn wait(&mut self) -> f64 {
        -WAIT * log(1.0 - self.rng.uniform())
    }

    fn run(&mut self, until: f64, reads: Reads) {
        let steps = (POLL / READING) as u32;
        let mut step = 0;
        while self.seconds < until {
            self.theta += self.frequency() * READING;
            self.seconds += READING;
            self.walked += 1e-9 * READING.sqrt() * self.normal();
            self.elsewhere += 0.05 * self.normal();
            let (room, v) = (self.room(), OscTime::from_seconds(self.seconds));
            let reading = reads(self, room);
            self.compensation = self.temperatures.read(v, &[reading]);
            self.temperatures.corrected(v, self.compensation);
            step += 1;
            if step % steps == 0 {
                self.learn(v);
            }
        }
    }

    fn learn(&mut self, v: OscTime) {
        let nanos = |seconds: f64| (seconds * 1e9) as i64;
        let (there, back) = (0.01 + self.wait(), 0.01 + self.wait());
        let measured = Measured {
            v,
            ways: (nanos(self.theta + there), nanos(back - self.theta)),
            half: 0.01,
            delay: 0.02,
            asymmetry: 0.0,
            noise: Noise { forward: WAIT, backward: WAIT, reading: [1e-6; 2], two_sided: false },
        };
        let agreed = Combined {
            v,
            theta: Theta::from_nanos(nanos(self.theta)),
            theta_sd: 1e-4,
            frequency: self.frequency(),
            frequency_sd: 1e-7,
            skew: 2e-7,
            wander: 2e-9,
            covariance: 0.0,
        };
        self.temperatures.learn(&measured, &agreed);
    }

    fn report(&self) -> TemperatureReport {
        self.temperatures.report().expect("there is a thermometer")
    }
}

fn right(_: &mut Bench, room: f64) -> f64 {
    (room * 10.0).round() / 10.0
}

fn elsewhere(bench: &mut Bench, _: f64) -> f64 {
    30.0 + bench.elsewhere
}

/// A broken one walks 15 K an hour.
fn broken(bench: &mut Bench, _: f64) -> f64 {
    60.0 + (5.0 * bench.elsewhere) % 60.0
}

#[test]
fn a_coefficient_is_learned_and_applied() {
    for (seed, coefficient) in [(1, 1e-7), (2, -1e-7), (3, 3e-7)] {
        let mut bench = Bench::new(coefficient, seed);
        bench.run(1.5 * DAY, right);
        let report = bench.report();
        assert!(report.used && report.sensor == "board", "{report:?}");
        let apart = (report.coefficient - coefficient) / report.sd;
        assert!(apart.abs() < 4.0 && report.sd < 0.2 * coefficient.abs(), "{report:?}");
        assert!(report.wander.0 < 0.7 * report.wander.1, "less is left to chance: {report:?}");
        // From the evening to the morning: what the oscillator does is taken out of its time scale.
        let (before, room) = (bench.compensation, bench.room());
        bench.run(1.8 * DAY, right);
        let known = (bench.compensation - before) / (coefficient * (bench.room() - room));
        assert!((known - 1.0).abs() < 0.25, "{known} of {} K", bench.room() - room);
    }
}

#[test]
fn what_does_not_matter_is_not_used() {
    for seed in 1..=8 {
        let mut walk = Bench::new(1e-7, seed);
        walk.run(2.0 * DAY, elsewhere);
        assert!(walk.compensation == 0.0, "seed {seed}: {:?}", walk.report());
        let mut steady = Bench::new(0.0, seed);
        steady.run(2.0 * DAY, right);
        assert!(steady.compensation.abs() < 2e-8, "seed {seed}: {:?}", steady.report());
    }
}

#[test]
fn a_broken_thermometer_is_dropped() {
    let mut bench = Bench::new(1e-7, 4);
    bench.run(1.5 * DAY, right);
    assert!(bench.report().used);
    bench.run(2.0 * DAY, broken);
    assert!(!bench.report().used, "{:?}", bench.report());
    bench.run(4.0 * DAY, right);
    assert!(bench.report().used, "repaired: {:?}", bench.report());
}

#[test]
fn leaps_and_absurd_readings_move_nothing() {
    let mut bench = Bench::new(1e-7, 5);
    bench.run(1.5 * DAY, right);
    let (room, before) = (bench.room(), bench.compensation);
    let mut v = OscTime::from_seconds(bench.seconds);
    for reading in [room + 25.0, f64::NAN, 1e300, -1e300, f64::INFINITY, 400.0] {
        v += 16.0;
        let wanted = bench.temperatures.read(v, &[reading]);
        bench.temperatures.corrected(v, wanted);
        assert!((wanted - before).abs() < 0.5e-6, "{reading}: {wanted} after {before}");
    }
    assert!(bench.temperatures.read(v, &[]).is_finite());
    // After a silence nobody knows what happened meanwhile.
    let before = bench.temperatures.read(v, &[]);
    assert!(bench.temperatures.silent_wander(v).is_none());
    assert!(bench.temperatures.silent_wander(v + 1000.0).is_some_and(|wander| wander > 1e-9));
    assert_eq!(bench.temperatures.read(v + 1000.0, &[room - 9.0]), before);
}

#[test]
fn the_next_run_begins_where_this_one_ended() {
    let mut bench = Bench::new(1e-7, 6);
    bench.run(1.5 * DAY, right);
    let known = bench.temperatures.known().expect("it is used");
    let mut next = Temperatures::default();
    next.set_sensors(&["other".to_owned(), "board".to_owned()]);
    next.expect(&known);
    let v = OscTime::from_seconds(bench.seconds);
    let warmer = known.celsius + 5.0;
    assert!((next.read(v, &[20.0, warmer]) - 5.0 * known.coefficient).abs() < 1e-12);
    assert!(next.report().is_some_and(|report| report.used && report.sensor == "board"));
    let mut gone = Temperatures::default();
    gone.set_sensors(&["other".to_owned()]);
    gone.expect(&known);
    assert!(gone.report().is_some_and(|report| !report.used));
}
