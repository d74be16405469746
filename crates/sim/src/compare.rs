//! The table: every scenario that chronyd was measured in, run here, side by side with its figures.

use crate::cost::Meter;
use crate::record::{Figures, Record};
use crate::scenario::{Reference, TABLE};
use crate::tally::Tally;
use core::fmt::Write;
use std::time::Duration;

/// Share (%) of the instants beyond two deviations that no scenario should have; of a Gaussian law it is 4.6 %.
const TOO_MANY: f64 = 8.0;

/// What one run of one scenario gave.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Sums from the first second on.
    pub whole: Tally,
    /// Sums after the warm-up.
    pub part: Tally,
    /// Answers received.
    pub answers: u64,
    /// Processor time of the engine.
    pub engine: Duration,
}

/// One scenario with all its runs.
#[derive(Clone, Debug)]
pub struct Row {
    /// The scenario and chronyd's figures in it.
    pub reference: &'static Reference,
    runs: Vec<Run>,
}

/// Scenarios whose name contains one of the words in `only` (separated by commas; empty: all of them).
pub fn chosen(only: &str) -> Vec<&'static Reference> {
    let words: Vec<&str> = only.split(',').map(str::trim).filter(|w| !w.is_empty()).collect();
    TABLE.iter().filter(|r| words.is_empty() || words.iter().any(|w| r.name.contains(w))).collect()
}

/// Runs `scenarios` with the seeds `first` … `first + seeds − 1` on `jobs` threads; each row goes to `take` as soon as
/// it and all before it are complete.
pub fn run(
    scenarios: &[&'static Reference],
    first: u64,
    seeds: u64,
    jobs: usize,
    mut take: impl FnMut(&Row),
) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let per_row = usize::try_from(seeds).unwrap_or(usize::MAX);
    let work = |index: usize| run_one(scenarios[index / per_row], first + (index % per_row) as u64);
    crate::pool::run(jobs, scenarios.len() * per_row, work, |index, result| {
        if index % per_row == 0 {
            rows.push(Row { reference: scenarios[index / per_row], runs: Vec::with_capacity(per_row) });
        }
        let Some(row) = rows.last_mut() else { return };
        row.runs.push(result);
        if row.runs.len() == per_row {
            take(row);
        }
    });
    rows
}

fn run_one(reference: &Reference, seed: u64) -> Run {
    let meter = Meter::start();
    let scenario = reference.scenario();
    let mut plan = scenario.plan;
    plan.record = Record::count_only(scenario.warmup, scenario.length);
    let mut built = plan.build(seed);
    built.world.run_until(scenario.length);
    let host = built.world.host(built.client);
    Run {
        whole: *host.record.whole(),
        part: *host.record.part(),
        answers: host.received,
        engine: meter.engine_time(&host.cost),
    }
}

/// Root mean square of `value` over the runs.
fn rms(runs: &[Run], value: fn(&Figures) -> f64) -> f64 {
    let squares = runs.iter().map(|run| value(&run.part.figures()).powi(2)).sum::<f64>();
    (squares / runs.len() as f64).sqrt()
}

impl Row {
    /// One for each seed.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Root mean square error over time, then over the seeds, s.
    pub fn rms(&self) -> f64 {
        rms(&self.runs, |f| f.rms)
    }

    /// Largest error of all seeds, s.
    pub fn max(&self) -> f64 {
        self.runs.iter().map(|run| run.part.figures().max).fold(0.0, f64::max)
    }

    /// Root mean square frequency error, s/s.
    pub fn frequency(&self) -> f64 {
        rms(&self.runs, |f| f.frequency_rms)
    }

    /// Mean time between two packets over the whole runs, as chronyd's were counted, s.
    pub fn interval(&self) -> f64 {
        let packets = self.runs.iter().map(|run| run.whole.figures().packets).sum::<u64>() as f64;
        self.reference.length.0 * self.runs.len() as f64 / packets
    }

    /// Error against chronyd's.
    pub fn ratio(&self) -> f64 {
        self.rms() / self.reference.chrony.rms
    }

    /// Largest error against chronyd's.
    pub fn max_ratio(&self) -> f64 {
        self.max() / self.reference.chrony.max
    }

    /// Frequency error against chronyd's.
    pub fn frequency_ratio(&self) -> f64 {
        self.frequency() / self.reference.chrony.frequency_rms
    }

    /// Packets against chronyd's.
    pub fn packet_ratio(&self) -> f64 {
        self.reference.chrony.interval / self.interval()
    }

    fn total(&self, count: impl Fn(&Run) -> u64) -> u64 {
        self.runs.iter().map(count).sum()
    }

    /// Instants after the warm-up at which the estimator gave a standard deviation, and at how many of them the error
    /// was more than twice as large. `None` when the paths are asymmetric for ever: no estimator can know that.
    pub fn calibration(&self) -> Option<(u64, u64)> {
        let counts = (self.total(|r| r.part.judged), self.total(|r| r.part.surprises));
        (!self.reference.asymmetric() && counts.0 > 0).then_some(counts)
    }

    /// How many trials [`Self::calibration`] stands for: an error lasts, so neighbouring instants are one. They last as long as
    /// it takes to come back within two deviations, and vary, which counts twice; nothing changes between two packets.
    pub fn trials(&self) -> u64 {
        let packets = self.total(|run| run.part.figures().packets);
        let excursions = self.total(|run| run.part.excursions);
        match self.calibration() {
            Some((judged, surprises)) if surprises > 0 => {
                (judged * excursions / (2 * surprises)).clamp(1, packets.max(1))
            }
            _ => packets,
        }
    }

    /// Instants at which a root distance was promised, and at how many the error was larger.
    pub fn promises(&self) -> (u64, u64) {
        (self.total(|r| r.whole.promises), self.total(|r| r.whole.violations))
    }

    /// Samples in which something was no number.
    pub fn insane(&self) -> u64 {
        self.total(|r| r.whole.insane)
    }

    fn cost(&self) -> (Duration, u64) {
        (self.runs.iter().map(|r| r.engine).sum(), self.total(|r| r.answers))
    }
}

/// Microseconds with three significant digits.
pub(crate) fn micros(seconds: f64) -> String {
    let value = seconds * 1e6;
    let digits = match value {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 4,
    };
    format!("{value:.digits$}")
}

fn percent((all, bad): (u64, u64)) -> f64 {
    100.0 * bad as f64 / all as f64
}

/// Where the true share may be, in 95 % of all cases, when it was `share` of `n` independent trials (Wilson 1927).
fn confidence(share: f64, n: u64) -> (f64, f64) {
    const DEVIATIONS: f64 = 1.96;
    let (n, square) = (n.max(1) as f64, DEVIATIONS * DEVIATIONS);
    let centre = share + square / (2.0 * n);
    let reach = DEVIATIONS * libm::sqrt(share * (1.0 - share) / n + square / (4.0 * n * n));
    ((centre - reach).max(0.0) / (1.0 + square / n), (centre + reach) / (1.0 + square / n))
}

/// The line above the rows. `cost`: with the one column that differs from run to run.
pub fn header(cost: bool) -> String {
    let mut line = String::from(
        "scenario            rms µs  chronyd  ratio    max µs  ratio  freq ppm  ratio  interval  chronyd  >2sd %    of n  lies",
    );
    if cost {
        line += "  µs/sample";
    }
    line + "\n"
}

/// One row.
pub fn line(row: &Row, cost: bool) -> String {
    let chrony = &row.reference.chrony;
    let calibration = row.calibration().map_or("–".into(), |counts| format!("{:.2}", percent(counts)));
    let trials = row.calibration().map_or("–".into(), |_| row.trials().to_string());
    let mut line = format!(
        "{:<16} {:>9} {:>8} {:>6.3} {:>9} {:>6.2} {:>9.5} {:>6.2} {:>9.0} {:>8.0} {calibration:>7} {trials:>7} {:>5}",
        row.reference.name,
        micros(row.rms()),
        micros(chrony.rms),
        row.ratio(),
        micros(row.max()),
        row.max_ratio(),
        row.frequency() * 1e6,
        row.frequency_ratio(),
        row.interval(),
        chrony.interval,
        row.promises().1,
    );
    if cost {
        let (time, answers) = row.cost();
        let _ = write!(line, " {:>10.1}", time.as_secs_f64() * 1e6 / answers as f64);
    }
    line + "\n"
}

/// Geometric mean, the number above 1, and the worst with its name.
fn sum_up(rows: &[Row], value: impl Fn(&Row) -> f64) -> (f64, usize, f64, &'static str) {
    let logs = rows.iter().map(|row| libm::log(value(row))).sum::<f64>();
    let above = rows.iter().filter(|row| value(row) > 1.0).count();
    let worst = rows.iter().map(|row| (value(row), row.reference.name));
    let (worst, name) = worst.fold((0.0, ""), |a, b| if b.0 > a.0 { b } else { a });
    (libm::exp(logs / rows.len() as f64), above, worst, name)
}

/// What the table says as a whole.
pub fn footer(rows: &[Row], cost: bool) -> String {
    let mut text = format!(
        "\nscenarios              {}, seeds {}\n",
        rows.len(),
        rows.first().map_or(0, |r| r.runs.len())
    );
    let mut say = |what: &str, (mean, above, worst, name): (f64, usize, f64, &str)| {
        let _ =
            writeln!(text, "{what:<22} geometric mean {mean:.3}, {above} above 1, worst {worst:.2} ({name})");
    };
    say("error rms", sum_up(rows, Row::ratio));
    say("error max", sum_up(rows, Row::max_ratio));
    say("frequency rms", sum_up(rows, Row::frequency_ratio));
    let default: Vec<Row> = rows.iter().filter(|row| row.reference.polls == (6, 10)).cloned().collect();
    if !default.is_empty() {
        say("packets, polls 6 to 10", sum_up(&default, Row::packet_ratio));
    }
    let total = |pair: &dyn Fn(&Row) -> (u64, u64)| {
        rows.iter().map(pair).fold((0, 0), |sum, (all, bad)| (sum.0 + all, sum.1 + bad))
    };
    let (promises, lies) = total(&Row::promises);
    let _ = writeln!(text, "beyond root distance   {lies} of {promises} instants");
    let judged = total(&|row| row.calibration().unwrap_or((0, 0)));
    let _ = writeln!(
        text,
        "beyond 2 deviations    {:.2} % of {} instants without asymmetric paths",
        percent(judged),
        judged.0
    );
    let shares = rows.iter().filter_map(|row| Some((percent(row.calibration()?), row)));
    if let Some((worst, row)) = shares.clone().max_by(|a, b| a.0.total_cmp(&b.0)) {
        let interval = |share: f64, row: &Row| confidence(share / 100.0, row.trials());
        let (low, high) = interval(worst, row);
        let sure = shares.filter(|(share, row)| 100.0 * interval(*share, row).0 > TOO_MANY).count();
        let _ = writeln!(
            text,
            "                       worst {worst:.2} % ({}: {} trials say {:.1} to {:.1} %), {sure} surely above {TOO_MANY} %",
            row.reference.name,
            row.trials(),
            100.0 * low,
            100.0 * high
        );
    }
    let insane: u64 = rows.iter().map(Row::insane).sum();
    if insane > 0 {
        let _ = writeln!(text, "NOT A NUMBER           {insane} samples");
    }
    if cost {
        let (time, answers) =
            rows.iter().map(Row::cost).fold((Duration::ZERO, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        let _ = writeln!(
            text,
            "engine                 {:.1} s of processor time, {:.1} µs a sample",
            time.as_secs_f64(),
            time.as_secs_f64() * 1e6 / answers as f64
        );
    }
    text
}

/// Everything that is the same whenever the same program runs; `first` is the first seed.
pub fn text(rows: &[Row], first: u64) -> String {
    let seeds = rows.first().map_or(0, |row| row.runs.len());
    let title = if seeds == 1 {
        format!("Seed {first}.")
    } else {
        format!("Seeds {first} to {}.", first + seeds as u64 - 1)
    };
    let lines: String = rows.iter().map(|row| line(row, false)).collect();
    title + "\n\n" + &header(false) + &lines + &footer(rows, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_trials_say_little_of_a_share() {
        let says = |share: f64, n: u64| {
            let (low, high) = confidence(share, n);
            format!("{:.3} {:.3}", low, high)
        };
        // Tables of Wilson's interval: 5 of 50, none of 10, 50 of 1000.
        assert_eq!(says(0.1, 50), "0.043 0.214");
        assert_eq!(says(0.0, 10), "0.000 0.278");
        assert_eq!(says(0.05, 1000), "0.038 0.065");
    }
}
