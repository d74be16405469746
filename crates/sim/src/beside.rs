//! chronyd's own program on the draws that our runs see: `sim beside`, after `tests/beside-chronyd` has run it.
//!
//! The table's figures of chronyd are those of three draws long ago. Where the oscillator's walk decides, other draws give
//! others. Here both have had the same oscillator, second by second, and links of the same law.

use crate::compare::{self, micros};
use crate::record::{Figures, Record, Sample};
use crate::scenario::Reference;
use core::fmt::Write;
use std::path::Path;

/// One seed, run by both.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// The seed.
    pub seed: u64,
    /// Our figures.
    pub ours: Figures,
    /// chronyd's.
    pub chronyd: Figures,
}

/// Figures of the record that the preloaded world has written: lines of second, error (s), error of the rate (ppm), packets.
///
/// # Errors
/// What is wrong with the record, in words.
pub fn figures(text: &str, reference: &Reference) -> Result<Figures, String> {
    let (length, warmup) = reference.length;
    let mut record = Record::count_only(warmup, length);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let numbers: Option<Vec<f64>> = line.split(' ').map(|word| word.parse().ok()).collect();
        let Some([at, error, ppm, packets]) = numbers.as_deref() else {
            return Err(format!("\"{line}\" is not second, error, rate and packets"));
        };
        record.push(Sample {
            at: *at,
            error: *error,
            served_error: *error,
            frequency_error: ppm * 1e-6,
            belief_error: 0.0,
            root_distance: f64::INFINITY,
            sd: f64::INFINITY,
            excused: false,
            packets: *packets as u64,
        });
    }
    let figures = record.part().figures();
    let wanted = (length - warmup) as usize;
    match figures.samples {
        samples if samples == wanted => Ok(figures),
        samples => Err(format!("there are {samples} seconds after the warm-up, not {wanted}")),
    }
}

/// Runs ours with the seeds of the records in `folder`, which are called by scenario and seed: `net1_w9_p6.1`.
///
/// # Errors
/// A record that is not there or not understood.
pub fn run(
    reference: &'static Reference,
    folder: &Path,
    first: u64,
    seeds: u64,
    jobs: usize,
) -> Result<Vec<Pair>, String> {
    let read = |seed| {
        let file = folder.join(format!("{}.{seed}", reference.name));
        let text = std::fs::read_to_string(&file).map_err(|error| error.to_string());
        let figures = text.and_then(|text| figures(&text, reference));
        figures.map_err(|error| format!("{}: {error}", file.display()))
    };
    let chronyd = (first..first + seeds).map(read).collect::<Result<Vec<_>, _>>()?;
    let rows = compare::run(&[reference], first, seeds, jobs, |_| ());
    let ours = rows.iter().flat_map(|row| row.runs()).map(|run| run.part.figures());
    Ok((first..).zip(ours.zip(chronyd)).map(|(seed, (ours, chronyd))| Pair { seed, ours, chronyd }).collect())
}

/// The line above the scenarios.
pub fn header() -> &'static str {
    "scenario          seeds    rms µs  chronyd  ratio  above  recorded    max µs  ratio  freq ppm  ratio   packets  ratio\n"
}

/// One scenario: ours, chronyd's on the same draws, in how many of them ours is above, and chronyd's figure in the table.
pub fn line(reference: &Reference, pairs: &[Pair]) -> String {
    let count = pairs.len() as f64;
    let rms = |value: &dyn Fn(&Pair) -> f64| {
        libm::sqrt(pairs.iter().map(|pair| value(pair) * value(pair)).sum::<f64>() / count)
    };
    let max = |value: &dyn Fn(&Pair) -> f64| pairs.iter().map(value).fold(0.0, f64::max);
    let packets = |value: &dyn Fn(&Pair) -> u64| pairs.iter().map(value).sum::<u64>() as f64;
    let (ours, chronyd) = (rms(&|p| p.ours.rms), rms(&|p| p.chronyd.rms));
    let (most, most_chronyd) = (max(&|p| p.ours.max), max(&|p| p.chronyd.max));
    let frequency = rms(&|p| p.ours.frequency_rms);
    let sent = packets(&|p| p.ours.packets);
    let mut line = String::new();
    let _ = writeln!(
        line,
        "{:<17} {:>5} {:>9} {:>8} {:>6.3} {:>6} {:>9} {:>9} {:>6.2} {:>9.5} {:>6.2} {:>9.0} {:>6.2}",
        reference.name,
        pairs.len(),
        micros(ours),
        micros(chronyd),
        ours / chronyd,
        pairs.iter().filter(|pair| pair.ours.rms > pair.chronyd.rms).count(),
        micros(reference.chrony.rms),
        micros(most),
        most / most_chronyd,
        frequency * 1e6,
        frequency / rms(&|p| p.chronyd.frequency_rms),
        sent / count,
        sent / packets(&|p| p.chronyd.packets),
    );
    line
}

/// One seed by itself.
pub fn seed_line(reference: &Reference, pair: &Pair) -> String {
    let Pair { seed, ours, chronyd } = pair;
    let (name, ratio) = (format!("{} {seed}", reference.name), ours.rms / chronyd.rms);
    format!("  {name:<21} {:>9} {:>8} {ratio:>6.3}\n", micros(ours.rms), micros(chronyd.rms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::TABLE;

    fn text(seconds: u32, error: f64) -> String {
        let lines = (0..seconds).map(|s| format!("{s} {error:.9} -0.500000 {}\n", s / 10));
        "# time error frequency_ppm sent\n".to_owned() + &lines.collect::<String>() + "# polls 1\n"
    }

    #[test]
    fn a_record_has_the_figures_of_the_tables_instants() {
        let reference = TABLE.iter().find(|r| r.name == "hw7_w9_p0").unwrap(); // 1000 to 6000 s
        let read = figures(&text(6001, -2e-6), reference).unwrap();
        assert_eq!((read.samples, read.packets), (5000, 500));
        assert!((read.rms - 2e-6).abs() < 1e-15 && (read.max - 2e-6).abs() < 1e-15);
        assert!((read.frequency_rms - 0.5e-6).abs() < 1e-15);
        assert!(figures(&text(5000, 0.0), reference).unwrap_err().contains("4000 seconds"));
        assert!(figures("0 0.1 0.2\n", reference).unwrap_err().contains("is not second"));
        let pair = |seed, ours| Pair { seed, ours: Figures { rms: ours, ..read }, chronyd: read };
        let line = line(reference, &[pair(1, 1e-6), pair(2, 3e-6)]);
        assert!(
            line.starts_with("hw7_w9_p0             2      2.24     2.00  1.118      1    0.0397"),
            "{line}"
        );
        assert!(seed_line(reference, &pair(1, 1e-6)).ends_with(" 1.00     2.00  0.500\n"));
    }
}
