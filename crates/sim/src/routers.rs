//! The home routers of [`named::ROUTERS`], run side by side with what chronyd reached on them.

use crate::record::Figures;
use crate::scenario::named::{self, Router};

const HOUR: f64 = 3600.0;
/// Two days; the first hour is not counted.
const LENGTH: f64 = 48.0 * HOUR;

/// What became of one router with some seeds.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub router: Router,
    /// Root mean square error after the first hour, over time and seeds, s.
    pub rms: f64,
    /// Largest error after the first hour, s.
    pub max: f64,
    /// Latest time from which on the error stayed below 1 ms for the rest of the first hour, s; infinite: not in all.
    pub settled: f64,
    /// Mean time between two packets, s.
    pub interval: f64,
    /// Instants at which the error of served time was larger than the root distance.
    pub violations: u64,
}

impl Row {
    /// Error against chronyd's.
    pub fn ratio(&self) -> f64 {
        self.rms / self.router.chrony
    }
}

/// Runs all of them with the seeds `first` … `first + seeds − 1`.
pub fn run(first: u64, seeds: u64, jobs: usize) -> Vec<Row> {
    let per_row = seeds as usize;
    let mut runs = Vec::new();
    let work = |index: usize| run_one(&named::ROUTERS[index / per_row], first + (index % per_row) as u64);
    crate::pool::run(jobs, named::ROUTERS.len() * per_row, work, |_, result| runs.push(result));
    let rows = named::ROUTERS.iter().zip(runs.chunks(per_row));
    rows.map(|(router, runs)| sum_up(*router, runs)).collect()
}

struct Run {
    figures: Figures,
    settled: Option<f64>,
    violations: u64,
}

fn run_one(router: &Router, seed: u64) -> Run {
    let mut built = named::router(router.frequency, router.polls).build(seed);
    built.world.run_until(HOUR);
    let settled = built.world.record(built.client).settled(1e-3);
    built.world.run_until(LENGTH);
    let record = built.world.record(built.client);
    Run { figures: record.figures(HOUR, LENGTH), settled, violations: record.whole().violations }
}

fn sum_up(router: Router, runs: &[Run]) -> Row {
    let count = runs.len() as f64;
    let packets: u64 = runs.iter().map(|run| run.figures.packets).sum();
    Row {
        router,
        rms: (runs.iter().map(|run| run.figures.rms.powi(2)).sum::<f64>() / count).sqrt(),
        max: runs.iter().map(|run| run.figures.max).fold(0.0, f64::max),
        settled: runs.iter().map(|run| run.settled.unwrap_or(f64::INFINITY)).fold(0.0, f64::max),
        interval: (LENGTH - HOUR) * count / packets as f64,
        violations: runs.iter().map(|run| run.violations).sum(),
    }
}

/// The table.
pub fn text(rows: &[Row]) -> String {
    let mut text = String::from(
        "router                 ppm  polls  rms µs  chronyd  ratio  floor  max µs  <1 ms from  interval  lies\n",
    );
    for row in rows {
        let r = &row.router;
        text += &format!(
            "{:<18} {:>+7.0} {:>3}–{:<2} {:>7.1} {:>8.0} {:>6.3} {:>6.2} {:>7.0} {:>9.0} s {:>7.1} s {:>5}\n",
            r.name,
            r.frequency * 1e6,
            r.polls.0,
            r.polls.1,
            row.rms * 1e6,
            r.chrony * 1e6,
            row.ratio(),
            r.floor,
            row.max * 1e6,
            row.settled,
            row.interval,
            row.violations,
        );
    }
    text
}
