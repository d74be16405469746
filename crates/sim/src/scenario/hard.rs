//! Hard times: what happens to clocks and servers once in a while, each as a scenario.

use super::{Plan, Reference, Scenario, TABLE, named};
use crate::link::{Burst, Link, Way};
use crate::oscillator::Oscillator;
use crate::server::{Fault, Server};
use crate::time::Calendar;
use ntp::leap_table::LeapTable;
use ntp::wire::Leap;

const HOUR: f64 = 3600.0;
/// 2026-12-31 18:00:00, six hours before a leap second could be.
pub const NEW_YEARS_EVE: i64 = 1_798_740_000;
/// 2036-02-07 04:00:00, two and a half hours before NTP's 32 bits of seconds begin anew.
const ERA_EVE: i64 = 2_085_978_496 - 8896;
/// When things go wrong, s.
pub const TROUBLE: f64 = HOUR;
/// When things go wrong that need a settled clock to be hard, s.
pub const LATE: f64 = 2.0 * HOUR;

/// Five servers 10 to 50 ms away, 1 ms of jitter each way, asked every 64 s; an oscillator like most.
pub fn five() -> Plan {
    let table = TABLE.iter().find(|r| r.name == "net5_w9_p6").map(Reference::scenario);
    let mut plan = table.expect("the table has it").plan;
    plan.source.iburst = true;
    plan
}

/// Every pair of colluders that differs in how near they are: the two nearest, nearest and farthest, the two farthest.
pub const PAIRS: [[usize; 2]; 3] = [[0, 1], [0, 4], [3, 4]];

/// These servers of five become wrong.
fn wrong(liars: &[usize], how: fn(Server) -> Server) -> Plan {
    let mut plan = five();
    for &liar in liars {
        let (server, _) = &mut plan.servers[liar];
        *server = how(server.clone());
    }
    plan
}

/// Two of five servers drift away together, 1 ms an hour.
pub fn colluding_drift(liars: [usize; 2]) -> Plan {
    wrong(&liars, |s| s.oscillator(Oscillator::perfect().jump(TROUBLE, 1e-3 / HOUR)))
}

/// Two of five servers step by 50 ms together.
pub fn colluding_step(liars: [usize; 2]) -> Plan {
    wrong(&liars, |s| s.jump(LATE, 0.05))
}

/// One of five servers gains 0.1 ppm.
pub fn slow_drift(liar: usize) -> Plan {
    wrong(&[liar], |s| s.oscillator(Oscillator::perfect().jump(TROUBLE, 1e-7)))
}

/// The nearest of five servers is right, and its line has 20 ms of jitter.
pub fn jittery() -> Plan {
    let mut plan = five();
    plan.servers[0].1 = Link::symmetric(Way::constant(0.005).exponential(0.02));
    plan
}

/// Two of three servers agree on a time 50 ms off, and fall silent an hour later.
pub fn silent_liars() -> Plan {
    let mut plan = five();
    plan.servers.truncate(3);
    for (server, _) in &mut plan.servers[1..] {
        *server = server.clone().offset(0.05).fault(Fault::Silent, TROUBLE, f64::MAX);
    }
    plan
}

/// Two of five servers fall silent.
pub fn silent() -> Plan {
    wrong(&[0, 1], |s| s.fault(Fault::Silent, TROUBLE, f64::MAX))
}

/// The servers' UTC has a leap second after six hours; `announced`: they say so before.
pub fn leap(leap: Leap, announced: bool) -> Plan {
    let mut plan = five();
    plan.calendar = Calendar::beginning(NEW_YEARS_EVE).with_leap(leap);
    for (server, _) in plan.servers.iter_mut().filter(|_| !announced) {
        *server = server.clone().leaps_without_a_word();
    }
    plan
}

/// … of which no server speaks, but the client has a list.
pub fn leap_from_list(leap: Leap) -> Plan {
    let after = if leap == Leap::Insert { 36 } else { 34 };
    let midnight = NEW_YEARS_EVE + 6 * 3600 + 2_208_988_800;
    let text = format!("#$ 3960835200\n#@ 5000000000\n3439756800 34\n3550089600 35\n{midnight} {after}\n");
    Plan { leap_table: LeapTable::from_list(&text), ..self::leap(leap, false) }
}

/// NTP's seconds begin anew after two and a half hours.
pub fn era() -> Plan {
    Plan { calendar: Calendar::beginning(ERA_EVE), ..five() }
}

/// The machine sleeps for two hours; the clock on its board is 0.4 s wrong afterwards.
pub fn suspend() -> Plan {
    Plan { sleeps: vec![(TROUBLE, TROUBLE + 2.0 * HOUR, 0.4)], ..five() }
}

/// Another program makes the clock 20 ppm faster than it was; the servers are asked rarely.
pub fn foreign_steering() -> Plan {
    Plan { outside_frequencies: vec![(LATE, 20e-6)], ..named::cold_start(100e-6) }
}

/// Somebody steps the clock by `offset` s.
pub fn outside_step(offset: f64) -> Plan {
    Plan { outside_steps: vec![(TROUBLE, offset)], ..five() }
}

/// 32 servers, 5 to 36 ms each way, alike otherwise.
pub fn thirty_two() -> Plan {
    let mut plan = five();
    let link = |i: u32| Link::symmetric(Way::constant(0.005 + 1e-3 * f64::from(i)).exponential(1e-3));
    plan.servers = (0..32).map(|i| (Server::ideal(), link(i))).collect();
    plan
}

/// Four servers 10 ms away whose packets come early as often as late, by `there` and `back` (s, standard deviations): no queue
/// does that, but network emulators do. Real packets besides: the first ones wait until addresses are found.
pub fn two_sided(there: f64, back: f64) -> Plan {
    let first = Burst { period: f64::MAX, from: 0.0, until: 1.0, share: 1.0, mean: 0.006 };
    let way = |sd| Way::constant(0.01).normal(sd).burst(first);
    let link = Link { there: way(there), back: way(back) };
    let mut plan = Plan {
        servers: (0..4).map(|_| (Server::ideal(), link.clone())).collect(),
        oscillator: Oscillator::with_error(50e-6).wander(1e-9),
        offset: 0.1,
        ..Plan::default()
    };
    plan.source.iburst = true;
    (plan.source.minpoll, plan.source.maxpoll) = (3, 5);
    plan.config.clock.makestep = Some((1e-3, 3));
    plan
}

/// Neither jitter nor wander.
pub fn still() -> Plan {
    let mut plan = Plan {
        servers: vec![(Server::ideal(), Link::constant(1e-4))],
        oscillator: Oscillator::with_error(1e-4),
        offset: 0.1,
        ..Plan::default()
    };
    (plan.source.minpoll, plan.source.maxpoll) = (6, 6);
    plan
}

/// Five servers and an oscillator 1073 ppm off: the first seconds.
pub fn first_seconds() -> Plan {
    let mut plan = named::cold_start(1073e-6);
    plan.servers = five().servers;
    plan.grid = 0.125;
    plan
}

/// All of them.
pub fn all() -> Vec<Scenario> {
    let entry = |name, about: &str, hours: f64, plan| Scenario {
        name,
        about: about.to_owned(),
        length: hours * HOUR,
        warmup: HOUR,
        plan,
    };
    vec![
        entry(
            "colluding-drift",
            "two of five servers drift away together, 1 ms an hour",
            12.0,
            colluding_drift(PAIRS[0]),
        ),
        entry("colluding-step", "two of five servers step by 50 ms together", 6.0, colluding_step(PAIRS[0])),
        entry("slow-drift", "one of five servers gains 0.1 ppm", 12.0, slow_drift(0)),
        entry("jittery", "one of five servers has 20 ms of jitter", 6.0, jittery()),
        entry("silent", "two of five servers fall silent", 6.0, silent()),
        entry("silent-liars", "two of three servers lie and then fall silent", 4.0, silent_liars()),
        entry("leap-insert", "a leap second is inserted after six hours", 9.0, leap(Leap::Insert, true)),
        entry("leap-delete", "a second is left out after six hours", 9.0, leap(Leap::Delete, true)),
        entry("leap-unannounced", "a leap second that no server spoke of", 9.0, leap(Leap::Insert, false)),
        entry("era", "NTP's era ends after two and a half hours", 6.0, era()),
        entry("suspend", "the machine sleeps for two hours", 8.0, suspend()),
        entry("foreign-steering", "another program sets the frequency", 6.0, foreign_steering()),
        entry("thirty-two", "32 servers", 4.0, thirty_two()),
        Scenario {
            warmup: 100.0,
            ..entry(
                "two-sided",
                "packets early as often as late, 0.5 ms there and 2 ms back",
                0.25,
                two_sided(5e-4, 2e-3),
            )
        },
        entry("still", "neither jitter nor wander", 12.0, still()),
        entry(
            "first-seconds",
            "the first minute with five servers, 1073 ppm off",
            1.0 / 60.0,
            first_seconds(),
        ),
    ]
}
