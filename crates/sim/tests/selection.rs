//! Whom to believe: falsetickers, servers that break, kiss codes, chains of servers.

use ntp::clock::Clock;
use ntp::config::{AccessRule, Config, SourceConfig, SourceKind};
use ntp::engine::Start;
use sim::scenario::{Built, named};
use sim::{Fault, Link, NodeId, Oscillator, Plan, Server, SimClock, Way, World};

const HOUR: f64 = 3600.0;

/// Runs and looks at the marks of the sources every second; returns the times at which a liar was used.
fn times_used(built: &mut Built, liars: &[usize], until: u32) -> Vec<u32> {
    (1..=until)
        .filter(|&second| {
            built.world.run_until(f64::from(second));
            let marks: Vec<char> = built.world.host(built.client).marks().chars().collect();
            liars.iter().any(|&liar| matches!(marks.get(liar), Some('*' | '+')))
        })
        .collect()
}

#[test]
fn two_of_five_liars_never_win() {
    let mut table = String::from("offsets of the liars  position  seed  max after 75 s (µs)  marks\n");
    for (first, second) in [(0.05, 1.0), (0.05, 0.05), (-0.05, -0.0501), (1.0, -1.0), (1000.0, 1000.0)] {
        for (position, liars) in [("first", [0, 1]), ("last", [3, 4])] {
            for seed in 1..=2 {
                let mut plan = named::falsetickers(first, second);
                if position == "last" {
                    plan.servers.swap(0, 3);
                    plan.servers.swap(1, 4);
                }
                let mut built = plan.build(seed);
                let used = times_used(&mut built, &liars, 7200);
                let host = built.world.host(built.client);
                let max = host.record.max_error(75.0, 7200.0);
                let case = format!("{first} {second} {position} seed {seed}");
                assert!(
                    used.is_empty(),
                    "{case}: a liar was used in {} seconds, first at {}",
                    used.len(),
                    used[0]
                );
                assert!(max < 2e-3, "{case}: error {max}");
                let marks = host.marks();
                assert!(liars.iter().all(|&l| marks.as_bytes()[l] == b'x'), "{case}: {marks}");
                table += &format!(
                    "{first:>8} {second:>11} {position:>10} {seed:>5} {:>20.0}  {marks}\n",
                    max * 1e6
                );
            }
        }
    }
    insta::assert_snapshot!(table);
}

/// A server that goes wrong after hours of being right: by a step, or slowly, by 1 ppm (29 ms until the end of the
/// run). The slow one is the nearest of five, and it takes some polls until its rate stands out.
#[test]
fn a_server_that_goes_wrong_is_left() {
    let good = || Server::ideal().claims(1, 0.0, 1e-5);
    for (what, server, limit) in [
        ("step", good().jump(2.0 * HOUR, 0.2), 1e-3),
        ("drift", good().oscillator(Oscillator::perfect().jump(2.0 * HOUR, 1e-6)), 3e-3),
    ] {
        let mut plan = named::cold_start(20e-6);
        (plan.source.minpoll, plan.source.maxpoll) = (6, 6);
        plan.servers[0].0 = server;
        let mut built = plan.build(1);
        built.world.run_until(10.0 * HOUR);
        let host = built.world.host(built.client);
        let max = host.record.max_error(600.0, 10.0 * HOUR);
        assert!(max < limit, "{what}: the clock followed by {max} s");
        assert_eq!(host.marks().as_bytes()[0], b'x', "{what}: {}", host.marks());
    }
}

/// The most exact of some servers is followed and steps by 1.4 s: no oscillator does, and the others do not see it.
#[test]
fn nobody_goes_with_a_server_that_steps() {
    for (servers, poll, seed) in [(5, 7, 1), (3, 7, 10), (5, 6, 2)] {
        let mut plan = sim::scenario::hard::five();
        plan.servers.truncate(servers);
        plan.source.iburst = false;
        (plan.source.minpoll, plan.source.maxpoll) = (poll, poll);
        for (_, link) in &mut plan.servers[1..] {
            *link = Link::symmetric(Way::constant(0.01).exponential(0.02));
        }
        plan.servers[0].0 = plan.servers[0].0.clone().jump(HOUR + 37.0 * seed as f64, 1.4);
        let mut built = plan.build(seed);
        built.world.run_until(3.0 * HOUR);
        let host = built.world.host(built.client);
        let whole = host.record.whole();
        let said = format!("{servers} servers, poll {poll}, seed {seed}");
        let max = host.record.max_served(HOUR, 3.0 * HOUR);
        assert!(max < 0.01, "{said}: went {max} s with it");
        assert_eq!(whole.violations, 0, "{said}: first {:?}", whole.first_violation);
        let late = host.record.between(2.0 * HOUR, 3.0 * HOUR);
        assert!(late.iter().all(|s| s.root_distance < 0.2), "{said}: still doubted");
    }
}

/// What no answer, or nonsense, from most servers does: the rest is enough.
#[test]
fn faults_of_most_servers_are_survived() {
    let good = || Server::ideal().claims(1, 0.0, 1e-5);
    let always = |fault| good().fault(fault, 0.0, f64::MAX);
    let mut plan = named::cold_start(50e-6);
    plan.servers[0].0 = always(Fault::WrongOrigin);
    plan.servers[1].0 = always(Fault::Unsynchronised);
    plan.servers[2].0 = always(Fault::Truncated(47));
    plan.servers[3].0 = always(Fault::NoTransmitTime);
    let mut built = plan.build(1);
    built.world.run_until(4.0 * HOUR);
    let host = built.world.host(built.client);
    assert_eq!(host.marks(), "????*");
    let max = host.record.max_error(600.0, 4.0 * HOUR);
    assert!(max < 3e-3, "{max}");
}

#[test]
fn a_kiss_slows_us_down() {
    let mut built = named::rate_limited().build(1);
    built.world.run_until(6.0 * HOUR);
    let history = built.world.server(built.servers[0]).history();
    let count = |from: f64, until: f64| history.iter().filter(|(at, _)| (from..until).contains(at)).count();
    let (before, after) = (count(300.0, 600.0), count(700.0, 3700.0));
    assert!(before >= 16, "{before} requests in 300 s");
    assert!(after * 300 * 2 < before * 3000, "{after} requests in 3000 s after being asked to slow down");
    let kisses = history.iter().filter(|(_, kissed)| *kissed).count();
    assert!(kisses > 0);
    for pair in history.windows(2).filter(|pair| pair[0].1) {
        let gap = pair[1].0 - pair[0].0;
        assert!(gap >= 4.0 * 16.0 * 0.95, "asked again {gap} s after a kiss");
    }
    let host = built.world.host(built.client);
    assert!(host.log.iter().any(|(_, line)| line.text.contains("RATE")));
    assert!(host.record.max_error(600.0, 6.0 * HOUR) < 2e-3, "it goes on with what it gets");
}

fn host_following(world: &mut World, servers: &[NodeId], oscillator: Oscillator) -> NodeId {
    let mut config = Config::default();
    for &server in servers {
        let name = World::address(server).to_string();
        config.sources.push(SourceConfig { iburst: true, ..SourceConfig::new(SourceKind::Server, &name) });
    }
    config.server.access.push(AccessRule { allow: true, all: false, subnet: None });
    let host = world.add_host(config, |rng| SimClock::new(oscillator, 0.2, rng));
    for &server in servers {
        world.connect(host, server, Link::symmetric(Way::constant(2e-3).exponential(0.3e-3)));
    }
    host
}

#[test]
fn a_chain_of_servers_counts_its_strata() {
    let mut world = World::new(1);
    let top = world.add_server(Server::ideal().claims(1, 0.0, 1e-5));
    let mut chain = vec![top];
    for ppm in [30.0, -80.0, 12.0, 55.0] {
        let above = chain[chain.len() - 1];
        chain.push(host_following(&mut world, &[above], Oscillator::with_error(ppm * 1e-6).wander(1e-9)));
    }
    for &host in &chain[1..] {
        world.start(host, Start { steers: true, ..Start::default() });
    }
    world.run_until(8.0 * HOUR);
    let mut table =
        String::from("stratum  rms (µs)  max (µs)  root distance (ms)  honest  requests answered\n");
    let mut distance = 0.0;
    for (index, &host) in chain.iter().enumerate().skip(1) {
        let host = world.host(host);
        let state = host.engine().unwrap().server_state();
        let figures = host.record.figures(2.0 * HOUR, 8.0 * HOUR);
        assert_eq!(usize::from(state.stratum), index + 1);
        assert_eq!(figures.synchronised, 1.0, "stratum {}", index + 1);
        assert_eq!(figures.honest, 1.0, "stratum {}", index + 1);
        assert!(figures.rms < 1e-3 && figures.max < 4e-3, "stratum {}: {figures:?}", index + 1);
        assert!(figures.root_distance > distance, "root distance grows along the chain");
        distance = figures.root_distance;
        table += &format!(
            "{:>7} {:>9.0} {:>9.0} {:>19.2} {:>7} {:>18}\n",
            index + 1,
            figures.rms * 1e6,
            figures.max * 1e6,
            distance * 1e3,
            figures.honest,
            host.served
        );
    }
    insta::assert_snapshot!(table);
}

/// Two hosts that only have each other never believe that they know the time.
#[test]
fn a_loop_of_two_stays_unsynchronised() {
    let mut world = World::new(1);
    let first = host_following(&mut world, &[], Oscillator::with_error(1e-5));
    let second = host_following(&mut world, &[first], Oscillator::with_error(-1e-5));
    for host in [first, second] {
        world.start(host, Start { steers: true, ..Start::default() });
    }
    world.run_until(HOUR);
    assert!(world.host(second).sent > 10 && world.host(first).served > 10);
    assert_eq!(world.record(second).first_synchronised(), None);
    assert_eq!(world.host(second).clock().state().frequency, 0.0);
}

/// Names are looked up; a pool takes its members from the answer.
#[test]
fn names_become_sources() {
    let plan = Plan::default();
    let mut world = World::new(1);
    let servers: Vec<NodeId> =
        (0..6).map(|_| world.add_server(Server::ideal().claims(2, 0.01, 1e-3))).collect();
    world.set_name("pool.example.net", &servers);
    let mut config = Config::default();
    config
        .sources
        .push(SourceConfig { iburst: true, ..SourceConfig::new(SourceKind::Pool, "pool.example.net") });
    let client = world.add_host(config, |rng| SimClock::new(Oscillator::with_error(1e-5), 0.01, rng));
    for &server in &servers {
        world.connect(client, server, Link::constant(0.005));
    }
    world.start(client, plan.start);
    world.run_until(HOUR);
    let host = world.host(client);
    let used = host.marks().chars().filter(|mark| matches!(mark, '*' | '+')).count();
    assert_eq!(used, 4, "{}: a pool has four members", host.marks());
    assert!(host.record.max_error(60.0, HOUR) < 1e-4);
}
