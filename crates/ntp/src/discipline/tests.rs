use super::*;
use crate::clock::{ClockState, SyncStatus};
use crate::wire::Leap;

/// A clock over a perfect oscillator; `v` is the oscillator's own time.
struct Bench {
    v: f64,
    raw: f64,
    frequency: f64,
}

impl Bench {
    fn run(&mut self, seconds: f64) {
        self.v += seconds;
        self.raw += seconds * (1.0 + self.frequency);
    }
    fn now(&self) -> Now {
        Now { mono: MonoTime::from_seconds(self.v), raw: RawTime::from_seconds(self.raw) }
    }
}

impl Clock for Bench {
    fn set_frequency(&mut self, frequency: f64) -> Result<Applied, ClockError> {
        self.frequency = frequency.clamp(-0.1, 0.1);
        Ok(Applied { at: RawTime::from_seconds(self.raw), frequency: self.frequency, offset: 0.0 })
    }
    fn step(&mut self, offset: f64) -> Result<Applied, ClockError> {
        let at = RawTime::from_seconds(self.raw);
        self.raw += offset;
        Ok(Applied { at, frequency: self.frequency, offset })
    }
    fn set_leap(&mut self, _: Leap, _: i32) -> Result<(), ClockError> {
        Ok(())
    }
    fn set_status(&mut self, _: SyncStatus) -> Result<(), ClockError> {
        Ok(())
    }
    fn state(&self) -> ClockState {
        ClockState { frequency: self.frequency, max_frequency: 0.1, precision: 1e-9, ours: true }
    }
}

const LIMITS: Limits =
    Limits { max_slew_rate: 83_333.333e-6, max_frequency: 0.1, max_drift: 0.1, corr_time_ratio: 3.0 };

fn bench() -> (Bench, Discipline) {
    let bench = Bench { v: 1000.0, raw: 1000.0, frequency: 0.0 };
    let discipline = Discipline::new(bench.now().raw, 0.0, LIMITS);
    (bench, discipline)
}

fn correction(discipline: &Discipline, now: Now, offset: f64, frequency: f64) -> Correction {
    let v = discipline.timeline().to_osc(now.raw);
    let theta = Theta::from_nanos(now.raw.nanos() - v.nanos()) + offset;
    Correction {
        v,
        theta,
        theta_sd: 1e-3,
        growth: 1e-8,
        sources: 1,
        frequency: Some(frequency),
        interval: 64.0,
    }
}

#[test]
fn a_hundred_seconds_and_five_percent_are_slewed_to_the_nanosecond() {
    for (offset, y) in [(100.0, 0.05), (-100.0, -0.05), (100.0, -0.05), (-100.0, 0.05), (0.5, 1073e-6)] {
        let (mut clock, mut discipline) = bench();
        let c = correction(&discipline, clock.now(), offset, y);
        let moved = discipline.believe(clock.now(), &c);
        assert!((moved - offset).abs() < 1e-9);
        discipline.steer(clock.now(), &mut clock, moved, &c).unwrap();
        let mut slower = 0.0f64;
        for _ in 0..40_000 {
            clock.run(0.1);
            slower = slower.max(clock.frequency.abs());
            discipline.service(clock.now(), &mut clock).unwrap();
        }
        assert!(slower <= 0.1 + 1e-12);
        assert!(discipline.pending(clock.now().raw).abs() < 1e-7, "{offset} {y}");
        // True time by the belief: start + offset, running at (1 + y) of the oscillator.
        let truth = 1000.0 + offset + 4000.0 * (1.0 + y);
        assert!((clock.raw - truth).abs() < 2e-6, "{} {truth}", clock.raw);
    }
}

#[test]
fn cooking_agrees_with_the_belief_while_slewing() {
    let (mut clock, mut discipline) = bench();
    let c = correction(&discipline, clock.now(), 0.02, 20e-6);
    let moved = discipline.believe(clock.now(), &c);
    discipline.steer(clock.now(), &mut clock, moved, &c).unwrap();
    let cooking = discipline.cooking(clock.now().raw);
    for _ in 0..10 {
        clock.run(0.1);
        let raw = clock.now().raw;
        assert!((cooking.pending(raw) - discipline.pending(raw)).abs() < 5e-9);
    }
}

#[test]
fn a_step_leaves_nothing_pending_and_the_belief_untouched() {
    let (mut clock, mut discipline) = bench();
    let c = correction(&discipline, clock.now(), -5000.25, 0.0);
    discipline.believe(clock.now(), &c);
    let belief = *discipline.belief();
    assert_eq!(discipline.step(clock.now(), &mut clock).unwrap().offset, -5000.25);
    assert_eq!(*discipline.belief(), belief);
    clock.run(10.0);
    assert!(discipline.pending(clock.now().raw).abs() < 1e-8);
}

/// A leap second while a correction is being slewed: the second is made, and the slew goes on.
#[test]
fn a_step_by_a_second_leaves_the_slew_alone() {
    for leap in [1.0, -1.0] {
        let (mut clock, mut discipline) = bench();
        let c = correction(&discipline, clock.now(), 5.0, 20e-6);
        let moved = discipline.believe(clock.now(), &c);
        discipline.steer(clock.now(), &mut clock, moved, &c).unwrap();
        clock.run(10.0);
        let (pending, frequency) = (discipline.pending(clock.now().raw), clock.frequency);
        let (until, before) = (discipline.slew_until().unwrap(), clock.now().raw);
        discipline.shift_truth(leap);
        assert_eq!(discipline.step_by(&mut clock, leap).unwrap().offset, leap);
        assert!((discipline.pending(clock.now().raw) - pending).abs() < 1e-8, "{leap}");
        assert_eq!(clock.frequency, frequency);
        let left = discipline.slew_until().unwrap() - clock.now().raw;
        assert!((left - (until - before)).abs() < 1e-6, "{leap}: {left}");
    }
}

/// Before the sleep the clock was slewed at full speed; while it slept, it was not.
#[test]
fn sleep_interrupts_a_slew() {
    let (mut clock, mut discipline) = bench();
    let c = correction(&discipline, clock.now(), 400.0, 20e-6);
    let moved = discipline.believe(clock.now(), &c);
    discipline.steer(clock.now(), &mut clock, moved, &c).unwrap();
    clock.run(10.0);
    let pending = discipline.pending(clock.now().raw);
    clock.raw += 3600.0;
    discipline.slept(clock.now().raw, 3600.0);
    assert!((discipline.pending(clock.now().raw) - pending).abs() < 1e-6);
    assert_eq!(discipline.timeline().frequency(), clock.frequency);
}

#[test]
fn a_foreign_frequency_is_undone() {
    let (mut clock, mut discipline) = bench();
    let c = correction(&discipline, clock.now(), 5.0, 20e-6);
    let moved = discipline.believe(clock.now(), &c);
    discipline.steer(clock.now(), &mut clock, moved, &c).unwrap();
    let (ours, until) = (clock.frequency, discipline.slew_until());
    clock.run(1.0);
    clock.frequency += 50e-6;
    discipline.overrule(clock.now(), &mut clock, ours + 50e-6).unwrap();
    assert_eq!((clock.frequency, discipline.slew_until()), (ours, until));
    assert!((discipline.timeline().to_osc(clock.now().raw) - OscTime::from_seconds(1001.0)).abs() < 1e-8);
}

/// The oscillator gains 2 ppm by warmth and somebody knows: oscillator time goes on as if nothing had happened.
#[test]
fn compensation_is_invisible_in_oscillator_time() {
    let (mut clock, mut discipline) = bench();
    let c = correction(&discipline, clock.now(), 1.0, 20e-6);
    let moved = discipline.believe(clock.now(), &c);
    discipline.steer(clock.now(), &mut clock, moved, &c).unwrap();
    clock.run(0.5);
    let (pending, until) = (discipline.pending(clock.now().raw), discipline.slew_until());
    discipline.compensate(&mut clock, -2e-6).unwrap();
    assert!((discipline.pending(clock.now().raw) - pending).abs() < 1e-9, "nothing moves at once");
    assert_eq!(discipline.slew_until(), until, "and the slew goes on");
    assert!((discipline.frequency() - (18e-6 - 40e-12)).abs() < 1e-15);
    let begun = discipline.timeline().to_osc(clock.now().raw);
    clock.run(100.0);
    let seconds = discipline.timeline().to_osc(clock.now().raw) - begun;
    assert!((seconds - 100.0 * (1.0 - 2e-6)).abs() < 1e-8, "{seconds}");
    for _ in 0..10_000 {
        discipline.service(clock.now(), &mut clock).unwrap();
        clock.run(0.01);
    }
    assert!((clock.frequency - discipline.frequency()).abs() < 1e-9 && discipline.slew_until().is_none());
    discipline.compensate(&mut clock, 3e-6).unwrap();
    assert!((clock.frequency - 23e-6).abs() < 1e-9, "{}", clock.frequency);
    assert_eq!((discipline.steering(), discipline.compensation()), (clock.frequency, 3e-6));
    discipline.compensate(&mut clock, f64::NAN).unwrap();
    assert_eq!((discipline.compensation(), discipline.absurd()), (3e-6, 1));
}

#[test]
fn a_foreign_step_becomes_pending() {
    let (mut clock, mut discipline) = bench();
    clock.run(5.0);
    clock.raw += 100.0;
    discipline.external_step(clock.now().raw, 100.0);
    assert!((discipline.pending(clock.now().raw) + 100.0).abs() < 1e-8);
}

/// `maxdrift` limits what is corrected for lastingly, not how fast an offset is removed.
#[test]
fn the_drift_limit_is_no_limit_of_slews() {
    let mut clock = Bench { v: 1000.0, raw: 1000.0, frequency: 0.0 };
    let limits = Limits { max_drift: 10e-6, ..LIMITS };
    let mut discipline = Discipline::new(clock.now().raw, 0.0, limits);
    let c = correction(&discipline, clock.now(), 1.0, 50e-6);
    discipline.believe(clock.now(), &c);
    assert_eq!(discipline.belief().frequency, 10e-6);
    discipline.slew_pending(clock.now(), &mut clock).unwrap();
    assert!(clock.frequency > 0.05, "slews at {}", clock.frequency);
}

#[test]
fn a_tiny_slew_rate_is_kept() {
    let mut clock = Bench { v: 1000.0, raw: 1000.0, frequency: 0.0 };
    let limits = Limits { max_slew_rate: 1e-6, ..LIMITS };
    let mut discipline = Discipline::new(clock.now().raw, 0.0, limits);
    let c = correction(&discipline, clock.now(), -0.02, 30e-6);
    let moved = discipline.believe(clock.now(), &c);
    discipline.steer(clock.now(), &mut clock, moved, &c).unwrap();
    for _ in 0..21 {
        assert!((-1.001e-6..1.001e-6).contains(&(30e-6 - clock.frequency)), "{}", clock.frequency);
        clock.run(1000.0);
        discipline.service(clock.now(), &mut clock).unwrap();
    }
    assert!(discipline.pending(clock.now().raw).abs() < 1e-3);
}

#[test]
fn what_is_no_number_never_reaches_the_clock() {
    let (mut clock, mut discipline) = bench();
    let good = correction(&discipline, clock.now(), 0.1, 1e-6);
    discipline.believe(clock.now(), &good);
    let belief = *discipline.belief();
    for bad in [
        Correction { frequency: Some(f64::NAN), ..good },
        Correction { frequency: Some(f64::INFINITY), ..good },
        Correction { theta_sd: f64::NAN, ..good },
    ] {
        assert_eq!(discipline.believe(clock.now(), &bad), 0.0);
    }
    discipline.set_frequency(clock.now(), &mut clock, f64::NAN).unwrap();
    discipline.shift_truth(f64::NAN);
    let wild = Correction { interval: f64::NAN, ..good };
    discipline.steer(clock.now(), &mut clock, f64::NAN, &wild).unwrap();
    assert!(clock.frequency.is_finite() && clock.frequency.abs() <= 0.1);
    assert_eq!((*discipline.belief(), discipline.absurd()), (belief, 5));
}

/// At the beginning what stands out of the estimate's doubt is corrected fast; what does not would only be noise made haste of.
#[test]
fn only_large_corrections_are_hurried_at_first() {
    let slew = |offset: f64| {
        let (mut bench, mut discipline) = bench();
        let now = bench.now();
        let correction = correction(&discipline, now, offset, 0.0);
        let moved = discipline.believe(now, &correction);
        discipline.steer(now, &mut bench, moved, &correction).unwrap();
        (discipline.slew_until().unwrap() - now.raw) / correction.interval
    };
    assert!((slew(10e-3) - 0.25).abs() < 1e-3, "{}", slew(10e-3));
    assert!(slew(5e-3) > 0.99, "{}", slew(5e-3));
}

/// However little an update brings, its correction does not wait for long; `corrtimeratio` says how long.
#[test]
fn a_correction_is_spread_over_a_few_intervals_at_most() {
    let longest = |corr_time_ratio: f64| {
        let (mut bench, _) = bench();
        let limits = Limits { corr_time_ratio, ..LIMITS };
        let mut discipline = Discipline::new(bench.now().raw, 0.0, limits);
        let mut longest = 0.0_f64;
        for _ in 0..30 {
            let now = bench.now();
            let correction = Correction { growth: 1e-12, ..correction(&discipline, now, 1e-6, 0.0) };
            let moved = discipline.believe(now, &correction);
            discipline.steer(now, &mut bench, moved, &correction).unwrap();
            longest = longest.max((discipline.slew_until().unwrap() - now.raw) / correction.interval);
            bench.run(64.0);
        }
        longest
    };
    for (ratio, intervals) in [(0.1, 1.0), (3.0, 2.4), (10.0, 8.0)] {
        assert!((longest(ratio) - intervals).abs() < 1e-3, "{ratio}: {}", longest(ratio));
    }
}
