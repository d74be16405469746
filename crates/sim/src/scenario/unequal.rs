//! Servers that do not tell equally much: how the packets are shared out among them.

use super::{Plan, Scenario};
use crate::link::{Link, Way};
use crate::oscillator::Oscillator;
use crate::server::Server;

const HOUR: f64 = 3600.0;

/// Servers by round trip (s) and mean wait each way (s), default polls, an oscillator that wanders by `wander` (s/s per √s).
fn plan(paths: &[(f64, f64)], wander: f64) -> Plan {
    let server = |&(round_trip, jitter): &(f64, f64)| {
        let way = Way::constant(round_trip / 2.0).exponential(jitter);
        (Server::ideal().claims(1, 0.0, 1e-5), Link::symmetric(way))
    };
    let mut plan = Plan {
        servers: paths.iter().map(server).collect(),
        oscillator: Oscillator::with_error(20e-6).wander(wander),
        offset: 0.01,
        ..Plan::default()
    };
    plan.source.iburst = true;
    plan
}

/// One server in the house, four on the other side of the internet.
const NEAR_AND_FAR: [(f64, f64); 5] =
    [(2e-4, 2e-5), (0.010, 1e-3), (0.022, 1e-3), (0.030, 1e-3), (0.040, 1e-3)];
/// From a quiet line to a wretched one.
const GRADED: [(f64, f64); 5] = [(0.010, 1e-4), (0.015, 3e-4), (0.022, 1e-3), (0.030, 3e-3), (0.040, 1e-2)];
/// Two good ones and three that are three times worse.
const SOMEWHAT: [(f64, f64); 5] = [(0.010, 3e-4), (0.015, 3e-4), (0.022, 1e-3), (0.030, 1e-3), (0.040, 1e-3)];

/// All of them.
pub fn all() -> Vec<Scenario> {
    let entry = |name, about: &str, plan| Scenario {
        name,
        about: about.to_owned(),
        length: 24.0 * HOUR,
        warmup: 2.0 * HOUR,
        plan,
    };
    vec![
        entry("unequal-near", "one server in the house, four far away", plan(&NEAR_AND_FAR, 1e-9)),
        entry("unequal-near-rough", "… an oscillator that wanders ten times more", plan(&NEAR_AND_FAR, 1e-8)),
        entry("unequal-graded", "five servers with jitter of 0.1 to 10 ms", plan(&GRADED, 1e-9)),
        entry("unequal-graded-rough", "… an oscillator that wanders ten times more", plan(&GRADED, 1e-8)),
        entry("unequal-somewhat", "five servers with jitter of 0.3 and 1 ms", plan(&SOMEWHAT, 1e-9)),
    ]
}
