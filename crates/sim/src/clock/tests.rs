use super::*;

fn clock(oscillator: Oscillator) -> SimClock {
    SimClock::new(oscillator, 0.0, Rng::from_number(3))
}

#[test]
fn a_year_of_small_pieces_is_as_exact_as_one_large_piece() {
    let mut pieces = clock(Oscillator::with_error(-1073e-6));
    let mut whole = pieces.clone();
    let mut at = START;
    for i in 0..1_000_000 {
        at = TrueTime::from_nanos(at.nanos() + 31_536_000_017 + i % 7);
        pieces.advance(at);
        pieces.begin_piece(at);
    }
    whole.advance(at);
    assert!((pieces.now().raw.nanos() - whole.now().raw.nanos()).abs() <= 1);
    // 64-bit arithmetic without rounding: elapsed · 1073 / 10⁶.
    let expected = -((i128::from(at.nanos() - START.nanos()) * 1073) / 1_000_000) as i64;
    assert!((pieces.now().raw.nanos() - at.nanos() - expected).abs() <= 2);
}

#[test]
fn reading_leaves_no_trace() {
    let mut watched = clock(Oscillator::with_error(1e-4).wander(1e-8));
    let mut alone = watched.clone();
    for tenth in 1..=100_000 {
        watched.advance(TrueTime::after_start(f64::from(tenth) / 10.0));
        watched.now();
    }
    alone.advance(TrueTime::after_start(10_000.0));
    assert_eq!(watched.now(), alone.now());
}

#[test]
fn steering_is_quantised_limited_and_exact() {
    let mut clock = clock(Oscillator::perfect());
    clock.advance(TrueTime::after_start(10.0));
    let applied = clock.set_frequency(1.234_567_890_123e-5).unwrap();
    assert!((applied.frequency - 1.234_567_890_123e-5).abs() <= FREQUENCY_RESOLUTION / 2.0);
    assert_eq!(applied.frequency, clock.state().frequency);
    assert!((clock.set_frequency(0.5).unwrap().frequency - 0.1).abs() < 1e-15);
    clock.advance(TrueTime::after_start(110.0));
    assert!((clock.error() - 10.0).abs() < 2e-9);
    clock.step(-10.0).unwrap();
    assert!(clock.error().abs() < 2e-9);
    clock.step_from_outside(0.5);
    assert!((clock.error() - 0.5).abs() < 2e-9);
    assert_eq!(clock.steps().len(), 1, "only our own steps are ours");
    assert!(clock.set_frequency(f64::NAN).is_err() && clock.step(f64::INFINITY).is_err());
}

#[test]
fn the_monotonic_clock_runs_on_the_bare_oscillator() {
    let mut clock = clock(Oscillator::with_error(0.05));
    clock.set_frequency(-0.1).unwrap();
    clock.step(1000.0).unwrap();
    let before = clock.now().mono;
    clock.advance(TrueTime::after_start(100.0));
    assert!((clock.now().mono - before - 105.0).abs() < 2e-9);
    let at = clock.when(before + 210.0);
    assert!((at.seconds() - 200.0).abs() < 1e-8);
    clock.advance(at);
    assert!(clock.now().mono >= before + 210.0, "a timer never fires early");
}

#[test]
fn the_kernel_makes_the_leap_second_it_was_told_of() {
    let six = Calendar::beginning(1_798_740_000); // 2026-12-31 18:00:00
    for leap in [Leap::Insert, Leap::Delete] {
        let mut clock = clock(Oscillator::with_error(1e-6));
        clock.set_calendar(six.with_leap(leap));
        clock.set_leap(leap, 0).unwrap();
        clock.advance(TrueTime::after_start(21_598.5));
        let before = clock.error();
        assert_eq!(clock.take_leap(), 0.0);
        clock.advance(TrueTime::after_start(21_601.0));
        assert!((clock.error() - before).abs() < 1e-3, "{leap:?}: {} {before}", clock.error());
        assert_eq!((clock.take_leap(), clock.take_leap()), (leap_step(leap) as f64 * 1e-9, 0.0));
        assert_eq!(clock.leap(), Leap::None);
    }
}

#[test]
fn a_machine_that_slept_believes_its_board() {
    let mut clock = clock(Oscillator::with_error(1e-4));
    clock.advance(TrueTime::after_start(100.0));
    let before = clock.now();
    clock.sleep();
    clock.advance(TrueTime::after_start(1100.0));
    clock.resume(0.25);
    assert!((clock.now().raw - before.raw - 1000.25).abs() < 1e-8);
    assert!((clock.now().mono - before.mono - 1000.25).abs() < 1e-8);
    clock.steer_from_outside(2e-5);
    assert!(!clock.state().ours);
    clock.set_frequency(0.0).unwrap();
    assert!(clock.state().ours);
}

#[test]
fn a_coarse_clock_reads_multiples() {
    let mut clock = clock(Oscillator::perfect()).with_resolution(1e-6);
    clock.advance(TrueTime::after_start(1.234_567_891));
    assert_eq!(clock.now().raw.nanos() % 1000, 0);
    assert_eq!(clock.state().precision, 1e-6);
}
