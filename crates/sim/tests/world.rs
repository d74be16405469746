//! The world itself: it can be replayed bit by bit, and it is fast.

use sim::scenario::named;
use sim::{Link, Oscillator, Plan, Server, Way};
use std::time::Instant;

fn trace(seed: u64) -> (u64, Vec<u64>) {
    let mut built = named::router(-1073e-6, (6, 10)).build(seed);
    built.world.run_until(6.0 * 3600.0);
    let record = built.world.record(built.client);
    let bits = record.samples().iter().map(|s| s.error.to_bits() ^ s.root_distance.to_bits()).collect();
    (built.world.trace(), bits)
}

#[test]
fn equal_seeds_give_equal_runs_and_others_do_not() {
    let (first, again, other) = (trace(5), trace(5), trace(6));
    assert_eq!(first, again);
    assert_ne!(first.0, other.0);
    assert_ne!(first.1, other.1);
}

#[test]
fn running_in_small_steps_changes_nothing() {
    let (mut whole, mut steps) = (named::cold_start(1e-4).build(3), named::cold_start(1e-4).build(3));
    whole.world.run_until(1000.0);
    for tenth in 1..=10_000 {
        steps.world.run_until(f64::from(tenth) / 10.0);
    }
    assert_eq!(whole.world.record(whole.client), steps.world.record(steps.client));
    assert_eq!(whole.world.trace(), steps.world.trace());
}

/// Prints how long a simulated week takes; asserts only that it went as it should.
#[test]
fn a_week_passes() {
    let mut plan = Plan {
        servers: vec![(Server::ideal(), Link::symmetric(Way::constant(0.02).exponential(1e-3)))],
        oscillator: Oscillator::with_error(1e-4).wander(1e-9),
        ..Plan::default()
    };
    (plan.source.minpoll, plan.source.maxpoll) = (6, 6);
    let begin = Instant::now();
    let mut built = plan.build(1);
    built.world.run_until(7.0 * 86_400.0);
    let host = built.world.host(built.client);
    println!("one client and one server, a week, {} packets: {:?}", host.sent, begin.elapsed());
    assert!((9300..9600).contains(&host.sent), "{} packets", host.sent);
    assert_eq!(host.record.samples().len(), 7 * 86_400 + 1);
    assert!(host.received > 9300);
}
