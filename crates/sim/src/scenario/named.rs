//! Scenarios of our own.

use super::{Plan, Scenario};
use crate::generator::Generator;
use crate::link::{Link, Way};
use crate::oscillator::Oscillator;
use crate::server::{Fault, Server};

const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;

/// Five servers, 10 to 40 ms there and back; exponential jitter of 2 ms there and 0.5 ms back, as on a home line whose way up
/// is the narrow one.
fn five_links() -> Vec<Link> {
    [0.010, 0.015, 0.022, 0.030, 0.040]
        .into_iter()
        .map(|round_trip: f64| Link {
            there: Way::constant(round_trip / 2.0).exponential(2e-3),
            back: Way::constant(round_trip / 2.0).exponential(0.5e-3),
        })
        .collect()
}

fn ideal(links: Vec<Link>) -> Vec<(Server, Link)> {
    links.into_iter().map(|link| (Server::ideal().claims(1, 0.0, 1e-5), link)).collect()
}

/// A home router at its first start: wrong by `frequency` s/s, warmed and cooled by the day, five servers; in five minutes
/// of each hour something is uploaded and every request waits 50 to 200 ms for the line.
pub fn router(frequency: f64, polls: (i32, i32)) -> Plan {
    const UPLOAD: &str =
        "(* (+ 0.05 (* 0.15 (uniform))) (equal 0 (min (% (+ time 1800) 3600) 300) (% (+ time 1800) 3600)))";
    let upload = Generator::parse(UPLOAD).expect("a constant that a test builds");
    let links = five_links()
        .into_iter()
        .map(|link| Link { there: link.there.jitter(upload.clone()), back: link.back })
        .collect();
    let mut plan = Plan {
        servers: ideal(links),
        oscillator: Oscillator::with_error(frequency).wander(1e-9).temperature(0.05e-6, DAY),
        offset: 0.1,
        ..Plan::default()
    };
    plan.source.iburst = true;
    (plan.source.minpoll, plan.source.maxpoll) = polls;
    plan.config.clock.makestep = Some((1.0, 3));
    plan
}

/// A router with what chronyd reached on it: root mean square error after the first hour, s, and the share of it that is
/// to be reached here.
#[derive(Clone, Copy, Debug)]
pub struct Router {
    /// Name of the scenario.
    pub name: &'static str,
    /// Frequency error of its oscillator, s/s.
    pub frequency: f64,
    /// Poll exponents.
    pub polls: (i32, i32),
    /// chronyd's error, s.
    pub chrony: f64,
    /// At most this share of it.
    pub floor: f64,
}

/// All routers: slow and fast, with the polls of the default and of an impatient owner.
pub const ROUTERS: [Router; 4] = [
    Router { name: "router", frequency: -1073e-6, polls: (6, 10), chrony: 391e-6, floor: 0.25 },
    Router { name: "router-fast", frequency: 1073e-6, polls: (6, 10), chrony: 391e-6, floor: 0.25 },
    Router { name: "router-short", frequency: -1073e-6, polls: (4, 6), chrony: 222e-6, floor: 0.15 },
    Router { name: "router-fast-short", frequency: 1073e-6, polls: (4, 6), chrony: 222e-6, floor: 0.15 },
];

/// Five internet servers and an oscillator wrong by `frequency` s/s; `iburst`.
pub fn cold_start(frequency: f64) -> Plan {
    let mut plan = Plan {
        servers: ideal(five_links()),
        oscillator: Oscillator::with_error(frequency).wander(1e-9),
        offset: 0.1,
        ..Plan::default()
    };
    plan.source.iburst = true;
    plan
}

/// Servers 0 and 1 of five are wrong by these offsets, s.
pub fn falsetickers(first: f64, second: f64) -> Plan {
    let mut plan = cold_start(20e-6);
    for (wrong, offset) in [first, second].into_iter().enumerate() {
        plan.servers[wrong].0 = Server::ideal().claims(1, 0.0, 1e-5).offset(offset);
    }
    plan
}

/// One server 20 ms away over a bad line: 33 % loss, 100 ms jitter, an oscillator that wanders a lot.
pub fn bad_line() -> Plan {
    let way = Way::constant(0.010).exponential(0.1).loss(0.183); // 1 − √0.67 each way
    let mut plan = Plan {
        servers: ideal(vec![Link::symmetric(way)]),
        oscillator: Oscillator::with_error(50e-6).wander(1e-7),
        offset: 0.1,
        ..Plan::default()
    };
    plan.source.iburst = true;
    plan
}

/// One server in the local network, `offset` s away from us.
pub fn local_network(offset: f64, frequency: f64) -> Plan {
    let way = Way::constant(1e-4).exponential(1e-4);
    let mut plan = Plan {
        servers: ideal(vec![Link::symmetric(way)]),
        oscillator: Oscillator::with_error(frequency).wander(1e-9),
        offset,
        ..Plan::default()
    };
    plan.source.iburst = true;
    plan
}

/// A server asked every 16 s that refuses, from 600 s on, what comes sooner than 20 s after the last request.
pub fn rate_limited() -> Plan {
    let mut plan = local_network(0.01, 20e-6);
    plan.servers[0].0 = Server::ideal().claims(1, 0.0, 1e-5).fault(Fault::RateLimit(20.0), 600.0, f64::MAX);
    (plan.source.minpoll, plan.source.maxpoll) = (4, 4);
    plan
}

/// All of them.
pub fn all() -> Vec<Scenario> {
    let entry = |name, about: &str, hours: f64, warmup, plan| Scenario {
        name,
        about: about.to_owned(),
        length: hours * HOUR,
        warmup,
        plan,
    };
    let stepped = Plan { outside_steps: vec![(2.0 * HOUR, 0.5)], ..cold_start(20e-6) };
    let routers = ROUTERS.iter().map(|r| {
        let about = format!(
            "home router, {:+.0} ppm, five servers, uploads, polls {} to {} (chronyd: {:.0} µs rms)",
            r.frequency * 1e6,
            r.polls.0,
            r.polls.1,
            r.chrony * 1e6
        );
        entry(r.name, &about, 48.0, HOUR, router(r.frequency, r.polls))
    });
    let others = vec![
        entry("cold-slow", "cold start, 1073 ppm slow, five servers", 6.0, 600.0, cold_start(-1073e-6)),
        entry("cold-fast", "cold start, 1073 ppm fast, five servers", 6.0, 600.0, cold_start(1073e-6)),
        entry("five-percent", "oscillator 5 % slow, local network", 3.0, 1000.0, local_network(0.0, -0.05)),
        entry("hundred-seconds", "100 s ahead, slewed", 3.0, 3000.0, local_network(100.0, 20e-6)),
        entry("falsetickers", "two of five 50 ms and 1 s wrong", 6.0, 600.0, falsetickers(0.05, 1.0)),
        entry("colluding", "two of five wrong together by 50 ms", 6.0, 600.0, falsetickers(0.05, 0.05)),
        entry("bad-line", "33 % loss, 100 ms jitter, wander 1e-7", 12.0, 3600.0, bad_line()),
        entry("outside-step", "somebody steps the clock by 0.5 s after two hours", 6.0, 600.0, stepped),
        entry("rate-limited", "the server asks to slow down", 6.0, 600.0, rate_limited()),
    ];
    routers.chain(others).collect()
}
