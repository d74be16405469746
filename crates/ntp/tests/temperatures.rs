//! Thermometers cost no memory after their start. `-- --nocapture` tells what a sample costs with four of them.
#![allow(clippy::disallowed_methods, reason = "a stopwatch; the core does not see it")]

use ntp::estimator::noise::Noise;
use ntp::estimator::temperature::{Measured, SENSORS, Temperatures};
use ntp::estimator::{Combined, Theta};
use ntp::rng::Rng;
use ntp::time::OscTime;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: sys::allocation::Counting = sys::allocation::Counting;

const WAIT: f64 = 1e-4;
const SAMPLES: u32 = 3000;

#[test]
fn thermometers_allocate_nothing_after_their_start() {
    let mut rng = Rng::from_number(3);
    let mut temperatures = Temperatures::default();
    let names: Vec<String> = (0..SENSORS).map(|i| format!("sensor{i}")).collect();
    temperatures.set_sensors(&names);
    let (mut theta, mut celsius, mut spent) = (0.0, [40.0; SENSORS], Duration::ZERO);
    let before = sys::allocation::count();
    for i in 0..SAMPLES {
        for j in 0..4 {
            for reading in &mut celsius {
                *reading += 0.1 * (rng.uniform() - 0.5);
            }
            let v = OscTime::from_seconds(f64::from(64 * i + 16 * j));
            theta += 16.0 * (1e-7 * (celsius[1] - 40.0) - temperatures.compensation());
            let wanted = temperatures.read(v, &celsius);
            temperatures.corrected(v, wanted);
        }
        let mut wait = || 0.01 - WAIT * rng.uniform().max(1e-9).ln();
        let nanos = |seconds: f64| (seconds * 1e9) as i64;
        // A sample comes a little after the reading that it belongs before.
        let v = OscTime::from_seconds(f64::from(64 * i + 47));
        let measured = Measured {
            v,
            ways: (nanos(theta + wait()), nanos(wait() - theta)),
            half: 0.01,
            delay: 0.02,
            asymmetry: 0.0,
            noise: Noise { forward: WAIT, backward: WAIT, reading: [1e-6; 2], two_sided: false },
        };
        let agreed = Combined {
            v,
            theta: Theta::from_nanos(nanos(theta)),
            theta_sd: 2e-5,
            frequency: 0.0,
            frequency_sd: 1e-7,
            skew: 2e-7,
            wander: 2e-9,
            covariance: 0.0,
        };
        let began = Instant::now();
        temperatures.learn(&measured, &agreed);
        spent += began.elapsed();
    }
    assert_eq!(sys::allocation::count() - before, 0, "allocations in {SAMPLES} samples");
    println!("{:.1} µs a sample with {SENSORS} thermometers", spent.as_secs_f64() * 1e6 / f64::from(SAMPLES));
    let report = temperatures.report().expect("there are thermometers");
    assert!(report.used && report.sensor == "sensor1", "{report:?}");
}
