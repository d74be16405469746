//! The ranking, for people, programs and configurations.

use std::fmt::Write;

use ntp::report::json::string;

use super::candidates::Candidate;
use super::judge::{FEWEST, Judgement, Verdict, Worth};
use super::measure::Record;
use crate::cli::help::Style;
use crate::doctor::finding::seconds;

/// First line of a file that this program wrote, and may replace.
pub const HEAD: &str = "# Written by timeball find-sources";

/// All that was measured.
pub struct Result<'a> {
    /// What was measured.
    pub candidates: &'a [Candidate],
    /// What came of it.
    pub records: &'a [Record],
    /// What it is worth.
    pub judgement: &'a Judgement,
    /// Names without an address.
    pub missing: &'a [String],
    /// For how long, s.
    pub lasted: f64,
}

impl Result<'_> {
    /// Indices, best first.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.candidates.len()).collect();
        order.sort_by_key(|&index| self.judgement.verdicts[index].rank);
        order
    }

    /// Those proposed, best first.
    pub fn proposed(&self) -> Vec<&Candidate> {
        let proposed = |&index: &usize| self.judgement.verdicts[index].proposed;
        self.order().into_iter().filter(proposed).map(|index| &self.candidates[index]).collect()
    }

    /// A table, the proposal, and what to do with it.
    pub fn text(&self, style: Style) -> String {
        let count = self.candidates.len();
        let mut out = format!(
            "Measured {count} server{} for {}",
            if count == 1 { "" } else { "s" },
            seconds(self.lasted)
        );
        match self.judgement.offset {
            Some(offset) => {
                let word = if offset < 0.0 { "ahead of" } else { "behind" };
                let _ = writeln!(
                    out,
                    "; your clock is {} {word} them, and was not touched.\n",
                    seconds(offset.abs())
                );
            }
            None => out.push_str(".\n\n"),
        }
        let width = self.candidates.iter().map(|c| label(c).chars().count()).max().unwrap_or(0).max(6);
        let _ = writeln!(
            out,
            "     {:<width$} {:>3} {:>9} {:>9} {:>9} {:>5} {:>10}",
            "server", "st", "delay", "jitter", "bound", "loss", "apart"
        );
        for index in self.order() {
            let verdict = &self.judgement.verdicts[index];
            let (begin, end) = colour(verdict, style);
            let mark = if verdict.proposed {
                '*'
            } else if verdict.worth == Worth::Good {
                ' '
            } else {
                'x'
            };
            let number = |value: Option<f64>| value.map_or("-".to_owned(), seconds);
            let apart = verdict.apart.map_or("-".to_owned(), |apart| {
                format!("{}{}", if apart < 0.0 { '-' } else { '+' }, seconds(apart.abs()))
            });
            let record = &self.records[index];
            let stratum = if record.stratum == 0 { "-".to_owned() } else { record.stratum.to_string() };
            let line = format!(
                "{begin}{mark}{end}{:>3} {:<width$} {stratum:>3} {:>9} {:>9} {:>9} {:>3.0} % {apart:>10}  {}",
                verdict.rank,
                label(&self.candidates[index]),
                number(verdict.delay),
                number(verdict.jitter),
                number(verdict.bound),
                verdict.loss * 100.0,
                words(verdict),
            );
            out.extend([line.trim_end(), "\n"]);
        }
        for name in self.missing {
            let _ = writeln!(out, "x  - {name}: the name has no address");
        }
        self.advice(&mut out, style);
        out
    }

    fn advice(&self, out: &mut String, style: Style) {
        let proposed = self.proposed();
        let (strong, plain) = style.strong();
        if proposed.is_empty() {
            out.push_str("\nNone can be proposed. Name more servers near you: of an Internet exchange, a university, a provider.\n");
            return;
        }
        let _ = writeln!(out, "\nProposed:");
        for candidate in &proposed {
            let _ = writeln!(out, "  {strong}{}{plain}", configuration_line(candidate));
        }
        if proposed.len() < FEWEST {
            let _ = writeln!(
                out,
                "Only {}; four to seven notice when one is wrong. Name more servers.",
                proposed.len()
            );
        }
        out.push_str("To keep them: the same with --write FILE, or put the lines into the configuration.\n");
    }

    /// What `--write` writes.
    pub fn file(&self) -> String {
        let mut out = format!("{HEAD}, best first.\n");
        for candidate in self.proposed() {
            let _ = writeln!(out, "{}", configuration_line(candidate));
        }
        out
    }

    /// One object; names of numbers end with their unit.
    pub fn json(&self) -> String {
        let mut out = format!(
            "{{\"measured_s\":{:.1},\"offset_s\":{},\"servers\":[",
            self.lasted,
            real(self.judgement.offset)
        );
        for (place, index) in self.order().into_iter().enumerate() {
            let (candidate, record) = (&self.candidates[index], &self.records[index]);
            let verdict = &self.judgement.verdicts[index];
            out.push_str(if place == 0 { "\n{" } else { ",\n{" });
            let _ = write!(out, "\"rank\":{},\"proposed\":{},\"name\":", verdict.rank, verdict.proposed);
            string(&mut out, &candidate.name);
            out.push_str(",\"address\":");
            string(&mut out, &candidate.address.ip().to_string());
            let _ = write!(out, ",\"port\":{},\"operator\":", candidate.address.port());
            string(&mut out, &verdict.operator);
            out.push_str(",\"verdict\":");
            string(&mut out, word(&verdict.worth));
            out.push_str(",\"words\":");
            string(&mut out, &words(verdict));
            let _ = write!(
                out,
                ",\"stratum\":{},\"leap\":{},\"asked\":{},\"answered\":{},\"samples\":{},\"loss\":{:.4}",
                record.stratum,
                record.leap as u8,
                record.asked,
                record.answered,
                record.samples.len(),
                verdict.loss,
            );
            for (name, value) in [
                ("delay_s", verdict.delay),
                ("jitter_s", verdict.jitter),
                ("error_bound_s", verdict.bound),
                ("apart_s", verdict.apart),
                ("asymmetry_s", verdict.apart.map(|apart| 2.0 * apart)),
                ("faster_ppm", verdict.faster.map(|(by, _)| by * 1e6)),
                ("faster_sd_ppm", verdict.faster.map(|(_, sd)| sd * 1e6)),
            ] {
                let _ = write!(out, ",\"{name}\":{}", real(value));
            }
            out.push('}');
        }
        out.push_str("\n],\"unresolved\":[");
        for (index, name) in self.missing.iter().enumerate() {
            out.push_str(if index == 0 { "" } else { "," });
            string(&mut out, name);
        }
        out.push_str("]}\n");
        out
    }
}

fn real(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or("null".to_owned(), |value| format!("{value:?}"))
}

/// The name, and the address where the name stands for several.
fn label(candidate: &Candidate) -> String {
    if candidate.host == candidate.name {
        candidate.name.clone()
    } else {
        format!("{} ({})", candidate.host, candidate.name)
    }
}

/// The line of a configuration.
pub fn configuration_line(candidate: &Candidate) -> String {
    match candidate.address.port() {
        123 => format!("server {} iburst", candidate.host),
        port => format!("server {} port {port} iburst", candidate.host),
    }
}

/// A word for programs.
fn word(worth: &Worth) -> &'static str {
    match worth {
        Worth::Good => "good",
        Worth::Silent => "silent",
        Worth::Kissed(_) => "kissed",
        Worth::Unsynchronised => "unsynchronised",
        Worth::Few => "few",
        Worth::Wrong(_) => "wrong",
        Worth::Drifts(_) => "drifts",
        Worth::Smears(_) => "smears",
        Worth::OtherLeap => "other_leap",
        Worth::NoMajority => "no_majority",
    }
}

/// The same for people.
fn words(verdict: &Verdict) -> String {
    match &verdict.worth {
        Worth::Good => verdict.why_not.clone().unwrap_or_default(),
        Worth::Silent => "does not answer".to_owned(),
        Worth::Kissed(code) => format!("wants to be left alone ({code})"),
        Worth::Unsynchronised => "says that it does not know the time".to_owned(),
        Worth::Few => "too few answers".to_owned(),
        Worth::Wrong(by) if by.is_finite() => format!("wrong by {}", seconds(by.abs())),
        Worth::Wrong(_) => "wrong".to_owned(),
        Worth::Drifts(by) => {
            let word = if *by > 0.0 { "faster" } else { "slower" };
            format!("smears or drifts: {:.1} ppm {word} than the others", by.abs() * 1e6)
        }
        Worth::Smears(domain) => format!("{domain} smears leap seconds; do not mix"),
        Worth::OtherLeap => "disagrees on the next leap second".to_owned(),
        Worth::NoMajority => "no majority agrees".to_owned(),
    }
}

fn colour(verdict: &Verdict, style: Style) -> (&'static str, &'static str) {
    match (verdict.proposed, &verdict.worth) {
        (true, _) => style.good(),
        (false, Worth::Good) => ("", ""),
        (false, _) => style.bad(),
    }
}
