//! What a sample costs: processor time and memory, beside the figures to reach.
//!
//! `cargo bench -p ntp`. Processor time is that of this thread as Linux counts it, so that other programs make little
//! difference; without `/proc` it is the time that goes by. Run as a test (`cargo test --benches`) it does a short round.
#![allow(clippy::disallowed_methods, reason = "a stopwatch; the core does not see it")]

#[path = "../tests/paths/mod.rs"]
mod paths;
#[path = "../tests/rig/mod.rs"]
#[allow(dead_code, reason = "tests use the rest of it")]
mod rig;

use ntp::engine::Start;
use ntp::estimator::temperature::{Measured, SENSORS, Temperatures};
use ntp::estimator::{Joint, PathFilter, SourceStats};
use ntp::rng::Rng;
use paths::{Estimators, World};
use rig::{Answer, Rig};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Processor time that a sample may take with five sources, and what is aimed at, µs.
const MOST: f64 = 500.0;
const AIM: f64 = 100.0;
const SOURCES: [usize; 4] = [1, 5, 10, 32];
/// Time between two polls of a source, s.
const POLL: f64 = 64.0;

/// Time this thread has been running.
fn thread_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

/// Processor time of `work`, s.
fn time<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let (wall, processor) = (Instant::now(), thread_time());
    let result = std::hint::black_box(work());
    let took = match (processor, thread_time()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => wall.elapsed(),
    };
    (took.as_secs_f64(), result)
}

/// Memory of this process, KiB; `None` where `/proc` does not say.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A run is measured in so many parts. Linux counts the time of a running thread in ticks of some milliseconds, so a
/// part has to be long.
const PARTS: usize = 20;

/// µs a sample of the estimator alone, its windows full: on average, and in the dearest part of the run.
fn estimator(sources: usize, rounds: usize) -> (f64, f64) {
    let mut world = World::new(sources, 1e-9, 1);
    let mut estimators = Estimators::new(sources);
    let mut run = |samples: usize| {
        for i in 0..samples {
            let sample = world.sample(i % sources, POLL / sources as f64);
            std::hint::black_box(estimators.learn(i % sources, &sample, None, world.theta()));
        }
    };
    run(64 * sources + 100);
    let parts = [(); PARTS].map(|()| time(|| run(rounds)).0 / rounds as f64 * 1e6);
    (parts.iter().sum::<f64>() / PARTS as f64, parts.iter().copied().fold(0.0, f64::max))
}

/// µs a sample of a whole engine: packets, tests, selection, estimate and steering, and the bench's own share.
fn engine(sources: usize, rounds: usize) -> f64 {
    let config = rig::config(
        &(0..sources)
            .map(|i| {
                let mut server = rig::server(&format!("192.0.2.{}", i + 1));
                (server.minpoll, server.maxpoll) = (6, 6);
                server
            })
            .collect::<Vec<_>>(),
    );
    let mut rng = Rng::from_number(2);
    let answer = move |_: IpAddr, _: f64| {
        let mut way = || 0.005 - 3e-4 * (1.0 - rng.uniform()).ln();
        Some(Answer { there: way(), back: way(), ..Answer::default() })
    };
    let start = Start { steers: true, ..Start::default() };
    let mut rig = Rig::new(&config, start, 0.1, answer);
    let full = 80.0 * POLL;
    rig.run_until(full);
    let before = rig.sent.len();
    let (seconds, ()) = time(|| rig.run_until(full + (PARTS * rounds).div_ceil(sources) as f64 * POLL));
    assert!(rig.served().is_some_and(|(error, _)| error.abs() < 1e-3), "the engine keeps time");
    seconds / (rig.sent.len() - before) as f64 * 1e6
}

/// µs a sample that `number` thermometers cost besides, each read so many times between two samples.
fn thermometers(number: usize, rounds: usize) -> f64 {
    const READINGS: u32 = 5;
    let mut world = World::new(1, 1e-9, 3);
    let mut estimators = Estimators::new(1);
    let mut temperatures = Temperatures::default();
    let names: Vec<String> = (0..number).map(|i| format!("thermal/{i}")).collect();
    temperatures.set_sensors(&names);
    let mut learn = || {
        let sample = world.sample(0, POLL);
        estimators.learn(0, &sample, None, world.theta());
        let (path, agreed) = (estimators.sources[0].path(), estimators.joint.combined());
        let measured = Measured {
            v: sample.v,
            ways: (sample.forward, sample.backward),
            half: sample.half,
            delay: path.least(),
            asymmetry: 0.0,
            noise: *path.noise(),
        };
        (measured, *agreed.expect("it has samples"))
    };
    let learned: Vec<_> = (0..rounds).map(|_| learn()).collect();
    let (seconds, ()) = time(|| {
        for (i, (measured, agreed)) in learned.iter().enumerate() {
            temperatures.learn(measured, agreed);
            let warmth = 40.0 + 3.0 * (i as f64 / 40.0).sin();
            for reading in 0..READINGS {
                let at = measured.v + POLL * f64::from(reading) / f64::from(READINGS);
                let wanted = temperatures.read(at, &[warmth; SENSORS][..number]);
                temperatures.corrected(at, wanted);
            }
        }
    });
    seconds / rounds as f64 * 1e6
}

fn main() {
    let rounds = if std::env::args().any(|word| word == "--bench") { 400 } else { 2 };
    let before = resident();
    let kept = std::hint::black_box(Estimators::new(32));
    let grown = before.zip(resident()).map(|(before, after)| after.saturating_sub(before));
    drop(kept);
    println!("processor time, µs a sample     estimator  dearest part   whole engine");
    for sources in SOURCES {
        let ((mean, dearest), whole) = (estimator(sources, rounds), engine(sources, rounds));
        let goal = if sources == 5 { format!("   (at most {MOST}, aim {AIM})") } else { String::new() };
        let plural = if sources == 1 { "source" } else { "sources" };
        println!("{sources:>3} {plural:<8} {mean:>28.0} {dearest:>13.0} {whole:>14.0}{goal}");
    }
    for number in [1, SENSORS] {
        let plural = if number == 1 { "thermometer" } else { "thermometers" };
        println!("{number:>3} {plural:<12} {:>24.0} besides", thermometers(number, PARTS * rounds));
    }
    println!("\nmemory, bytes");
    println!("  samples of a source   {:>8}", size_of::<SourceStats>());
    println!("  filter of a source    {:>8}", size_of::<PathFilter>());
    println!("  joint filter          {:>8} and what it points to", size_of::<Joint>());
    if let Some(grown) = grown {
        println!("  all for 32 sources    {:>8} more resident", grown * 1024);
    }
}
