//! Thermometers: a good one helps, a bad one does no harm, and what was learned of one serves the next run.

use ntp::engine::Start;
use ntp::learned::Learned;
use sim::climate::{Climate, Thermometer};
use sim::{Link, Oscillator, Plan, Server, Way, pool, temperatures};

const HOUR: f64 = 3600.0;

/// Two days with one seed; figures of more are in docs/discipline.md.
fn rows(only: &str) -> Vec<temperatures::Row> {
    let rows = temperatures::run(only, 1, 1, pool::default_jobs());
    let text = temperatures::text(&rows);
    println!("{text}");
    assert!(rows.iter().all(|row| row.violations == 0), "a promise was broken:\n{text}");
    rows
}

#[test]
fn a_thermometer_that_knows_helps() {
    for row in rows("room-near,router-one,two") {
        assert!(row.ratio() < 0.95 && row.used == 1.0, "{}: {}", row.case.name, row.ratio());
    }
}

#[test]
fn a_thermometer_that_does_not_know_does_no_harm() {
    for row in rows("wrong-one,nothing-far,jumps,breaks") {
        assert!(row.ratio() < 1.02, "{}: {}", row.case.name, row.ratio());
        let told = row.case.name.contains("wrong") || row.case.name.contains("nothing");
        assert!(row.used == 0.0 || !told, "{} is used", row.case.name);
    }
}

/// A board that has cooled down while the daemon did not run: what was learned says by how much it is faster now.
#[test]
fn the_next_run_knows_the_thermometer() {
    let climate = Climate::new(0.1e-6).sine(8.0, 48.0 * HOUR).sine(1.0, 2.0 * HOUR);
    let mut plan = Plan {
        servers: vec![(Server::ideal(), Link::symmetric(Way::constant(0.01).exponential(1e-4)))],
        oscillator: Oscillator::with_error(20e-6)
            .wander(1e-10)
            .climate(climate.thermometer(Thermometer::new("board"))),
        ..Plan::default()
    };
    (plan.source.iburst, plan.source.maxpoll) = (true, 6);
    let mut built = plan.build(1);
    built.world.run_until(24.0 * HOUR);
    built.world.stop(built.client);
    let learned = built.world.host(built.client).learned.clone().expect("saved at the end");
    assert!(learned.contains("\ntemperature board "), "{learned}");
    built.world.run_until(36.0 * HOUR);
    let oscillator = Learned::parse(&learned).expect("its own").oscillator.expect("it was synchronised");
    let drift = Some((-oscillator.frequency, oscillator.sd)); // as its drift file would say it
    built.world.start(built.client, Start { steers: true, drift, ..plan.start });
    let host = built.world.host(built.client);
    let before = host.clock().oscillator_error() + oscillator.frequency;
    assert!(before.abs() > 0.5e-6, "it is another frequency than the day before: {before}");
    // The first reading of the thermometer comes within 16 s, long before samples tell of the frequency.
    built.world.run_until(36.0 * HOUR + 18.0);
    let samples = built.world.record(built.client).samples();
    let after = samples.last().expect("there is one").belief_error;
    assert!(after.abs() < 0.1e-6, "and known: {after}");
    let engine = built.world.host(built.client).engine().expect("it runs");
    assert!(engine.temperature_report().is_some_and(|report| report.used));
}
