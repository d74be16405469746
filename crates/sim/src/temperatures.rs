//! Oscillators that follow a temperature, with thermometers and without: what is gained, and what a bad one costs.

use crate::climate::{Climate, Fault, Thermometer};
use crate::link::{Link, Way};
use crate::oscillator::Oscillator;
use crate::record::Record;
use crate::scenario::Plan;
use crate::server::{self, Server};

const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;
/// Two days; the first four hours are not counted.
const LENGTH: f64 = 48.0 * HOUR;
const WARMUP: f64 = 4.0 * HOUR;
/// When thermometers fail, s.
const FAILURE: f64 = 24.0 * HOUR + 100.0;
/// When servers fall silent, and when they come back, s.
const OUTAGE: (f64, f64) = (32.0 * HOUR, 38.0 * HOUR);

/// One comparison.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// The world, without climate.
    world: fn() -> Plan,
    /// What it is like in there.
    climate: fn() -> Climate,
}

/// One server 10 ms away with 1 ms of jitter each way.
fn one() -> Plan {
    servers(1, 1e-3)
}

/// … asked as rarely as the estimator thinks it can be.
fn rarely() -> Plan {
    let mut plan = one();
    plan.source.maxpoll = 10;
    plan
}

/// Five servers 10 to 18 ms away.
fn five() -> Plan {
    servers(5, 1e-3)
}

/// One server in the same building.
fn near() -> Plan {
    servers(1, 1e-4)
}

/// One server that falls silent for six hours.
fn outage() -> Plan {
    let mut plan = servers(1, 1e-3);
    let server = plan.servers[0].0.clone();
    plan.servers[0].0 = server.fault(server::Fault::Silent, OUTAGE.0, OUTAGE.1);
    plan
}

fn servers(count: u32, jitter: f64) -> Plan {
    let link = |i: u32| Link::symmetric(Way::constant(0.01 + 2e-3 * f64::from(i)).exponential(jitter));
    let mut plan =
        Plan { servers: (0..count).map(|i| (Server::ideal(), link(i))).collect(), ..Plan::default() };
    plan.source.iburst = true;
    plan.source.maxpoll = 6;
    plan.offset = 0.01;
    plan
}

/// A room that is 4 K warmer by day, and a heater that comes each two hours.
fn room(coefficient: f64) -> Climate {
    Climate::new(coefficient).sine(4.0, DAY).sine(1.0, 2.0 * HOUR)
}

/// A router that works for half an hour of two, and is 8 K warmer then.
fn router() -> Climate {
    Climate::new(0.05e-6).sine(2.0, DAY).load(8.0, 1.9 * HOUR, 0.25).crystal_lag(300.0)
}

fn right() -> Thermometer {
    Thermometer::new("board")
}

fn elsewhere() -> Thermometer {
    Thermometer::new("attic").elsewhere(0.02)
}

/// All comparisons.
#[rustfmt::skip]
pub const CASES: &[Case] = &[
    Case { name: "room", about: "0.1 ppm/K, one server", world: one, climate: || room(0.1e-6).thermometer(right()) },
    Case { name: "room-weak", about: "0.02 ppm/K", world: one, climate: || room(0.02e-6).thermometer(right()) },
    Case { name: "room-five", about: "0.1 ppm/K, five servers", world: five, climate: || room(0.1e-6).thermometer(right()) },
    Case { name: "room-near", about: "0.1 ppm/K, jitter of 0.1 ms", world: near, climate: || room(0.1e-6).thermometer(right()) },
    Case { name: "room-rare", about: "0.1 ppm/K, asked as rarely as can be", world: rarely, climate: || room(0.1e-6).thermometer(right()) },
    Case { name: "coarse", about: "thermometer in whole degrees", world: one, climate: || room(0.1e-6).thermometer(right().resolution(1.0).noise(0.3)) },
    Case { name: "coarse-still", about: "… without any noise", world: one, climate: || room(0.1e-6).thermometer(right().resolution(1.0).noise(0.0)) },
    Case { name: "coarse-near", about: "… jitter of 0.1 ms", world: near, climate: || room(0.1e-6).thermometer(right().resolution(1.0).noise(0.0)) },
    Case { name: "late", about: "thermometer 10 min late", world: one, climate: || room(0.1e-6).thermometer(right().lag(600.0)) },
    Case { name: "noisy", about: "thermometer with 1 K of noise", world: one, climate: || room(0.1e-6).thermometer(right().noise(1.0)) },
    Case { name: "router-one", about: "8 K of load, 0.05 ppm/K, crystal 5 min late", world: one, climate: || router().thermometer(right()) },
    Case { name: "router-five", about: "… five servers", world: five, climate: || router().thermometer(right()) },
    Case { name: "fans", about: "0.5 K for 5 min at random besides", world: one, climate: || room(0.1e-6).fans(0.5, 300.0).thermometer(right()) },
    Case { name: "two", about: "a wrong thermometer beside the right one", world: one, climate: || room(0.1e-6).thermometer(elsewhere()).thermometer(right()) },
    Case { name: "outage", about: "6 h without a server", world: outage, climate: || room(0.1e-6).thermometer(right()) },
    Case { name: "wrong-one", about: "thermometer of another room", world: one, climate: || room(0.1e-6).thermometer(elsewhere()) },
    Case { name: "wrong-five", about: "… five servers", world: five, climate: || room(0.1e-6).thermometer(elsewhere()) },
    Case { name: "nothing-far", about: "temperature does nothing", world: one, climate: || room(0.0).thermometer(right()) },
    Case { name: "nothing-near", about: "… jitter of 0.1 ms", world: near, climate: || room(0.0).thermometer(right()) },
    Case { name: "stops", about: "thermometer silent after a day", world: one, climate: || room(0.1e-6).thermometer(right().fault(FAILURE, Fault::Silent)) },
    Case { name: "sticks", about: "… reads the same from then on", world: one, climate: || room(0.1e-6).thermometer(right().fault(FAILURE, Fault::Stuck)) },
    Case { name: "jumps", about: "… reads 20 K more", world: one, climate: || room(0.1e-6).thermometer(right().fault(FAILURE, Fault::Jump(20.0))) },
    Case { name: "breaks", about: "… reads 5 K of noise", world: one, climate: || room(0.1e-6).thermometer(right().fault(FAILURE, Fault::Noise(5.0))) },
    Case { name: "outage-stuck", about: "6 h without a server, thermometer stuck", world: outage, climate: || room(0.1e-6).thermometer(right().fault(FAILURE, Fault::Stuck)) },
];

/// What became of one case, with and without its thermometers.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub case: Case,
    /// Root mean square error, over time and seeds, s.
    pub rms: (f64, f64),
    /// Largest error, s.
    pub max: (f64, f64),
    /// Root mean square frequency error, s/s.
    pub frequency: (f64, f64),
    /// Packets.
    pub packets: (u64, u64),
    /// Instants at which the error of served time was larger than the root distance.
    pub violations: u64,
    /// Share of the runs that used a thermometer at their end.
    pub used: f64,
    /// Mean coefficient of those, s/s/K.
    pub coefficient: f64,
}

impl Row {
    /// Error with thermometers against that without.
    pub fn ratio(&self) -> f64 {
        self.rms.0 / self.rms.1
    }
}

struct Run {
    square: f64,
    max: f64,
    frequency: f64,
    packets: u64,
    violations: u64,
    used: Option<f64>,
}

/// Runs those whose name contains one of the words of `only`, with the seeds `first` … `first + seeds − 1`.
pub fn run(only: &str, first: u64, seeds: u64, jobs: usize) -> Vec<Row> {
    let chosen = |case: &&Case| only.split(',').any(|word| case.name.contains(word));
    let cases: Vec<Case> = CASES.iter().filter(chosen).copied().collect();
    let per_case = 2 * seeds as usize;
    let mut runs = Vec::new();
    let work = |index: usize| {
        let (case, rest) = (&cases[index / per_case], index % per_case);
        run_one(case, first + (rest / 2) as u64, rest % 2 == 0)
    };
    crate::pool::run(jobs, cases.len() * per_case, work, |_, result| runs.push(result));
    cases.iter().zip(runs.chunks(per_case)).map(|(case, runs)| sum_up(*case, runs)).collect()
}

fn run_one(case: &Case, seed: u64, with: bool) -> Run {
    let mut plan = (case.world)();
    let climate = (case.climate)();
    let climate = if with { climate } else { climate.unseen() };
    plan.oscillator = Oscillator::with_error(20e-6).wander(1e-9).climate(climate);
    plan.record = Record::count_only(WARMUP, LENGTH);
    let mut built = plan.build(seed);
    built.world.run_until(LENGTH);
    let record = built.world.record(built.client);
    let figures = record.part().figures();
    let engine = built.world.host(built.client).engine();
    let report = engine.and_then(ntp::engine::Engine::temperature_report);
    if std::env::var_os("SIM_TEMPERATURES").is_some() {
        eprintln!("{} {seed} {with} {:.1} {report:?}", case.name, figures.rms * 1e6);
    }
    Run {
        square: figures.rms * figures.rms,
        max: figures.max,
        frequency: figures.frequency_rms * figures.frequency_rms,
        packets: figures.packets,
        violations: record.whole().violations,
        used: report.filter(|report| report.used).map(|report| report.coefficient),
    }
}

fn sum_up(case: Case, runs: &[Run]) -> Row {
    let count = runs.len() as f64 / 2.0;
    let with = || runs.iter().step_by(2);
    let without = || runs.iter().skip(1).step_by(2);
    let used: Vec<f64> = with().filter_map(|run| run.used).collect();
    let root = |sum: f64| libm::sqrt(sum / count);
    Row {
        case,
        rms: (root(with().map(|run| run.square).sum()), root(without().map(|run| run.square).sum())),
        max: (with().map(|r| r.max).fold(0.0, f64::max), without().map(|r| r.max).fold(0.0, f64::max)),
        frequency: (root(with().map(|r| r.frequency).sum()), root(without().map(|r| r.frequency).sum())),
        packets: (with().map(|run| run.packets).sum(), without().map(|run| run.packets).sum()),
        violations: runs.iter().map(|run| run.violations).sum(),
        used: used.len() as f64 / count,
        coefficient: used.iter().sum::<f64>() / used.len() as f64,
    }
}

/// The table.
pub fn text(rows: &[Row]) -> String {
    let mut text = String::from(
        "case            rms µs   without  ratio    max µs   without  freq. ppb  without  packets  used   ppm/K  lies  what\n",
    );
    for row in rows {
        text += &format!(
            "{:<14} {:>7.1} {:>9.1} {:>6.3} {:>9.1} {:>9.1} {:>10.1} {:>8.1} {:>8.3} {:>4.0}% {:>7.4} {:>5}  {}\n",
            row.case.name,
            row.rms.0 * 1e6,
            row.rms.1 * 1e6,
            row.ratio(),
            row.max.0 * 1e6,
            row.max.1 * 1e6,
            row.frequency.0 * 1e9,
            row.frequency.1 * 1e9,
            row.packets.0 as f64 / row.packets.1 as f64,
            row.used * 100.0,
            row.coefficient * 1e6,
            row.violations,
            row.case.about,
        );
    }
    text
}
