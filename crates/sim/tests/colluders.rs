//! Servers that go wrong together, slowly, or only look wrong: the honest majority wins.

use sim::scenario::hard::{self, PAIRS, TROUBLE};
use sim::{Plan, pool};

const HOUR: f64 = 3600.0;

/// Largest error of the clock from [`TROUBLE`] on in each of these plans and seeds, in order, s.
fn errors(plans: &[Plan], seeds: u64, until: f64) -> Vec<f64> {
    let mut errors = Vec::new();
    let per_plan = seeds as usize;
    let work = |i: usize| {
        let mut built = plans[i / per_plan].build(1 + (i % per_plan) as u64);
        built.world.run_until(until);
        built.world.record(built.client).max_error(TROUBLE, until)
    };
    pool::run(pool::default_jobs(), plans.len() * per_plan, work, |_, error| errors.push(error));
    errors
}

fn milliseconds(errors: &[f64]) -> String {
    errors.iter().map(|e| format!("{:.3}", e * 1e3)).collect::<Vec<_>>().join(" ")
}

fn assert_below(limit: f64, errors: &[f64]) {
    let said = milliseconds(errors);
    assert!(errors.iter().all(|e| *e < limit), "above {} ms: {said}", limit * 1e3);
}

/// Two of five gain 1 ms an hour, 7 ms until the end.
#[test]
fn two_that_drift_away_together_lose() {
    assert_below(0.5e-3, &errors(&PAIRS.map(hard::colluding_drift), 1, 8.0 * HOUR));
}

/// Two of five step by 50 ms together: three pairs, eight seeds each.
#[test]
fn two_that_step_together_never_win() {
    assert_below(1e-3, &errors(&PAIRS.map(hard::colluding_step), 8, 3.0 * HOUR));
}

/// One of five gains 0.1 ppm, 2.5 ms until the end.
#[test]
fn one_that_drifts_slowly_loses() {
    assert_below(0.5e-3, &errors(&[0, 2, 4].map(hard::slow_drift), 1, 8.0 * HOUR));
}

/// A server with 20 ms of jitter is right: it may count little, but it is no falseticker.
#[test]
fn a_right_but_jittery_server_is_not_thrown_out() {
    for seed in 1..=3 {
        let mut built = hard::jittery().build(seed);
        let mut thrown_out = 0;
        for minute in 30..4 * 60 {
            built.world.run_until(f64::from(minute) * 60.0);
            let mark = built.world.host(built.client).marks().chars().next();
            thrown_out += u32::from(!matches!(mark, Some('*' | '+' | '-')));
        }
        assert_eq!(thrown_out, 0, "seed {seed}: not selectable in so many of 210 minutes");
        let error = built.world.record(built.client).max_error(0.5 * HOUR, 4.0 * HOUR);
        assert!(error < 0.5e-3, "seed {seed}: {error}");
    }
}
