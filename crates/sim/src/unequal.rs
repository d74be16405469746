//! The scenarios of [`scenario::unequal`], with how often each server was asked.

use crate::record::Record;
use crate::scenario::{self, Scenario};
use crate::tally::Tally;
use core::fmt::Write;

/// What became of one scenario with some seeds.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Root mean square error after the warm-up, over time and seeds, s.
    pub rms: f64,
    /// Largest error after the warm-up, s.
    pub max: f64,
    /// Root mean square frequency error, s/s.
    pub frequency: f64,
    /// Mean time between two packets, s.
    pub interval: f64,
    /// … to each server.
    pub each: Vec<f64>,
    /// Instants at which the error of served time was larger than the root distance.
    pub violations: u64,
}

struct Run {
    part: Tally,
    violations: u64,
    asked: Vec<usize>,
}

/// Runs all of them with the seeds `first` … `first + seeds − 1`.
pub fn run(first: u64, seeds: u64, jobs: usize) -> Vec<Row> {
    let (scenarios, per_row) = (scenario::unequal::all(), seeds as usize);
    let mut runs = Vec::new();
    let work = |index: usize| run_one(&scenarios[index / per_row], first + (index % per_row) as u64);
    crate::pool::run(jobs, scenarios.len() * per_row, work, |_, run| runs.push(run));
    scenarios.iter().zip(runs.chunks(per_row)).map(|(scenario, runs)| sum_up(scenario, runs)).collect()
}

fn run_one(scenario: &Scenario, seed: u64) -> Run {
    let mut plan = scenario.plan.clone();
    plan.record = Record::count_only(scenario.warmup, scenario.length);
    let mut built = plan.build(seed);
    built.world.run_until(scenario.length);
    let record = built.world.record(built.client);
    let (part, violations) = (*record.part(), record.whole().violations);
    let asked = |&server| {
        let history = built.world.server(server).history();
        history.iter().filter(|(at, _)| *at >= scenario.warmup).count()
    };
    Run { part, violations, asked: built.servers.iter().map(asked).collect() }
}

fn sum_up(scenario: &Scenario, runs: &[Run]) -> Row {
    let count = runs.len() as f64;
    let time = (scenario.length - scenario.warmup) * count;
    let figures = || runs.iter().map(|run| run.part.figures());
    let packets: u64 = figures().map(|f| f.packets).sum();
    let asked = |server: usize| runs.iter().map(|run| run.asked[server]).sum::<usize>();
    Row {
        name: scenario.name,
        rms: (figures().map(|f| f.rms.powi(2)).sum::<f64>() / count).sqrt(),
        max: figures().map(|f| f.max).fold(0.0, f64::max),
        frequency: (figures().map(|f| f.frequency_rms.powi(2)).sum::<f64>() / count).sqrt(),
        interval: time / packets as f64,
        each: (0..scenario.plan.servers.len()).map(|server| time / asked(server) as f64).collect(),
        violations: runs.iter().map(|run| run.violations).sum(),
    }
}

/// The table.
pub fn text(rows: &[Row]) -> String {
    let mut text =
        String::from("scenario               rms µs   max µs  freq ppm  lies  interval  each server, s\n");
    for row in rows {
        let each: Vec<String> = row.each.iter().map(|seconds| format!("{seconds:.0}")).collect();
        let _ = writeln!(
            text,
            "{:<20} {:>8.2} {:>8.0} {:>9.4} {:>5} {:>7.1} s  {}",
            row.name,
            row.rms * 1e6,
            row.max * 1e6,
            row.frequency * 1e6,
            row.violations,
            row.interval,
            each.join(" "),
        );
    }
    text
}
