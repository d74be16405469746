//! Bad lines, bad oscillators, a hand from outside; and the promise that holds in all of it: the error of served time
//! is never above the root distance served with it.

use sim::scenario::named;
use sim::{Link, Oscillator, Plan, Server, Way, scenario};

const HOUR: f64 = 3600.0;

fn one_server(way: Way, wander: f64) -> Plan {
    let mut plan = Plan {
        servers: vec![(Server::ideal().claims(1, 0.0, 1e-5), Link::symmetric(way))],
        oscillator: Oscillator::with_error(50e-6).wander(wander),
        offset: 0.1,
        ..Plan::default()
    };
    plan.source.iburst = true;
    plan
}

/// A third of the packets lost, 100 ms of jitter, a wander of 0.1 ppm per √s: each alone and all together.
#[test]
fn loss_jitter_and_wander_are_endured() {
    let near = || Way::constant(0.010).exponential(1e-3);
    let lost = 1.0 - 0.67f64.sqrt(); // each way
    let mut table = String::from("                     rms (µs)  max (µs)  synchronised  honest  packets\n");
    let mut bad = Vec::new();
    for (name, plan, rms, max) in [
        ("33 % loss", one_server(near().loss(lost), 1e-9), 0.5e-3, 2e-3),
        ("100 ms jitter", one_server(Way::constant(0.010).exponential(0.1), 1e-9), 20e-3, 60e-3),
        ("wander 1e-7", one_server(near(), 1e-7), 2e-3, 10e-3),
        ("all of them", named::bad_line(), 40e-3, 150e-3),
    ] {
        for seed in 1..=2 {
            let mut built = plan.build(seed);
            built.world.run_until(12.0 * HOUR);
            let figures = built.world.record(built.client).figures(2.0 * HOUR, 12.0 * HOUR);
            table += &format!(
                "{name:<14} seed {seed} {:>8.0} {:>9.0} {:>13.3} {:>7.4} {:>8}\n",
                figures.rms * 1e6,
                figures.max * 1e6,
                figures.synchronised,
                figures.honest,
                figures.packets
            );
            if !(figures.rms < rms && figures.max < max && figures.synchronised == 1.0) {
                bad.push(format!("{name} seed {seed}: more than {} µs rms or {} µs", rms * 1e6, max * 1e6));
            }
        }
    }
    assert!(bad.is_empty(), "{bad:?}\n{table}");
    insta::assert_snapshot!(table);
}

/// Somebody sets the clock by hand: noticed within a second, undone within the minute, and the frequency is kept.
#[test]
fn a_step_from_outside_is_noticed_and_undone() {
    for offset in [0.5, -0.5, 30.0] {
        let mut plan = named::cold_start(20e-6);
        plan.outside_steps = vec![(2.0 * HOUR, offset)];
        let mut built = plan.build(1);
        built.world.run_until(4.0 * HOUR);
        let host = built.world.host(built.client);
        assert_eq!(host.steps().len(), 0, "without makestep it is slewed back");
        let noticed = host.log.iter().find(|(_, line)| line.text.contains("time jump"));
        let (at, _) = noticed.expect("it says so");
        assert!((7200.0..=7201.1).contains(&at.seconds()), "noticed at {}", at.seconds());
        let settled = host.record.settled(1e-3);
        let allowed = 7200.0 + 60.0 + f64::abs(offset) / 0.08;
        assert!(settled.is_some_and(|at| at < allowed), "{offset}: right again at {settled:?}");
        let belief = host.record.between(7300.0, 14_400.0).iter().map(|s| s.belief_error.abs());
        assert!(belief.fold(0.0, f64::max) < 5e-6, "the frequency was known and still is");
    }
}

/// When every server falls silent the clock goes on alone, and says how wrong it may be.
#[test]
fn holdover_is_honest() {
    let mut plan = named::cold_start(20e-6);
    for (_, link) in &mut plan.servers {
        link.there = link.there.clone().outage(4.0 * HOUR, 12.0 * HOUR);
    }
    let mut built = plan.build(1);
    built.world.run_until(16.0 * HOUR);
    let record = built.world.record(built.client);
    let alone = record.figures(4.0 * HOUR, 12.0 * HOUR);
    assert!(alone.max < 20e-3 && alone.honest == 1.0, "{alone:?}");
    let distance = |hour: f64| record.between(hour * HOUR, hour * HOUR + 1.0)[0].root_distance;
    assert!(distance(11.9) > distance(4.5), "what is not measured is less sure");
    let after = record.figures(12.5 * HOUR, 16.0 * HOUR);
    assert!(after.max < 2e-3 && after.synchronised == 1.0, "{after:?}");
}

/// Packets that come twice, and answers that overtake each other, change nothing.
#[test]
fn duplicates_and_overtaking_are_harmless() {
    let mut once = one_server(Way::constant(0.010).exponential(1e-3), 1e-9);
    (once.source.minpoll, once.source.maxpoll) = (4, 4);
    let mut twice = once.clone();
    for (_, link) in &mut twice.servers {
        link.there = link.there.clone().duplication(0.5);
        link.back = link.back.clone().duplication(0.5);
    }
    let run = |plan: &Plan| {
        let mut built = plan.build(1);
        built.world.run_until(4.0 * HOUR);
        let answers = built.world.server(built.servers[0]).history().len();
        (built.world.record(built.client).figures(0.5 * HOUR, 4.0 * HOUR), answers)
    };
    let ((alone, answers), (doubled, more)) = (run(&once), run(&twice));
    assert!(more > answers * 5 / 4, "{more} requests arrived, {answers} without duplication");
    assert!(doubled.packets.abs_diff(alone.packets) < 20);
    assert!(doubled.max < 1e-3 && doubled.rms < 2.0 * alone.rms, "{doubled:?} {alone:?}");
}

/// |served error| ≤ served root distance, always: in every scenario, from the first second on.
#[test]
fn what_is_promised_is_kept() {
    let mut table = String::from(
        "scenario            synchronised from  honest  error/distance at most  distance (ms)\n",
    );
    let mut broken = Vec::new();
    // Those with fixed polls differ little in this and take long.
    let named = || scenario::named::all().into_iter();
    let measured = scenario::TABLE.iter().map(scenario::Reference::scenario);
    let adaptive = named().chain(measured).filter(|s| s.plan.source.maxpoll == 10);
    let ours = named().filter(|s| s.plan.source.maxpoll != 10);
    let another = |name: &str| name.starts_with("router-"); // the first router stands for all
    for scenario in ours.chain(adaptive).filter(|s| !another(s.name)) {
        let length = scenario.length.min(24.0 * HOUR);
        for seed in 1..=2 {
            let mut built = scenario.plan.build(seed);
            built.world.run_until(length);
            let record = built.world.record(built.client);
            // Nobody can be honest in the second before a step from outside is noticed.
            let excused = |at: f64| {
                scenario.plan.outside_steps.iter().any(|(step, _)| (*step..=step + 1.0).contains(&at))
            };
            let promises = || record.samples().iter().filter(|s| s.synchronised() && !excused(s.at));
            let worst = promises().map(|s| s.served_error.abs() / s.root_distance).fold(0.0, f64::max);
            let lies = promises().filter(|s| !s.honest()).count();
            let all = promises().count();
            if lies > 0 || all == 0 {
                let first = promises().find(|s| !s.honest());
                broken.push(format!("{} seed {seed}: {lies} times, first {first:?}", scenario.name));
            }
            table += &format!(
                "{:<16} {seed:>2} {:>18.0} {:>7.4} {worst:>23.2} {:>14.1}\n",
                scenario.name,
                record.first_synchronised().unwrap_or(f64::NAN),
                1.0 - lies as f64 / all as f64,
                promises().map(|s| s.root_distance).sum::<f64>() / all as f64 * 1e3,
            );
        }
    }
    assert!(broken.is_empty(), "{}\n{table}", broken.join("\n"));
    insta::assert_snapshot!(table);
}
